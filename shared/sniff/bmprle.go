package sniff

// bmpRuns walks the pixels of a run-length encoded BMP (RLE8, RLE4) to the end-of-bitmap code, keeping to the picture:
// no code may reach below its last row, and none to the right of its rows by more than their alignment to four bytes,
// which ImageMagick encodes as pixels too.
func (w *walker) bmpRuns(h bmpHeader) error {
	perByte := 8 / h.depth // pixels in a byte
	stride := (h.width*h.depth + 31) / 32 * 4 * perByte
	var x, y int64
	for {
		b, err := w.window()
		if err != nil {
			return err
		}
		// Runs, by far the most frequent code, are walked here without a call each.
		i := 0
		for ; i+1 < len(b) && b[i] != 0; i += 2 {
			x += int64(b[i])
			if x > stride || y >= h.height {
				return w.corrupt(w.offset()+int64(i), "a run reaches outside the picture of %d x %d pixels", h.width, h.height)
			}
		}
		w.advance(i)
		at := w.offset()
		if b, err = w.take(2); err != nil {
			return err
		}
		if n := int64(b[0]); n > 0 { // cut by the end of the block
			if x += n; x > stride || y >= h.height {
				return w.corrupt(at, "a run reaches outside the picture of %d x %d pixels", h.width, h.height)
			}
			continue
		}
		switch n := int64(b[1]); n {
		case 0: // end of line
			x, y = 0, y+1
			if y > h.height {
				return w.corrupt(at, "it has more rows than the %d it claims", h.height)
			}
			continue
		case 1: // end of bitmap
			return nil
		case 2: // move right and up
			if b, err = w.take(2); err != nil {
				return err
			}
			x, y = x+int64(b[0]), y+int64(b[1])
		default: // n pixels as they are, filled up to two bytes
			x += n
			size := (n + perByte - 1) / perByte
			if err := w.skip(size + size%2); err != nil {
				return err
			}
		}
		if x > stride || y > h.height || y == h.height && x > 0 {
			return w.corrupt(at, "a code reaches outside the picture of %d x %d pixels", h.width, h.height)
		}
	}
}
