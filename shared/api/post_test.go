package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

func TestWhatIsStoredIsTheFileAlone(t *testing.T) {
	large := strings.Repeat("0123456789", 60_000) // beyond what is kept in memory
	contentType, small := form("a", "1", "file@", "by\r\nte--s", "b", "2")
	_, spooled := form("file", large)
	encoded := "------boundary\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: " +
		"quoted-printable\r\n\r\na=3Db=\r\n------boundary--\r\n"
	for _, c := range []struct{ name, contentType, body, want string }{
		{"raw", "image/png", "bytes", "bytes"},
		{"raw, spooled", "", large, large},
		{"raw, as curl sends it", "application/x-www-form-urlencoded", "a=b&c", "a=b&c"},
		{"multipart", contentType, small, "by\r\nte--s"},
		{"multipart, spooled", contentType, spooled, large},
		{"multipart, a transfer encoding is not undone", contentType, encoded, "a=3Db="},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newFixture(t)
			got := w.do("POST", named("cat.png"), strings.NewReader(c.body), "Content-Type", c.contentType)
			if got.status != 202 {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			kept, _ := w.objects.Bytes(w.pipeline.Layout.QuarantineKey(ref("e", idNew)), "")
			if string(kept) != c.want {
				t.Errorf("quarantine holds %d bytes %.20q, want %d %.20q", len(kept), kept, len(c.want), c.want)
			}
			record, err := w.records.Get(t.Context(), ref("e", idNew))
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256([]byte(c.want))
			if want := (upload.Declared{Size: int64(len(c.want)), SHA256: hex.EncodeToString(sum[:])}); record.Declared != want {
				t.Errorf("the validator is to compare with %+v, want %+v", record.Declared, want)
			}
			w.wantClean()
		})
	}
}

func TestASpooledBodyHasNoNameThatAKilledProcessCouldLeaveBehind(t *testing.T) {
	w := newFixture(t)
	blocked := &blockedPut{Objects: w.objects, begun: make(chan struct{}), letGo: make(chan struct{})}
	w.pipeline.Objects = blocked
	answers := make(chan reply)
	go func() {
		answers <- w.do("POST", named("cat.png"), strings.NewReader(strings.Repeat("x", 300_000)))
	}()
	<-blocked.begun
	entries, err := os.ReadDir(w.config.SpoolDir)
	if err != nil {
		t.Error(err)
	}
	// Windows removes no open file: there it goes when the request ends.
	if runtime.GOOS != "windows" && len(entries) != 0 {
		t.Errorf("the spool folder has %v while the body is stored", entries)
	}
	close(blocked.letGo)
	if got := <-answers; got.status != 202 {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	w.wantClean()
}

func TestABodyInAFunctionNeedsNoFile(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 40_000)
	contentType, multipart := form("file", large)
	_, empty := form("other@", "", "file", large)
	for name, row := range map[string]struct{ contentType, body string }{
		"raw":                           {"image/png", large},
		"multipart":                     {contentType, multipart},
		"an empty part before the file": {contentType, empty},
	} {
		w := newFixture(t, func(w *fixture) { w.config.SpoolDir = filepath.Join(t.TempDir(), "missing") })
		send := func(way transport) reply {
			return readReply(t, way(t, w.handler)(request(t, "POST", named("cat.png"), strings.NewReader(row.body),
				"Content-Type", row.contentType)))
		}
		if got := send(lambda{}.transport); got.status != 202 {
			t.Fatalf("%s: status %d: %s", name, got.status, got.body)
		}
		kept, _ := w.objects.Bytes(w.pipeline.Layout.QuarantineKey(ref("e", idNew)), "")
		record, err := w.records.Get(t.Context(), ref("e", idNew))
		if sum := sha256.Sum256([]byte(large)); err != nil || string(kept) != large ||
			record.Declared != (upload.Declared{Size: int64(len(large)), SHA256: hex.EncodeToString(sum[:])}) {
			t.Errorf("%s: quarantine holds %d bytes, %+v declared, %v", name, len(kept), record.Declared, err)
		}
		if got := w.do("POST", named("cat.png"), strings.NewReader(row.body), "Content-Type", row.contentType); got.status != 503 {
			t.Errorf("%s: over a connection it needs no file either: status %d", name, got.status)
		}
	}
}

func TestFormsAreSignedForEveryLifetimeFromTheLeastOn(t *testing.T) {
	for _, seconds := range []int{60, 61, 119, 120} {
		for _, fraction := range []time.Duration{0, 1, time.Millisecond, 500 * time.Millisecond, time.Second - 1} {
			w := newFixture(t, func(w *fixture) { w.config.FormLifetime = time.Duration(seconds) * time.Second })
			w.clock.Pass(start.Truncate(time.Second).Add(time.Second + fraction).Sub(start))
			for _, want := range []int{201, 201, 422} { // at once, after 11 hours, after 22
				got := w.do("POST", files+"/uploads", strings.NewReader(`{"name":"cat.png"}`), "Content-Type", "application/json",
					"Idempotency-Key", "key")
				if got.status != want {
					t.Errorf("%d s at .%09d: %d, want %d: %s", seconds, fraction, got.status, want, got.body)
				}
				w.clock.Pass(11 * time.Hour)
			}
		}
	}
}

// whenRead is an empty reader that does something when it is read.
type whenRead func()

func (f whenRead) Read([]byte) (int, error) { f(); return 0, io.EOF }

func TestAnUploadIsAsOldAsItsWholeBody(t *testing.T) {
	w := newFixture(t)
	later := whenRead(func() { w.clock.Pass(3*time.Minute + time.Nanosecond) })
	got := w.do("POST", named("cat.png"), io.MultiReader(strings.NewReader("by"), later, strings.NewReader("tes")))
	if got.status != 202 || got.member(t, "created_at") != "2026-03-01 12:03:00.437163" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if r, err := w.records.Get(t.Context(), ref("e", idNew)); err != nil || !r.CreatedAt.Equal(start.Add(3*time.Minute)) {
		t.Errorf("recorded at %s, %v", r.CreatedAt, err)
	}
}
