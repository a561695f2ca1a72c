package sniff

// gif walks a GIF by the rules of https://www.w3.org/Graphics/GIF/spec-gif89a.txt block by block to the trailer.
// The dimensions are those of the logical screen. Both versions are walked alike: encoders that write GIF87a with
// the extensions of GIF89a exist, and every viewer shows them.
func (w *walker) gif() error {
	b, err := w.take(13)
	if err != nil {
		return err
	}
	width, height, flags := le16(b[6:]), le16(b[8:]), b[10]
	if err := w.dimensions(6, width, height); err != nil {
		return err
	}
	w.found.Width, w.found.Height = width, height
	if err := w.colourTable(flags); err != nil {
		return err
	}
	for frames := 0; ; {
		at := w.offset()
		kind, err := w.one()
		if err != nil {
			return err
		}
		switch kind {
		case 0x21:
			err = w.gifExtension()
		case 0x2c:
			frames++
			err = w.gifFrame()
		case 0x3b:
			if frames == 0 {
				return w.corrupt(at, "it ends without a picture")
			}
			return nil
		default:
			return w.corrupt(at, "the byte 0x%02x begins none of the blocks there are", kind)
		}
		if err != nil {
			return err
		}
	}
}

// colourTable walks over the table that a descriptor's flags announce, of 2 to 256 colours, three bytes each.
func (w *walker) colourTable(flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	return w.skip(3 << (flags&7 + 1))
}

// gifFrame walks an image descriptor, its colour table and its pixels.
func (w *walker) gifFrame() error {
	at := w.offset() - 1
	b, err := w.take(9)
	if err != nil {
		return err
	}
	x, y, width, height, flags := le16(b), le16(b[2:]), le16(b[4:]), le16(b[6:]), b[8]
	if !w.holds(x, y, width, height) {
		return w.misfit(at, x, y, width, height)
	}
	if err := w.draw(w.found.Width, w.found.Height); err != nil {
		return err
	}
	if err := w.colourTable(flags); err != nil {
		return err
	}
	// The specification has 2 to 8; decoders refuse all else, since a code has at most 12 bits.
	size, err := w.one()
	if err != nil {
		return err
	}
	if size < 2 || size > 8 {
		return w.corrupt(w.offset()-1, "a frame is packed in codes of %d bits", size)
	}
	data := w.offset()
	err = w.subBlocks(false)
	if err == nil && w.offset() == data+1 { // the empty block alone
		return w.corrupt(at, "a frame has no pixel data")
	}
	return err
}

// gifExtension walks an extension block: a first block of a fixed size that says what it is, then sub-blocks.
func (w *walker) gifExtension() error {
	at := w.offset() - 1
	label, err := w.one()
	if err != nil {
		return err
	}
	if label == 0xfe { // a comment has no first block
		return w.subBlocks(true)
	}
	size, err := w.one()
	if err != nil {
		return err
	}
	var legal bool
	switch label {
	case 0xf9: // graphic control
		legal = size == 4
	case 0x01: // plain text
		legal = size == 12
	case 0xff: // application; Go's decoder notes that Adobe sometimes writes 10
		legal = size == 11 || size == 10
	default:
		return w.corrupt(at, "an extension has the unknown label 0x%02x", label)
	}
	if !legal {
		return w.corrupt(at, "an extension with the label 0x%02x begins with a block of %d bytes", label, size)
	}
	if err := w.skip(int64(size)); err != nil {
		return err
	}
	if label == 0xf9 {
		end, err := w.one()
		if err == nil && end != 0 {
			return w.corrupt(w.offset()-1, "a graphic control extension does not end after its first block")
		}
		return err
	}
	return w.subBlocks(true)
}

// subBlocks walks blocks of up to 255 bytes to the empty one.
func (w *walker) subBlocks(ancillary bool) error {
	for {
		b, err := w.window()
		if err != nil {
			return err
		}
		// Whole blocks within what is buffered are stepped over here, without a call each.
		i := 0
		for i < len(b) && b[i] != 0 && i+1+int(b[i]) <= len(b) {
			if ancillary {
				if err := w.extra(int64(b[i])); err != nil {
					return err
				}
			}
			i += 1 + int(b[i])
		}
		w.advance(i)
		if i == len(b) {
			continue
		}
		size, err := w.one()
		if err != nil || size == 0 {
			return err
		}
		if ancillary {
			if err := w.extra(int64(size)); err != nil {
				return err
			}
		}
		if err := w.skip(int64(size)); err != nil {
			return err
		}
	}
}
