package sniff_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/sniff"
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
	if got := verdict(t, slices.Concat(jpeg, film, film), "jpg", everything()); got != "ok" {
		t.Errorf("a second video's boxes behind the first's: %s", got)
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

// The index is not obeyed where further pictures are not allowed: then a picture that lost them is whole.
func TestAnIndexOfMissingPicturesMattersOnlyWhereTheyAreAllowed(t *testing.T) {
	data := named(t, "refused/mpf-missing.jpg")
	if got := verdict(t, data, "jpg", sniff.Limits{}); got != "ok" {
		t.Errorf("without mpf: %s", got)
	}
	if got := verdict(t, data, "jpg", sniff.Limits{MPF: true}); got != "truncated" {
		t.Errorf("with mpf: %s", got)
	}
}

func TestSizesAreBoundedAtTheLimitAndNotBefore(t *testing.T) {
	for _, file := range []string{"go-nrgba.png", "go.jpg", "go.gif", "sdl.bmp", "t81-dnl.jpg"} { // 31 x 23 each
		data, extension := named(t, "genuine/"+file), file[len(file)-3:]
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
		{"exiftool.gif", -1}, {"exiftool.jpg", -1}, {"exiftool.png", -1}, {"im-profile.bmp", -1}, {"plain-text.gif", -1},
		{"v5-profile.bmp", 32}, {"v5-profile-first.bmp", 32}, {"info-gap.bmp", 10}, {"private-chunks.png", 49},
		{"unknown-extension.gif", 10}, {"info-24-large-palette.bmp", 1200}, {"info-24-palette.bmp", 24}, {"v5-profile-far.bmp", 32},
	} {
		data, extension := named(t, "genuine/"+test.file), test.file[len(test.file)-3:]
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
