package sniff

import "bytes"

// scan checks a scan header (b is its content), then walks the pixel data after it up to the marker that ends it,
// which marker returns next.
func (j *jpegWalk) scan(at int64, b []byte) error {
	if j.frame == 0 {
		return j.corrupt(at, "pixel data comes before the frame header")
	}
	if len(b) < 1 || b[0] < 1 || b[0] > 4 || len(b) != 4+2*int(b[0]) {
		return j.corrupt(at, "a scan header of %d bytes", len(b))
	}
	for c := b[1 : len(b)-3]; len(c) > 0; c = c[2:] {
		if !j.components[c[0]] || c[1]>>4 > 3 || c[1]&15 > 3 {
			return j.corrupt(at, "a scan header names a component or a table that cannot be")
		}
	}
	if !j.progress(b) {
		return j.corrupt(at, "a scan header names a step that cannot be")
	}
	j.scans++
	return j.entropy(at)
}

// progress reports whether the last three bytes of a scan header are legal for a progressive picture (T.81, G.1.1.1).
// Of others nothing is asked: decoders ignore the three bytes there, and encoders have written all sorts of things.
func (j *jpegWalk) progress(b []byte) bool {
	switch j.frame {
	case mSOF0 + 2, mSOF0 + 6, mSOF0 + 10, mSOF0 + 14:
	default:
		return true
	}
	tail := b[len(b)-3:]
	start, end, high, low := tail[0], tail[1], tail[2]>>4, tail[2]&15
	switch {
	case start > end || end > 63 || low > 13:
		return false
	case start == 0 && end != 0 || start > 0 && b[0] != 1:
		return false
	}
	return high == 0 || high == low+1
}

// entropy walks pixel data: in it 0xFF 0x00 stands for a byte 0xFF, RST0 to RST7 come in turn if DRI asked for them,
// and any other marker ends it.
func (j *jpegWalk) entropy(at int64) error {
	restart, some := byte(mRST0), false
	for {
		b, err := j.window()
		if err != nil {
			return err
		}
		n, found := nextMarker(b)
		some = some || n > 1 || n == 1 && !found
		j.advance(n)
		if !found {
			continue
		}
		c := byte(0xff)
		for c == 0xff { // fill
			if c, err = j.one(); err != nil {
				return err
			}
		}
		switch {
		case c == 0: // stuffing, cut by the end of the block or after fill
			some = true
		case c >= mRST0 && c <= mRST7:
			if !j.restarts || c != restart {
				return j.corrupt(j.offset()-2, "the restart marker 0x%02x is out of turn", c)
			}
			restart = mRST0 + (restart-mRST0+1)%8
		default:
			j.ahead = c
			// Arithmetic coding leaves out zero bytes at the end of a scan, and so may have no bytes at all.
			if arithmetic := j.frame > mJPG; !some && !arithmetic {
				return j.corrupt(at, "a scan has no pixel data")
			}
			return nil
		}
	}
}

// nextMarker returns how much of b lies before the first 0xFF that is not followed by 0x00 in b, that 0xFF included,
// and true; or all of b, and false.
func nextMarker(b []byte) (int, bool) {
	for n := 0; ; {
		i := bytes.IndexByte(b[n:], 0xff)
		if i < 0 {
			return len(b), false
		}
		n += i + 1
		if n == len(b) || b[n] != 0 {
			return n, true
		}
		n++
	}
}
