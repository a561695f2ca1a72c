package sniff

import (
	"bytes"
	"slices"
)

// scan checks a scan header (b is its content), then walks the pixel data after it up to the marker that ends it,
// which marker returns next.
func (j *jpegWalk) scan(at int64, b []byte) error {
	if j.frame == 0 {
		return j.corrupt(at, "its pixels come before its size and colours")
	}
	if len(b) < 1 || b[0] < 1 || b[0] > 4 || len(b) != 4+2*int(b[0]) {
		return j.corrupt(at, "the description of its pixels has %d bytes", len(b))
	}
	// A viewer draws the picture again with each scan, and a scan of all pixels may have a hundred bytes.
	if err := j.draw(j.width, j.height, "steps (scans)"); err != nil {
		return err
	}
	j.scans++
	dc, ac := j.huffmanUse(b)
	for c := b[1 : len(b)-3]; len(c) > 0; c = c[2:] {
		i := slices.IndexFunc(j.components, func(k jpegComponent) bool { return k.id == c[0] && k.scan < j.scans })
		if i < 0 {
			return j.corrupt(at, "its pixels are of a colour that it does not have")
		}
		j.components[i].scan = j.scans
		if !j.quantized[j.components[i].quantization] {
			return j.corrupt(at, "its pixels need a quantization table that it does not have")
		}
		if dc && !j.decodable(0, c[1]>>4) || ac && !j.decodable(1, c[1]&15) {
			return j.corrupt(at, "its pixels need a Huffman table by which nothing can be decoded")
		}
	}
	if !j.progress(b) {
		return j.corrupt(at, "its pixels come in steps (progressive scans) that do not fit together")
	}
	return j.entropy(at)
}

// huffmanUse reports whether decoding a scan takes Huffman tables for DC and for AC.
func (j *jpegWalk) huffmanUse(b []byte) (dc, ac bool) {
	switch j.frame {
	case mSOF0, mSOF0 + 1:
		return true, true
	case mSOF0 + 2:
		start, high := b[len(b)-3], b[len(b)-1]>>4
		return start == 0 && high == 0, start > 0
	}
	return false, false
}

// decodable reports whether a Huffman table may be used. One that was never defined may: decoders know the usual four,
// which frames of Motion JPEG leave out.
func (j *jpegWalk) decodable(class, table byte) bool {
	return table <= 3 && !j.undecodable[class][table]
}

// progress reports whether the last three bytes of a scan header are legal for a progressive picture (T.81, G.1.1.1).
// Of others nothing is asked: decoders ignore the three bytes there, and encoders have written all sorts of things.
func (j *jpegWalk) progress(b []byte) bool {
	if j.frame != mSOF0+2 && j.frame != mSOF0+10 {
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
		n, due, seen := j.pixels(b, restart)
		j.advance(n)
		restart, some = due, some || seen
		if n == len(b) {
			continue
		}
		c, err := j.pastFill()
		if err != nil {
			return err
		}
		switch {
		case c == 0: // stuffing, cut by the end of the block or after fill
			some = true
		case j.restarts && c == restart: // likewise
			restart = following(restart)
		case c >= mRST0 && c <= mRST7:
			return j.corrupt(j.offset()-2, "some of its pixels are missing or out of turn (restart marker)")
		default:
			j.ahead = c
			// Arithmetic coding leaves out zero bytes at the end of a scan, and so may have no bytes at all.
			if arithmetic := j.frame > mJPG; !some && !arithmetic {
				return j.corrupt(at, "its pixels are announced and missing")
			}
			return nil
		}
	}
}

// pixels returns how much of b is pixels and restart markers in turn: all of it, or what lies before another 0xFF; then
// which restart marker is due, and whether there are pixels. There may be a marker for every few bytes, so they are
// stepped over without a call each.
func (j *jpegWalk) pixels(b []byte, restart byte) (n int, due byte, some bool) {
	restarts := j.restarts
	for n+1 < len(b) {
		if b[n] != 0xff {
			some = true
			// The next 0xFF is far, as it mostly is, or within eight bytes.
			near := b[n:min(n+8, len(b))]
			i := 1
			for i < len(near) && near[i] != 0xff {
				i++
			}
			if n += i; i < 8 {
				continue
			}
			if i = bytes.IndexByte(b[n:], 0xff); i < 0 {
				return len(b), restart, some
			}
			n += i
			continue
		}
		switch c := b[n+1]; {
		case c == 0:
			some = true
		case c == restart && restarts:
			restart = following(restart)
		default:
			return n, restart, some
		}
		n += 2
	}
	if n < len(b) && b[n] != 0xff {
		return n + 1, restart, true
	}
	return n, restart, some
}

// following is the restart marker that comes after another.
func following(restart byte) byte { return mRST0 | (restart+1)&7 }
