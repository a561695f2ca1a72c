package sniff

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
	mAPP2  = 0xe2
	mAPP15 = 0xef
	mCOM   = 0xfe
)

// jpeg walks a JPEG, then the further pictures that its MPF index announces.
func (w *walker) jpeg() error {
	first := jpegWalk{walker: w}
	err := first.picture()
	w.found.Width, w.found.Height = first.width, first.height
	if err != nil {
		return err
	}
	if w.limits.MPF {
		return w.announced(first.further)
	}
	return nil
}

// jpegWalk is what has been seen of one JPEG stream so far.
type jpegWalk struct {
	*walker
	width, height int64
	frame         byte // the SOF marker; 0 before it
	levels        bool // DHP came: a hierarchical picture, of several frames
	components    [256]bool
	scans         int
	restarts      bool // DRI is in force
	ahead         byte // the marker that ended a scan and was not returned by marker yet
	indexed       bool // an MPF segment was read
	further       []picture
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
			return j.complete(at)
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
		return 0, j.corrupt(j.offset()-1, "the byte 0x%02x stands where a marker must", c)
	}
	for c == 0xff {
		if c, err = j.one(); err != nil {
			return 0, err
		}
	}
	return c, nil
}

// segment walks over what follows a marker.
func (j *jpegWalk) segment(at int64, marker byte) error {
	known := marker >= mSOF0 && marker <= mSOF15 && marker != mJPG ||
		marker >= mSOS && marker <= mAPP15 || marker == mCOM
	if !known {
		return j.corrupt(at, "the marker 0x%02x has no place there", marker)
	}
	b, err := j.take(2)
	if err != nil {
		return err
	}
	length := be16(b) - 2
	if length < 0 {
		return j.corrupt(at, "a segment is shorter than its own length")
	}
	if marker >= mAPP0 {
		if err := j.extra(length); err != nil {
			return err
		}
		if marker != mAPP2 || j.indexed || !j.limits.MPF {
			return j.skip(length)
		}
	}
	if b, err = j.take(int(length)); err != nil {
		return err
	}
	legal := true
	switch marker {
	case mAPP2:
		j.index(at+4, b)
	case mDQT:
		legal = legalTables(b, sizeDQT)
	case mDHT:
		legal = legalTables(b, sizeDHT)
	case mDAC:
		legal = length%2 == 0 // none at all: progressive pictures of T. Richter's libjpeg
	case mDRI:
		legal = length == 2
		j.restarts = legal && (b[0] != 0 || b[1] != 0)
	case mEXP:
		legal = length == 1 && j.levels
	case mDNL:
		return j.lines(at, b)
	case mSOS:
		return j.scan(at, b)
	default: // SOF0 to SOF15, DHP
		return j.frameHeader(at, marker, b)
	}
	if !legal {
		return j.corrupt(at, "a segment with the marker 0x%02x has an illegal content", marker)
	}
	return nil
}

// frameHeader checks SOF0 to SOF15, and DHP, which has the same form.
func (j *jpegWalk) frameHeader(at int64, marker byte, b []byte) error {
	if j.frame != 0 && !j.levels || marker == mDHP && (j.levels || j.frame != 0) {
		return j.corrupt(at, "a second frame header")
	}
	if len(b) < 6 || b[5] == 0 || len(b) != 6+3*int(b[5]) {
		return j.corrupt(at, "a frame header of %d bytes", len(b))
	}
	precision, height, width := b[0], be16(b[1:]), be16(b[3:])
	legal := precision >= 2 && precision <= 16 // lossless, and DHP for it
	switch marker {
	case mSOF0:
		legal = precision == 8
	case mSOF0 + 1, mSOF0 + 2, mSOF0 + 5, mSOF0 + 6, mSOF0 + 9, mSOF0 + 10, mSOF0 + 13, mSOF0 + 14:
		legal = precision == 8 || precision == 12
	}
	clear(j.components[:])
	for c := b[6:]; len(c) > 0; c = c[3:] {
		h, v := c[1]>>4, c[1]&15
		legal = legal && !j.components[c[0]] && h >= 1 && h <= 4 && v >= 1 && v <= 4 && c[2] <= 3
		j.components[c[0]] = true
	}
	if !legal {
		return j.corrupt(at, "a frame header describes a picture that cannot be")
	}
	// 0 lines: their number follows the first scan (DNL). Until then the picture counts as one line.
	if err := j.dimensions(at, width, max(height, 1)); err != nil {
		return err
	}
	if marker == mDHP {
		j.levels = true
	} else {
		j.frame = marker
	}
	if j.width == 0 {
		j.width, j.height = width, height
	} else if width > j.width || height > j.height {
		return j.corrupt(at, "a frame of %d x %d pixels does not fit the picture of %d x %d",
			width, height, j.width, j.height)
	}
	return nil
}

// lines checks DNL, which says how many lines there are when the frame header left it open.
func (j *jpegWalk) lines(at int64, b []byte) error {
	if len(b) != 2 || j.scans != 1 {
		return j.corrupt(at, "a number of lines stands where it may not be")
	}
	height := be16(b)
	if j.height != 0 && j.height != height {
		return j.corrupt(at, "it claims both %d and %d lines", j.height, height)
	}
	if err := j.dimensions(at, j.width, height); err != nil {
		return err
	}
	j.height = height
	return nil
}

// complete checks at EOI that nothing is missing, and counts the picture.
func (j *jpegWalk) complete(at int64) error {
	if j.scans == 0 {
		return j.corrupt(at, "it ends without pixel data")
	}
	if j.height == 0 {
		return j.corrupt(at, "it never says how many lines it has")
	}
	return j.draw(j.width, j.height)
}

// legalTables reports whether b is a row of tables, each after one byte that says its class and which one it is.
// size gives the length of the first table in b, more than b has when there is none.
func legalTables(b []byte, size func(b []byte) int) bool {
	legal := len(b) > 0
	for legal && len(b) > 0 {
		n := size(b)
		legal = b[0]>>4 <= 1 && b[0]&15 <= 3 && n <= len(b)
		b = b[min(n, len(b)):]
	}
	return legal
}

// sizeDQT: a quantization table has 64 numbers of one byte or two.
func sizeDQT(b []byte) int { return 1 + 64*(1+int(b[0]>>4)) }

// sizeDHT: a Huffman table has 16 counts, then as many symbols, at most 256.
func sizeDHT(b []byte) int {
	n := 17
	for _, c := range b[1:min(17, len(b))] {
		n += int(c)
	}
	if n > 17+256 {
		return len(b) + 1
	}
	return n
}
