package sniff

import (
	"bytes"
	"encoding/binary"
)

const (
	// maxFurther is how many pictures may follow the first one in a JPEG file.
	maxFurther = 16
	// maxBlanks is how many line ends and spaces may follow pictures, all together: too few to say anything by them.
	maxBlanks = 2
)

// tail decides about what follows the picture's end, each if the limits allow it: whole JPEGs, then a video or
// Samsung's trailer, with padding before and behind each, and then nothing. An MPF index, which announces the JPEGs, is
// not read: tools leave it as it was when they move or remove them.
func (w *walker) tail() error {
	jpeg, last := w.Name == "JPEG", false
	for further := 0; ; {
		end := w.offset()
		if err := w.padding(); err != nil {
			return err
		}
		head, err := w.peek(followHead)
		if err != nil {
			return err
		}
		follow := func() error { return w.trailing(end) }
		switch {
		case len(head) == 0:
			return nil
		case !jpeg || last:
		case w.limits.MPF && bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
			if further++; further > maxFurther {
				return refusef(TrailingData, "More than %d further pictures follow the JPEG picture, the last at byte %d; "+
					"export it as one picture and upload that.", maxFurther, w.offset())
			}
			follow = (&jpegWalk{walker: w}).picture
		case isVideo(head):
			follow, last = w.video, true
		case isSamsung(head):
			follow, last = w.samsung, true
		}
		if err := follow(); err != nil {
			return err
		}
	}
}

// padding walks over what the limits count as nothing: zeros, and with Padding also 0xFF and a few blanks. It stops
// before zeros that a video or Samsung's trailer begins with, and before the 0xFF of a JPEG.
func (w *walker) padding() error {
	for {
		b, err := w.peek(blockSize)
		if err != nil {
			return err
		}
		most := len(b)
		if most == blockSize { // more may come, and pads has to see it
			most -= followHead
		}
		n := 0
		for n < most && w.pads(b[n:]) {
			n++
		}
		w.advance(n)
		if n < most || most == len(b) {
			return nil
		}
	}
}

// pads reports whether the first byte of b is padding.
func (w *walker) pads(b []byte) bool {
	switch c := b[0]; {
	case c == 0:
		return (w.limits.Zeros || w.limits.Padding) && !isVideo(b) && !isSamsung(b)
	case !w.limits.Padding:
		return false
	case c == 0xff:
		return len(b) == 1 || b[1] != mSOI
	case c == '\r' || c == '\n' || c == ' ':
		w.blanks++
		return w.blanks <= maxBlanks
	}
	return false
}

// followHead is how many bytes tell what follows a picture.
const followHead = 14

// isVideo reports whether b begins as an MP4 or QuickTime file does: a first box that is shorter than 256 bytes.
func isVideo(b []byte) bool {
	return len(b) >= 8 && string(b[:3]) == "\x00\x00\x00" && string(b[4:8]) == "ftyp"
}

// video walks the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2: length, type, content) to its end: the end of
// the input, or the first thing that is no known box. Every box must be whole, and there must be an index (moov) and
// media (mdat). What is in the boxes is not looked at.
func (w *walker) video() error {
	start := w.offset()
	if !w.limits.Video {
		return refusef(TrailingData, "The JPEG picture is a motion photo: a video follows it at byte %d, which is not "+
			"taken here; save it as a still photo, without its video, and upload that.", start)
	}
	var moov, mdat bool
	for {
		at := w.offset()
		head, err := w.peek(16)
		if err != nil {
			return err
		}
		if len(head) < 8 || !isBoxType(head[4:8]) {
			if moov && mdat {
				return nil
			}
			if len(head) < 8 {
				return errShort
			}
			return w.corrupt(at, "the video behind the picture is damaged there")
		}
		length, used := be32(head), int64(8)
		if length == 1 { // the true length follows the type
			if len(head) < 16 {
				return errShort
			}
			length, used = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		// A length of 0 means "to the end of the file", behind which anything could be hidden. No camera writes it.
		if length < used {
			return w.corrupt(at, "the video behind the picture has a part of impossible length")
		}
		switch string(head[4:8]) {
		case "moov":
			moov = true
		case "mdat":
			mdat = true
		}
		if err := w.skip(length); err != nil {
			return err
		}
	}
}

// isBoxType reports whether b is the type of a box that stands at the top of MP4 and QuickTime files. Others are not
// stepped over: what claims to be one may be anything.
func isBoxType(b []byte) bool {
	switch string(b) {
	case "ftyp", "moov", "mdat", "free", "skip", "wide", "uuid", "udta", "meta", "meco",
		"moof", "mfra", "styp", "sidx", "ssix", "prft", "pdin", "emsg", "pnot":
		return true
	}
	return false
}
