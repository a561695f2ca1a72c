package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/sniff"
)

// byVerdict gives the files of sniff's manifest by their expected verdict.
func byVerdict(t *testing.T) map[string][]string {
	t.Helper()
	folder := sourceFile(t, "shared", "sniff", "testdata")
	manifest, err := os.ReadFile(filepath.Join(folder, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]string{}
	for line := range strings.Lines(string(manifest)) {
		columns := strings.Split(strings.TrimSpace(line), "\t")
		if len(columns) < 4 || columns[0] == "file" || strings.HasPrefix(line, "#") {
			continue
		}
		verdict := columns[3]
		files[verdict] = append(files[verdict], filepath.Join(folder, columns[0]))
	}
	return files
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// openPolicy takes every type there is, and everything that may follow a picture, as the manifest's
// verdicts assume.
func openPolicy(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.json")
	policy := fmt.Sprintf(`{"kinds":{"images":{"extensions":["%s"],"after_end":["mpf","padding","samsung","video"]}}}`,
		strings.Join(sniff.Extensions(), `","`))
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// stores are what dev can keep records in.
var stores = []string{"sqlite", "dynamodb", "bugout"}

// remembersDeleted says whether a store keeps a tombstone of every upload. Bugout knows no
// conditions, so that a deleted record is removed there: its status is not "deleted", there
// is none (404). Only an upload by form has a tombstone, while a form may be posted.
func remembersDeleted(store string) bool { return store != "bugout" }

// onEveryStore runs a test on each of the stores.
func onEveryStore(t *testing.T, test func(t *testing.T, store string)) {
	t.Helper()
	for _, store := range stores {
		t.Run(store, func(t *testing.T) { test(t, store) })
	}
}

func TestRealPicturesComeBackByteForByteAndGoWhenDeleted(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		h := startHatchery(t, t.TempDir(), "--policy", openPolicy(t), "--records", store)
		seen := map[string]bool{}
		files := byVerdict(t)["ok"]
		posted := make([]record, len(files))
		for i, file := range files {
			extension := strings.ToLower(strings.TrimPrefix(filepath.Ext(file), "."))
			seen[extension] = true
			posted[i] = h.mustPost(images, "My.Cat."+strings.ToUpper(extension), readFile(t, file))
			if p := posted[i]; p.Status != "pending" || p.Name != "my_cat" || p.Extension != extension || p.Size != nil {
				t.Fatalf("the answer to POST is %+v", p)
			}
		}
		for i, file := range files {
			data, id := readFile(t, file), posted[i].ID
			settled := h.mustSettle(images, id)
			if settled.Status != "stored" || settled.Size == nil || *settled.Size != int64(len(data)) {
				t.Errorf("%s: %+v", filepath.Base(file), settled)
				continue
			}
			got := h.do(http.MethodGet, images+"/"+id, "", nil)
			if got.status != http.StatusOK || !bytes.Equal(got.body, data) {
				t.Errorf("%s: answered %d with %d bytes of %d", filepath.Base(file), got.status, len(got.body), len(data))
			}
			for name, want := range map[string]string{"Content-Type": *settled.ContentType, "X-Content-Type-Options": "nosniff",
				"x-bugout-image-fullname": "my_cat." + settled.Extension, "Etag": `"` + *settled.SHA256 + `"`} {
				if got.header.Get(name) != want {
					t.Errorf("%s: header %s is %q, want %q", filepath.Base(file), name, got.header.Get(name), want)
				}
			}
		}
		for _, extension := range []string{"png", "jpg", "gif", "bmp", "webp"} {
			if !seen[extension] {
				t.Errorf("there is no real .%s among the samples", extension)
			}
		}

		var list struct{ Images []record }
		if err := json.Unmarshal(h.do(http.MethodGet, images, "", nil).body, &list); err != nil || len(list.Images) == 0 {
			t.Fatalf("list: %v, %d images", err, len(list.Images))
		}
		newest := list.Images[0].ID
		if deleted := h.do(http.MethodDelete, images+"/"+newest, "", nil); deleted.status != http.StatusOK ||
			deleted.record(t).ID != newest {
			t.Errorf("DELETE: %d %s", deleted.status, deleted.body)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			if again := h.do(method, images+"/"+newest, "", nil); again.status != http.StatusNotFound {
				t.Errorf("%s of a deleted picture is answered %d", method, again.status)
			}
		}
		switch status := h.do(http.MethodGet, images+"/"+newest+"/status", "", nil); {
		case remembersDeleted(store) && (status.status != http.StatusOK || status.record(t).Status != "deleted"),
			!remembersDeleted(store) && status.status != http.StatusNotFound:
			t.Errorf("the status of a deleted picture is answered %d %s", status.status, status.body)
		}
		if code := h.interrupt(); code != exitDone {
			t.Errorf("after an interrupt the exit code is %d: %s", code, h.errors)
		}
	})
}

func TestEveryLiarIsAcceptedAndThenRefusedWithItsReason(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		h := startHatchery(t, t.TempDir(), "--policy", openPolicy(t), "--records", store)
		type fake struct{ file, id, verdict string }
		var fakes []fake
		for verdict, files := range byVerdict(t) {
			for _, file := range files {
				data := readFile(t, file)
				if verdict == "ok" || verdict == "not_allowed" || len(data) == 0 {
					continue // an extension that is not allowed and an empty body are refused at once
				}
				fakes = append(fakes, fake{file, h.mustPost(images, "false"+filepath.Ext(file), data).ID, verdict})
			}
		}
		for _, l := range fakes {
			settled := h.mustSettle(images, l.id)
			if settled.Status != "rejected" || settled.Reason == nil || settled.Reason.Code != l.verdict ||
				settled.Reason.Message == "" {
				t.Errorf("%s: want %s, got %+v", filepath.Base(l.file), l.verdict, settled)
			}
			if got := h.do(http.MethodGet, images+"/"+l.id, "", nil); got.status != http.StatusGone ||
				!bytes.Contains(got.body, []byte(l.verdict)) {
				t.Errorf("%s: GET is answered %d %s", filepath.Base(l.file), got.status, got.body)
			}
		}
	})
}

// bucketClient signs with the credentials that dev prints.
func (h *hatchery) bucketClient() *s3.Client {
	return s3.New(s3.Options{Region: h.env["AWS_REGION"], BaseEndpoint: aws.String(h.env["AWS_ENDPOINT_URL_S3"]),
		UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"],
			"")})
}

func TestRefusalsThatTheBytesAloneDoNotDecideAreSeenFromOutside(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		policy := filepath.Join(t.TempDir(), "policy.json")
		if err := os.WriteFile(policy, []byte(`{"kinds":{"images":{"min_bytes":60,"max_bytes":5000,"duplicates":"refuse"},
			"few":{"extensions":["png"],"max_total_bytes":150,"max_bytes":150}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		h := startHatchery(t, t.TempDir(), "--policy", policy, "--records", store)
		small := pngOf(t, 4, 1)

		// direct writes past the form, as a holder of the bucket's credentials could.
		direct := func(data []byte) string {
			f, err := h.askForm(images, map[string]any{"name": "direct.png"})
			if err != nil {
				t.Fatal(err)
			}
			key := f.Form.Fields["key"]
			if _, err := h.bucketClient().PutObject(t.Context(),
				&s3.PutObjectInput{Bucket: aws.String(h.env["HATCHERY_BUCKET"]), Key: &key,
					Body: bytes.NewReader(data)}); err != nil {
				t.Fatal(err)
			}
			return f.Record.ID
		}
		expect := func(path, id, code string) {
			t.Helper()
			r := h.mustSettle(path, id)
			if r.Status != "rejected" || r.Reason == nil || r.Reason.Code != code || r.Reason.Message == "" {
				t.Errorf("want %s, got %+v", code, r)
			}
		}
		expect(images, direct(pngOf(t, 64, 2)), "too_large")
		expect(images, direct(small[:50]), "too_small")

		announced, err := h.askForm(images, map[string]any{"name": "a.png", "sha256": strings.Repeat("0", 64)})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := h.sendForm(context.Background(), announced, small); err != nil || a.status != http.StatusCreated {
			t.Fatalf("form: %v %d %s", err, a.status, a.body)
		}
		expect(images, announced.Record.ID, "checksum_mismatch")

		first := h.mustPost(images, "first.png", small)
		if r := h.mustSettle(images, first.ID); r.Status != "stored" {
			t.Fatalf("first: %+v", r)
		}
		expect(images, h.mustPost(images, "second.png", small).ID, "duplicate")

		const few = "/files/j1/entries/e1/few"
		one, err := h.askForm(few, map[string]any{"name": "one.png"})
		if err != nil {
			t.Fatal(err)
		}
		two, err := h.askForm(few, map[string]any{"name": "two.png"})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range []form{one, two} {
			if a, err := h.sendForm(context.Background(), f, pngOf(t, 4, uint64(10+i))); err != nil ||
				a.status != http.StatusCreated {
				t.Fatalf("form: %v %d %s", err, a.status, a.body)
			}
			r := h.mustSettle(few, f.Record.ID)
			if i == 0 && r.Status != "stored" {
				t.Errorf("the first file of the entry: %+v", r)
			}
		}
		expect(few, two.Record.ID, "not_allowed")
	})
}

func TestTheSizeBoundIsExactOnBothWaysIn(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		h := startHatchery(t, t.TempDir(), "--records", store)
		exact := jpegOf(t, 5_500_000)
		over := append(bytes.Clone(exact), 0)

		posted, err := h.post(context.Background(), images, "over.jpg", over)
		if err != nil || posted.status != http.StatusNotAcceptable {
			t.Errorf("5,500,001 bytes by POST: %v, %d %s", err, posted.status, posted.body)
		}
		raw, err := h.try(context.Background(), http.MethodPost, images+"?image_name=over.jpg", "image/jpeg",
			bytes.NewReader(over))
		if err != nil || raw.status != http.StatusNotAcceptable {
			t.Errorf("5,500,001 bytes by raw POST: %v, %d %s", err, raw.status, raw.body)
		}
		if r := h.mustSettle(images, h.mustPost(images, "exact.jpg", exact).ID); r.Status != "stored" {
			t.Errorf("5,500,000 bytes by POST: %+v", r)
		}

		refused, err := h.askForm(images, map[string]any{"name": "over.jpg"})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := h.sendForm(context.Background(), refused, over); err != nil || a.status != http.StatusBadRequest ||
			!bytes.Contains(a.body, []byte("EntityTooLarge")) {
			t.Errorf("5,500,001 bytes by form: %v, %d %s", err, a.status, a.body)
		}
		// A form that was refused may be used again.
		if a, err := h.sendForm(context.Background(), refused, exact); err != nil || a.status != http.StatusCreated {
			t.Fatalf("5,500,000 bytes by form: %v, %d %s", err, a.status, a.body)
		}
		if r := h.mustSettle(images, refused.Record.ID); r.Status != "stored" {
			t.Errorf("5,500,000 bytes by form: %+v", r)
		}
	})
}

// jpegOf makes a real picture of exactly size bytes, with comments for ballast.
func jpegOf(t testing.TB, size int) []byte {
	t.Helper()
	var small bytes.Buffer
	if err := jpeg.Encode(&small, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	const startOfImage, commentFrame, longest = 2, 4, 65000
	data := append(make([]byte, 0, size), small.Bytes()[:startOfImage]...)
	for missing := size - small.Len(); missing > 0; {
		n := min(missing, longest)
		if rest := missing - n; 0 < rest && rest < commentFrame {
			n -= commentFrame
		}
		data = append(data, 0xff, 0xfe, byte((n-2)>>8), byte(n-2))
		data = append(data, bytes.Repeat([]byte(" "), n-commentFrame)...)
		missing -= n
	}
	return append(data, small.Bytes()[startOfImage:]...)
}

func TestTheSameFolderGoesOnWhereItEnded(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		data := t.TempDir()
		h := startHatchery(t, data, "--records", store)
		picture := pngOf(t, 16, 7)
		id := h.mustPost(images, "kept.png", picture).ID
		h.mustSettle(images, id)
		s3Before, sqsBefore := h.env["AWS_ENDPOINT_URL_S3"], h.env["AWS_ENDPOINT_URL_SQS"]
		if code := h.interrupt(); code != exitDone {
			t.Fatalf("exit code %d: %s", code, h.errors)
		}
		h = startHatchery(t, data, "--records", store)
		if h.env["AWS_ENDPOINT_URL_S3"] != s3Before || h.env["AWS_ENDPOINT_URL_SQS"] != sqsBefore {
			t.Errorf("the ports changed: %s %s, were %s %s", h.env["AWS_ENDPOINT_URL_S3"], h.env["AWS_ENDPOINT_URL_SQS"],
				s3Before, sqsBefore)
		}
		if got := h.do(http.MethodGet, images+"/"+id, "", nil); !bytes.Equal(got.body, picture) {
			t.Errorf("after a new start the picture is answered %d", got.status)
		}
	})
}

func TestConnectionsOnWhichNothingIsAskedDoNotHoldUpTheEnd(t *testing.T) {
	h := startHatchery(t, t.TempDir())
	for _, url := range []string{h.base, h.env["AWS_ENDPOINT_URL_S3"], h.env["AWS_ENDPOINT_URL_SQS"]} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	// Answered after the connections were accepted, which are taken in their order.
	h.do(http.MethodGet, "/ping", "", nil)
	began := time.Now()
	if code := h.interrupt(); code != exitDone {
		t.Errorf("exit code %d: %s", code, h.errors)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestAFolderWithOtherThingsInItKeepsThem(t *testing.T) {
	data := t.TempDir()
	theirs := map[string]string{".gitignore": "node_modules\n", "mine.txt": "x", "spool/mine.txt": "y"}
	for name, text := range theirs {
		path := filepath.Join(data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		h := startHatchery(t, data)
		if r := h.mustSettle(images, h.mustPost(images, "a.png", pngOf(t, 4, 3)).ID); r.Status != "stored" {
			t.Errorf("%+v", r)
		}
		if code := h.interrupt(); code != exitDone {
			t.Errorf("exit code %d: %s", code, h.errors)
		}
	}
	for name, text := range theirs {
		if got := readFile(t, filepath.Join(data, name)); string(got) != text {
			t.Errorf("%s is now %q", name, got)
		}
	}
}
