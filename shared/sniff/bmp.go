package sniff

import "math"

// Compression kinds of a BMP (MS-WMF 2.1.1.7). OS/2 2.x headers give 3 and 4 another meaning.
const (
	bmpRGB            = 0
	bmpRLE8           = 1
	bmpRLE4           = 2
	bmpBitFields      = 3
	bmpAlphaBitFields = 6
)

const (
	bmpFileHeader = 14
	// bmpGap is how much unused room may lie between a BMP's headers and its pixels: a palette that the header does not
	// count, colour masks that it does not need, alignment.
	bmpGap = 1024
)

// bmpHeader is what a BMP's headers say. Offsets count from the start of the file.
type bmpHeader struct {
	pixels, length     int64 // bfOffBits and the length of the info header
	width, height      int64
	topDown            bool
	depth, compression int64
	colours            int64 // biClrUsed
	profile, profileTo int64 // where a V5 header's colour profile lies; 0, 0: none
}

// bmp walks a BMP of any generation of headers: to the end of the last row when it is uncompressed, to the
// end-of-bitmap code when it is run-length encoded, and over the colour profile of a V5 header if that comes later.
//
// The end of the picture is worked out from its size, never taken from the file size in the header (bfSize):
// decoders ignore that field, and encoders write all sorts of things there - IBM's old tools the length of the headers,
// others 0 or the size of the pixels alone, and tools that strip a profile leave the old size.
func (w *walker) bmp() error {
	h, err := w.bmpHeaders()
	if err != nil {
		return err
	}
	w.found.Width, w.found.Height = h.width, h.height
	if err := w.bmpRoom(h); err != nil {
		return err
	}
	if h.compression == bmpRLE8 || h.compression == bmpRLE4 {
		err = w.bmpRuns(h)
	} else {
		stride := (h.width*h.depth + 31) / 32 * 4
		if stride > math.MaxInt64/h.height {
			return errShort // nothing is as long as that
		}
		err = w.skip(stride * h.height)
	}
	if err != nil || h.profile < h.pixels {
		return err
	}
	return w.bmpProfile(h)
}

// bmpProfile walks over a colour profile that comes after the pixels, and over zero bytes between the two.
func (w *walker) bmpProfile(h bmpHeader) error {
	end := w.offset()
	if h.profile < end {
		return w.corrupt(end, "its colour profile at byte %d overlaps its pixels", h.profile)
	}
	if _, err := w.zeros(h.profile - end); err != nil {
		return err
	}
	if w.offset() < h.profile {
		if _, err := w.look(1); err != nil {
			return err
		}
		return w.trailing(end)
	}
	return w.skip(h.profileTo - h.profile)
}

// bmpHeaders reads the file header and the info header.
func (w *walker) bmpHeaders() (bmpHeader, error) {
	b, err := w.look(bmpFileHeader + 4)
	if err != nil {
		return bmpHeader{}, err
	}
	h := bmpHeader{pixels: le32(b[10:]), length: le32(b[14:])}
	switch n := h.length; {
	case n == 12, n == 108, n == 124: // OS/2 1.x and Windows 2; V4; V5
	case n >= 16 && n <= 64 && n%2 == 0: // OS/2 2.x, cut after any field; Windows 3 (40), V2 (52), V3 (56)
	default:
		w.found.ContentType = ""
		// Two letters are a weak signature. Where no header follows them, this is hardly a damaged BMP.
		head, err := w.peek(described)
		if err != nil {
			return h, err
		}
		seen := recognise(append([]byte("  "), head[2:]...))
		return h, refusef(TypeMismatch, "The file begins with the letters BM, as a BMP picture does, but no BMP header "+
			"follows them, and the rest looks like %s; %s.", seen.is, w.advice(seen))
	}
	if err := w.skip(bmpFileHeader); err != nil {
		return h, err
	}
	if b, err = w.take(int(h.length)); err != nil {
		return h, err
	}
	var full [124]byte // fields that a shorter header lacks are 0
	copy(full[:], b)
	var planes int64
	if h.length == 12 {
		h.width, h.height, planes, h.depth = le16(b[4:]), le16(b[6:]), le16(b[8:]), le16(b[10:])
	} else {
		h.width, h.height, planes, h.depth = int64(int32(le32(b[4:]))), int64(int32(le32(b[8:]))), le16(b[12:]), le16(b[14:])
		h.compression, h.colours = le32(full[16:]), le32(full[32:])
	}
	if h.height < 0 {
		h.height, h.topDown = -h.height, true
	}
	if err := w.dimensions(18, h.width, h.height); err != nil {
		return h, err
	}
	if planes != 1 {
		return h, w.corrupt(26, "it claims to have %d colour planes in place of 1", planes)
	}
	if !h.legalCoding() {
		return h, refusef(Corrupt, "The BMP picture is stored in a way that viewers do not show (%d bits a pixel with "+
			"compression %d, at byte 28); export it as BMP with 24 bits a pixel and no compression, and upload that.",
			h.depth, h.compression)
	}
	return h, w.bmpProfilePlace(&h, full)
}

// legalCoding reports whether depth and compression go together. JPEG and PNG inside a BMP (4 and 5, meant for
// printers) are refused, and so is what OS/2 2.x alone had (Huffman, 24-bit runs): no viewer shows them.
func (h bmpHeader) legalCoding() bool {
	windows := h.length == 40 || h.length == 52 || h.length == 56 || h.length >= 108
	switch h.compression {
	case bmpRGB:
		switch h.depth {
		case 1, 4, 8, 24:
			return true
		case 2, 16, 32:
			return h.length != 12
		}
	case bmpRLE8:
		return h.depth == 8 && !h.topDown
	case bmpRLE4:
		return h.depth == 4 && !h.topDown
	case bmpBitFields, bmpAlphaBitFields:
		return windows && (h.depth == 16 || h.depth == 32)
	}
	return false
}

// bmpProfilePlace reads where a V5 header's colour profile lies, if it has one.
func (w *walker) bmpProfilePlace(h *bmpHeader, full [124]byte) error {
	if h.length < 124 {
		return nil
	}
	switch le32(full[56:]) {
	case 0x4c494e4b: // PROFILE_LINKED
		return refusef(NotAllowed, "The BMP picture points to a colour profile in another file (byte 70); "+
			"export it with the profile embedded, or without one, and upload that.")
	case 0x4d424544: // PROFILE_EMBEDDED
		size := le32(full[116:])
		h.profile = bmpFileHeader + le32(full[112:])
		h.profileTo = h.profile + size
		if size == 0 {
			return w.corrupt(130, "its colour profile has no bytes")
		}
		return w.extra(size)
	}
	return nil
}

// bmpRoom walks what lies between the info header and the pixels: colour masks, palette, a profile that some tools put
// there, and unused room.
func (w *walker) bmpRoom(h bmpHeader) error {
	need := int64(0)
	switch {
	case h.length == 40 && h.compression == bmpBitFields:
		need = 12
	case h.length == 40 && h.compression == bmpAlphaBitFields:
		need = 16
	}
	room := h.pixels - w.offset()
	palette, err := w.bmpPalette(h, room-need)
	if err != nil {
		return err
	}
	unused := int64(bmpGap)
	if h.depth <= 8 {
		need += palette
	} else {
		unused += palette
	}
	if h.profile > 0 && h.profile < h.pixels {
		if h.profile < w.offset()+need || h.profileTo > h.pixels {
			return w.corrupt(126, "its colour profile (bytes %d to %d) overlaps something else", h.profile, h.profileTo)
		}
		need += h.profileTo - h.profile
	}
	if room < need || room > need+unused {
		return w.corrupt(10, "its pixels begin at byte %d, where byte %d was to be expected", h.pixels, w.offset()+need)
	}
	if err := w.extra(room - need); err != nil {
		return err
	}
	return w.skip(room)
}

// bmpPalette returns how many bytes the palette takes, of those that there are room for.
func (w *walker) bmpPalette(h bmpHeader, room int64) (int64, error) {
	if h.depth > 8 {
		// No pixel points into it: it is for screens with few colours, or the header's number means nothing. A large
		// one is a place to hide other things in.
		if size := 4 * h.colours; size <= room {
			return min(size, bmpGap), nil
		}
		return 0, nil
	}
	entry, most, colours := int64(4), int64(1)<<h.depth, h.colours
	if h.length == 12 {
		entry = 3
	}
	if colours > most {
		return 0, w.corrupt(46, "it claims a palette of %d colours, where there can be %d", colours, most)
	}
	if colours == 0 { // all that there can be, or as headers of OS/2 1.x cannot say a number, those that there is room for
		colours = most
		if room > 0 && room < most*entry && room%entry == 0 {
			colours = room / entry
		}
	}
	return colours * entry, nil
}
