package sniff

import (
	"encoding/binary"
	"math"
)

// The markers of ITU-T T.81 (table B.1) that the walk tells apart.
const (
	mSOF0  = 0xc0 // SOF0 to SOF15, but for the three that follow
	mDHT   = 0xc4
	mJPG   = 0xc8
	mDAC   = 0xcc
	mSOF15 = 0xcf
	mRST0  = 0xd0
	mRST7  = 0xd7
	mSOI   = 0xd8
	mEOI   = 0xd9
	mSOS   = 0xda
	mDQT   = 0xdb
	mDNL   = 0xdc
	mDRI   = 0xdd
	mDHP   = 0xde
	mEXP   = 0xdf
	mAPP0  = 0xe0
	mAPP15 = 0xef
	mCOM   = 0xfe
)

// jpeg walks the first picture of a JPEG file. tail walks those behind it.
func (w *walker) jpeg() error {
	first := jpegWalk{walker: w}
	err := first.picture()
	w.found.Width, w.found.Height = first.width, first.height
	return err
}

// jpegWalk is what has been seen of one JPEG stream so far.
type jpegWalk struct {
	*walker
	width, height int64
	frame         byte // the SOF marker; 0 before it
	components    []jpegComponent
	scans         int
	restarts      bool       // DRI is in force
	ahead         byte       // the marker that ended a scan and was not returned by marker yet
	quantized     [4]bool    // the quantization tables that were defined
	undecodable   [2][4]bool // the Huffman tables, DC and AC, by which nothing can be decoded
}

// jpegComponent is one colour of a frame. Several may have one id: old scanners and printers wrote such files.
type jpegComponent struct {
	id, quantization byte
	scan             int // the last scan that has it
}

// picture walks one JPEG stream from SOI to EOI by ITU-T T.81, annex B: every segment's length, and the content of
// those that decoders build on. Bytes between segments are refused; in the pixel data itself only markers are looked
// for, so that rubbish there is a matter of what the picture shows, not of where it ends.
func (j *jpegWalk) picture() error {
	if err := j.skip(2); err != nil { // SOI, which the caller has seen
		return err
	}
	for {
		marker, err := j.marker()
		if err != nil {
			return err
		}
		at := j.offset() - 2
		if marker == mEOI {
			if j.scans == 0 {
				return j.corrupt(at, "it ends without pixel data")
			}
			return nil
		}
		if err := j.segment(at, marker); err != nil {
			return err
		}
	}
}

// marker walks over a marker, which any number of 0xFF may precede as fill, and returns its second byte.
func (j *jpegWalk) marker() (byte, error) {
	if m := j.ahead; m != 0 {
		j.ahead = 0
		return m, nil
	}
	c, err := j.one()
	if err != nil {
		return 0, err
	}
	if c != 0xff {
		return 0, j.corrupt(j.offset()-1, "there are bytes that belong to no part of it")
	}
	return j.pastFill()
}

// pastFill walks over any number of 0xFF and the byte behind them, which it returns.
func (j *jpegWalk) pastFill() (byte, error) {
	for {
		b, err := j.window()
		if err != nil {
			return 0, err
		}
		n := 0
		for n+8 <= len(b) && binary.LittleEndian.Uint64(b[n:]) == math.MaxUint64 {
			n += 8
		}
		for n < len(b) && b[n] == 0xff {
			n++
		}
		j.advance(n)
		if n < len(b) {
			return j.one()
		}
	}
}

// segment walks over what follows a marker.
func (j *jpegWalk) segment(at int64, marker byte) error {
	known := marker >= mSOF0 && marker <= mSOF15 && marker != mJPG ||
		marker >= mSOS && marker <= mAPP15 || marker == mCOM
	if !known {
		return j.corrupt(at, "a part begins there that no JPEG picture has in that place (marker 0x%02x)", marker)
	}
	if err := j.part(); err != nil {
		return err
	}
	b, err := j.take(2)
	if err != nil {
		return err
	}
	length := be16(b) - 2
	if length < 0 {
		return j.corrupt(at, "a part of it is shorter than its own length")
	}
	if marker >= mAPP0 {
		if err := j.extra(length); err != nil {
			return err
		}
		return j.skip(length)
	}
	if b, err = j.take(int(length)); err != nil {
		return err
	}
	var legal bool
	var part string
	switch marker {
	case mDQT:
		legal, part = j.quantizationTables(b), "quantization tables"
	case mDHT:
		legal, part = j.huffmanTables(b), "Huffman tables"
	case mDAC:
		// None at all is legal: progressive pictures of T. Richter's libjpeg.
		legal, part = length%2 == 0, "conditions of arithmetic coding"
	case mDRI:
		legal, part = length == 2, "distance of restart markers"
		j.restarts = legal && (b[0] != 0 || b[1] != 0)
	case mDNL: // repeats the frame header's height, or else viewers would not agree about it
		legal, part = length == 2 && j.scans > 0 && be16(b) == j.height, "height, given a second time,"
	case mSOS:
		return j.scan(at, b)
	default: // SOF0 to SOF15, DHP, EXP
		return j.frameHeader(at, marker, b)
	}
	if !legal {
		return j.corrupt(at, "its %s cannot be right", part)
	}
	return nil
}

// frameHeader checks a frame header, and refuses the kinds of JPEG that viewers do not show. Arithmetic coding passes:
// browsers do not show it, but libjpeg and what is built on it do.
func (j *jpegWalk) frameHeader(at int64, marker byte, b []byte) error {
	switch marker {
	case mSOF0, mSOF0 + 1, mSOF0 + 2, mSOF0 + 9, mSOF0 + 10:
	case mSOF0 + 3, mSOF0 + 11:
		return j.unshown("lossless")
	default:
		return j.unshown("hierarchical")
	}
	if j.frame != 0 {
		return j.corrupt(at, "its size and colours are described a second time")
	}
	if len(b) < 6 || b[5] == 0 || len(b) != 6+3*int(b[5]) {
		return j.corrupt(at, "the description of its size and colours has %d bytes", len(b))
	}
	precision, height, width := b[0], be16(b[1:]), be16(b[3:])
	if precision == 12 && marker != mSOF0 {
		return j.unshown("12 bits for each colour")
	}
	if b[5] > 4 {
		return j.unshown("more than 4 colours for each pixel")
	}
	legal := precision == 8
	for c := b[6:]; len(c) > 0; c = c[3:] {
		h, v := c[1]>>4, c[1]&15
		legal = legal && h >= 1 && h <= 4 && v >= 1 && v <= 4 && c[2] <= 3
		j.components = append(j.components, jpegComponent{id: c[0], quantization: c[2]})
	}
	if !legal {
		return j.corrupt(at, "its size and colours are described as no picture can be")
	}
	if height == 0 { // so a segment DNL has to say it later
		return j.unshown("its height comes after its pixels")
	}
	if err := j.dimensions(at, width, height); err != nil {
		return err
	}
	j.frame, j.width, j.height = marker, width, height
	return nil
}

// unshown refuses a kind of JPEG that is legal and that viewers do not show.
func (j *jpegWalk) unshown(what string) error {
	return refusef(Corrupt, "The JPEG picture is stored in a way that viewers do not show (%s); "+
		"export it as an ordinary JPEG picture and upload that.", what)
}

// quantizationTables reports whether b is a row of tables, or none, and notes them: a byte with the class and the
// number, then 64 numbers of one byte or two.
func (j *jpegWalk) quantizationTables(b []byte) bool {
	for len(b) > 0 {
		class, n := b[0]>>4, b[0]&15
		size := 1 + 64*(1+int(class))
		if class > 1 || n > 3 || size > len(b) {
			return false
		}
		j.quantized[n] = true
		b = b[size:]
	}
	return true
}

// huffmanTables reports whether b is a row of tables, or none, and notes which cannot be decoded by: a byte with the
// class and the number, 16 counts of codes, then the codes' symbols, at most 256.
func (j *jpegWalk) huffmanTables(b []byte) bool {
	for len(b) > 0 {
		class, n := b[0]>>4, b[0]&15
		if class > 1 || n > 3 || len(b) < 17 {
			return false
		}
		code, symbols, bad := 0, 0, false
		for i, count := range b[1:17] {
			// The codes of each length count on from those before; one of ones alone is not legal (T.81, annex C).
			code, symbols = 2*code+int(count), symbols+int(count)
			bad = bad || code >= 2<<i
		}
		if symbols > 256 || 17+symbols > len(b) {
			return false
		}
		for _, s := range b[17 : 17+symbols] {
			bad = bad || class == 0 && s > 15 // a DC symbol is a number of bits
		}
		j.undecodable[class][n] = bad
		b = b[17+symbols:]
	}
	return true
}
