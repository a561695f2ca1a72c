package sniff

// walkEntries walks from the first local header to the directory.
func (z *zipWalk) walkEntries() error {
	for i, e := range z.entries {
		next := z.from
		if i+1 < len(z.entries) {
			next = z.entries[i+1].at
		}
		if err := z.entry(e, next); err != nil {
			return err
		}
	}
	if at := z.offset(); at != z.from {
		return z.corrupt(at, "%d bytes in front of its directory belong to no entry", z.from-at)
	}
	return nil
}

// entry walks over one entry, which ends at next.
func (z *zipWalk) entry(e zipEntry, next int64) error {
	at := z.offset()
	if e.at != at {
		what := "bytes there belong to no entry"
		if e.at < at {
			what = "two of its entries overlap"
		}
		return z.corrupt(at, "%s", what)
	}
	name, err := z.local(e)
	if err != nil {
		return err
	}
	left := next - z.offset() - e.packed
	if left < 0 {
		return z.corrupt(at, "two of its entries overlap")
	}
	if z.office != nil && e.part != noPart {
		err = z.office.read(e, name)
	} else {
		err = z.skip(e.packed)
	}
	if err != nil {
		return err
	}
	if e.flags&flagDescriptor != 0 {
		return z.descriptor(e, left)
	}
	return nil // what is left belongs to no entry, and the next one or the directory would not begin there
}

// local reads a local header, which has to say what the directory says. An entry with a data descriptor may leave its
// sizes and its checksum to that. It gives the name.
func (z *zipWalk) local(e zipEntry) (string, error) {
	at := z.offset()
	b, err := z.take(zipLocalSize)
	if err != nil {
		return "", err
	}
	nameLength, extraLength := int(le16(b[26:])), int(le16(b[28:]))
	flags, method, crc := uint16(le16(b[6:])), uint16(le16(b[8:])), uint32(le32(b[14:]))
	packed, size := le32(b[18:]), le32(b[22:])
	if string(b[:4]) != zipLocal {
		return "", z.corrupt(at, "no entry begins there, but its directory says so")
	}
	if b, err = z.take(nameLength); err != nil {
		return "", err
	}
	name, sum := string(b), nameSum(b)
	if b, err = z.take(extraLength); err != nil {
		return "", err
	}
	const compared = flagEncrypted | flagDescriptor
	fits := sum == e.name && method == e.method && (flags^e.flags)&compared == 0 && wide(b, &size, &packed)
	// macOS leaves some of the three to the descriptor, most others all.
	later := func(n int64) bool { return e.flags&flagDescriptor != 0 && n == 0 }
	fits = fits && badOthers([]byte(name), b) == "" && (packed == e.packed || later(packed)) &&
		(size == e.size || later(size)) && (crc == e.crc || later(int64(crc)))
	if !fits {
		return "", z.corrupt(at, "the entry %s is not what the directory says of it", quoted([]byte(name)))
	}
	return name, nil
}

// descriptor walks over the data descriptor behind an entry: checksum and sizes once more, the sizes in 4 or 8 bytes
// each, with or without a signature.
func (z *zipWalk) descriptor(e zipEntry, length int64) error {
	at := z.offset()
	if length < 12 || length > 24 {
		return z.corrupt(at, "%d bytes there are no data descriptor of the entry in front of them", length)
	}
	b, err := z.take(int(length))
	if err != nil {
		return err
	}
	if length%8 == 0 { // 16 or 24
		if string(b[:4]) != zipDescriptor {
			return z.corrupt(at, "no data descriptor begins there")
		}
		b = b[4:]
	}
	fits := len(b) == 12 && le32(b[4:]) == e.packed && le32(b[8:]) == e.size ||
		len(b) == 20 && le64(b[4:]) == e.packed && le64(b[12:]) == e.size
	if !fits || uint32(le32(b)) != e.crc {
		return z.corrupt(at, "a data descriptor does not say what the directory says")
	}
	return nil
}

// walkEnd walks over the directory and the records behind it, to the end of the archive's comment.
func (z *zipWalk) walkEnd() error {
	if err := z.skip(z.end - z.from); err != nil {
		return err
	}
	b, err := z.take(zipEndSize)
	if err != nil {
		return err
	}
	return z.skip(le16(b[20:]))
}
