package sniff

import (
	"bytes"
	"cmp"
	"slices"
)

// Samsung's phones put a trailer of blocks behind a photo, and the video of a motion photo is one of them. ExifTool
// documents the layout (Image::ExifTool::Samsung). Each block begins with two zeros, a type (2 bytes), the length of
// its name (4) and the name. Behind the blocks stand "SEFH", a version, the number of blocks, 12 bytes on each (two
// zeros, type, distance back from "SEFH" to its start, length), the length of all that, and "SEFT". Numbers are little
// endian.
const (
	samsungVideo = "MotionPhoto_Data"
	// samsungSmall bounds all blocks but the video: the time, the phone's country, the camera's mode.
	samsungSmall = 64 << 10
)

// isSamsung reports whether b begins as a block does, with a name of 4 to 64 letters.
func isSamsung(b []byte) bool {
	if len(b) < followHead || b[0] != 0 || b[1] != 0 {
		return false
	}
	name := le32(b[4:])
	for _, c := range b[8:12] {
		if c != '_' && !isLetter(c) {
			return false
		}
	}
	return name >= 4 && name <= 64
}

// samsung walks such a trailer. The blocks that the directory lists must fill it without a gap; a video among them is
// walked box by box, and all the others together are small. Photos without a video have such a trailer too, and it is
// walked alike. What stands in the small blocks is not looked at.
func (w *walker) samsung() error {
	start, small := w.offset(), int64(0)
	if !w.limits.Samsung && !w.limits.Video {
		return w.refuse(TrailingData, "is followed, at byte %d, by notes of a Samsung phone, which are not taken here", start)
	}
	var video, videoEnd int64
	for {
		b, err := w.peek(samsungSmall)
		if err != nil {
			return err
		}
		i, name := bytes.Index(b, []byte("SEFH")), bytes.Index(b, []byte(samsungVideo))
		isVideo := name >= 0 && (i < 0 || name < i)
		if isVideo {
			i = name + len(samsungVideo)
		}
		small += int64(max(i, 0))
		switch {
		case small > samsungSmall || i < 0 && len(b) == samsungSmall:
			return w.refuse(TrailingData, "is followed, at byte %d, by more than %d bytes of a Samsung phone's notes", start,
				samsungSmall)
		case isVideo && video > 0:
			return w.trailing(start)
		case i < 0:
			return errShort
		}
		if err := w.extra(int64(i)); err != nil {
			return err
		}
		if err := w.skip(int64(i)); err != nil {
			return err
		}
		if !isVideo {
			return w.samsungDirectory(start, video, videoEnd)
		}
		video = w.offset() - int64(8+len(samsungVideo))
		if err := w.video(); err != nil {
			return err
		}
		videoEnd = w.offset()
	}
}

// samsungDirectory walks the directory of a trailer that began at start and whose video is at video to videoEnd.
func (w *walker) samsungDirectory(start, video, videoEnd int64) error {
	type block struct{ from, to int64 }
	at := w.offset()
	b, err := w.take(12)
	if err != nil {
		return err
	}
	count := le32(b[8:])
	if count > samsungSmall/12 {
		return w.corrupt(at, "the Samsung phone's notes behind it claim to have %d parts", count)
	}
	if b, err = w.take(int(12*count) + 8); err != nil {
		return err
	}
	var listed []block
	for ; len(b) > 8; b = b[12:] {
		from := at - le32(b[4:])
		listed = append(listed, block{from, from + le32(b[8:])})
	}
	legal := le32(b) == 12+12*count && string(b[4:]) == "SEFT" &&
		(video == 0 || slices.Contains(listed, block{video, videoEnd}))
	slices.SortFunc(listed, func(a, b block) int { return cmp.Compare(a.from, b.from) })
	end := start
	for _, l := range listed {
		legal = legal && l.from == end
		end = l.to
	}
	if !legal || end != at {
		return w.corrupt(at, "the directory of the Samsung phone's notes behind it does not fit them")
	}
	return nil
}
