package sniff

// A RIFF file (Microsoft's Resource Interchange File Format) is "RIFF", a size, the name of a form, and chunks up to
// that size. A chunk is a name of four bytes, a size and as many bytes, with one more behind an odd number of them. Its
// content may be chunks again. Numbers are little endian.

// chunkHead is how long the name and the size of a chunk are.
const chunkHead = 8

// riffList is a list of chunks under way: those of a file, or those within another chunk.
type riffList struct {
	*walker
	end int64 // where the list ends in the input, as its own size says
}

// riffChunk is one chunk's place, its name and the size of its content.
type riffChunk struct {
	at, size int64
	name     [4]byte
}

// end is where the chunk's content ends in the input.
func (c riffChunk) end() int64 { return c.at + chunkHead + c.size }

// riff walks over the header of a RIFF file, and gives the list of its chunks.
func (w *walker) riff() (riffList, error) {
	b, err := w.take(12)
	if err != nil {
		return riffList{}, err
	}
	return riffList{w, chunkHead + le32(b[4:])}, nil
}

// next walks over the head of the next chunk. There is none at the list's end.
func (l riffList) next() (c riffChunk, more bool, _ error) {
	c.at = l.offset()
	if c.at >= l.end {
		return c, false, nil
	}
	if err := l.part(); err != nil {
		return c, false, err
	}
	b, err := l.take(chunkHead)
	if err != nil {
		return c, false, err
	}
	copy(c.name[:], b)
	c.size = le32(b[4:])
	if c.end() > l.end {
		return c, false, l.corrupt(c.at, "a block of data (chunk %s) claims to be %d bytes long, and there is less room",
			quoted(c.name[:]), c.size)
	}
	return c, true, nil
}

// chunks walks the list to its end and shows each chunk; what show leaves of it is skipped.
func (l riffList) chunks(show func(riffChunk) error) error {
	for {
		c, more, err := l.next()
		if err != nil || !more {
			return err
		}
		if err := show(c); err != nil {
			return err
		}
		if err := l.finish(c); err != nil {
			return err
		}
	}
}

// finish walks to the end of a chunk, whatever was read of it. What stands in the byte behind an odd one is not looked
// at, and the last chunk may lack it.
func (l riffList) finish(c riffChunk) error {
	end := c.end()
	if c.size%2 == 1 && end < l.end {
		end++
	}
	return l.skip(end - l.offset())
}
