package sniff

import (
	"math"
	"strings"
)

// gifWalk is what has been seen of a GIF so far.
type gifWalk struct {
	*walker
	frames        int64
	width, height int64 // of the canvas that a viewer makes: the logical screen, and the frames that reach beyond it
}

// gif walks a GIF by the rules of https://www.w3.org/Graphics/GIF/spec-gif89a.txt block by block to the trailer.
// The dimensions found are those of the logical screen. Both versions are walked alike: encoders that write GIF87a with
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
	g := &gifWalk{walker: w, width: width, height: height}
	for {
		at := g.offset()
		if err := g.part(); err != nil {
			return err
		}
		kind, err := g.one()
		if err != nil {
			return err
		}
		switch {
		case kind == 0x21:
			err = g.extension()
		case kind == 0x2c:
			err = g.frame()
		case kind == 0x3b && g.frames > 0:
			return nil
		case kind == 0x3b:
			return g.corrupt(at, "it ends without a picture")
		case kind == 0 && g.frames > 0: // some encoders end a block twice, and viewers show what they wrote
			_, err = g.zeros(math.MaxInt64)
		default:
			return g.corrupt(at, "the byte 0x%02x stands where a frame or the end of the picture must begin", kind)
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

// frame walks an image descriptor, its colour table and its pixels.
func (g *gifWalk) frame() error {
	at := g.offset() - 1
	b, err := g.take(9)
	if err != nil {
		return err
	}
	x, y, width, height, flags := le16(b), le16(b[2:]), le16(b[4:]), le16(b[6:]), b[8]
	if width == 0 || height == 0 {
		return g.corrupt(at, "a frame is %d x %d pixels", width, height)
	}
	if err := g.grow(at, x+width, y+height); err != nil {
		return err
	}
	if err := g.colourTable(flags); err != nil {
		return err
	}
	// The specification has 2 to 8. Some encoders write 0 or 1, which viewers show.
	size, err := g.one()
	if err != nil {
		return err
	}
	if size > 8 {
		return g.corrupt(g.offset()-1, "the pixels of a frame are packed in codes of %d bits, and 8 is the most", size)
	}
	data := g.offset()
	err = g.subBlocks(false)
	if err == nil && g.offset() == data+1 { // the empty block alone
		return g.corrupt(at, "a frame has no pixel data")
	}
	return err
}

// grow makes the canvas hold a frame that ends at right and bottom, and counts all frames so far by the whole canvas:
// a viewer draws each of them on it, those before this one too.
func (g *gifWalk) grow(at, right, bottom int64) error {
	g.width, g.height = max(g.width, right), max(g.height, bottom)
	if err := g.dimensions(at, g.width, g.height); err != nil {
		return err
	}
	g.drawn = float64(g.frames) * float64(g.width) * float64(g.height)
	g.frames++
	return g.draw(g.width, g.height, "frames")
}

// extension walks an extension block. Those that a viewer reads begin with a block of a fixed size; comments, and what
// viewers do not know and step over, are blocks alone.
func (g *gifWalk) extension() error {
	const control = 0xf9
	label, err := g.one()
	if err != nil {
		return err
	}
	var what, legal string
	switch label {
	case control:
		what, legal = "the control block of a frame (graphic control extension)", "\x04"
	case 0x01:
		what, legal = "a text (plain text extension)", "\x0c"
	case 0xff: // Go's decoder notes that Adobe sometimes writes 10
		what, legal = "the note of a program (application extension)", "\x0b\x0a"
	default:
		return g.subBlocks(true)
	}
	size, err := g.one()
	if err != nil {
		return err
	}
	if strings.IndexByte(legal, size) < 0 {
		return g.corrupt(g.offset()-1, "%s begins with %d bytes in place of %d", what, size, legal[0])
	}
	if err := g.skip(int64(size)); err != nil {
		return err
	}
	if label != control {
		return g.subBlocks(true)
	}
	end, err := g.one()
	if err == nil && end != 0 {
		return g.corrupt(g.offset()-1, "%s goes on behind its first block", what)
	}
	return err
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
