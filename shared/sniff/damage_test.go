package sniff_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"hatchery/shared/sniff"
)

func TestAPictureThatIsCutNeverPasses(t *testing.T) {
	for _, s := range genuine(t) {
		if s.endless() && !isISO(s) {
			continue
		}
		step := 1
		if testing.Short() {
			step = 7
		}
		if len(s.data) > 8192 { // a document of another program, mostly compressed text
			step = 13
		}
		for n := 0; n < len(s.data); n += step {
			got := verdict(t, s.data[:n], s.extension(), everything())
			// A document that was changed is saved to its end: what stood before is whole, too.
			saved := s.extension() == "pdf" && bytes.HasSuffix(bytes.TrimRight(s.data[:n], "\r\n \t\x00"), []byte("%%EOF"))
			if got == "ok" && !optional(s.data[n:]) && !saved && !wholeBoxes(s, n) && !isUncounted(s, n) {
				t.Errorf("%s, the first %d of %d bytes: ok", s.file, n, len(s.data))
			}
		}
	}
}

// optional reports whether a picture may do without these bytes at its end: padding, then perhaps another picture, a
// video or Samsung's trailer.
func optional(rest []byte) bool {
	for len(rest) > 0 && bytes.IndexByte([]byte("\x00\xff\r\n "), rest[0]) >= 0 {
		rest = rest[1:]
	}
	if bytes.HasPrefix(rest, []byte("\xd8\xff")) { // the 0xFF before it looks like padding
		return true
	}
	return len(rest) == 0 || bytes.HasPrefix(rest, []byte("\x01\x0a\x0e\x00\x00\x00Image_UTC_Data")) ||
		bytes.HasPrefix(rest, []byte("ftyp")) || bytes.HasPrefix(rest[1:], []byte("ftyp"))
}

// isUncounted reports whether what follows the first n bytes is a tag behind the size of the whole of a WAV.
func isUncounted(s sample, n int) bool {
	return s.extension() == "wav" && n >= 8+int(binary.LittleEndian.Uint32(s.data[4:])) &&
		(bytes.HasPrefix(s.data[n:], []byte("LIST")) || bytes.HasPrefix(s.data[n:], []byte("id3 ")))
}

// wholeBoxes reports whether the first n bytes of a file are whole boxes, with its list and its data among them, and
// perhaps padding. What follows may be free room, or a further fragment.
func wholeBoxes(s sample, n int) bool {
	if !isISO(s) {
		return false
	}
	seen := map[string]bool{}
	at := 0
	for at+8 <= n {
		size := boxSize(s.data, at)
		if size == 0 { // where it ends shows only in a picture
			return s.extension() != "heic"
		}
		if size < 8 || size > n-at {
			break
		}
		seen[string(s.data[at+4:at+8])] = true
		at += size
	}
	return seen["mdat"] && (seen["moov"] || seen["meta"]) && len(bytes.Trim(s.data[at:n], "\x00\xff\r\n ")) == 0
}

// boxSize is how long the box at a byte says that it is; 0: to the end of the file.
func boxSize(data []byte, at int) int {
	if size := int(binary.BigEndian.Uint32(data[at:])); size != 1 || len(data)-at < 16 {
		return size
	}
	return int(binary.BigEndian.Uint64(data[at+8:]))
}

// openBox reports whether the last box of a file goes on to its end.
func openBox(data []byte) bool {
	for at := 0; at+8 <= len(data); {
		size := boxSize(data, at)
		if size == 0 {
			return true
		}
		if size < 8 || size > len(data)-at {
			break
		}
		at += size
	}
	return false
}

// isText reports whether a file is named as a text. Nothing tells those: they are never found in the place of another.
func (s sample) isText() bool { return s.extension() == "txt" || s.extension() == "csv" }

// endless reports whether nothing in a file says where it ends: a text, a sound whose sizes were left open, a film whose
// last box goes on to its end.
func (s sample) endless() bool {
	switch s.extension() {
	case "txt", "csv":
		return true
	case "wav":
		return openSize(s.data)
	case "mp4", "mov", "m4a":
		return openBox(s.data)
	}
	return false
}

func TestOneByteMoreIsTrailingData(t *testing.T) {
	for _, s := range genuine(t) {
		if s.endless() {
			continue
		}
		for _, b := range []byte{1, ';', '<', 0xd8, 0xfe} {
			if got := verdict(t, append(slices.Clone(s.data), b), s.extension(), everything()); got != "trailing_data" {
				t.Errorf("%s and a byte 0x%02x: %s", s.file, b, got)
			}
		}
	}
}

// Checksums cover all of a PNG but its signature and its lengths, so any flip shows.
func TestAFlippedBitAnywhereInAPNGIsRefused(t *testing.T) {
	for _, s := range genuine(t) {
		if s.extension() != "png" {
			continue
		}
		data := slices.Clone(s.data)
		for i := range data {
			data[i] ^= 1 << (i % 8)
			if got := verdict(t, data, "png", everything()); got == "ok" {
				t.Errorf("%s, bit %d of byte %d flipped: ok", s.file, i%8, i)
			}
			data[i] = s.data[i]
		}
	}
}

// The markers and lengths of a JPEG's headers lead from one to the next.
func TestAFlippedBitInAJPEGsMarkersOrLengthsIsRefused(t *testing.T) {
	for _, s := range genuine(t) {
		if s.extension() != "jpg" || strings.Contains(s.file, "fill-bytes") {
			continue
		}
		data := slices.Clone(s.data)
		for at := 2; data[at+1] != 0xda; at += 2 + int(binary.BigEndian.Uint16(s.data[at+2:])) {
			for _, i := range []int{at, at + 2, at + 3} {
				for bit := range 8 {
					data[i] ^= 1 << bit
					next := at + 2 + int(binary.BigEndian.Uint16(data[at+2:]))
					luck := next < len(data) && data[next] == 0xff // it leads to the marker of a later segment
					if got := verdict(t, data, "jpg", everything()); got == "ok" && (i == at || !luck) {
						t.Errorf("%s, bit %d of byte %d flipped: ok", s.file, bit, i)
					}
					data[i] = s.data[i]
				}
			}
		}
	}
}

// In the pixels of a JPEG, 0xFF 0x00 is a byte like others.
func TestPixelsMayBeStuffedBytesAlone(t *testing.T) {
	data := named(t, "genuine/cjpeg-gray.jpg")
	start := bytes.Index(data, []byte("\xff\xda"))
	head := data[:start+2+int(binary.BigEndian.Uint16(data[start+2:]))]
	for pixels, want := range map[string]string{"\xff\x00": "ok", "\xff\x00\xff\x00": "ok", "": "corrupt"} {
		if got := verdict(t, slices.Concat(head, []byte(pixels), []byte("\xff\xd9")), "jpg", everything()); got != want {
			t.Errorf("pixels %q: %s, want %s", pixels, got, want)
		}
	}
}

// A GIF's sizes of blocks lead from one to the next; a flip in them loses the way, in most pictures at once.
func TestAFlippedBitInAGIFsFirstBlocksIsRefused(t *testing.T) {
	for _, s := range genuine(t) {
		if s.extension() != "gif" {
			continue
		}
		at := 13
		if s.data[10]&0x80 != 0 {
			at += 3 << (s.data[10]&7 + 1)
		}
		data := slices.Clone(s.data)
		for bit := range 8 {
			data[at] ^= 1 << bit
			if got := verdict(t, data, "gif", everything()); got == "ok" {
				t.Errorf("%s, bit %d of byte %d flipped: ok", s.file, bit, at)
			}
			data[at] = s.data[at]
		}
	}
}

// The sizes of a WebP's chunks lead from one to the next, and to the end that the file's own size says.
func TestAFlippedBitInAWebPsSizesIsRefused(t *testing.T) {
	for _, s := range genuine(t) {
		if s.extension() != "webp" {
			continue
		}
		data := slices.Clone(s.data)
		sizes := []int{4}
		for at := 12; at < 8+int(binary.LittleEndian.Uint32(data[4:])); {
			sizes = append(sizes, at+4)
			at += 8 + (int(binary.LittleEndian.Uint32(data[at+4:]))+1)&^1
		}
		for _, at := range sizes {
			for bit := range 32 {
				data[at+bit/8] ^= 1 << (bit % 8)
				if got := verdict(t, data, "webp", everything()); got == "ok" {
					t.Errorf("%s, bit %d of the size at byte %d flipped: ok", s.file, bit, at)
				}
				data[at+bit/8] = s.data[at+bit/8]
			}
		}
	}
}

// uneven reads r in pieces of random lengths, now and then none at all.
type uneven struct {
	r   io.Reader
	rnd *rand.Rand
}

func (u uneven) Read(p []byte) (int, error) {
	if u.rnd.IntN(9) == 0 {
		return 0, nil
	}
	return u.r.Read(p[:min(len(p), 1+u.rnd.IntN(300))])
}

func TestTheVerdictDoesNotDependOnHowTheBytesCome(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, s := range samples(t) {
		want, wantErr := sniff.Check(t.Context(), bytes.NewReader(s.data), s.extension(), everything())
		for name, r := range map[string]io.Reader{
			"byte by byte":           iotest.OneByteReader(bytes.NewReader(s.data)),
			"half by half":           iotest.HalfReader(bytes.NewReader(s.data)),
			"with the end":           iotest.DataErrReader(bytes.NewReader(s.data)),
			"unevenly":               uneven{bytes.NewReader(s.data), rnd},
			"unevenly, with the end": uneven{iotest.DataErrReader(bytes.NewReader(s.data)), rnd},
		} {
			got, err := sniff.Check(t.Context(), ranged{r, bytes.NewReader(s.data)}, s.extension(), everything())
			if got != want || !same(err, wantErr) {
				t.Errorf("%s, read %s: %+v %v; read at once: %+v %v", s.file, name, got, err, want, wantErr)
			}
		}
	}
}

// same reports whether two results of Check are the same verdict.
func same(a, b error) bool {
	var ra, rb *sniff.Refusal
	if errors.As(a, &ra) && errors.As(b, &rb) {
		return *ra == *rb
	}
	return a == nil && b == nil
}

// The block that is looked at must not show at its edges: every structure is moved across one.
func TestNothingHappensAtTheEdgesOfABlock(t *testing.T) {
	const block = 128 << 10
	for _, test := range []struct {
		file, extension string
		at              int // where a segment of padding goes
		padding         func(n int) []byte
	}{
		{"mpf-script.jpg", "jpg", 2, comment}, {"cjpeg-progressive-restart.jpg", "jpg", 2, comment},
		{"motion.jpg", "jpg", 2, comment},
		{"pillow-frames.gif", "gif", -1, gifComment}, {"netpbm.gif", "gif", -1, gifComment},
		{"ffmpeg-h264.mp4", "mp4", bytes.Index(named(t, "genuine/ffmpeg-h264.mp4"), []byte("moov")) - 4, freeBox},
		{"data-first.heic", "heic", bytes.Index(named(t, "genuine/data-first.heic"), []byte("meta\x00")) - 4, freeBox},
		{"pillow.webp", "webp", 30, webpNote}, {"img2webp.webp", "webp", 30, webpNote},
	} {
		data := named(t, "genuine/"+test.file)
		at := test.at
		if at < 0 {
			at = 13 + 3<<(data[10]&7+1)
		}
		for shift := 1; shift < len(data)+2; shift += 3 {
			padding := test.padding(block - shift)
			moved := slices.Concat(data[:at], padding, data[at:])
			if test.extension == "webp" {
				binary.LittleEndian.PutUint32(moved[4:], uint32(len(moved)-8))
			}
			found, err := sniff.Check(t.Context(), bytes.NewReader(moved), test.extension, everything())
			if err != nil || found.Size != int64(len(moved)) || found.SHA256 != sha256.Sum256(moved) {
				t.Fatalf("%s, moved by %d bytes: %+v, %v", test.file, len(padding), found, err)
			}
			if got := verdict(t, append(moved, 1), test.extension, everything()); got != "trailing_data" {
				t.Fatalf("%s, moved by %d bytes, and a byte more: %s", test.file, len(padding), got)
			}
		}
	}
}

// comment is JPEG comments of n bytes in all.
func comment(n int) []byte {
	var b []byte
	for n > 0 {
		size := min(n, 60000)
		if left := n - size; left > 0 && left < 4 {
			size -= 4
		}
		b = append(b, 0xff, 0xfe, byte((size-2)>>8), byte(size-2))
		b = append(b, make([]byte, size-4)...)
		n -= size
	}
	return b
}

// freeBox is a box of n bytes in all.
func freeBox(n int) []byte { return isoBox("free", make([]byte, n-8)) }

// webpNote is a chunk of n bytes in all, or of one less.
func webpNote(n int) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("note"), uint32(n&^1-8))
	return append(b, make([]byte, n&^1-8)...)
}

// gifComment is a GIF comment of n bytes in all.
func gifComment(n int) []byte {
	b := []byte{0x21, 0xfe}
	for n -= 3; n > 0; {
		size := min(n, 256)
		if n-size == 1 {
			size -= 2
		}
		b = append(append(b, byte(size-1)), bytes.Repeat([]byte{'.'}, size-1)...)
		n -= size
	}
	return append(b, 0)
}
