package sniff

import (
	"math"
	"slices"
)

// wavUnknown is the least size that programs write which do not know how long their sound will be: into a pipe FFmpeg
// writes 0xFFFFFFFF, SoX some thousand bytes less than 2 GiB.
const wavUnknown = 0x7fff0000

// wav walks a sound in RIFF chunk by chunk: its format (fmt), then its samples (data), and others before, between and
// behind. Where a program left the sizes open, the samples reach to the end. The size of the whole is often somewhat
// wrong, and no player minds: chunks are followed beyond it until there are samples, and it may be 8 bytes too large.
// Programs that write tags behind all do not always count them, so that tags are followed beyond it, too.
func (w *walker) wav() error {
	l, err := w.riff()
	if err != nil {
		return err
	}
	end := l.end
	open := end <= chunkHead || end-chunkHead >= wavUnknown
	l.end = math.MaxInt64
	for format, data := false, false; ; {
		if data {
			b, err := w.peek(chunkHead)
			last := len(b) < chunkHead && (open || w.offset()+chunkHead >= end)
			if err != nil || last || !open && w.offset() >= end && !beginsTag(b) {
				return err
			}
		}
		c, _, err := l.next()
		if err != nil {
			return err
		}
		switch string(c.name[:]) {
		case "fmt ":
			if format || data {
				return w.corrupt(c.at, "its format (fmt) stands there a second time, or behind its samples")
			}
			format = true
			err = w.wavFormat(c)
		case "data":
			if data || !format {
				return w.corrupt(c.at, "its samples (data) stand there a second time, or before its format")
			}
			data = true
			if c.size >= wavUnknown || c.size == 0 && (open || end < c.end()) {
				return w.rest()
			}
		default:
			err = w.extra(c.size)
		}
		if err != nil {
			return err
		}
		if err := w.wavEnd(c); err != nil {
			return err
		}
	}
}

// beginsTag reports whether a chunk that begins with b holds texts about the sound.
func beginsTag(b []byte) bool {
	return len(b) >= 4 && slices.Contains([]string{"LIST", "id3 ", "ID3 "}, string(b[:4]))
}

// wavEnd walks to the end of a chunk, and over the zero behind one of an odd size, which some programs leave out.
func (w *walker) wavEnd(c riffChunk) error {
	if err := w.skip(c.end() - w.offset()); err != nil {
		return err
	}
	b, err := w.peek(1)
	if err == nil && c.size%2 == 1 && len(b) == 1 && b[0] == 0 {
		w.advance(1)
	}
	return err
}

// wavFormat checks the format chunk.
func (w *walker) wavFormat(c riffChunk) error {
	if c.size < 16 || c.size > 4096 {
		return w.corrupt(c.at, "its format (fmt) cannot be %d bytes long", c.size)
	}
	b, err := w.look(16)
	if err != nil {
		return err
	}
	if le16(b) == 0 || le16(b[2:]) == 0 || le32(b[4:]) == 0 || le16(b[12:]) == 0 {
		return w.corrupt(c.at, "its format says coding %d, %d channels, %d samples a second and %d bytes a sample", le16(b),
			le16(b[2:]), le32(b[4:]), le16(b[12:]))
	}
	return nil
}
