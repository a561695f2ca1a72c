package sniff_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"hatchery/shared/sniff"
)

func FuzzPNG(f *testing.F) {
	fuzz(f, "png", func(b []byte) (int, int, error) {
		c, err := png.DecodeConfig(bytes.NewReader(b))
		return c.Width, c.Height, err
	})
}

func FuzzJPEG(f *testing.F) {
	fuzz(f, "jpg", func(b []byte) (int, int, error) {
		c, err := jpeg.DecodeConfig(bytes.NewReader(b))
		return c.Width, c.Height, err
	})
}

func FuzzGIF(f *testing.F) {
	fuzz(f, "gif", func(b []byte) (int, int, error) {
		c, err := gif.DecodeConfig(bytes.NewReader(b))
		return c.Width, c.Height, err
	})
}

// Go has no decoder for BMP: here the size is read from where every header but the oldest has it.
func FuzzBMP(f *testing.F) {
	fuzz(f, "bmp", func(b []byte) (int, int, error) {
		if len(b) < 26 || b[14] == 12 {
			return 0, 0, errors.New("an old header")
		}
		height := int(int32(uint32(b[22]) | uint32(b[23])<<8 | uint32(b[24])<<16 | uint32(b[25])<<24))
		return int(b[18]) | int(b[19])<<8 | int(b[20])<<16 | int(b[21])<<24, max(height, -height), nil
	})
}

// Go's standard library has no decoder for WebP: here the size is read from its first chunk.
func FuzzWebP(f *testing.F) {
	fuzz(f, "webp", func(b []byte) (int, int, error) {
		u24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
		if len(b) < 30 {
			return 0, 0, errors.New("no room for a picture")
		}
		switch string(b[12:16]) {
		case "VP8X":
			return 1 + u24(b[24:]), 1 + u24(b[27:]), nil
		case "VP8L":
			bits := u24(b[21:]) | int(b[24])<<24
			return 1 + bits&0x3fff, 1 + bits>>14&0x3fff, nil
		}
		return u24(b[26:]) & 0x3fff, u24(b[27:]) >> 8 & 0x3fff, nil
	})
}

func FuzzHEIC(f *testing.F) { walked(f, "heic", isSized) }
func FuzzAVIF(f *testing.F) { walked(f, "avif", isSized) }

func FuzzMP4(f *testing.F)       { walked(f, "mp4", noOpinion) }
func FuzzQuickTime(f *testing.F) { walked(f, "mov", noOpinion) }
func FuzzM4A(f *testing.F)       { walked(f, "m4a", noOpinion) }

func FuzzPDF(f *testing.F)  { walked(f, "pdf", noOpinion) }
func FuzzDOCX(f *testing.F) { walked(f, "docx", opens) }
func FuzzXLSX(f *testing.F) { walked(f, "xlsx", opens) }
func FuzzPPTX(f *testing.F) { walked(f, "pptx", opens) }
func FuzzTXT(f *testing.F)  { walked(f, "txt", isPlain) }
func FuzzCSV(f *testing.F)  { walked(f, "csv", isPlain) }
func FuzzWAV(f *testing.F)  { walked(f, "wav", noOpinion) }
func FuzzZIP(f *testing.F)  { walked(f, "zip", opens) }

// noOpinion stands in where a second opinion would be a second walk.
func noOpinion(*testing.T, sniff.Found, []byte) {}

// isSized: what is allowed is a picture of a size.
func isSized(t *testing.T, found sniff.Found, _ []byte) {
	if found.Width <= 0 || found.Height <= 0 {
		t.Fatalf("allowed with %+v", found)
	}
}

// greedy counts what is asked of a reader after its end, and how often.
type greedy struct {
	r          io.Reader
	calls, end int
}

func (g *greedy) Read(p []byte) (int, error) {
	g.calls++
	n, err := g.r.Read(p)
	if err == io.EOF {
		g.end++
	}
	return n, err
}

// isPlain: what is allowed is UTF-8 without control characters.
func isPlain(t *testing.T, _ sniff.Found, data []byte) {
	if !utf8.Valid(data) || bytes.ContainsFunc(data, func(r rune) bool {
		return r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1a\x1d", r) || r == 0x7f
	}) {
		t.Fatalf("allowed: %q", data)
	}
}

// openSize reports whether the size of the whole, or that of the samples, was left open in a WAV.
func openSize(data []byte) bool {
	const unknown = 0x7fff0000
	whole := binary.LittleEndian.Uint32(data[4:])
	open := whole == 0 || whole >= unknown
	for at := 12; at+8 <= len(data) && !open; {
		size := int(binary.LittleEndian.Uint32(data[at+4:]))
		if string(data[at:at+4]) == "data" {
			return size >= unknown || size == 0 && int(whole) < at
		}
		at += 8 + size
		if size%2 == 1 && at < len(data) && data[at] == 0 {
			at++
		}
	}
	return open
}

// opens holds an allowed archive against Go's own reader, which has to find entries one after the other.
func opens(t *testing.T, _ sniff.Found, data []byte) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("allowed, and Go says: %v", err)
	}
	slices.SortFunc(z.File, func(a, b *zip.File) int { return int(offset(t, a) - offset(t, b)) })
	end := int64(0)
	for _, file := range z.File {
		at := offset(t, file)
		if at < end || file.CompressedSize64 > uint64(len(data)) {
			t.Fatalf("the entry %q begins at byte %d, the one before ends at byte %d", file.Name, at, end)
		}
		end = at + int64(file.CompressedSize64)
	}
}

// offset is where the bytes of an entry begin.
func offset(t *testing.T, file *zip.File) int64 {
	at, err := file.DataOffset()
	if err != nil {
		t.Fatalf("the entry %q: %v", file.Name, err)
	}
	return at
}

// fuzz is walked for pictures, whose dimensions are held against those that a decoder sees.
func fuzz(f *testing.F, extension string, dimensions func([]byte) (int, int, error)) {
	walked(f, extension, func(t *testing.T, found sniff.Found, data []byte) {
		isSized(t, found, data)
		if w, h, err := dimensions(data); err == nil && (int64(w) != found.Width || int64(h) != found.Height) {
			t.Fatalf("%d x %d pixels, but a decoder sees %d x %d", found.Width, found.Height, w, h)
		}
	})
}

// walked checks, for any bytes: there is a verdict; it is the same however the bytes come; the reader is read to its end
// once; and of what is allowed, that size and checksum are right, that dimensions are within the limits, that a second
// opinion agrees, and that not one byte more may follow.
func walked(f *testing.F, extension string, second func(*testing.T, sniff.Found, []byte)) {
	for _, s := range samples(f) {
		if e := s.extension(); e == extension || e == "jpeg" && extension == "jpg" {
			f.Add(s.data, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		r := &greedy{r: bytes.NewReader(data)}
		found, err := sniff.Check(t.Context(), ranged{r, bytes.NewReader(data)}, extension, everything())
		var refusal *sniff.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("trouble in place of a verdict: %v", err)
		}
		if err != nil && !clean(refusal.Message) {
			t.Fatalf("%q", refusal.Message)
		}
		if r.end > 1 || r.calls > 2+len(data)/1000 {
			t.Fatalf("%d calls of Read for %d bytes, %d after the end", r.calls, len(data), r.end)
		}
		pieces := uneven{bytes.NewReader(data), rand.New(rand.NewPCG(seed, 0))}
		again, errAgain := sniff.Check(t.Context(), ranged{pieces, bytes.NewReader(data)}, extension, everything())
		if again != found || !same(err, errAgain) {
			t.Fatalf("at once: %+v %v; in pieces: %+v %v", found, err, again, errAgain)
		}
		if err != nil {
			return
		}
		if found.Size != int64(len(data)) || found.SHA256 != sha256.Sum256(data) ||
			found.Width > 16384 || found.Height > 16384 || found.Width*found.Height > 50_000_000 {
			t.Fatalf("allowed with %+v", found)
		}
		second(t, found, data)
		if (sample{file: "." + extension, data: data}).endless() {
			return // more of it may follow
		}
		for _, more := range []string{"\x01", "\xff\xd8", "\r\n\n", "<?php", "PK\x03\x04"} {
			blanks := extension == "pdf" && more == "\r\n\n" // which may follow a document
			if got := verdict(t, append(slices.Clip(data), more...), extension, everything()); got == "ok" && !blanks {
				t.Fatalf("allowed with %q behind it", more)
			}
		}
	})
}
