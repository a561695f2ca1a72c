package sniff

import (
	"bytes"
	"hash/crc32"
	"math"
	"strings"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// pngPalette is the longest palette: 256 colours.
const pngPalette = 3 * 256

// pngWalk is what has been seen of a PNG so far.
type pngWalk struct {
	*walker
	depth, colour byte
	palette       bool
	image         int // 0 before the first IDAT, 1 among them, 2 after the last
	imageBytes    int64

	// Animated PNG (https://www.w3.org/TR/png-3/#apng-frame-based-animation)
	animated bool  // acTL was seen
	next     int64 // the next sequence number of fcTL and fdAT, which share one count
	frame    int   // 0 no frame yet, 1 after an fcTL, 2 after data of that frame
}

// chunk is one chunk's place, size and name.
type chunk struct {
	at     int64
	length int64
	name   string
}

// png walks a PNG by the rules of https://www.w3.org/TR/png-3/ chunk by chunk to IEND. Every checksum is compared.
func (w *walker) png() error {
	if err := w.skip(int64(len(pngSignature))); err != nil {
		return err
	}
	p := &pngWalk{walker: w}
	for first := true; ; first = false {
		c, err := p.chunkHead()
		if err != nil {
			return err
		}
		if first && c.name == "CgBI" {
			return refusef(Corrupt, "The PNG picture is in the form that Apple's tools give to the pictures of an app (CgBI, "+
				"at byte %d), which other programs do not show; export it as PNG on a Mac and upload that.", c.at)
		}
		if first && c.name != "IHDR" {
			return p.corrupt(c.at, "%s stands where its header (IHDR) must be", part(c.name))
		}
		if !first && c.name == "IHDR" {
			return p.corrupt(c.at, "it has a second header (IHDR)")
		}
		if err := p.order(c); err != nil {
			return err
		}
		if err := p.chunk(c); err != nil {
			return err
		}
		if c.name == "IEND" {
			return p.complete(c.at)
		}
	}
}

// chunkHead reads a chunk's length and name.
func (p *pngWalk) chunkHead() (chunk, error) {
	at := p.offset()
	if err := p.part(); err != nil {
		return chunk{}, err
	}
	b, err := p.take(4)
	if err != nil {
		return chunk{}, err
	}
	length := be32(b)
	if length > math.MaxInt32 {
		return chunk{}, p.corrupt(at, "a block of data (chunk) claims to be %d bytes long", length)
	}
	if b, err = p.peek(4); err != nil {
		return chunk{}, err
	}
	for i, c := range b {
		upper, lower := c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z'
		if !upper && (!lower || i == 2) { // the third letter is reserved: a capital in every chunk there is
			return chunk{}, p.corrupt(at, "no block of data (chunk) begins there")
		}
	}
	if len(b) < 4 {
		return chunk{}, errShort
	}
	if string(b) == "IDAT" { // there may be millions, and a string made of b is allocated
		return chunk{at, length, "IDAT"}, nil
	}
	return chunk{at, length, string(b)}, nil
}

// order checks that a chunk may stand where it does, and that its length is legal, before its content is read.
func (p *pngWalk) order(c chunk) error {
	if p.image == 1 && c.name != "IDAT" {
		p.image = 2
	}
	legal, place := true, true
	switch c.name {
	case "IHDR":
		legal = c.length == 13
	case "PLTE":
		legal = c.length > 0 && c.length%3 == 0 && c.length <= pngPalette
		place = !p.palette && p.image == 0
	case "IDAT":
		place = p.image < 2 && (p.colour != 3 || p.palette)
		if p.image == 0 && p.frame == 1 {
			p.frame = 2 // the still picture is the first frame of the animation
		}
		p.image = 1
		p.imageBytes += c.length
	case "IEND":
		legal = c.length == 0
	case "acTL":
		legal, place = c.length == 8, !p.animated && p.image == 0
		p.animated = true
	case "fcTL":
		legal, place = c.length == 26, p.animated && p.frame != 1
	case "fdAT": // an empty one among others does no harm
		legal, place = c.length >= 4, p.frame != 0 && p.image == 2
		if c.length > 4 {
			p.frame = 2
		}
	default:
		if c.name[0] < 'a' {
			return p.corrupt(c.at, "%s is marked as necessary, and viewers do not know it", part(c.name))
		}
		return p.extra(c.length)
	}
	if !legal {
		return p.corrupt(c.at, "%s cannot be %d bytes long", part(c.name), c.length)
	}
	if !place {
		return p.corrupt(c.at, "%s stands where it may not be", part(c.name))
	}
	return nil
}

// chunk walks over a chunk's name, content and checksum, and looks at what those say whose length order has bounded.
func (p *pngWalk) chunk(c chunk) error {
	kept := int64(0)
	switch c.name {
	case "IHDR", "PLTE", "acTL", "fcTL":
		kept = c.length
	case "fdAT":
		kept = 4 // its number
	}
	b, err := p.take(4 + int(kept))
	if err != nil {
		return err
	}
	crc, content := crc32.ChecksumIEEE(b), bytes.Clone(b[4:])
	err = p.each(c.length-kept, func(b []byte) { crc = crc32.Update(crc, crc32.IEEETable, b) })
	if err != nil {
		return err
	}
	if b, err = p.take(4); err != nil {
		return err
	}
	if be32(b) != int64(crc) {
		return p.corrupt(c.at, "%s does not match its checksum", part(c.name))
	}
	return p.content(c, content)
}

// content checks what a chunk says.
func (p *pngWalk) content(c chunk, b []byte) error {
	switch c.name {
	case "IHDR":
		return p.header(c.at, b)
	case "PLTE":
		if p.colour == 0 || p.colour == 4 || p.colour == 3 && len(b) > 3<<p.depth {
			return p.corrupt(c.at, "its palette of %d colours does not fit a picture of its kind", len(b)/3)
		}
		p.palette = true
	case "acTL":
		// The number of frames is not compared: ffmpeg leaves 4,294,967,295 when it cannot seek back in its output.
		if be32(b) == 0 {
			return p.corrupt(c.at, "its animation has no frames")
		}
	case "fcTL":
		return p.frameControl(c, b)
	case "fdAT":
		return p.sequence(c, b)
	}
	return nil
}

// header checks IHDR (13 bytes).
func (p *pngWalk) header(at int64, b []byte) error {
	width, height := be32(b), be32(b[4:])
	if err := p.dimensions(at, width, height); err != nil {
		return err
	}
	if width > math.MaxInt32 || height > math.MaxInt32 {
		return p.corrupt(at, "the picture claims to be %d x %d pixels", width, height)
	}
	p.found.Width, p.found.Height = width, height
	p.depth, p.colour = b[8], b[9]
	depths := ""
	switch p.colour {
	case 0:
		depths = "\x01\x02\x04\x08\x10"
	case 3:
		depths = "\x01\x02\x04\x08"
	case 2, 4, 6:
		depths = "\x08\x10"
	}
	if strings.IndexByte(depths, p.depth) < 0 || b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return p.corrupt(at, "its header (IHDR) names depth %d, colour type %d, compression %d, filter %d and interlace %d, "+
			"which do not exist together", p.depth, p.colour, b[10], b[11], b[12])
	}
	return nil
}

// frameControl checks fcTL (26 bytes).
func (p *pngWalk) frameControl(c chunk, b []byte) error {
	if err := p.sequence(c, b); err != nil {
		return err
	}
	width, height, x, y := be32(b[4:]), be32(b[8:]), be32(b[12:]), be32(b[16:])
	whole := width == p.found.Width && height == p.found.Height
	if width == 0 || height == 0 || x+width > p.found.Width || y+height > p.found.Height || p.image == 0 && !whole {
		return p.corrupt(c.at, "a frame of %d x %d pixels at %d, %d does not fit the picture of %d x %d",
			width, height, x, y, p.found.Width, p.found.Height)
	}
	if b[24] > 2 || b[25] > 1 {
		return p.corrupt(c.at, "an animation's frame (fcTL) is to be drawn or removed in a way (%d, %d) that does not exist",
			b[25], b[24])
	}
	p.frame = 1
	return p.draw(p.found.Width, p.found.Height, "frames")
}

// sequence checks the number with which an fcTL and an fdAT begin.
func (p *pngWalk) sequence(c chunk, b []byte) error {
	if got := be32(b); got != p.next {
		return p.corrupt(c.at, "%s has the number %d in place of %d", part(c.name), got, p.next)
	}
	p.next++
	return nil
}

// complete checks at IEND that nothing is missing.
func (p *pngWalk) complete(at int64) error {
	switch {
	case p.imageBytes == 0:
		return p.corrupt(at, "it has no pixel data (IDAT)")
	case p.animated && p.frame == 0:
		return p.corrupt(at, "its animation has no frames")
	case p.frame == 1:
		return p.corrupt(at, "the last frame of its animation has no data")
	}
	return nil
}

// part says in words what a chunk is.
func part(name string) string {
	words := "a block of further data"
	switch name {
	case "IHDR":
		words = "its header"
	case "PLTE":
		words = "its palette"
	case "IDAT":
		words = "a block of its pixels"
	case "IEND":
		words = "its end"
	case "acTL":
		words = "the header of its animation"
	case "fcTL":
		words = "the header of an animation's frame"
	case "fdAT":
		words = "a block of an animation's pixels"
	case "cHRM", "cICP", "gAMA", "iCCP", "sRGB":
		words = "the description of its colours"
	case "iTXt", "tEXt", "zTXt":
		words = "a text"
	case "eXIf":
		words = "a block of camera data"
	}
	return words + " (" + name + ")"
}
