package sniff

import (
	"encoding/binary"
	"math"
)

// zerosTo walks from the end of a picture to byte to, where more of the file has to begin: over at most so many zero
// bytes, if the limits allow zeros.
func (w *walker) zerosTo(to, most int64) error {
	end := w.offset()
	if w.limits.Zeros {
		if _, err := w.zeros(min(to-end, most)); err != nil {
			return err
		}
	}
	if w.offset() == to {
		return nil
	}
	if done, err := w.atEnd(); err != nil {
		return err
	} else if done {
		return errShort
	}
	return w.trailing(end)
}

// tail decides about what follows the picture's end: zero bytes, then for a JPEG a video or Samsung's trailer, then
// zero bytes again, each if the limits allow it, and then nothing.
func (w *walker) tail() error {
	video := w.limits.Video && w.kind.name == "JPEG"
	samsung := video || w.limits.Samsung && w.kind.name == "JPEG"
	// A video begins with a length below 256 in four bytes, Samsung's block with two zeros: these are not padding.
	limit := int64(0)
	switch {
	case w.limits.Zeros:
		limit = math.MaxInt64
	case samsung:
		limit = 3
	}
	end := w.offset()
	n, err := w.zeros(limit)
	if err != nil {
		return err
	}
	head, err := w.peek(samsungHead)
	if err != nil {
		return err
	}
	var follow func() error
	switch {
	case video && n >= 3 && len(head) >= 5 && string(head[1:5]) == "ftyp":
		follow = w.video
	case samsung && n >= 2 && isSamsung(head) && (n == 2 || w.limits.Zeros):
		follow = w.samsung
	}
	if follow != nil {
		if err := follow(); err != nil {
			return err
		}
		end = w.offset()
		if n, err = w.zeros(limit); err != nil {
			return err
		}
	}
	if n > 0 && !w.limits.Zeros {
		return w.trailing(end)
	}
	if done, err := w.atEnd(); err != nil || done {
		return err
	}
	return w.trailing(end)
}

// video walks the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2: length, type, content), from the last byte
// of its first box's length on, to its end: the end of the input, or the first thing that is no known box. Every box
// must be whole, and there must be an index (moov) and media (mdat). What is in the boxes is not looked at.
func (w *walker) video() error {
	start := w.offset() - 3
	head, err := w.take(5)
	if err != nil {
		return err
	}
	length := int64(head[0])
	if length < 16 {
		return w.corrupt(start, "the video after the picture has a first box of %d bytes", length)
	}
	if err := w.skip(length - 8); err != nil {
		return err
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
			return w.corrupt(at, "the video after the picture has no box there")
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
			return w.corrupt(at, "the video after the picture has a box of impossible length")
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
