package sniff

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// picture is where a further picture of a JPEG file should be.
type picture struct{ at, size int64 }

// index reads the content of an APP2 segment, which stands at byte `at` of the input, if it is an MPF index (CIPA
// DC-007, 5): a TIFF directory whose entry 0xB002 lists 16 bytes for each picture, whose offsets count from the TIFF
// header. An index that cannot be read announces nothing, so that what follows the picture is then refused.
func (j *jpegWalk) index(at int64, b []byte) {
	const (
		identifier = "MPF\x00"
		entryLen   = 16
		tagEntries = 0xb002
	)
	base := at + int64(len(identifier))
	tiff, found := bytes.CutPrefix(b, []byte(identifier))
	j.indexed = j.indexed || found
	if !found || len(tiff) < 8 {
		return
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return
	}
	directory := from(tiff, order.Uint32(tiff[4:]))
	if len(directory) < 2 {
		return
	}
	fields := int(order.Uint16(directory))
	for f := directory[2:]; fields > 0 && len(f) >= 12; f, fields = f[12:], fields-1 {
		if order.Uint16(f) != tagEntries {
			continue
		}
		list, length := from(tiff, order.Uint32(f[8:])), order.Uint32(f[4:])
		if int64(length) > int64(len(list)) {
			return
		}
		for list = list[:length]; len(list) >= entryLen; list = list[entryLen:] {
			// The first picture, which is the one being walked, has the offset 0. Its size is not compared: tools that
			// change the metadata in front of the index leave it as it was.
			if size, offset := order.Uint32(list[4:]), order.Uint32(list[8:]); size > 0 && offset > 0 {
				j.further = append(j.further, picture{base + int64(offset), int64(size)})
			}
		}
		slices.SortFunc(j.further, func(a, b picture) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.size, b.size))
		})
		j.further = slices.Compact(j.further)
		return
	}
}

// from returns b from offset on, or nothing.
func from(b []byte, offset uint32) []byte {
	if int64(offset) > int64(len(b)) {
		return nil
	}
	return b[offset:]
}

// announced walks the further pictures, in the order in which they lie. They must be whole JPEGs, where the index
// says; between them there may be zeros if the limits allow it.
func (w *walker) announced(further []picture) error {
	for _, p := range further {
		if p.at < w.offset() {
			return w.corrupt(w.offset(), "its index of pictures announces one at byte %d, inside another", p.at)
		}
		last := w.offset()
		if err := w.zerosTo(p.at, math.MaxInt64); err != nil {
			return err
		}
		if ok, err := w.begins(); err != nil {
			return err
		} else if !ok {
			return w.trailing(last)
		}
		j := jpegWalk{walker: w, indexed: true} // only the first picture's index counts
		if err := j.picture(); err != nil {
			return err
		}
		if w.offset() > p.at+min(p.size, math.MaxInt64-p.at) {
			return w.corrupt(p.at, "a further picture is longer than the %d bytes that its index announces", p.size)
		}
	}
	return nil
}
