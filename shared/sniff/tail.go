package sniff

import "bytes"

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
	jpeg, heic, last := w.Name == "JPEG", w.Name == "HEIC", false
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
		case last:
		case jpeg && w.limits.MPF && bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
			if further++; further > maxFurther {
				return refusef(TrailingData, "More than %d further pictures follow the JPEG picture, the last at byte %d; "+
					"export it as one picture and upload that.", maxFurther, w.offset())
			}
			follow = (&jpegWalk{walker: w}).picture
		case jpeg && isVideo(head):
			follow, last = w.video, true
		case (jpeg || heic) && isSamsung(head):
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
		for n < most {
			pads := w.pads(b[n:])
			if pads == 0 {
				break
			}
			n += pads
		}
		n = min(n, most)
		w.advance(n)
		if n < most || most == len(b) {
			return nil
		}
	}
}

// pads returns how many bytes at the beginning of b are surely padding.
func (w *walker) pads(b []byte) int {
	fill := w.limits.Padding
	switch c := b[0]; {
	case c == 0 && (fill || w.limits.Zeros):
		if isVideo(b) || isSamsung(b) {
			return 0
		}
	case c == 0xff && fill:
		if len(b) > 1 && b[1] == mSOI {
			return 0
		}
	case (c == '\r' || c == '\n' || c == ' ') && fill:
		if w.blanks++; w.blanks <= maxBlanks {
			return 1
		}
		return 0
	default:
		return 0
	}
	// What follows padding begins with other bytes soon: it can only stand at the end of a row of these.
	n := 0
	for n < len(b) && (b[n] == 0 || b[n] == 0xff && fill) {
		n++
	}
	return max(1, n-followHead)
}

// followHead is how many bytes tell what follows a picture.
const followHead = 14

// isVideo reports whether b begins as an MP4 or QuickTime file does: a first box that is shorter than 256 bytes.
func isVideo(b []byte) bool {
	return len(b) >= 8 && string(b[:3]) == "\x00\x00\x00" && string(b[4:8]) == "ftyp"
}

// video walks the video of a motion photo to its end: the end of the input, or the first thing that is no known box.
func (w *walker) video() error {
	start := w.offset()
	if !w.limits.Video {
		return refusef(TrailingData, "The JPEG picture is a motion photo: a video follows it at byte %d, which is not "+
			"taken here; save it as a still photo, without its video, and upload that.", start)
	}
	return (&isoWalk{walker: w, start: start, bare: true}).top(toEnd)
}
