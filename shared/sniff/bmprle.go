package sniff

import "encoding/binary"

// pen is where the next pixel of a run-length encoded BMP goes.
type pen struct {
	x, y          int64
	width, height int64 // width: with the alignment of rows to four bytes, which ImageMagick encodes as pixels too
}

// outside reports whether the pen has left the picture: to the right of a row, or above the last row with more than
// the end of that row.
func (p *pen) outside() bool { return p.x > p.width || p.y > p.height || p.y == p.height && p.x > 0 }

// runs moves the pen over the runs and ends of line with which b begins, and returns how many bytes they take. It
// stops before any other code, and before what would lead outside.
func (p *pen) runs(b []byte) int {
	i, x, y := 0, p.x, p.y
	for i+1 < len(b) {
		if y < p.height {
			for i+16 <= len(b) {
				// Eight runs at once: their lengths are every other byte. Lengths of 0 are no runs; taking 1 from one of
				// them carries into the top of its 16 bits. The product's top 16 bits are the sum.
				const ones = 0x0001_0001_0001_0001
				first := binary.LittleEndian.Uint64(b[i:]) & (0xff * ones)
				second := binary.LittleEndian.Uint64(b[i+8:]) & (0xff * ones)
				sum := int64((first + second) * ones >> 48)
				if ((first-ones)|(second-ones))&(0x8000*ones) != 0 || x+sum > p.width {
					break
				}
				x += sum
				i += 16
			}
			for i+1 < len(b) && b[i] > 0 && x+int64(b[i]) <= p.width {
				x += int64(b[i])
				i += 2
			}
		}
		if i+1 >= len(b) || b[i] != 0 || b[i+1] != 0 || y == p.height {
			break
		}
		x, y = 0, y+1
		i += 2
	}
	p.x, p.y = x, y
	return i
}

// bmpRuns walks the pixels of a run-length encoded BMP (RLE8, RLE4) to the end-of-bitmap code. No code may lead outside
// the picture.
func (w *walker) bmpRuns(h bmpHeader) error {
	perByte := 8 / h.depth // pixels in a byte
	p := pen{width: (h.width*h.depth + 31) / 32 * 4 * perByte, height: h.height}
	for {
		b, err := w.window()
		if err != nil {
			return err
		}
		w.advance(p.runs(b))
		at := w.offset()
		if b, err = w.take(2); err != nil {
			return err
		}
		length, code := int64(b[0]), int64(b[1])
		switch {
		case length > 0: // a run that the end of the block cut, or that leads outside
			p.x += length
		case code == 0: // end of line
			p.x, p.y = 0, p.y+1
		case code == 1: // end of bitmap
			return nil
		case code == 2: // move right and up
			if b, err = w.take(2); err != nil {
				return err
			}
			p.x, p.y = p.x+int64(b[0]), p.y+int64(b[1])
		default: // so many pixels as they are, filled up to two bytes
			p.x += code
			size := (code + perByte - 1) / perByte
			if err := w.skip(size + size%2); err != nil {
				return err
			}
		}
		if p.outside() {
			return w.corrupt(at, "a run of pixels leads outside the picture of %d x %d", h.width, h.height)
		}
	}
}
