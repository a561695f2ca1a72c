package sniff

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/h2non/filetype/matchers"
)

// toEnd is the end of a box that goes on to the end of the file.
const toEnd = math.MaxInt64

// textual is the first printable letter. A length that begins with it or a later one is of 512 MiB and more.
const textual = 0x20

// box is the head of a box of an ISO base media file (ISO/IEC 14496-12, 4.2); QuickTime calls it an atom.
type box struct {
	at, end int64
	kind    [4]byte
}

// String names a box in a message, if its type is a word: it may be anything.
func (b box) String() string {
	kind := bytes.TrimRight(b.kind[:], " ")
	if !isWord(kind) {
		return "box"
	}
	return "box " + string(kind)
}

// isWord reports whether b is letters and digits alone.
func isWord(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return !isLetter(c) && !isDigit(c) })
}

// span is a range of bytes; an empty one has hi 0.
type span struct{ lo, hi int64 }

func (s *span) add(lo, hi int64) {
	if s.hi == 0 || lo < s.lo {
		s.lo = lo
	}
	s.hi = max(s.hi, hi)
}

// brands are those of the file type box (ftyp) with which head begins, the major one first. Without such a box there
// are none.
func brands(head []byte) []string {
	if len(head) < 12 || string(head[4:8]) != "ftyp" {
		return nil
	}
	all := []string{string(head[8:12])}
	end := min(be32(head), int64(len(head)))
	for at := int64(16); at+4 <= end; at += 4 {
		all = append(all, string(head[at:at+4]))
	}
	return all
}

// Brands of pictures: those of each type, and those that all of them may have as the major one.

func heicBrands() []string {
	return []string{"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"}
}
func avifBrands() []string    { return []string{"avif", "avis", "avio"} }
func pictureBrands() []string { return []string{"mif1", "mif2", "msf1", "miaf"} }

// isHEIC reports whether a file begins as a HEIC picture does. The matcher knows one major brand of several. A picture
// that is not said to be AVIF may be one, too.
func isHEIC(head []byte) bool {
	b := brands(head)
	return matchers.Heif(head) || len(b) > 0 &&
		(slices.Contains(heicBrands(), b[0]) || slices.Contains(pictureBrands(), b[0]) && !isAVIF(head))
}

// isAVIF reports whether a file begins as an AVIF picture does, by the major brand, or by any other behind one that all
// pictures may have. There is no matcher for it.
func isAVIF(head []byte) bool {
	b := brands(head)
	if len(b) > 0 && !slices.Contains(pictureBrands(), b[0]) {
		b = b[:1]
	}
	return slices.ContainsFunc(b, func(b string) bool { return slices.Contains(avifBrands(), b) })
}

// isMP4 reports whether a file begins as an MP4 does. The matcher knows many major brands, and not those of 3GPP, of
// iTunes and of most cameras: then what the file is compatible with decides, unless that is true of another type, too.
func isMP4(head []byte) bool {
	b := brands(head)
	if len(b) == 0 || matchers.Mp4(head) {
		return len(b) > 0
	}
	switch b[0] {
	case "qt  ", "M4A ", "M4B ", "crx ", "jp2 ", "jpx ", "jxl ": // the last ones: raw pictures, JPEG 2000, JPEG XL
		return false
	}
	return !isHEIC(head) && !isAVIF(head) && slices.ContainsFunc(b, func(b string) bool {
		switch b[:3] {
		case "3gp", "3g2", "iso", "mp4", "avc", "M4V":
			return true
		}
		return false
	})
}

// isMOV reports whether a file begins as a QuickTime film does. Old ones have no file type box. The matcher takes every
// such box of 20 bytes for one of theirs.
func isMOV(head []byte) bool {
	if b := brands(head); len(b) > 0 {
		return b[0] == "qt  "
	}
	return len(head) >= 8 && head[0] < textual && (matchers.Mov(head) ||
		slices.Contains([]string{"wide", "free", "skip", "pnot"}, string(head[4:8])))
}

// isM4A reports whether a file begins as an M4A sound does, or as an MP4, in which some programs store sound: m4a then
// looks at the tracks. The matcher takes any file that begins with the letters M4A, and no audio book (M4B).
func isM4A(head []byte) bool { return isM4AItself(head) || isMP4(head) }

func isM4AItself(head []byte) bool {
	b := brands(head)
	return len(b) > 0 && (matchers.M4a(head) || b[0] == "M4B ")
}

// isoWalk is what has been seen of an ISO base media file so far: HEIC, AVIF, MP4, QuickTime, M4A, or the video of a
// motion photo. Boxes are walked in their order, so that none can overlap another.
type isoWalk struct {
	*walker
	start int64 // where that file begins: places that it names count from there
	still bool  // a picture: there is a box meta that lists what it is made of
	bare  bool  // the video behind a JPEG: only known boxes belong to it
	// either: the file's first bytes are of two types, HEIC and AVIF or M4A and MP4.
	either bool

	index, items  bool  // moov, meta were seen
	unshown       error // why meta alone does not show a picture
	sound, moving bool  // tracks of sound and of video were seen
	sequence      bool  // a track of a sequence of pictures was seen

	media  span  // from the first mdat's content to the end of the last one's
	open   bool  // the last mdat goes on to the end of the file
	used   span  // what the indexes say of where the media is
	usedAt int64 // where the index is that widened used last
}

// top walks the boxes of a file up to end, or to what is none, and sees that nothing is missing.
func (f *isoWalk) top(end int64) error {
	for f.offset() < end {
		is, err := f.isBox()
		if err != nil {
			return err
		}
		if !is {
			break
		}
		b, err := f.box(end)
		if err != nil {
			return err
		}
		if err := f.topBox(b); err != nil {
			return err
		}
		if b.end == toEnd {
			err = f.rest()
			f.media.hi = f.offset()
		} else {
			err = f.leave(b)
		}
		if err != nil {
			return err
		}
	}
	return f.complete(end)
}

// isBox reports whether what comes next is a box that may stand at the top of a file. The types of some cameras are
// written nowhere, so that any word will do. Text is no box, though its letters may look like a length and a type.
func (f *isoWalk) isBox() (bool, error) {
	b, err := f.peek(8)
	if len(b) < 8 || err != nil {
		return false, err
	}
	if isKnownBox(b[4:]) {
		return string(b[4:8]) != "ftyp" || f.offset() == f.start, nil // another file begins with a second one
	}
	return !f.bare && b[0] < textual && (be32(b) >= 8 || be32(b) == 1) && isWord(b[4:8]), nil
}

// isKnownBox reports whether b begins with the type of a box that stands at the top of such files.
func isKnownBox(b []byte) bool {
	switch string(b[:4]) {
	case "ftyp", "moov", "mdat", "free", "skip", "wide", "uuid", "udta", "meta", "meco", "moof", "mfra", "styp", "sidx",
		"ssix", "prft", "pdin", "emsg", "pnot":
		return true
	}
	return false
}

// box reads the head of a box that ends by the given byte.
func (f *isoWalk) box(within int64) (box, error) {
	at := f.offset()
	if within-at < 8 {
		return box{}, f.corrupt(at, "a box begins in the last %d bytes of another, which is too few for one", within-at)
	}
	if err := f.part(); err != nil {
		return box{}, err
	}
	head, err := f.take(8)
	if err != nil {
		return box{}, err
	}
	b := box{at: at, kind: [4]byte(head[4:])}
	length := be32(head)
	switch length {
	case 0: // to the end of the file: media that was written before its length was known
		if within != toEnd || f.bare || string(b.kind[:]) != "mdat" {
			return box{}, f.corrupt(at, "%s has no length", b)
		}
		b.end = toEnd
		return b, nil
	case 1: // the length is in the next eight bytes
		if within-at < 16 {
			return box{}, f.corrupt(at, "%s has no room for its length", b)
		}
		if head, err = f.take(8); err != nil {
			return box{}, err
		}
		length = int64(min(binary.BigEndian.Uint64(head), math.MaxInt64))
	}
	if length < f.offset()-at || length > within-at {
		return box{}, f.corrupt(at, "%s claims to be %d bytes long, which cannot be", b, length)
	}
	b.end = at + length
	return b, nil
}

// leave walks to the end of a box.
func (f *isoWalk) leave(b box) error { return f.skip(b.end - f.offset()) }

// boxes walks the boxes that fill b and shows each; what show leaves of it is skipped. QuickTime may end a list of
// boxes with four zeros.
func (f *isoWalk) boxes(b box, show func(box) error) error {
	for f.offset() < b.end {
		if left := b.end - f.offset(); left < 8 {
			rest, err := f.take(int(left))
			if err != nil {
				return err
			}
			if len(bytes.Trim(rest, "\x00")) > 0 {
				return f.corrupt(b.end-left, "%d bytes at the end of %s belong to no part of it", left, b)
			}
			return nil
		}
		if err := f.within(b, show); err != nil {
			return err
		}
	}
	return nil
}

// within walks one box in b and shows it.
func (f *isoWalk) within(b box, show func(box) error) error {
	part, err := f.box(b.end)
	if err != nil {
		return err
	}
	if err := show(part); err != nil {
		return err
	}
	return f.leave(part)
}

// fields walks over n bytes of a box and returns them.
func (f *isoWalk) fields(b box, n int64) ([]byte, error) {
	if n > b.end-f.offset() {
		return nil, f.corrupt(b.at, "%s is too short", b)
	}
	return f.take(int(n))
}

// topBox looks at a box at the top of a file.
func (f *isoWalk) topBox(b box) error {
	switch string(b.kind[:]) {
	case "mdat":
		f.media.add(f.offset(), b.end)
		f.open = b.end == toEnd
	case "moov":
		if f.index {
			return f.corrupt(b.at, "it has a second index (moov)")
		}
		f.index = true
		return f.boxes(b, f.movie)
	case "moof":
		return f.boxes(b, f.fragment)
	case "meta":
		if f.still {
			return f.picture(b)
		}
		return f.other(b)
	case "mpvd":
		if f.still {
			return f.motion(b)
		}
		return f.other(b)
	case "ftyp", "sidx", "styp", "ssix", "mfra", "prft", "pdin":
	default:
		return f.other(b)
	}
	return nil
}

// other counts a box that is not looked at: notes, free room, what a maker of cameras alone knows. Those of a motion
// photo's video are none of the picture's.
func (f *isoWalk) other(b box) error {
	if f.start > 0 {
		return nil
	}
	return f.extra(b.end - b.at)
}

// motion walks the video in a motion photo in HEIC or AVIF.
func (f *isoWalk) motion(b box) error {
	if err := f.mayMove(b); err != nil {
		return err
	}
	return (&isoWalk{walker: f.walker, start: f.offset()}).top(b.end)
}

// mayMove refuses a video in a picture, which begins with a box, unless the limits allow it.
func (f *isoWalk) mayMove(b box) error {
	if f.limits.Video {
		return nil
	}
	return refusef(TrailingData, "The %s is a motion photo: it has a video at byte %d, which is not taken here; "+
		"save it as a still photo, without its video, and upload that.", f.called(), b.at)
}

// complete sees at the end of all boxes, of which the last should end at end, that nothing is missing.
func (f *isoWalk) complete(end int64) error {
	at := f.offset()
	list, missing := "moov", !f.index
	if f.still {
		list, missing = "meta", !f.items && !f.index // a sequence of pictures may have a moov alone
	}
	needsMedia := f.used.hi > 0 || !f.items
	if f.unshown != nil && !f.index {
		return f.unshown
	}
	if missing || needsMedia && f.media.hi == 0 || f.used.hi > at {
		rest, err := f.peek(8)
		if err != nil {
			return err
		}
		if len(rest) < 8 && (end == toEnd || at+int64(len(rest)) < end) {
			return errShort
		}
	}
	switch {
	case end != toEnd && at < end:
		return f.corrupt(at, "no box of its video begins there")
	case missing:
		return f.corrupt(at, "the list of what is in it (%s) is missing", list)
	case f.still && (!f.items || f.unshown != nil) && !f.sequence:
		return f.notAsNamed("what is in the file is a video or a sound", likeness{})
	case needsMedia && f.media.hi == 0:
		return f.corrupt(at, "its data (mdat) is missing")
	case f.used.hi > 0 && (f.used.lo < f.media.lo || f.used.hi > f.media.hi):
		return f.corrupt(f.usedAt, "its data should be at bytes %d to %d, and is at bytes %d to %d", f.used.lo, f.used.hi,
			f.media.lo, f.media.hi)
	case f.open && f.items && !f.index && f.used.hi < f.media.hi: // what is in a picture is known to the byte
		return refusef(TrailingData, "The data of the %s ends at byte %d, but more follows it; %s.", f.called(), f.used.hi,
			f.again())
	}
	return nil
}

// place notes that an index, at a byte of the input, says that there is media from lo to hi of the file.
func (f *isoWalk) place(at int64, lo, hi uint64) error {
	if hi > uint64(toEnd-f.start) || lo > hi {
		return f.corrupt(at, "it says that its data is where no file reaches")
	}
	before := f.used
	if f.used.add(int64(lo)+f.start, int64(hi)+f.start); f.used != before {
		f.usedAt = at
	}
	return nil
}

// heif walks a HEIC or AVIF picture.
func (w *walker) heif() error {
	head, err := w.peek(described)
	if err != nil {
		return err
	}
	return (&isoWalk{walker: w, still: true, either: isHEIC(head) && isAVIF(head)}).top(toEnd)
}

// film walks a video.
func (w *walker) film() error { return (&isoWalk{walker: w}).top(toEnd) }

// m4a walks a sound. One whose brand is MP4's must have no pictures that move.
func (w *walker) m4a() error {
	head, err := w.peek(described)
	if err != nil {
		return err
	}
	f := &isoWalk{walker: w, either: !isM4AItself(head)}
	if err := f.top(toEnd); err != nil {
		return err
	}
	if !f.either || f.sound && !f.moving {
		return nil
	}
	return f.turn("mp4", "is a video, or has no sound")
}

// turn makes a file whose first bytes are of two types one of the other type, by what is in it, or refuses it.
func (f *isoWalk) turn(extension, what string) error {
	if f.either && f.become(extension) {
		return nil
	}
	looks := likeness{}
	if f.either {
		looks.extension = extension
	}
	return f.notAsNamed("what is in the file "+what, looks)
}
