package sniff_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	_ "image/gif"
	"image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"unicode"

	"hatchery/shared/sniff"
)

// everything allows all that may follow a picture, within the default policy's sizes.
func everything() sniff.Limits {
	return sniff.Limits{MaxPixels: 50_000_000, MaxSide: 16384, MPF: true, Padding: true, Samsung: true, Video: true}
}

// sample is one row of the manifest with its file's bytes.
type sample struct {
	file, verdict, size string
	data                []byte
}

func (s sample) extension() string { return strings.TrimPrefix(filepath.Ext(s.file), ".") }

// samples reads testdata by its manifest.
func samples(t testing.TB) []sample {
	t.Helper()
	manifest, err := os.ReadFile("testdata/manifest.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for n, line := range strings.Split(strings.TrimSpace(string(manifest)), "\n") {
		fields := strings.Split(line, "\t")
		if len(fields) != 5 || slices.Contains(fields, "") {
			t.Fatalf("manifest.tsv, line %d: %d fields, want file, how made, licence, verdict, size", n+1, len(fields))
		}
		if n == 0 {
			continue
		}
		data, err := os.ReadFile("testdata/" + fields[0])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{fields[0], fields[3], fields[4], data})
	}
	return all
}

// genuine is the samples that pass.
func genuine(t testing.TB) []sample {
	return slices.DeleteFunc(samples(t), func(s sample) bool { return s.verdict != "ok" })
}

// named returns one sample's bytes.
func named(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// verdict checks data and returns "ok" or the code of the refusal; trouble is fatal.
func verdict(t testing.TB, data []byte, extension string, l sniff.Limits) string {
	t.Helper()
	_, err := sniff.Check(t.Context(), bytes.NewReader(data), extension, l)
	if err == nil {
		return "ok"
	}
	var refusal *sniff.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("trouble in place of a verdict: %v", err)
	}
	return string(refusal.Code)
}

// ranged is a stream, and the ranges of the same bytes.
type ranged struct {
	io.Reader
	whole *bytes.Reader
}

func (r ranged) ReadAt(p []byte, at int64) (int, error) { return r.whole.ReadAt(p, at) }
func (r ranged) Size() int64                            { return r.whole.Size() }

func TestEveryFileGetsTheVerdictOfTheManifest(t *testing.T) {
	codes := map[string]int{}
	for _, s := range samples(t) {
		found, err := sniff.Check(t.Context(), bytes.NewReader(s.data), s.extension(), everything())
		got := "ok"
		var refusal *sniff.Refusal
		if errors.As(err, &refusal) {
			got = string(refusal.Code)
		} else if err != nil {
			t.Errorf("%s: trouble: %v", s.file, err)
		}
		if codes[got]++; got != s.verdict {
			t.Errorf("%s: %s (%v), want %s", s.file, got, err, s.verdict)
		}
		if err != nil {
			if found.Size != 0 || found.SHA256 != [32]byte{} {
				t.Errorf("%s: a size or checksum of a refused picture", s.file)
			}
			continue
		}
		if size := fmt.Sprintf("%dx%d", found.Width, found.Height); size != s.size {
			t.Errorf("%s: %s pixels, want %s", s.file, size, s.size)
		}
		if found.Size != int64(len(s.data)) || found.SHA256 != sha256.Sum256(s.data) {
			t.Errorf("%s: size %d, checksum %x", s.file, found.Size, found.SHA256)
		}
	}
	for _, code := range []sniff.Code{sniff.TypeMismatch, sniff.Truncated, sniff.Corrupt, sniff.TrailingData,
		sniff.TooManyPixels, sniff.NotAllowed} {
		if codes[string(code)] == 0 {
			t.Errorf("no file shows the code %s", code)
		}
	}
}

func TestManifestListsEveryFile(t *testing.T) {
	listed := map[string]bool{}
	for _, s := range samples(t) {
		listed[s.file] = true
	}
	total := int64(0)
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		if strings.Contains(path, "/") && !strings.HasPrefix(path, "fuzz/") && !listed[path] {
			t.Errorf("testdata/%s is not in manifest.tsv", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > 1_600_000 {
		t.Errorf("testdata has grown to %d bytes", total)
	}
}

// strays are GIFs that Go is too strict for. Browsers and Pillow show them.
var strays = []string{"genuine/code-size-0.gif", "genuine/code-size-1.gif", "genuine/frame-below.gif",
	"genuine/frame-outside.gif", "genuine/unknown-extension.gif"}

// Go's decoders are a second opinion: what they know, they must be able to show, in the size that Check found.
func TestGoDecodesWhatIsAllowed(t *testing.T) {
	decoded := map[string]int{}
	for _, s := range genuine(t) {
		if !slices.Contains([]string{"png", "jpg", "jpeg", "gif"}, s.extension()) {
			continue
		}
		m, form, err := image.Decode(bytes.NewReader(s.data))
		var unsupported jpeg.UnsupportedError
		// Go knows no arithmetic coding, restarts in progressive pictures, usual Huffman tables or equal component numbers,
		// and no GIF without colours.
		if errors.As(err, &unsupported) || strings.Contains(s.file, "progressive-restart") ||
			strings.Contains(s.file, "mjpeg") || strings.Contains(s.file, "same-components") ||
			strings.Contains(s.file, "no-tables") || slices.Contains(strays, s.file) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", s.file, err)
			continue
		}
		decoded[form]++
		if size := fmt.Sprintf("%dx%d", m.Bounds().Dx(), m.Bounds().Dy()); size != s.size {
			t.Errorf("%s: Go's decoder sees %s pixels, want %s", s.file, size, s.size)
		}
	}
	if decoded["png"] < 25 || decoded["jpeg"] < 25 || decoded["gif"] < 15 {
		t.Errorf("too few decoded to mean anything: %v", decoded)
	}
}

func TestContentTypeIsThatOfTheBytes(t *testing.T) {
	for file, want := range map[string]string{
		"genuine/go-nrgba.png": "image/png", "genuine/go.jpg": "image/jpeg", "genuine/go-gray.jpeg": "image/jpeg",
		"genuine/go.gif": "image/gif", "genuine/sdl.bmp": "image/bmp",
		"refused/jpeg-inside.png": "", "refused/matcher.bmp": "", "refused/giant.png": "image/png",
	} {
		found, _ := sniff.Check(t.Context(), bytes.NewReader(named(t, file)), strings.TrimPrefix(filepath.Ext(file), "."),
			everything())
		if found.ContentType != want {
			t.Errorf("%s: %q, want %q", file, found.ContentType, want)
		}
	}
}

func TestHalfASignatureLooksLikeNothing(t *testing.T) {
	for extension, head := range map[string]string{"gif": "GIF8", "png": "\x89PNG", "webp": "RIFF\x24\x00\x00\x00WEB"} {
		if got := sniff.Looks(extension, []byte(head)); got != "" {
			t.Errorf("%q looks like %s", head, got)
		}
	}
}

func TestExtensionsAreSupportedInAnyCase(t *testing.T) {
	known := func(extension string) bool { _, ok := sniff.TypeOf(extension); return ok }
	for _, e := range sniff.Extensions() {
		if !known(e) || !known(strings.ToUpper(e)) {
			t.Errorf("%s is not supported", e)
		}
	}
	for _, e := range []string{"", "tiff", "svg", ".png", "png "} {
		if known(e) {
			t.Errorf("%q is supported", e)
		}
	}
	_, err := sniff.Check(t.Context(), strings.NewReader("x"), "svg", everything())
	var refusal *sniff.Refusal
	if !errors.Is(err, sniff.ErrUnsupported) || errors.As(err, &refusal) {
		t.Errorf("an extension without a checker: %v", err)
	}
}

func TestMessagesAreOneCleanSentence(t *testing.T) {
	for _, s := range samples(t) {
		_, err := sniff.Check(t.Context(), bytes.NewReader(s.data), s.extension(), everything())
		var refusal *sniff.Refusal
		if errors.As(err, &refusal) && !clean(refusal.Message) {
			t.Errorf("%s: %q", s.file, refusal.Message)
		}
	}
}

var sentence = regexp.MustCompile(`^[A-Z][^.]*(\.{1,2}[^ .][^.]*)*; [a-z].*\.$`)

// clean reports whether a message is one sentence of two halves, short enough to be shown, and without bytes of the file.
func clean(m string) bool {
	return sentence.MatchString(m) && !strings.Contains(m, "%!") && len(m) <= 300 &&
		!strings.ContainsFunc(m, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}

// After an error of the reader the rest is unknown, so that no verdict may rest on where the bytes end.
func TestAReadersErrorIsTroubleNotAVerdict(t *testing.T) {
	for _, cause := range []error{io.ErrUnexpectedEOF, errors.New("connection reset"), fs.ErrNotExist,
		fmt.Errorf("proxy: %w", io.EOF)} {
		for _, s := range genuine(t) {
			for _, n := range []int{0, 1, 5, len(s.data) / 2, len(s.data) - 1, len(s.data)} {
				r := ranged{io.MultiReader(bytes.NewReader(s.data[:n]), iotest.ErrReader(cause)), bytes.NewReader(s.data)}
				_, err := sniff.Check(t.Context(), r, s.extension(), everything())
				var refusal *sniff.Refusal
				if !errors.Is(err, cause) || errors.As(err, &refusal) {
					t.Fatalf("%s, error after %d bytes: %v", s.file, n, err)
				}
			}
		}
	}
}

func TestACancelledContextIsTrouble(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sniff.Check(ctx, bytes.NewReader(named(t, "genuine/go.jpg")), "jpg", everything())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// stuck returns nothing, and no error, for ever.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// boastful claims to have read more than there was room for.
type boastful struct{}

func (boastful) Read(p []byte) (int, error) { return len(p) + 1, nil }

func TestABrokenReaderIsTrouble(t *testing.T) {
	if _, err := sniff.Check(t.Context(), stuck{}, "png", everything()); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that returns nothing: %v", err)
	}
	var refusal *sniff.Refusal
	if _, err := sniff.Check(t.Context(), boastful{}, "png", everything()); err == nil || errors.As(err, &refusal) {
		t.Errorf("a reader that returns an impossible count: %v", err)
	}
}

func TestChecksMayRunAtTheSameTime(t *testing.T) {
	all := genuine(t)
	var wait sync.WaitGroup
	for n := range 4 {
		wait.Go(func() {
			for i := range all {
				s := all[(i*(n+1)+n)%len(all)]
				found, err := sniff.Check(t.Context(), bytes.NewReader(s.data), s.extension(), everything())
				if err != nil || found.SHA256 != sha256.Sum256(s.data) {
					t.Errorf("%s beside others: %+v, %v", s.file, found, err)
				}
			}
		})
	}
	wait.Wait()
}
