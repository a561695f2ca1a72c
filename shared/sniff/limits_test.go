package sniff_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"hatchery/shared/sniff"
	"hatchery/shared/wording"
)

func TestWhatMayFollowIsThePolicys(t *testing.T) {
	type l = sniff.Limits
	for _, test := range []struct {
		file   string
		limits sniff.Limits
		want   string
	}{
		{"zeros.jpg", l{Zeros: true}, "ok"},
		{"zeros.jpg", l{MPF: true, Video: true}, "trailing_data"},
		{"photoshop-end.bmp", l{Zeros: true}, "ok"},
		{"photoshop-end.bmp", l{}, "trailing_data"},
		{"v5-profile.bmp", l{}, "ok"},
		{"v5-profile-gap.bmp", l{}, "ok"},
		{"v5-profile-far.bmp", l{}, "ok"},
		{"mpf-script.jpg", l{MPF: true}, "ok"},
		{"mpf-script.jpg", l{Zeros: true, Video: true}, "trailing_data"},
		{"mpf-padded.jpg", l{MPF: true, Zeros: true}, "ok"},
		{"mpf-padded.jpg", l{MPF: true}, "trailing_data"},
		{"mpf-gap.jpg", l{MPF: true, Zeros: true}, "ok"},
		{"mpf-gap.jpg", l{MPF: true}, "trailing_data"},
		{"ultrahdr.jpg", l{MPF: true}, "ok"},
		{"ultrahdr.jpg", l{}, "trailing_data"},
		{"motion.jpg", l{Video: true}, "ok"},
		{"motion.jpg", l{Video: true, Zeros: true}, "ok"},
		{"motion.jpg", l{MPF: true, Zeros: true}, "trailing_data"},
		{"motion-samsung.jpg", l{Video: true}, "ok"},
		{"motion-samsung.jpg", l{MPF: true, Zeros: true}, "trailing_data"},
		{"samsung.jpg", l{Video: true}, "ok"},
		{"samsung.jpg", l{MPF: true, Zeros: true}, "trailing_data"},
		{"samsung.jpg", l{Samsung: true}, "ok"},
		{"samsung.jpg", l{Samsung: true, MPF: true, Zeros: true}, "ok"},
		{"motion-samsung.jpg", l{Samsung: true, MPF: true, Zeros: true}, "trailing_data"},
		{"motion.jpg", l{Samsung: true, MPF: true, Zeros: true}, "trailing_data"},
		{"zeros.jpg", l{Samsung: true}, "trailing_data"},
		{"motion-mpf.jpg", l{MPF: true, Zeros: true, Video: true}, "ok"},
		{"motion-mpf.jpg", l{MPF: true, Video: true}, "trailing_data"},
		{"zeros.jpg", l{Padding: true}, "ok"},
		{"newline.png", l{Padding: true}, "ok"},
		{"newline.png", l{Zeros: true}, "trailing_data"},
		{"v5-profile-gap.bmp", l{Padding: true}, "ok"},
		{"preview.jpg", l{MPF: true}, "ok"},
		{"preview.jpg", l{Padding: true, Samsung: true, Video: true}, "trailing_data"},
		{"preview-padded.jpg", l{MPF: true, Padding: true}, "ok"},
		{"preview-padded.jpg", l{MPF: true, Zeros: true}, "trailing_data"},
		{"samsung-padded.jpg", l{MPF: true, Padding: true, Samsung: true}, "ok"},
		{"samsung-padded.jpg", l{MPF: true, Padding: true}, "trailing_data"},
		{"motion.heic", l{Video: true}, "ok"},
		{"motion.heic", l{MPF: true, Padding: true, Samsung: true}, "trailing_data"},
		{"samsung.heic", l{}, "ok"}, // a box of the picture
		{"samsung-behind.heic", l{Samsung: true}, "ok"},
		{"samsung-behind.heic", l{MPF: true, Padding: true}, "trailing_data"},
		{"zeros.heic", l{Zeros: true}, "ok"},
		{"zeros.heic", l{Samsung: true}, "trailing_data"},
		{"zeros.mp4", l{Padding: true}, "ok"},
		{"zeros.mp4", l{Samsung: true}, "trailing_data"},
	} {
		name := "genuine/" + test.file
		if got := verdict(t, named(t, name), name[strings.LastIndex(name, ".")+1:], test.limits); got != test.want {
			t.Errorf("%s under %+v: %s, want %s", test.file, test.limits, got, test.want)
		}
	}
}

func TestAVideoFollowsOnlyAJPEG(t *testing.T) {
	motion := named(t, "genuine/motion.jpg")
	film := motion[bytes.Index(motion, []byte("ftyp"))-4:]
	for _, file := range []string{"genuine/go-nrgba.png", "genuine/go.gif", "genuine/sdl.bmp"} {
		if got := verdict(t, slices.Concat(named(t, file), film), file[len(file)-3:], everything()); got != "trailing_data" {
			t.Errorf("a video behind %s: %s", file, got)
		}
	}
	jpeg := motion[:len(motion)-len(film)]
	if got := verdict(t, slices.Concat(jpeg, film, film), "jpg", everything()); got != "trailing_data" {
		t.Errorf("a second video behind the first: %s", got)
	}
	if got := verdict(t, slices.Concat(jpeg, film, make([]byte, 99)), "jpg", everything()); got != "ok" {
		t.Errorf("zeros behind a video: %s", got)
	}
	if got := verdict(t, slices.Concat(jpeg, film, make([]byte, 99)), "jpg",
		sniff.Limits{Video: true}); got != "trailing_data" {
		t.Errorf("zeros behind a video where no zeros may be: %s", got)
	}
	for zeros := 1; zeros <= 3; zeros++ { // the three that a video may begin with are no padding by themselves
		if got := verdict(t, slices.Concat(jpeg, make([]byte, zeros)), "jpg",
			sniff.Limits{Video: true}); got != "trailing_data" {
			t.Errorf("%d zeros and no video: %s", zeros, got)
		}
	}
}

// An index that announces removed or moved pictures matters nowhere: what lies behind the first picture decides.
func TestAnIndexOfPicturesDoesNotMatter(t *testing.T) {
	for _, file := range []string{"mpf-missing.jpg", "mpf-moved.jpg", "mpf-broken-index.jpg", "mpf-third.jpg"} {
		want := "trailing_data"
		if file == "mpf-missing.jpg" {
			want = "ok"
		}
		data := named(t, "genuine/"+file)
		if got := verdict(t, data, "jpg", sniff.Limits{MPF: true}); got != "ok" {
			t.Errorf("%s, where further pictures may follow: %s", file, got)
		}
		if got := verdict(t, data, "jpg", sniff.Limits{Padding: true}); got != want {
			t.Errorf("%s, where no further pictures may follow: %s, want %s", file, got, want)
		}
	}
}

// Zeros and 0xFF say nothing, and two line ends or spaces hardly anything, wherever they stand among what follows.
func TestPaddingIsTheSameBehindEveryKindOfPicture(t *testing.T) {
	for _, file := range []string{"cjpeg.jpg", "go-nrgba.png", "go.gif", "sdl.bmp"} {
		for _, test := range []struct{ behind, padding, zeros string }{
			{"", "ok", "ok"},
			{"\x00", "ok", "ok"},
			{"\xff", "ok", "trailing_data"},
			{"\n", "ok", "trailing_data"},
			{"\r\n", "ok", "trailing_data"},
			{" \n", "ok", "trailing_data"},
			{"\n\x00\xff\n\x00", "ok", "trailing_data"},
			{"\x00\xff\x00\xff\xff", "ok", "trailing_data"},
			{"\r\n\n", "trailing_data", "trailing_data"},
			{"\n\x00\n\x00\n", "trailing_data", "trailing_data"},
			{"\t", "trailing_data", "trailing_data"},
			{"\xff\xd8", "trailing_data", "trailing_data"},
			{"\xff\xff\xd9", "trailing_data", "trailing_data"},
			{"\x00\x01", "trailing_data", "trailing_data"},
		} {
			data := append(named(t, "genuine/"+file), test.behind...)
			if got := verdict(t, data, file[len(file)-3:], sniff.Limits{Padding: true}); got != test.padding {
				t.Errorf("%s and %q with padding: %s, want %s", file, test.behind, got, test.padding)
			}
			if got := verdict(t, data, file[len(file)-3:], sniff.Limits{Zeros: true}); got != test.zeros {
				t.Errorf("%s and %q with zeros: %s, want %s", file, test.behind, got, test.zeros)
			}
		}
	}
}

// Line ends and spaces are counted over the whole file, so that many gaps cannot spell what one may not.
func TestBlanksAreCountedOverAllGaps(t *testing.T) {
	picture := named(t, "genuine/cjpeg-gray.jpg")
	gap := func(n int) []byte { return bytes.Repeat(append([]byte("\n"), picture...), n) }
	for gaps, want := range map[int]string{2: "ok", 3: "trailing_data"} {
		if got := verdict(t, slices.Concat(picture, gap(gaps)), "jpg", everything()); got != want {
			t.Errorf("%d gaps of one line end: %s, want %s", gaps, got, want)
		}
	}
}

func TestPaddingMayBeAsLongAsTheFile(t *testing.T) {
	picture := named(t, "genuine/cjpeg-gray.jpg")
	notes := named(t, "genuine/samsung.jpg")
	notes = notes[bytes.Index(notes, []byte("Image_UTC_Data"))-8:]
	for _, fill := range []string{"\x00", "\xff", "\xff\x00"} {
		for _, n := range []int{128<<10 - len(picture) - 13, 128<<10 - len(picture) - 1, 128<<10 - len(picture), 300_000} {
			for _, behind := range [][]byte{nil, picture, notes} {
				padding := bytes.Repeat([]byte(fill), n/len(fill))
				data := slices.Concat(picture, padding, behind)
				if got := verdict(t, data, "jpg", everything()); got != "ok" {
					t.Errorf("%d bytes of %x, then %d bytes: %s", n, fill, len(behind), got)
				}
				if got := verdict(t, append(data, '<'), "jpg", everything()); got != "trailing_data" {
					t.Errorf("%d bytes of %x, then %d bytes and one more: %s", n, fill, len(behind), got)
				}
			}
		}
	}
}

// Behind zeros that are allowed, 0xFF is not, however many of both there are.
func TestFillBytesBehindZerosAreNotZeros(t *testing.T) {
	data := slices.Concat(named(t, "genuine/go-nrgba.png"), make([]byte, 99), bytes.Repeat([]byte{0xff}, 99), make([]byte, 99))
	for limits, want := range map[*sniff.Limits]string{{Zeros: true}: "trailing_data", {Padding: true}: "ok"} {
		if got := verdict(t, data, "png", *limits); got != want {
			t.Errorf("under %+v: %s, want %s", *limits, got, want)
		}
	}
}

// trailer makes Samsung's: blocks of a name and a content, then their directory.
func trailer(blocks ...[2]string) []byte {
	var b, directory []byte
	var starts []int
	for _, block := range blocks {
		starts = append(starts, len(b))
		b = binary.LittleEndian.AppendUint32(append(b, 0, 0, 1, 10), uint32(len(block[0])))
		b = append(append(b, block[0]...), block[1]...)
	}
	starts = append(starts, len(b))
	for n := range blocks {
		directory = binary.LittleEndian.AppendUint32(append(directory, 0, 0, 1, 10), uint32(len(b)-starts[n]))
		directory = binary.LittleEndian.AppendUint32(directory, uint32(starts[n+1]-starts[n]))
	}
	b = binary.LittleEndian.AppendUint32(append(b, "SEFHj\x00\x00\x00"...), uint32(len(blocks)))
	b = binary.LittleEndian.AppendUint32(append(b, directory...), uint32(12+len(directory)))
	return append(b, "SEFT"...)
}

// Samsung's notes are not looked at, so that all of them together are small, before and behind a video alike.
func TestSamsungsNotesAreBounded(t *testing.T) {
	motion := named(t, "genuine/motion.jpg")
	video := bytes.Index(motion, []byte("ftyp")) - 4
	picture, film := motion[:video], string(motion[video:])
	const all, block, name = 64 << 10, 8, "Image_UTC_Data"
	notes := func(n int) [2]string { return [2]string{name, strings.Repeat(".", n-block-len(name))} }
	clip := [2]string{"MotionPhoto_Data", film}
	const clipHead = block + len("MotionPhoto_Data")
	for _, test := range []struct {
		trailer []byte
		want    string
	}{
		{trailer(notes(all - 4)), "ok"}, // "SEFH" lies within the 64 KiB, too
		{trailer(notes(all - 3)), "trailing_data"},
		{trailer(notes(70_000)), "trailing_data"},
		{trailer(notes(33_000), clip, notes(all-33_000-clipHead)), "ok"},
		{trailer(notes(33_000), clip, notes(all-33_000-clipHead+1)), "trailing_data"},
	} {
		_, err := sniff.Check(t.Context(), bytes.NewReader(slices.Concat(picture, test.trailer)), "jpg", everything())
		if got := verdict(t, slices.Concat(picture, test.trailer), "jpg", everything()); got != test.want ||
			got != "ok" && !strings.Contains(err.Error(), "Samsung") {
			t.Errorf("a trailer of %d bytes: %v, want %s", len(test.trailer), err, test.want)
		}
	}
}

func TestNothingFollowsSamsungsTrailer(t *testing.T) {
	data := named(t, "genuine/samsung.jpg")
	notes := data[bytes.Index(data, []byte("Image_UTC_Data"))-8:]
	for _, behind := range [][]byte{notes, named(t, "genuine/cjpeg-gray.jpg")} {
		if got := verdict(t, slices.Concat(data, behind), "jpg", everything()); got != "trailing_data" {
			t.Errorf("%d bytes behind Samsung's trailer: %s", len(behind), got)
		}
	}
	for _, file := range []string{"go-nrgba.png", "go.gif", "sdl.bmp"} {
		if got := verdict(t, slices.Concat(named(t, "genuine/"+file), notes), file[len(file)-3:],
			everything()); got != "trailing_data" {
			t.Errorf("Samsung's trailer behind %s: %s", file, got)
		}
	}
}

func TestRefusalsSayWhatFollowsInWords(t *testing.T) {
	all := everything()
	still := all
	still.Video = false
	for _, test := range []struct {
		file   string
		limits sniff.Limits
		want   string
	}{
		{"genuine/motion.jpg", still, "motion photo"},
		{"genuine/motion.jpg", sniff.Limits{}, "motion photo"},
		{"genuine/motion-samsung.jpg", still, "motion photo"},
		{"genuine/motion-mpf.jpg", still, "motion photo"},
		{"genuine/samsung.jpg", sniff.Limits{Padding: true}, "Samsung"},
		{"refused/previews-17.jpg", all, "more than 16 further pictures"},
		{"refused/t81-lossless.jpg", all, "lossless"},
		{"refused/t81-hierarchical.jpg", all, "hierarchical"},
		{"refused/jpeg8-12bit.jpg", all, "12 bits"},
		{"refused/t81-dnl.jpg", all, "height"},
		{"refused/no-dqt.jpg", all, "quantization table"},
		{"refused/dht-oversubscribed.jpg", all, "Huffman table"},
		{"refused/dht.jpg", all, "Huffman tables"},
	} {
		_, err := sniff.Check(t.Context(), bytes.NewReader(named(t, test.file)), "jpg", test.limits)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(test.want)) {
			t.Errorf("%s: %v, want it to say %q", test.file, err, test.want)
		}
	}
}

func TestSizesAreBoundedAtTheLimitAndNotBefore(t *testing.T) {
	for _, file := range []string{"go-nrgba.png", "go.jpg", "go.gif", "sdl.bmp", "mpf-missing.jpg", "cwebp.webp",
		"cwebp-lossless.webp", "pillow.webp", "avifenc.avif"} { // 31 x 23 each
		data, extension := named(t, "genuine/"+file), strings.TrimPrefix(filepath.Ext(file), ".")
		for _, test := range []struct {
			limits sniff.Limits
			want   string
		}{
			{sniff.Limits{}, "ok"},
			{sniff.Limits{MaxPixels: 31 * 23, MaxSide: 31}, "ok"},
			{sniff.Limits{MaxPixels: 31*23 - 1}, "too_many_pixels"},
			{sniff.Limits{MaxSide: 30}, "too_many_pixels"},
		} {
			if got := verdict(t, data, extension, test.limits); got != test.want {
				t.Errorf("%s under %+v: %s, want %s", file, test.limits, got, test.want)
			}
		}
	}
}

// The frames of an animation may together take 32 times the pixels of one picture, counted by the whole canvas.
func TestFramesAreBoundedTogether(t *testing.T) {
	const head, frame = "GIF89a\x0a\x00\x0a\x00\x00\x00\x00", ",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01\x00\x00"
	for frames, want := range map[int]string{1: "ok", 32: "ok", 33: "too_many_pixels"} {
		data := []byte(head + strings.Repeat(frame, frames) + ";")
		if got := verdict(t, data, "gif", sniff.Limits{MaxPixels: 100}); got != want {
			t.Errorf("%d frames of 10 x 10 pixels, where 100 are allowed: %s, want %s", frames, got, want)
		}
		if got := verdict(t, data, "gif", sniff.Limits{}); got != "ok" {
			t.Errorf("%d frames without a bound: %s", frames, got)
		}
	}
}

// A JPEG may be drawn 32 times, once for each scan of it and of the pictures behind it: a scan of all pixels may have
// a hundred bytes.
func TestScansAreBoundedTogether(t *testing.T) {
	picture := named(t, "genuine/cjpeg-gray.jpg") // 31 x 23 pixels, one scan
	start, end := bytes.Index(picture, []byte("\xff\xda")), len(picture)-2
	scans := func(n int) []byte {
		return slices.Concat(picture[:start], bytes.Repeat(picture[start:end], n), picture[end:])
	}
	for _, test := range []struct {
		data   []byte
		pixels int64
		want   string
	}{
		{scans(32), 31 * 23, "ok"},
		{scans(33), 31 * 23, "too_many_pixels"},
		{slices.Concat(scans(31), picture), 31 * 23, "ok"},
		{slices.Concat(scans(32), picture), 31 * 23, "too_many_pixels"},
		{scans(1000), 0, "ok"},
	} {
		if got := verdict(t, test.data, "jpg", sniff.Limits{MPF: true, MaxPixels: test.pixels}); got != test.want {
			t.Errorf("%d bytes, where %d pixels are allowed: %s, want %s", len(test.data), test.pixels, got, test.want)
		}
	}
}

// A viewer's canvas is the screen and all frames, and every frame is drawn on all of it.
func TestFramesOutsideTheScreenAreBoundedByTheCanvas(t *testing.T) {
	gif := func(frames ...[4]byte) []byte { // left, top, width, height
		b := []byte("GIF89a\x0a\x00\x0a\x00\x00\x00\x00")
		for _, f := range frames {
			b = append(b, ',', f[0], 0, f[1], 0, f[2], 0, f[3], 0, 0, 2, 1, 0, 0)
		}
		return append(b, ';')
	}
	in, right, below, far := [4]byte{0, 0, 1, 1}, [4]byte{15, 0, 5, 1}, [4]byte{0, 19, 1, 1}, [4]byte{19, 19, 1, 1}
	for _, test := range []struct {
		frames [][4]byte
		limits sniff.Limits
		want   string
	}{
		{[][4]byte{right}, sniff.Limits{MaxPixels: 200, MaxSide: 20}, "ok"},
		{[][4]byte{right}, sniff.Limits{MaxSide: 19}, "too_many_pixels"},
		{[][4]byte{right}, sniff.Limits{MaxPixels: 199}, "too_many_pixels"},
		{[][4]byte{below}, sniff.Limits{MaxSide: 19}, "too_many_pixels"},
		{[][4]byte{right, below}, sniff.Limits{MaxPixels: 400}, "ok"}, // 20 x 20 together
		{[][4]byte{right, below}, sniff.Limits{MaxPixels: 399}, "too_many_pixels"},
		{slices.Repeat([][4]byte{far}, 32), sniff.Limits{MaxPixels: 400}, "ok"},
		{slices.Repeat([][4]byte{far}, 33), sniff.Limits{MaxPixels: 400}, "too_many_pixels"},
		// The last frame makes the canvas of all those before it larger.
		{append(slices.Repeat([][4]byte{in}, 31), far), sniff.Limits{MaxPixels: 400}, "ok"},
		{append(slices.Repeat([][4]byte{in}, 32), far), sniff.Limits{MaxPixels: 400}, "too_many_pixels"},
		{[][4]byte{{255, 255, 255, 255}}, sniff.Limits{}, "ok"},
	} {
		data := gif(test.frames...)
		found, err := sniff.Check(t.Context(), bytes.NewReader(data), "gif", test.limits)
		if got := verdict(t, data, "gif", test.limits); got != test.want {
			t.Errorf("%d frames, the last %v, under %+v: %s (%v), want %s", len(test.frames),
				test.frames[len(test.frames)-1], test.limits, got, err, test.want)
		}
		if found.Width != 10 || found.Height != 10 {
			t.Errorf("found %d x %d pixels, want those of the screen", found.Width, found.Height)
		}
	}
}

func TestMetadataIsBoundedWhereThePolicySaysSo(t *testing.T) {
	for _, test := range []struct {
		file  string
		bytes int64 // of metadata in it
	}{
		{"phone.heic", 63}, {"free.heic", 63 + 24 + 32}, {"camera.mp4", -1}, {"exiftool.mov", -1}, {"mutagen.m4a", -1},
		{"exiftool.heic", -1}, {"exiftool.avif", -1}, {"notes.webp", 7}, {"note-in-frame.webp", 3}, {"exiftool.webp", -1},
		{"exiftool.gif", -1}, {"exiftool.jpg", -1}, {"exiftool.png", -1}, {"im-profile.bmp", -1}, {"plain-text.gif", -1},
		{"v5-profile.bmp", 32}, {"v5-profile-first.bmp", 32}, {"info-gap.bmp", 10}, {"private-chunks.png", 49},
		{"unknown-extension.gif", 10}, {"info-24-large-palette.bmp", 1200}, {"info-24-palette.bmp", 24}, {"v5-profile-far.bmp", 32},
	} {
		data, extension := named(t, "genuine/"+test.file), strings.TrimPrefix(filepath.Ext(test.file), ".")
		if got := verdict(t, data, extension, sniff.Limits{Zeros: true, MaxAncillaryBytes: 1}); got != "not_allowed" {
			t.Errorf("%s, where one byte is allowed: %s", test.file, got)
		}
		if got := verdict(t, data, extension, sniff.Limits{Zeros: true, MaxAncillaryBytes: 50_000}); got != "ok" {
			t.Errorf("%s, where 50,000 bytes are allowed: %s", test.file, got)
		}
		if test.bytes < 0 {
			continue
		}
		if got := verdict(t, data, extension, sniff.Limits{MaxAncillaryBytes: test.bytes}); got != "ok" {
			t.Errorf("%s, where its %d bytes are allowed: %s", test.file, test.bytes, got)
		}
		if got := verdict(t, data, extension, sniff.Limits{MaxAncillaryBytes: test.bytes - 1}); got != "not_allowed" {
			t.Errorf("%s, where %d bytes are allowed: %s", test.file, test.bytes-1, got)
		}
	}
	// Pixels do not count, however they are split.
	for _, file := range []string{"pypng.png", "ffmpeg-apng.png", "netpbm.gif"} {
		if got := verdict(t, named(t, "genuine/"+file), file[len(file)-3:],
			sniff.Limits{MaxAncillaryBytes: 90}); got != "ok" {
			t.Errorf("%s: %s", file, got)
		}
	}
}

func TestWhatAnOfficeFileCarriesIsAMatterOfThePolicy(t *testing.T) {
	for _, test := range []struct{ word, files string }{
		{"macros", "macros.docx macros-relation.docx macro-sheet.xlsx macro-sheet-relation.xlsx"},
		{"external", "external-case.docx external-namespace.docx external-frame-878.docx external-subDocument-454.docx"},
		{"embedded", "embedded-oleObject.docx embedded-package.docx embedded-control.docx embedded-as-chart.docx"},
	} {
		for file := range strings.FieldsSeq(test.files) {
			data, extension := named(t, "refused/"+file), strings.TrimPrefix(filepath.Ext(file), ".")
			for _, word := range []string{"macros", "external", "embedded"} {
				want := "not_allowed"
				if word == test.word {
					want = "ok"
				}
				if got := verdict(t, data, extension, sniff.Limits{Active: []string{word}}); got != want {
					t.Errorf("%s, where %s are taken: %s, want %s", file, word, got, want)
				}
			}
		}
	}
}

// A ZIP archive is what an office file is, too: where a mismatch is corrected, the parts decide.
func TestAnOfficeFileIsCorrectedByItsParts(t *testing.T) {
	for _, test := range []struct{ file, claimed, want string }{
		{"genuine/own.docx", "xlsx", "docx"}, {"genuine/own.xlsx", "docx", "xlsx"}, {"genuine/own.pptx", "png", "pptx"},
		{"genuine/go.zip", "docx", "zip"}, {"genuine/7zip-aes.zip", "docx", "zip"}, {"genuine/own.docx", "zip", "zip"},
		{"refused/template.docx", "docx", "zip"},
	} {
		data := named(t, test.file)
		limits := instead("docx", "xlsx", "pptx", "zip")
		found, err := sniff.Check(t.Context(), bytes.NewReader(data), test.claimed, limits)
		if of, _ := sniff.TypeOf(test.want); err != nil || found.Extension != test.want || found.ContentType != of.ContentType {
			t.Errorf("%s as .%s: %+v, %v; want .%s", test.file, test.claimed, found, err, test.want)
		}
		limits.Extensions = []string{test.claimed}
		if got := verdict(t, data, test.claimed, limits); test.want != test.claimed && got != "type_mismatch" {
			t.Errorf("%s as .%s, where nothing else is taken: %s", test.file, test.claimed, got)
		}
	}
}

// What is read by its place is bounded in number and in size, whatever the directory says.
func TestReadsByPlaceAreFew(t *testing.T) {
	for _, s := range genuine(t) { // what is in the first block of the stream needs none
		r := &counted{Reader: bytes.NewReader(s.data)}
		if _, err := sniff.Check(t.Context(), r, s.extension(), everything()); err != nil || r.reads != 0 {
			t.Errorf("%s: %v, %d reads by place", s.file, err, r.reads)
		}
	}
	for size, want := range map[int64]int{1 << 20: 1, 8 << 20: 1} {
		for _, l := range larges(t, size) {
			of, _ := sniff.TypeOf(l.extension)
			data, err := io.ReadAll(l.reader(size))
			if err != nil {
				t.Fatal(err)
			}
			r := &counted{Reader: bytes.NewReader(data)}
			_, err = sniff.Check(t.Context(), r, l.extension, sniff.Limits{})
			if of.Reads != "" && r.reads != want || of.Reads == "" && r.reads != 0 || err != nil {
				t.Errorf("%s of %d bytes: %v, %d reads by place", l.name, len(data), err, r.reads)
			}
		}
	}
	// 60,000 entries with long names: a directory of 9 MB, in pieces of 1 MiB.
	r := &counted{Reader: bytes.NewReader(manyEntries(60_000, 100))}
	if _, err := sniff.Check(t.Context(), r, "zip", sniff.Limits{}); err != nil || r.reads != 10 || r.most > 1<<20 {
		t.Errorf("%v, %d reads by place, the largest of %d bytes", err, r.reads, r.most)
	}
}

// counted counts the reads by place.
type counted struct {
	*bytes.Reader
	reads, most int
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	c.reads++
	c.most = max(c.most, len(p))
	return c.Reader.ReadAt(p, at)
}

// manyEntries is an archive of so many empty entries with names of so many bytes.
func manyEntries(count, name int) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for n := range count {
		if _, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%0*d", name, n)}); err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// document is a PDF of sections, each with what stands in front of it, from the oldest to the newest.
func document(sections int, before []byte, entries int) []byte {
	b, last := []byte("%PDF-1.4\n"), ""
	for range sections {
		b = append(b, before...)
		at := len(b)
		b = fmt.Appendf(b, "xref\n0 %d\n%strailer\n<</Root 1 0 R/Size 1%s>>\nstartxref\n%d\n%%%%EOF\n", entries,
			strings.Repeat("0000000000 65535 f \n", entries), last, at)
		last = fmt.Sprintf("/Prev %d", at)
	}
	return b
}

func TestADocumentsSectionsAreFewAndNearOrRefused(t *testing.T) {
	far := bytes.Repeat([]byte("%\n"), 100<<10)
	for _, test := range []struct {
		what  string
		data  []byte
		want  string
		reads int
	}{
		{"a thousand changes at the end", document(1000, nil, 0), "ok", 0},
		{"one more", document(1001, nil, 0), "corrupt", 0},
		{"changes of 300 KB each", document(64, far, 0), "ok", 64}, // the end is read first, and has the newest
		{"two more of 300 KB", document(66, far, 0), "corrupt", 64},
		{"a table of 200,000 entries", document(1, far, 200_000), "ok", 7},
		{"two of them", document(2, nil, 200_000), "ok", 12},
	} {
		r := &counted{Reader: bytes.NewReader(test.data)}
		_, err := sniff.Check(t.Context(), r, "pdf", sniff.Limits{})
		if got := verdict(t, test.data, "pdf", sniff.Limits{}); got != test.want || r.reads > test.reads || r.most > 1<<20 {
			t.Errorf("%s: %v, want %s; %d reads by place (at most %d bytes), want %d", test.what, err, test.want, r.reads, r.most,
				test.reads)
		}
	}
}

// A trailer may be within another: the bytes are read once for each.
func TestTrailersWithinTrailersAreBounded(t *testing.T) {
	nested := func(sections int) string {
		b := "%PDF-1.4\n"
		for n := range sections {
			next := ""
			if n < sections-1 {
				next = fmt.Sprintf("/Prev %d", 9+60*(n+1))
			}
			b += fmt.Sprintf("%-60s", "xref 0 0 trailer<</Root 1/Size 1"+next+"/B ")
		}
		return b + "0" + strings.Repeat(">>", sections) + "\nstartxref\n9\n%%EOF\n"
	}
	for sections, want := range map[int]string{1: "<nil>", 100: "<nil>", 700: "longer than 4,194,304 bytes together"} {
		_, err := sniff.Check(t.Context(), strings.NewReader(nested(sections)), "pdf", sniff.Limits{})
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%d trailers within each other: %v, want %s", sections, err, want)
		}
	}
}

// A linearized document has an end of its own behind its first page.
func TestADocumentThatIsCutBehindItsFirstPageIsTruncated(t *testing.T) {
	data := named(t, "genuine/qpdf-linearized.pdf")
	for n := range len(data) - 8 { // its last end, and a line end
		if got := verdict(t, data[:n], "pdf", sniff.Limits{}); got != "truncated" {
			t.Fatalf("the first %d of %d bytes: %s", n, len(data), got)
		}
	}
}

func TestATrailersKeysAreReadAtItsTopAlone(t *testing.T) {
	for keys, want := range map[string]string{
		"": "ok", "/Prev 10": "corrupt", "/A<</Prev 10>>": "ok", "/A[/Prev 10]": "ok", "/A(/Prev 10)": "ok", "/A/Prev/B 10": "ok",
		"/A<2f50>/B 10": "ok", "/Prev 10.5": "ok", "/A(a\\(b)/Prev 10": "corrupt", "/A(a(b)c)/Prev 10": "corrupt",
		"%/Prev 10\n": "ok", "/A%>>\n 5": "ok", "/A 5 0 R/Prev 10": "corrupt", "/XRefStm 10": "corrupt", ")": "corrupt", "<": "corrupt",
		"/A[": "corrupt", "/A]": "corrupt", "/A<<": "corrupt",
	} {
		data := bytes.Replace(document(1, nil, 0), []byte("/Size 1"), []byte("/Size 1"+keys), 1)
		if got := verdict(t, data, "pdf", sniff.Limits{}); got != want {
			t.Errorf("a trailer with %q: %s, want %s", keys, got, want)
		}
	}
}

func TestOtherCharsetsAreAMatterOfThePolicy(t *testing.T) {
	wide := func(order binary.AppendByteOrder, text string) string {
		var b []byte
		for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
			b = order.AppendUint16(b, unit)
		}
		return string(b)
	}
	little, big := wide(binary.LittleEndian, "grüße 🙂\r\n"), wide(binary.BigEndian, "grüße 🙂\r\n")
	for _, test := range []struct{ text, charset, want, found string }{
		{"gr\xfc\xdfe\n", "", "corrupt", ""}, {"gr\xfc\xdfe\n", "utf-16", "corrupt", ""},
		{"gr\xfc\xdfe\n", "windows-1252", "ok", "windows-1252"},
		{"grüße, gr\xfc\xdfe", "windows-1252", "ok", "windows-1252"},
		{"grüße", "windows-1252", "ok", "utf-8"},
		{"gr\xfc\xdfe\x00", "windows-1252", "type_mismatch", ""},
		{strings.Repeat("gr\xfc\xdfe\n", 500) + "\x1b", "windows-1252", "corrupt", ""},
		{"<html>gr\xfc\xdfe\n", "windows-1252", "type_mismatch", ""},
		{little, "", "corrupt", ""}, {little, "windows-1252", "corrupt", ""},
		{little, "utf-16", "ok", "utf-16"}, {big, "utf-16", "ok", "utf-16"},
		{little + "\n", "utf-16", "truncated", ""},
		{wide(binary.LittleEndian, "")[:1], "utf-16", "corrupt", ""},
		{little + "\x3d\xd8", "utf-16", "truncated", ""},     // the first half of a pair
		{little + "\x3d\xd8\n\x00", "utf-16", "corrupt", ""}, // and no second half
		{little + "\x00\xdc", "utf-16", "corrupt", ""},       // a second half alone
		{little + "\x00\x00", "utf-16", "type_mismatch", ""},
		{wide(binary.LittleEndian, strings.Repeat("grüße\n", 500)+"\x00"), "utf-16", "corrupt", ""},
		{wide(binary.BigEndian, "<script>"), "utf-16", "type_mismatch", ""},
	} {
		for _, extension := range []string{"txt", "csv"} {
			found, err := sniff.Check(t.Context(), strings.NewReader(test.text), extension, sniff.Limits{Charsets: []string{test.charset}})
			got := verdict(t, []byte(test.text), extension, sniff.Limits{Charsets: []string{test.charset}})
			_, charset, _ := strings.Cut(found.ContentType, "; charset=")
			if got != test.want || got == "ok" && charset != test.found {
				t.Errorf("%.30q as .%s, where %q is taken: %v (%s), want %s (%s)", test.text, extension, test.charset, err,
					found.ContentType, test.want, test.found)
			}
		}
	}
}

func TestALetterOfSeveralBytesMayLieAcrossTwoBlocks(t *testing.T) {
	for shift := range 9 {
		text := strings.Repeat("x", 128<<10-shift) + "é日🙂"
		for cut := 0; cut < 9; cut++ { // the bytes of the three letters end after 2, 5 and 9
			want := "corrupt"
			if whole := len(text) - cut; utf8.ValidString(text[:whole]) {
				want = "ok"
			}
			if got := verdict(t, []byte(text[:len(text)-cut]), "txt", sniff.Limits{}); got != want {
				t.Errorf("%d bytes before the edge, %d bytes missing: %s, want %s", shift, cut, got, want)
			}
		}
	}
}

func TestTheRefusalOfATextNamesTheByte(t *testing.T) {
	limits := sniff.Limits{Charsets: []string{"utf-16"}}
	for start, end := range map[string]string{"": "\x01.", " ": "\xff.", "\xff\xfe": "\x01\x00."} {
		text := start + strings.Repeat("x\x0a", 100_000)
		want := wording.Sprintf(" byte %d", len(text)+len(start)/2)
		if _, err := sniff.Check(t.Context(), strings.NewReader(text+end), "txt", limits); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q at the end: %v, want%s", end, err, want)
		}
	}
}

// TestATextIsUTF8AsGoHasIt tries the edges of characters of every length.
func TestATextIsUTF8AsGoHasIt(t *testing.T) {
	edges := []byte{0x20, 0x7e, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff}
	for lead := 0x80; lead <= 0xff; lead++ {
		for _, second := range edges {
			for _, third := range edges {
				for _, fourth := range edges {
					data := []byte{'a', byte(lead), second, third, fourth, 'w'}
					if got, want := verdict(t, data, "txt", everything()) == "ok", utf8.Valid(data); got != want {
						t.Fatalf("%q: allowed %v, and Go says UTF-8 %v", data, got, want)
					}
				}
			}
		}
	}
}

// TestATextIsUTF16AsGoHasIt tries the edges of what units mean, behind more text than is told from other types.
func TestATextIsUTF16AsGoHasIt(t *testing.T) {
	limits := sniff.Limits{Charsets: []string{"utf-16"}}
	text := append([]uint16{0xfeff}, utf16.Encode([]rune(strings.Repeat("grün", 150)))...)
	lower := []byte{0, 8, '\t', '\n', '\v', '\f', '\r', 0x0e, 0x1a, 0x1b, 0x1d, 0x1f, ' ', '~', 0x7f, 0x80, 0xff}
	for n := range 256 * len(lower) {
		unit := uint16(n/len(lower))<<8 | uint16(lower[n%len(lower)])
		for _, other := range []uint16{'a', 0xd800, 0xdbff, 0xdc00, 0xdfff} {
			units := append(slices.Clip(text), other, unit, 'a')
			want := slices.Equal(utf16.Encode(utf16.Decode(units)), units) && // a half alone becomes another character
				(unit >= ' ' && unit != 0x7f || strings.ContainsRune("\t\n\v\f\r\x1a\x1d", rune(unit)))
			for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
				var data []byte
				for _, u := range units {
					data = order.AppendUint16(data, u)
				}
				if _, err := sniff.Check(t.Context(), bytes.NewReader(data), "txt", limits); (err == nil) != want {
					t.Fatalf("%v %x: %v, want allowed %v", order, units[len(text):], err, want)
				}
			}
		}
	}
}
