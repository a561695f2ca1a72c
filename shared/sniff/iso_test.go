package sniff_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/h2non/filetype/matchers"

	"hatchery/shared/sniff"
)

// isISO reports whether a sample is made of boxes.
func isISO(s sample) bool {
	return slices.Contains([]string{"heic", "heif", "avif", "mp4", "mov", "m4a"}, s.extension())
}

// boxesOf gives where each box begins whose place in the file matters, however deep.
func boxesOf(data []byte) []int {
	var all []int
	var walk func(at, end int)
	walk = func(at, end int) {
		for at+8 <= end {
			all = append(all, at)
			size := boxSize(data, at)
			if size == 0 {
				size = end - at
			}
			switch string(data[at+4 : at+8]) {
			case "moov", "trak", "mdia", "minf", "stbl", "dinf", "moof", "traf", "iprp", "ipco":
				walk(at+8, at+size)
			case "meta":
				if string(data[at+16:at+20]) == "hdlr" && string(data[at+28:at+32]) == "pict" {
					walk(at+12, at+size)
				}
			}
			at += size
		}
	}
	walk(0, len(data))
	return all
}

// The matcher is wrong about each of these, one way or the other.
func TestTheMatchersMistakesAreAnswered(t *testing.T) {
	for _, test := range []struct {
		file, extension string
		matcher         func([]byte) bool
		matches, looks  bool
	}{
		{"genuine/phone-heix.heic", "heic", matchers.Heif, false, true},
		{"genuine/brand-hevc.heic", "heic", matchers.Heif, false, true},
		{"genuine/brand-mif2.heif", "heic", matchers.Heif, false, true},
		{"genuine/avifenc.avif", "heic", matchers.Heif, false, false},
		{"genuine/brand-3gp5.mp4", "mp4", matchers.Mp4, false, true},
		{"genuine/brand-XAVC.mp4", "mp4", matchers.Mp4, false, true},
		{"refused/matcher-20.mov", "mov", matchers.Mov, true, false},
		{"refused/matcher-mdat.mov", "mov", matchers.Mov, true, false},
		{"genuine/old-free.mov", "mov", matchers.Mov, false, true},
		{"refused/matcher.m4a", "m4a", matchers.M4a, true, false},
		{"genuine/book.m4a", "m4a", matchers.M4a, false, true},
		{"genuine/ffmpeg-mp4.m4a", "m4a", matchers.M4a, false, true},
	} {
		head := named(t, test.file)
		head = head[:min(len(head), 512)]
		if got := test.matcher(head); got != test.matches {
			t.Errorf("%s: the matcher says %v, and is right", test.file, got)
		}
		if got := sniff.Looks(test.extension, head) != ""; got != test.looks {
			t.Errorf("%s looks like .%s: %v", test.file, test.extension, got)
		}
	}
	for _, s := range genuine(t) {
		head := s.data[:min(len(s.data), 512)]
		if isAVIF := s.extension() == "avif"; sniff.Looks("avif", head) != "" != isAVIF {
			t.Errorf("%s looks like AVIF: %v", s.file, !isAVIF)
		}
	}
}

func TestAFileThatIsCutAtABoxIsTruncated(t *testing.T) {
	for _, s := range genuine(t) {
		if !isISO(s) || s.file == "genuine/sequence-alone.avif" { // without moov it shows no picture, cut or not
			continue
		}
		for _, at := range boxesOf(s.data) {
			for _, n := range []int{at, at + 7} {
				got := verdict(t, s.data[:n], s.extension(), everything())
				if got != "truncated" && !wholeBoxes(s, at) && (n == 0 || n >= 16) { // fewer bytes say no type
					t.Errorf("%s, the first %d of %d bytes: %s", s.file, n, len(s.data), got)
				}
			}
		}
	}
}

// Lengths lead from one box to the next, and each ends where the one around it does. By chance a wrong one leads to
// another box, or to zeros.
func TestAFlippedBitInABoxsLengthIsRefused(t *testing.T) {
	lists := []string{"moov", "trak", "mdia", "minf", "stbl", "meta", "iprp", "ipco", "pitm", "iinf", "iloc"}
	flips, lucky := 0, 0
	for _, s := range genuine(t) {
		if !isISO(s) || s.file == "genuine/nested.mp4" { // its inner lengths mean nothing
			continue
		}
		data := slices.Clone(s.data)
		for _, at := range boxesOf(data) {
			if kind := string(data[at+4 : at+8]); !slices.Contains(lists, kind) {
				continue
			}
			for bit := range 32 {
				data[at+bit/8] ^= 1 << (bit % 8)
				if flips++; verdict(t, data, s.extension(), everything()) == "ok" {
					lucky++
				}
				data[at+bit/8] = s.data[at+bit/8]
			}
		}
	}
	if lucky*400 > flips {
		t.Errorf("%d of %d wrong lengths pass", lucky, flips)
	}
	t.Logf("%d of %d wrong lengths pass", lucky, flips)
}

// What is named by one type's bytes and holds another's is taken as what it holds, where the policy corrects.
func TestWhatAFileHoldsDecidesBetweenTwoTypes(t *testing.T) {
	both, film, sound := named(t, "genuine/brand-both.avif"), named(t, "genuine/ffmpeg-h264.mp4"), named(t, "genuine/ffmpeg-mp4.m4a")
	refuse := everything()
	refuse.Extensions = []string{"m4a", "mp4", "heic", "avif"}
	for _, test := range []struct {
		data    []byte
		claimed string
		limits  sniff.Limits
		want    string
	}{
		{both, "heic", refuse, "ends in .avif"},
		{both, "heic", instead("heic", "avif"), "avif"},
		{both, "heic", instead("heic"), "export the picture as HEIC"},
		{both, "png", instead("heic", "avif"), "avif"},
		{named(t, "refused/coded.heic"), "heic", refuse, "; export the picture as HEIC"}, // as .avif it is refused, too
		{named(t, "refused/coded.heic"), "heic", instead("heic", "avif"), "; export the picture as HEIC"},
		{film, "m4a", refuse, "ends in .mp4"},
		{film, "m4a", instead("m4a", "mp4"), "mp4"},
		{film, "m4a", instead("m4a"), "export the sound as M4A"},
		{film, "png", instead("m4a", "mp4"), "mp4"},
		{sound, "m4a", refuse, "m4a"},
		{sound, "mp4", refuse, "mp4"},
		{sound, "png", instead("m4a", "mp4"), "m4a"},
		{named(t, "genuine/sequence.heic"), "heic", refuse, "heic"},
	} {
		found, err := sniff.Check(t.Context(), bytes.NewReader(test.data), test.claimed, test.limits)
		of, _ := sniff.TypeOf(found.Extension)
		if err == nil && (found.Extension != test.want || found.ContentType != of.ContentType) ||
			err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("as .%s, %v: %+v, %v; want %s", test.claimed, test.limits.Extensions, found, err, test.want)
		}
	}
}

func TestRefusalsOfFilmsSayWhatIsWrong(t *testing.T) {
	still := everything()
	still.Video, still.Samsung = false, false
	for _, test := range []struct{ file, want string }{
		{"refused/elsewhere-url.mp4", "points to other files or addresses"},
		{"refused/elsewhere-alias.mp4", "(box alis)"},
		{"refused/rmra.mov", "(box rmra)"},
		{"refused/cmov.mov", "is compressed (cmov"},
		{"genuine/motion.heic", "is a motion photo"},
		{"genuine/samsung-behind.heic", "notes of a Samsung phone"},
		{"refused/no-moov.mp4", "the file was cut short"},
		{"refused/stco-behind.mp4", "and is at bytes"},
		{"refused/stts-count.mp4", "4,294,967,295 entries"},
		{"refused/mov-inside.mp4", "looks like a QuickTime video; rename the file so that it ends in .mov"},
		{"refused/m4a-inside.mp4", "looks like an M4A sound; rename the file so that it ends in .m4a"},
		{"refused/mp4-inside.mov", "looks like an MP4 video; rename the file so that it ends in .mp4"},
		{"refused/heic-inside.avif", "looks like a HEIC picture; rename the file so that it ends in .heic"},
	} {
		_, err := sniff.Check(t.Context(), bytes.NewReader(named(t, test.file)),
			strings.TrimPrefix(filepath.Ext(test.file), "."), still)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want it to say %q", test.file, err, test.want)
		}
	}
}

// The frames of a sequence may together take 32 times the pixels of one picture, and the tiles of a picture, too. Those
// of a video may not be counted: it is played, not drawn at once.
func TestFramesAndTilesAreBoundedTogether(t *testing.T) {
	frames := func(file string, n uint32) []byte {
		data := named(t, "genuine/"+file)
		for at := bytes.Index(data, []byte("stsz")); at >= 0; at = -1 {
			binary.BigEndian.PutUint32(data[at+8:], 1) // all of one size
			binary.BigEndian.PutUint32(data[at+12:], n)
		}
		return data
	}
	for _, test := range []struct {
		data      []byte
		extension string
		pixels    int64
		want      string
	}{
		{frames("sequence.heic", 32), "heic", 32 * 24, "ok"},
		{frames("sequence.heic", 33), "heic", 32 * 24, "too_many_pixels"},
		{frames("sequence.heic", 1<<32-1), "heic", 32 * 24, "too_many_pixels"},
		{frames("sequence.heic", 33), "heic", 0, "ok"},
		{frames("ffmpeg-h264.mp4", 1000), "mp4", 32 * 24, "ok"},
		{manyItems(2, 32), "heic", 9 * 7, "ok"},
		{manyItems(2, 33), "heic", 9 * 7, "too_many_pixels"},
	} {
		if got := verdict(t, test.data, test.extension, sniff.Limits{MaxPixels: test.pixels}); got != test.want {
			t.Errorf("%d bytes of .%s, where %d pixels are allowed: %s, want %s", len(test.data), test.extension, test.pixels,
				got, test.want)
		}
	}
}

// A film's own size and the one that it is to be shown in are bounded, each.
func TestSizesOfFilmsAreBounded(t *testing.T) {
	for _, file := range []string{"ffmpeg-h264.mp4", "ffmpeg-fragments.mp4", "gst.mp4", "ffmpeg.mov", "sequence.heic"} { // 32 x 24
		data, extension := named(t, "genuine/"+file), strings.TrimPrefix(filepath.Ext(file), ".")
		for _, test := range []struct {
			limits sniff.Limits
			want   string
		}{
			{sniff.Limits{MaxPixels: 32 * 24, MaxSide: 32}, "ok"},
			{sniff.Limits{MaxPixels: 32*24 - 1}, "too_many_pixels"},
			{sniff.Limits{MaxSide: 31}, "too_many_pixels"},
		} {
			if got := verdict(t, data, extension, test.limits); got != test.want {
				t.Errorf("%s under %+v: %s, want %s", file, test.limits, got, test.want)
			}
		}
	}
}

// The video of a motion photo is walked like any other, its places counted from where it begins.
func TestTheVideoOfAMotionPhotoIsWalkedWhole(t *testing.T) {
	jpeg, heic := named(t, "genuine/cjpeg-gray.jpg"), named(t, "genuine/phone.heic")
	limits := sniff.Limits{Video: true, MaxAncillaryBytes: 63} // the picture's; what is in the video is not counted
	if got := verdict(t, named(t, "genuine/motion.heic"), "heic", limits); got != "ok" {
		t.Errorf("under %+v: %s", limits, got)
	}
	for _, s := range samples(t) {
		if s.extension() != "mp4" || bytes.HasPrefix(s.data, []byte("\x00\x00\x00\x14ftypqt")) || sniff.Looks("mp4", s.data) == "" {
			continue
		}
		inBox := slices.Concat(heic, isoBox("mpvd", s.data))
		got := verdict(t, inBox, "heic", everything())
		plain := s.verdict == "ok" && s.file != "genuine/to-end.mp4" && s.file != "genuine/zeros.mp4"
		if plain != (got == "ok") {
			t.Errorf("%s in a HEIC: %s, by itself %s", s.file, got, s.verdict)
		}
		if got := verdict(t, slices.Concat(jpeg, s.data), "jpg", everything()); s.verdict != "ok" && got == "ok" {
			t.Errorf("%s behind a JPEG: ok, by itself %s", s.file, s.verdict)
		}
	}
}

// A picture has a film or a sound in its index, too, in place of a box of its own.
func TestAPictureWithAFilmInItsIndexIsAMotionPhoto(t *testing.T) {
	for _, film := range []string{"genuine/ffmpeg-h264.mp4", "genuine/ffmpeg.m4a"} {
		data := named(t, film)
		both := append(named(t, "genuine/phone.heic"), indexOf(t, data)...)
		for video, want := range map[bool]string{false: "trailing_data", true: "ok"} {
			if got := verdict(t, both, "heic", sniff.Limits{Video: video}); got != want {
				t.Errorf("a HEIC with the index of %s, video %t: %s, want %s", film, video, got, want)
			}
		}
	}
}

// indexOf gives the box moov of a film, whose chunks begin at the first byte of a picture's data.
func indexOf(t *testing.T, film []byte) []byte {
	t.Helper()
	at := bytes.Index(film, []byte("moov")) - 4
	index := bytes.Clone(film[at:][:boxSize(film, at)])
	places := index[bytes.Index(index, []byte("stco"))+8:]
	count := int(binary.BigEndian.Uint32(places))
	for i := range count {
		binary.BigEndian.PutUint32(places[4+4*i:], uint32(bytes.Index(named(t, "genuine/phone.heic"), []byte("mdat"))+4))
	}
	return index
}

// A program's stack ends the program where it grows too much, and no error can be caught then.
func TestVideosWithinVideosTakeNoStack(t *testing.T) {
	const deep = 80_000
	data := slices.Concat(named(t, "genuine/phone.heic")[:24], isoBox("free", make([]byte, 64*deep)),
		make([]byte, 8*deep))
	for at := len(data) - 8*deep; at < len(data); at += 8 {
		binary.BigEndian.PutUint32(data[at:], uint32(len(data)-at))
		copy(data[at+4:], "mpvd")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := verdict(t, data, "heic", everything()); got != "corrupt" {
		t.Errorf("videos within videos: %s, want corrupt", got)
	}
	if runtime.ReadMemStats(&after); after.StackSys > before.StackSys+4<<20 {
		t.Errorf("videos within videos take %d bytes of stack", after.StackSys-before.StackSys)
	}
}

// Lists are kept until all are there, whatever they say, so that their length is bounded, and that of what they name.
func TestAPicturesListsAreBounded(t *testing.T) {
	meta := func(part []byte) []byte {
		return append([]byte("\x00\x00\x00\x10ftypheic\x00\x00\x00\x00"),
			isoBox("meta", make([]byte, 4), isoBox("hdlr", make([]byte, 8), []byte("pict")), part)...)
	}
	for _, test := range []struct {
		data []byte
		want string
	}{
		{manyItems(8_000, 9), "<nil>"},
		{manyItems(40_000, 3_000), "not_allowed: The HEIC picture is cut into"},
		{meta(isoBox("iinf", make([]byte, 1<<20))), "which of its pictures is to be shown"},
		{meta(isoBox("iinf", make([]byte, 1<<20+1))), "not_allowed: The lists"},
		{meta(slices.Concat(isoBox("iinf", make([]byte, 1<<19)), isoBox("iref", make([]byte, 1<<19+1)))), "not_allowed: The lists"},
		{meta(isoBox("iprp", isoBox("ipco", bytes.Repeat(isoBox("free"), 1<<15-1)))), "which of its pictures is to be shown"},
		{meta(isoBox("iprp", isoBox("ipco", bytes.Repeat(isoBox("free"), 1<<15)))), "more than 32,767 properties"},
	} {
		_, err := sniff.Check(t.Context(), bytes.NewReader(test.data), "heic", sniff.Limits{})
		if !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%d bytes: %v, want %s", len(test.data), err, test.want)
		}
	}
}

// Which type a file is of is said by its major brand, and where that is one of many types, by the others.
func TestBrandsSayTheType(t *testing.T) {
	for brands, want := range map[string]string{
		"heic mif1 heic": "heic", "hevx msf1": "heic", "mif1": "heic", "msf1 hevc": "heic", "miaf mif1": "heic",
		"avif mif1": "avif", "avis msf1 heic": "avif", "mif1 avif": "avif", "msf1 mif1 avis": "avif",
		"heic avif": "heic", "avif heic": "avif", "mif1 heic avif": "heic avif", "mif1 avif heic": "heic avif",
		"isom iso2": "mp4 m4a", "mp42": "mp4 m4a", "XAVC XAVC mp42": "mp4 m4a", "abcd isom": "mp4 m4a", "M4V  M4V ": "mp4 m4a",
		"3gp6": "mp4 m4a", "abcd efgh": "", "abcd heic": "", "isom heic": "mp4 m4a",
		"M4A  isom": "m4a", "M4B  isom": "m4a", "qt   isom": "mov", "crx  isom": "", "jp2  isom": "", "jxl  isom": "", "jpx  mp42": "",
	} {
		head := []byte(brands[:4] + "\x00\x00\x00\x00")
		for rest := brands[min(5, len(brands)):]; len(rest) >= 4; rest = rest[min(5, len(rest)):] {
			head = append(head, rest[:4]...)
		}
		var got []string
		for _, e := range []string{"heic", "avif", "mp4", "mov", "m4a"} {
			if sniff.Looks(e, isoBox("ftyp", head)) != "" {
				got = append(got, e)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", brands, got, want)
		}
	}
}
