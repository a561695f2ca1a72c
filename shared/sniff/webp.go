package sniff

import "bytes"

// The flags in a WebP file's header (VP8X) that the walk looks at, and all that there are.
const (
	webpAnimated = 0x02
	webpFlags    = 0x3e
)

// webpWalk is what has been seen of a WebP picture so far.
type webpWalk struct {
	riffList
	animated bool      // by the header (VP8X), which a simple picture lacks
	still    webpFrame // the picture of a file that is no animation
	control  bool      // the header of an animation (ANIM) was seen
	frames   int
}

// webpFrame is one picture, the only one or one of an animation.
type webpFrame struct {
	width, height int64 // as the header (VP8X) or the frame's (ANMF) says; 0 in a simple picture
	alpha, pixels bool  // ALPH was seen, and VP8 or VP8L
}

// webp walks a WebP picture by the rules of RFC 9649 chunk by chunk to the end that its RIFF header announces. Chunks
// of metadata may stand wherever writers put them. The flags that announce them and transparency are not compared:
// viewers go by the chunks.
func (w *walker) webp() error {
	list, err := w.riff()
	if err != nil {
		return err
	}
	if list.end%2 == 1 { // viewers do not show it
		return w.corrupt(4, "the size in its header (%d) is odd", list.end-chunkHead)
	}
	p := &webpWalk{riffList: list}
	first := true
	err = p.chunks(func(c riffChunk) error {
		err := p.chunk(c, first)
		first = false
		return err
	})
	if err != nil {
		return err
	}
	return p.complete()
}

// chunk checks a chunk of the file.
func (p *webpWalk) chunk(c riffChunk, first bool) error {
	switch string(c.name[:]) {
	case "VP8X":
		if !first {
			return p.misplaced(c)
		}
		return p.header(c)
	case "VP8 ", "VP8L", "ALPH":
		if p.animated || first && c.name[0] == 'A' {
			return p.misplaced(c)
		}
		return p.image(c, &p.still)
	case "ANIM":
		if !p.animated || p.control {
			return p.misplaced(c)
		}
		p.control = true
		if c.size != 6 {
			return p.wrongSize(c)
		}
		return nil
	case "ANMF":
		if !p.control {
			return p.misplaced(c)
		}
		return p.frame(c)
	}
	if first || p.still.alpha && !p.still.pixels {
		return p.misplaced(c)
	}
	return p.other(c)
}

// header checks VP8X, which gives a canvas that all pictures must fit.
func (p *webpWalk) header(c riffChunk) error {
	if c.size != 10 {
		return p.wrongSize(c)
	}
	b, err := p.take(10)
	if err != nil {
		return err
	}
	if b[0]&^webpFlags != 0 {
		return p.corrupt(c.at, "its header (VP8X) has flags (0x%02x) that do not exist", b[0])
	}
	p.animated = b[0]&webpAnimated != 0
	p.still.width, p.still.height = 1+le24(b[4:]), 1+le24(b[7:])
	return p.canvas(c.at, p.still.width, p.still.height)
}

// canvas checks and notes the size of the picture.
func (p *webpWalk) canvas(at, width, height int64) error {
	if err := p.dimensions(at, width, height); err != nil {
		return err
	}
	p.found.Width, p.found.Height = width, height
	return nil
}

// frame walks a frame of an animation (ANMF): its place on the canvas, then chunks, of which the first are a picture.
func (p *webpWalk) frame(c riffChunk) error {
	if c.size < 16 {
		return p.wrongSize(c)
	}
	b, err := p.take(16)
	if err != nil {
		return err
	}
	x, y := 2*le24(b), 2*le24(b[3:])
	f := webpFrame{width: 1 + le24(b[6:]), height: 1 + le24(b[9:])}
	if x+f.width > p.found.Width || y+f.height > p.found.Height {
		return p.corrupt(c.at, "a frame of %d x %d pixels at %d, %d does not fit the picture of %d x %d",
			f.width, f.height, x, y, p.found.Width, p.found.Height)
	}
	p.frames++
	if err := p.draw(p.found.Width, p.found.Height, "frames"); err != nil {
		return err
	}
	err = riffList{p.walker, c.end()}.chunks(func(inner riffChunk) error { return p.inFrame(inner, &f) })
	if err != nil {
		return err
	}
	if !f.pixels {
		return p.corrupt(c.at, "a frame has no pixel data")
	}
	return nil
}

// inFrame checks a chunk within a frame.
func (p *webpWalk) inFrame(c riffChunk, f *webpFrame) error {
	switch string(c.name[:]) {
	case "VP8 ", "VP8L", "ALPH":
		return p.image(c, f)
	case "VP8X", "ANIM", "ANMF":
		return p.misplaced(c)
	}
	if !f.pixels {
		return p.misplaced(c)
	}
	return p.other(c)
}

// image checks a chunk of pixels, which a chunk of transparency may precede.
func (p *webpWalk) image(c riffChunk, f *webpFrame) error {
	switch {
	case f.pixels || f.alpha && c.name != [4]byte([]byte("VP8 ")):
		return p.misplaced(c)
	case c.name[0] == 'A':
		f.alpha = true
		return p.alpha(c, f)
	}
	f.pixels = true
	size := p.lossy
	if c.name[3] == 'L' {
		size = p.lossless
	}
	width, height, err := size(c)
	if err != nil {
		return err
	}
	if f.width == 0 {
		return p.canvas(c.at, width, height)
	}
	if width != f.width || height != f.height {
		return p.corrupt(c.at, "its pixels are %d x %d, and its header says %d x %d", width, height, f.width, f.height)
	}
	return nil
}

// lossy checks the head of a VP8 key frame (RFC 6386, 9.1), and gives its size. The scaling that its upper bits ask of
// a viewer, none obeys.
func (p *webpWalk) lossy(c riffChunk) (width, height int64, _ error) {
	const head = 10
	if c.size < head {
		return 0, 0, p.wrongSize(c)
	}
	b, err := p.take(head)
	if err != nil {
		return 0, 0, err
	}
	const inter, shown = 0x01, 0x10
	version, first := b[0]>>1&7, le24(b)>>5 // the length of the first partition
	width, height = le16(b[6:])&0x3fff, le16(b[8:])&0x3fff
	if b[0]&inter != 0 || version > 3 || b[0]&shown == 0 || !bytes.Equal(b[3:6], []byte{0x9d, 0x01, 0x2a}) ||
		first >= c.size-head {
		return 0, 0, p.corrupt(c.at, "its pixels (VP8) do not begin as those of a picture do")
	}
	return width, height, nil
}

// lossless checks the head of a VP8L stream (RFC 9649, 3.4), and gives its size.
func (p *webpWalk) lossless(c riffChunk) (width, height int64, _ error) {
	const head = 5
	if c.size <= head {
		return 0, 0, p.wrongSize(c)
	}
	b, err := p.take(head)
	if err != nil {
		return 0, 0, err
	}
	bits := le32(b[1:])
	if b[0] != 0x2f || bits>>29 != 0 { // its signature, and its version
		return 0, 0, p.corrupt(c.at, "its pixels (VP8L) do not begin as those of a picture do")
	}
	return 1 + bits&0x3fff, 1 + bits>>14&0x3fff, nil
}

// alpha checks the head of the transparency (ALPH) of a picture, and the size of what is not compressed.
func (p *webpWalk) alpha(c riffChunk, f *webpFrame) error {
	if c.size < 2 {
		return p.wrongSize(c)
	}
	b, err := p.take(1)
	if err != nil {
		return err
	}
	compression, preprocessing, reserved := b[0]&3, b[0]>>4&3, b[0]>>6
	if compression > 1 || preprocessing > 1 || reserved != 0 || compression == 0 && c.size-1 < f.width*f.height {
		return p.corrupt(c.at, "its transparency (ALPH) cannot be right")
	}
	return nil
}

// other counts what is no picture: profiles, camera data, texts and chunks that are not known, which viewers step over.
func (p *webpWalk) other(c riffChunk) error {
	for i, b := range c.name {
		if (b < ' ' || b > '~') && (i == 0 || b != 0) { // Exiv2 writes "XMP" with a zero
			return p.corrupt(c.at, "no block of data (chunk) begins there")
		}
	}
	return p.extra(c.size)
}

// complete checks at the end that nothing is missing.
func (p *webpWalk) complete() error {
	switch at := p.offset(); {
	case p.animated && p.frames == 0:
		return p.corrupt(at, "its animation has no frames")
	case !p.animated && !p.still.pixels:
		return p.corrupt(at, "it has no pixel data")
	}
	return nil
}

func (p *webpWalk) misplaced(c riffChunk) error {
	return p.corrupt(c.at, "a block of data (chunk %s) stands where it may not be", quoted(c.name[:]))
}

func (p *webpWalk) wrongSize(c riffChunk) error {
	return p.corrupt(c.at, "a block of data (chunk %s) cannot be %d bytes long", quoted(c.name[:]), c.size)
}
