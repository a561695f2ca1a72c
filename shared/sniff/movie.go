package sniff

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// track is what has been seen of one track.
type track struct {
	handler      [4]byte
	shown, coded [2]int64 // pixels of width and height: as it is to be shown (tkhd), and as its pictures are (stsd)
	frames       int64    // samples
}

// visual reports whether the track is one of pictures.
func (t *track) visual() bool {
	switch string(t.handler[:]) {
	case "vide", "pict", "auxv":
		return true
	}
	return false
}

// movie looks at a part of moov, the index of a film.
func (f *isoWalk) movie(b box) error {
	switch string(b.kind[:]) {
	case "trak":
		return f.track(b)
	case "rmra":
		return f.elsewhere(b)
	case "cmov":
		return refusef(NotAllowed, "The index of the %s is compressed (cmov, at byte %d), so that it cannot be checked; %s.",
			f.called(), b.at, f.again())
	case "mvhd", "mvex", "iods":
		return nil
	}
	return f.other(b)
}

// elsewhere refuses a film whose media is somewhere else: a player would go and get it.
func (f *isoWalk) elsewhere(b box) error {
	return refusef(NotAllowed, "The %s points to other files or addresses, at byte %d (%s), in place of having all in "+
		"itself; export it as one file that is complete in itself and upload that.", f.called(), b.at, b)
}

// track walks one track of moov.
func (f *isoWalk) track(b box) error {
	t := &track{}
	if err := f.inside(b, t); err != nil {
		return err
	}
	switch string(t.handler[:]) {
	case "soun":
		f.sound = true
	case "vide":
		f.moving = true
	case "pict":
		f.sequence = true
	}
	if f.still && (f.sound || f.moving) {
		if err := f.mayMove(b); err != nil {
			return err
		}
	}
	if !t.visual() {
		return nil
	}
	size := t.coded
	if size == [2]int64{} {
		size = t.shown
	}
	for _, s := range [][2]int64{size, t.shown} {
		if s[0]*s[1] == 0 && s != size {
			continue // a track that is not shown by itself; Xcode's recordings say a height of less than a pixel
		}
		if err := f.dimensions(b.at, s[0], s[1]); err != nil {
			return err
		}
	}
	if f.found.Width == 0 {
		f.found.Width, f.found.Height = size[0], size[1]
	}
	if f.still {
		return f.draw(size[0], size[1]*t.frames, "frames")
	}
	return nil
}

// inside walks the parts of a track, or of a part of it.
func (f *isoWalk) inside(in box, t *track) error {
	return f.boxes(in, func(b box) error {
		return f.trackPart(in, b, t)
	})
}

// trackPart looks at a part of a track, in the box in which it has to stand. So no depth is without end.
func (f *isoWalk) trackPart(in, b box, t *track) error {
	switch string(in.kind[:]) + "/" + string(b.kind[:]) {
	case "trak/mdia", "mdia/minf", "minf/dinf", "minf/stbl":
		return f.inside(b, t)
	case "trak/tkhd":
		return f.trackHeader(b, t)
	case "mdia/hdlr":
		return f.handler(b, t)
	case "dinf/dref":
		return f.references(b)
	case "stbl/stsd":
		return f.descriptions(b, t)
	case "stbl/stts", "stbl/ctts":
		_, err := f.table(b, 8)
		return err
	case "stbl/stss":
		_, err := f.table(b, 4)
		return err
	case "stbl/stsc":
		_, err := f.table(b, 12)
		return err
	case "stbl/stsz", "stbl/stz2":
		return f.sizes(b, t)
	case "stbl/stco":
		return f.places(b, 4)
	case "stbl/co64":
		return f.places(b, 8)
	}
	return f.other(b)
}

// trackHeader reads tkhd: how large the track's pictures are to be shown.
func (f *isoWalk) trackHeader(b box, t *track) error {
	content, err := f.fields(b, 4)
	if err != nil {
		return err
	}
	length := int64(80)
	if content[0] == 1 { // times of 64 bits
		length = 92
	}
	if content, err = f.fields(b, length); err != nil {
		return err
	}
	t.shown = [2]int64{be32(content[length-8:]) >> 16, be32(content[length-4:]) >> 16}
	return nil
}

// handler reads hdlr: what kind of media the track is of.
func (f *isoWalk) handler(b box, t *track) error {
	content, err := f.fields(b, 12)
	if err != nil {
		return err
	}
	t.handler = [4]byte(content[8:])
	return nil
}

// references walks dref: where the media is. A player follows a reference to another file or address.
func (f *isoWalk) references(b box) error {
	return f.entries(b, func(entry box) error {
		content, err := f.fields(entry, 4)
		if err != nil {
			return err
		}
		const itself = 1 // the flag: the media is in this file
		if be32(content)&itself == 0 && entry.end > f.offset() {
			return f.elsewhere(entry)
		}
		return nil
	})
}

// entries walks the boxes that b says the number of, and shows each; what show leaves of it is skipped.
func (f *isoWalk) entries(b box, show func(box) error) error {
	content, err := f.fields(b, 8)
	if err != nil {
		return err
	}
	for range be32(content[4:]) {
		if err := f.within(b, show); err != nil {
			return err
		}
	}
	return nil
}

// descriptions walks stsd: how the samples of the track are coded.
func (f *isoWalk) descriptions(b box, t *track) error {
	return f.entries(b, func(entry box) error {
		if !t.visual() {
			return nil
		}
		content, err := f.fields(entry, 28)
		if err != nil {
			return err
		}
		coded := [2]int64{be16(content[24:]), be16(content[26:])}
		if t.coded == [2]int64{} {
			t.coded = coded
		}
		if coded == [2]int64{} {
			return nil
		}
		return f.dimensions(entry.at, coded[0], coded[1])
	})
}

// fits sees that so many entries of so many bits are in the rest of a box: who reads it makes room for them.
func (f *isoWalk) fits(b box, count, bits int64) error {
	if left := b.end - f.offset(); (count*bits+7)/8 > left {
		return f.corrupt(b.at, "%s claims to have %d entries, which do not fit into it", b, count)
	}
	return nil
}

// table sees that a table is as long as its number of entries of so many bytes says.
func (f *isoWalk) table(b box, size int64) (count int64, _ error) {
	content, err := f.fields(b, 8)
	if err != nil {
		return 0, err
	}
	count = be32(content[4:])
	return count, f.fits(b, count, 8*size)
}

// sizes reads the head of stsz or stz2: how many samples there are, and how long.
func (f *isoWalk) sizes(b box, t *track) error {
	content, err := f.fields(b, 12)
	if err != nil {
		return err
	}
	t.frames = be32(content[8:])
	switch {
	case b.kind == [4]byte([]byte("stz2")):
		return f.fits(b, t.frames, int64(content[7]))
	case be32(content[4:]) == 0: // not all of one size
		return f.fits(b, t.frames, 32)
	}
	return nil
}

// places reads stco or co64: where the chunks of samples begin, in so many bytes each.
func (f *isoWalk) places(b box, size int64) error {
	count, err := f.table(b, size)
	if err != nil || count == 0 {
		return err
	}
	lo, hi := uint64(math.MaxUint64), uint64(0)
	for left := count * size; left > 0; {
		content, err := f.take(int(min(left, blockSize/2)))
		if err != nil {
			return err
		}
		left -= int64(len(content))
		from, to := extremes(content, size)
		lo, hi = min(lo, from), max(hi, to)
	}
	return f.place(b.at, lo, hi)
}

// extremes gives the smallest and the largest of numbers of four or eight bytes.
func extremes(b []byte, size int64) (lo, hi uint64) {
	if size == 8 {
		lo = math.MaxUint64
		for ; len(b) >= 8; b = b[8:] {
			n := binary.BigEndian.Uint64(b)
			lo, hi = min(lo, n), max(hi, n)
		}
		return lo, hi
	}
	low, high := uint32(math.MaxUint32), uint32(0)
	for ; len(b) >= 4; b = b[4:] {
		n := binary.BigEndian.Uint32(b)
		low, high = min(low, n), max(high, n)
	}
	return uint64(low), uint64(high)
}

// fragment looks at a part of moof, the index of a piece of a film.
func (f *isoWalk) fragment(b box) error {
	if string(b.kind[:]) != "traf" {
		return nil
	}
	return f.boxes(b, func(b box) error {
		if string(b.kind[:]) != "trun" {
			return nil
		}
		content, err := f.fields(b, 8)
		if err != nil {
			return err
		}
		flags := uint32(be32(content))
		const once, each = 0x5, 0xf00 // fields of the run, and of every sample: four bytes for a flag
		if _, err := f.fields(b, 4*int64(bits.OnesCount32(flags&once))); err != nil {
			return err
		}
		return f.fits(b, be32(content[4:]), 32*int64(bits.OnesCount32(flags&each)))
	})
}
