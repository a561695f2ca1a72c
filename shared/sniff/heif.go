package sniff

// maxLists bounds all lists of the items of a picture together. A tile takes about 50 bytes in them, and a picture of
// 48 million pixels has two hundred.
const maxLists = 1 << 20

// heifWalk is what the box meta of a HEIC or AVIF picture says of the items that the picture is made of (ISO/IEC
// 23008-12): coded pictures, tiles, thumbnails, Exif.
type heifWalk struct {
	*isoWalk
	at    int64
	lists map[string][]*cursor // by type of box; ipma alone may come twice
	kept  int64                // bytes in lists
	sizes [][2]int64           // of the properties, in their order: width and height of an ispe
	idat  int64                // how many bytes of data meta itself has
	items map[int64]item
}

// item is one of the things that a picture is made of.
type item struct {
	kind [4]byte
	size [2]int64 // pixels of width and height
}

// isNote reports whether an item is Exif, XMP or the like.
func (i item) isNote() bool {
	switch string(i.kind[:]) {
	case "Exif", "mime", "uri ":
		return true
	}
	return false
}

// cursor reads the numbers of a box that is kept. Behind its end they are 0, and short is set.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int64) []byte {
	if c.short = c.short || n > int64(len(c.b)); c.short {
		c.b = nil
		return make([]byte, min(n, 16))
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// number reads a number of 0 to 8 bytes. What is beyond 63 bits is negative.
func (c *cursor) number(size int64) (n int64) {
	for _, b := range c.take(size) {
		n = n<<8 | int64(b)
	}
	return n
}

// wide reads a number of 4 bytes, or one of 2.
func (c *cursor) wide(is bool) int64 {
	if is {
		return c.number(4)
	}
	return c.number(2)
}

// version reads the head of a box that has a version and flags.
func (c *cursor) version() (version, flags int64) { return c.number(1), c.number(3) }

// picture walks the box meta of a picture.
func (f *isoWalk) picture(b box) error {
	if f.items {
		return f.corrupt(b.at, "it has a second list of what is in it (meta)")
	}
	f.items = true
	h := &heifWalk{isoWalk: f, at: b.at, lists: map[string][]*cursor{}, items: map[int64]item{}}
	if _, err := f.fields(b, 4); err != nil {
		return err
	}
	if err := f.boxes(b, h.section); err != nil {
		return err
	}
	// Their order in the file is free.
	for _, list := range []struct {
		kind string
		read func(*cursor) error
	}{{"iinf", h.kinds}, {"ipma", h.associations}, {"iloc", h.locations}, {"iref", h.tiles}, {"pitm", h.primary}} {
		for _, c := range h.lists[list.kind] {
			err := list.read(c)
			if err != nil {
				return err
			}
			if c.short {
				return f.corrupt(b.at, "a list of what is in it (%s) is too short for what it says", list.kind)
			}
		}
	}
	if h.lists["pitm"] == nil {
		f.unshown = f.corrupt(b.at, "it does not say which of its pictures is to be shown (pitm)")
	}
	return nil
}

// section looks at a part of meta.
func (h *heifWalk) section(b box) error {
	switch kind := string(b.kind[:]); kind {
	case "hdlr":
		t := &track{}
		if err := h.handler(b, t); err != nil {
			return err
		}
		if string(t.handler[:]) != "pict" {
			return h.corrupt(b.at, "it is not said to be a picture (hdlr)")
		}
	case "pitm", "iinf", "iloc", "iref":
		if h.lists[kind] != nil {
			return h.corrupt(b.at, "it has a second %s", b)
		}
		return h.keep(b)
	case "iprp":
		return h.boxes(b, h.properties)
	case "dinf":
		return h.boxes(b, func(b box) error {
			if string(b.kind[:]) != "dref" {
				return nil
			}
			return h.references(b)
		})
	case "idat":
		h.idat = b.end - h.offset()
	case "grpl":
	default:
		return h.other(b)
	}
	return nil
}

// keep reads a list and keeps it.
func (h *heifWalk) keep(b box) error {
	size := b.end - h.offset()
	if h.kept += size; h.kept > maxLists {
		return refusef(NotAllowed, "The lists of what is in the %s have more than %d bytes, at byte %d; %s.", h.called(),
			maxLists, b.at, h.again())
	}
	var content []byte
	err := h.each(size, func(b []byte) { content = append(content, b...) })
	kind := string(b.kind[:])
	h.lists[kind] = append(h.lists[kind], &cursor{b: content})
	return err
}

// properties walks iprp: what the items are like, and which is like what.
func (h *heifWalk) properties(b box) error {
	switch string(b.kind[:]) {
	case "ipco":
		return h.boxes(b, h.property)
	case "ipma":
		return h.keep(b)
	}
	return nil
}

// property reads the size of an item, and counts the properties: they are named by their numbers.
func (h *heifWalk) property(b box) error {
	const most = 1<<15 - 1 // the largest number that can be named
	if len(h.sizes) == most {
		return h.corrupt(b.at, "it has more than %d properties (ipco)", most)
	}
	var size [2]int64
	if string(b.kind[:]) == "ispe" {
		content, err := h.fields(b, 12)
		if err != nil {
			return err
		}
		size = [2]int64{be32(content[4:]), be32(content[8:])}
		if err := h.dimensions(b.at, size[0], size[1]); err != nil {
			return err
		}
	}
	h.sizes = append(h.sizes, size)
	return nil
}

// kinds reads iinf: which items there are.
func (h *heifWalk) kinds(c *cursor) error {
	version, _ := c.version()
	for count := c.wide(version > 0); count > 0 && !c.short; count-- {
		if err := h.part(); err != nil {
			return err
		}
		length, kind := c.number(4), string(c.take(4))
		entry := &cursor{b: c.take(max(length-8, 0))}
		if kind != "infe" || length < 8 {
			return h.corrupt(h.at, "its list of items (iinf) has something else in it")
		}
		version, _ := entry.version()
		id := entry.wide(version == 3)
		entry.take(2)
		i := item{kind: [4]byte([]byte("mime"))} // before version 2 there were no others
		if version >= 2 {
			i.kind = [4]byte(entry.take(4))
		}
		if _, twice := h.items[id]; twice {
			return h.corrupt(h.at, "its list of items (iinf) has number %d twice", id)
		}
		h.items[id] = i
		c.short = c.short || entry.short
	}
	return nil
}

// associations reads ipma: which item has which properties.
func (h *heifWalk) associations(c *cursor) error {
	version, flags := c.version()
	for count := c.number(4); count > 0 && !c.short; count-- {
		if err := h.part(); err != nil {
			return err
		}
		id := c.wide(version > 0)
		for of := c.number(1); of > 0; of-- {
			n := c.number(1) & 0x7f // the first bit says if a viewer has to know it
			if flags&1 != 0 {
				n = n<<8 | c.number(1)
			}
			if n > int64(len(h.sizes)) {
				return h.corrupt(h.at, "an item has property %d, and there are %d (ipma)", n, len(h.sizes))
			}
			if i, is := h.items[id]; is && n > 0 && i.size == [2]int64{} {
				i.size = h.sizes[n-1]
				h.items[id] = i
			}
		}
	}
	return nil
}

// locations reads iloc: where the items are.
func (h *heifWalk) locations(c *cursor) error {
	version, _ := c.version()
	sizes, baseSizes := c.number(1), c.number(1)
	offset, length, base, index := sizes>>4, sizes&15, baseSizes>>4, baseSizes&15
	if version == 0 {
		index = 0
	}
	if version > 2 || max(offset, length, base, index) > 8 {
		return h.corrupt(h.at, "its list of places (iloc) has version %d and numbers of %d bytes, which do not exist",
			version, max(offset, length, base, index))
	}
	for count := c.wide(version == 2); count > 0 && !c.short; count-- {
		id, method := c.wide(version == 2), int64(0)
		if version > 0 {
			method = c.number(2) & 15
		}
		c.take(2)
		from, extents := c.number(base), c.number(2)
		if offset+length+index == 0 { // extents without bytes are all the same
			extents = min(extents, 1)
		}
		for ; extents > 0 && !c.short; extents-- {
			if err := h.part(); err != nil {
				return err
			}
			c.take(index)
			if err := h.extent(h.items[id], method, from, c.number(offset), c.number(length)); err != nil {
				return err
			}
		}
	}
	return nil
}

// extent sees that a piece of an item is where there is data.
func (h *heifWalk) extent(i item, method, from, offset, length int64) error {
	if min(from, offset, length) < 0 || from > toEnd-offset || from+offset > toEnd-length {
		return h.corrupt(h.at, "it says that its data is where no file reaches")
	}
	if i.isNote() {
		if err := h.extra(length); err != nil {
			return err
		}
	}
	from += offset
	switch method {
	case 0: // in the file
		return h.place(h.at, uint64(from), uint64(from+length))
	case 1: // in meta itself
		if from+length > h.idat {
			return h.corrupt(h.at, "it says that its data is at bytes %d to %d of %d (idat)", from, from+length, h.idat)
		}
	case 2: // in another item
	default:
		return h.corrupt(h.at, "it says that its data is where there is none (iloc, method %d)", method)
	}
	return nil
}

// tiles reads iref: which items are made of which. A viewer draws each as often as it is named, and makes a grid as
// large as its tiles are together. They cover the size that it claims, and reach beyond it by one of them at most.
func (h *heifWalk) tiles(c *cursor) error {
	version, _ := c.version()
	for len(c.b) > 0 {
		length, kind := c.number(4), string(c.take(4))
		refs := &cursor{b: c.take(max(length-8, 0))}
		whole, covered := h.items[refs.wide(version > 0)], float64(0)
		for count := refs.number(2); count > 0 && !refs.short; count-- {
			if err := h.part(); err != nil {
				return err
			}
			i := h.items[refs.wide(version > 0)]
			if kind != "dimg" {
				continue
			}
			if err := h.draw(i.size[0], i.size[1], "tiles"); err != nil {
				return err
			}
			covered += float64(i.size[0]) * float64(i.size[1])
			most := float64(whole.size[0]+i.size[0]) * float64(whole.size[1]+i.size[1])
			if grid := [4]byte([]byte("grid")); whole.kind == grid && (i.kind == grid || covered > most) {
				return h.corrupt(h.at, "its tiles are made of tiles, or make more than the %d x %d pixels that it claims (iref)",
					whole.size[0], whole.size[1])
			}
		}
		c.short = c.short || refs.short
	}
	return nil
}

// primary reads pitm: which item is the picture.
func (h *heifWalk) primary(c *cursor) error {
	version, _ := c.version()
	id := c.wide(version > 0)
	i := h.items[id]
	if i.size == [2]int64{} { // a sequence may do without
		h.unshown = h.corrupt(h.at, "the picture that is to be shown (item %d) is not there, or has no size", id)
		return nil
	}
	if i.isNote() {
		return h.corrupt(h.at, "what is to be shown (item %d) is no picture", id)
	}
	other := ""
	switch string(i.kind[:]) {
	case "av01":
		other = "avif"
	case "hvc1":
		other = "heic"
	}
	if t, known := TypeOf(other); known && t.Name != h.Name {
		if err := h.turn(other, "is coded as "+t.Name); err != nil {
			return err
		}
	}
	h.found.Width, h.found.Height = i.size[0], i.size[1]
	return nil
}
