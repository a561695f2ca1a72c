package sniff

import (
	"bytes"
	"cmp"
	"iter"
	"path"
	"slices"
)

const (
	zipLocal      = "PK\x03\x04"
	zipDescriptor = "PK\x07\x08"
	zipCentral    = "PK\x01\x02"
	zipEnd        = "PK\x05\x06"
	zip64Record   = "PK\x06\x06"
	zip64Locator  = "PK\x06\x07"

	zipEndSize, zip64LocatorSize, zip64RecordSize = 22, 20, 56
	zipLocalSize, zipCentralSize                  = 30, 46
)

// Bounds of what the directory of an archive may say. The directory is read in pieces; of each entry some 60 bytes stay
// in memory.
const (
	maxEntries   = 65_535   // as many as an archive without ZIP64 can have
	maxDirectory = 16 << 20 // bytes
	maxEntryName = 4096
	// An archive that unpacks to more than unpackedFree bytes may unpack to unpackedTimes its own size. Deflate cannot
	// make anything larger than deflateTimes.
	unpackedTimes, unpackedFree, deflateTimes = 100, 100_000_000, 1032
)

// Bits of an entry's flags (APPNOTE.TXT 4.4.4).
const (
	flagEncrypted, flagDescriptor, flagPatch, flagStrong, flagMasked = 1, 1 << 3, 1 << 5, 1 << 6, 1 << 13
)

// zipEntry is what the directory says of an entry.
type zipEntry struct {
	at, packed, size int64 // where its local header is, and its bytes as they are stored and as they are unpacked
	crc              uint32
	flags, method    uint16
	name             [16]byte // of its SHA-256
	part             officePart
}

// zipWalk is an archive being walked: first its directory, which stands at the end, then its entries.
type zipWalk struct {
	*walker
	office  *officeWalk // nil in an archive that is nothing else
	entries []zipEntry  // in the order of their places
	from    int64       // where the directory begins
	to      int64       // where it ends
	end     int64       // where the end record begins
	pieceAt int64
	kept    []byte          // a piece of the directory
	links   map[uint64]bool // the names of symbolic links, by pathSums
}

// zip walks an archive by APPNOTE.TXT 6.3.10. Its entries have to follow each other from byte 0 to the directory, each
// as the directory says, so that programs that go by it find the same. Nothing is unpacked.
func (w *walker) zip() error { return (&zipWalk{walker: w}).archive() }

func (z *zipWalk) archive() error {
	if err := z.findEnd(); err != nil {
		return err
	}
	if err := z.readDirectory(); err != nil {
		return err
	}
	if err := z.walkEntries(); err != nil {
		return err
	}
	return z.walkEnd()
}

// findEnd finds the record at the archive's end, and by it the directory.
func (z *zipWalk) findEnd() error {
	var err error
	if z.kept, z.pieceAt, err = z.ending(); err != nil {
		return err
	}
	i := bytes.LastIndex(z.kept, []byte(zipEnd))
	if i < 0 || len(z.kept)-i < zipEndSize {
		return refusef(Truncated, "The %s has no directory at its end (%d bytes): the file was cut short, or more follows "+
			"it; upload the whole file again.", z.called(), z.pieceAt+int64(len(z.kept)))
	}
	b := z.kept[i:]
	z.end, z.to = z.pieceAt+int64(i), z.pieceAt+int64(i)
	count, length := le16(b[10:]), le32(b[12:])
	z.from = le32(b[16:])
	if le16(b[4:]) != le16(b[6:]) || le16(b[8:]) != count || le16(b[4:]) != 0 && le16(b[4:]) != 0xffff {
		return refusef(Corrupt, "The %s is one of several parts; pack it as one file and upload that.", z.called())
	}
	if i >= zip64LocatorSize && string(z.kept[i-zip64LocatorSize:][:4]) == zip64Locator {
		if count, length, err = z.findEnd64(z.kept[i-zip64LocatorSize:], count, length); err != nil {
			return err
		}
	}
	if count > maxEntries || length > maxDirectory {
		return refusef(NotAllowed, "The %s has %d entries, and at most %d are taken (%d bytes of names and places, and at "+
			"most %d); pack fewer files and upload that.", z.called(), count, maxEntries, length, maxDirectory)
	}
	if z.from != z.to-length {
		return z.corrupt(z.end, "its directory of %d bytes should begin at byte %d and end at its end record, at byte %d",
			length, z.from, z.to)
	}
	z.entries = make([]zipEntry, 0, count)
	return nil
}

// findEnd64 reads the ZIP64 record, to which the locator in front of the end record leads. What fits the end record has
// to stand there, too.
func (z *zipWalk) findEnd64(locator []byte, count, length int64) (count64, length64 int64, _ error) {
	at := le64(locator[8:])
	z.to -= zip64LocatorSize
	wrong := func() (int64, int64, error) {
		return 0, 0, z.corrupt(z.to, "its ZIP64 record does not fit its end record")
	}
	// Some programs look for the record where the locator says, others right in front of the locator.
	if at < 0 || at != z.to-zip64RecordSize || le32(locator[4:]) != 0 || le32(locator[16:]) != 1 {
		return wrong()
	}
	b, err := z.look(at, zip64RecordSize, z.to)
	if err != nil {
		return 0, 0, err
	}
	n := func(at int) int64 { return le64(b[at:]) }
	count64, length64 = n(32), n(40)
	if string(b[:4]) != zip64Record || n(4) != zip64RecordSize-12 || le32(b[16:]) != 0 || le32(b[20:]) != 0 ||
		n(24) != count64 || count64 < 0 || length64 < 0 || n(48) < 0 ||
		count != 0xffff && count != count64 || length != 0xffffffff && length != length64 ||
		z.from != 0xffffffff && z.from != n(48) {
		return wrong()
	}
	z.from, z.to = n(48), at
	return count64, length64, nil
}

// look returns n bytes from a place in front of end, of a piece that is kept.
func (z *zipWalk) look(at int64, n int, end int64) ([]byte, error) {
	if at < z.pieceAt || at+int64(n) > z.pieceAt+int64(len(z.kept)) {
		b, err := z.piece(at, int(min(pieceSize, end-at)))
		if err != nil {
			return nil, err
		}
		z.kept, z.pieceAt = b, at
	}
	return z.kept[at-z.pieceAt:][:n], nil
}

// readDirectory reads what the directory says of each entry, and sorts them by their places.
func (z *zipWalk) readDirectory() error {
	names, unpacked := make(map[[16]byte]bool, cap(z.entries)), int64(0)
	z.links = map[uint64]bool{}
	err := z.eachRecord(func(at int64, b []byte) error {
		e, err := z.central(at, b)
		if err != nil {
			return err
		}
		own, extra := centralName(b)
		for _, name := range append(otherNames(own, extra), own) {
			sum, clean := e.name, path.Clean(slashed(name))
			if clean != string(own) {
				sum = nameSum([]byte(clean))
			}
			if names[sum] {
				return z.corrupt(at, "its directory has the name %s twice", quoted(name))
			}
			names[sum] = true
			if le16(b[40:])&unixType == unixLink {
				var last uint64
				for last = range pathSums(name) {
				}
				z.links[last] = true
			}
		}
		unpacked += min(e.size, 1<<46) // 65,535 of them fit an int64
		z.entries = append(z.entries, e)
		return nil
	})
	if err == nil && len(z.links) > 0 {
		err = z.eachRecord(z.notThroughLinks)
	}
	if err != nil {
		return err
	}
	if unpacked > unpackedFree && unpacked/unpackedTimes > z.end {
		return refusef(NotAllowed, "The %s would unpack to %d bytes, more than %d times its size; pack fewer files and "+
			"upload that.", z.called(), unpacked, unpackedTimes)
	}
	z.kept = nil
	if z.office != nil {
		if err := z.office.begin(); err != nil {
			return err
		}
	}
	slices.SortFunc(z.entries, func(a, b zipEntry) int { return int(min(max(a.at-b.at, -1), 1)) })
	return nil
}

// eachRecord shows every record of the directory, and where it is.
func (z *zipWalk) eachRecord(show func(at int64, b []byte) error) error {
	at := z.from
	for range cap(z.entries) {
		b, err := z.record(at, zipCentralSize)
		if err != nil {
			return err
		}
		length := zipCentralSize + int(le16(b[28:])+le16(b[30:])+le16(b[32:]))
		if string(b[:4]) != zipCentral {
			return z.corrupt(at, "no entry of its directory begins there")
		}
		if b, err = z.record(at, length); err != nil {
			return err
		}
		if err := show(at, b); err != nil {
			return err
		}
		at += int64(length)
	}
	if at != z.to {
		return z.corrupt(at, "its directory has more than its %d entries", cap(z.entries))
	}
	return nil
}

// record returns n bytes of the directory.
func (z *zipWalk) record(at int64, n int) ([]byte, error) {
	if at+int64(n) > z.to {
		return nil, z.corrupt(at, "its directory has fewer than its %d entries", cap(z.entries))
	}
	return z.look(at, n, z.to)
}

// central reads one entry of the directory.
func (z *zipWalk) central(at int64, b []byte) (zipEntry, error) {
	name, extra := centralName(b)
	e := zipEntry{flags: uint16(le16(b[8:])), method: uint16(le16(b[10:])), crc: uint32(le32(b[16:])),
		packed: le32(b[20:]), size: le32(b[24:]), at: le32(b[42:])}
	if !wide(extra, &e.size, &e.packed, &e.at) {
		return e, z.corrupt(at, "the entry %s lacks its ZIP64 sizes", quoted(name))
	}
	switch reason := cmp.Or(badName(name), badOthers(name, extra)); {
	case reason != "":
		return e, z.refuse(Corrupt, "has an entry named %s (byte %d), %s", quoted(name), at, reason)
	case le16(b[34:]) != 0 && le16(b[34:]) != 0xffff:
		return e, z.corrupt(at, "the entry %s is in another part of the archive", quoted(name))
	case e.flags&(flagPatch|flagStrong|flagMasked) != 0 || !knownMethod(e.method):
		return e, z.refuse(Corrupt, "has the entry %s, stored in a way (method %d, flags %d, at byte %d) that programs do "+
			"not unpack", quoted(name), e.method, e.flags, at)
	case e.packed > z.from || e.at > z.from:
		return e, z.corrupt(at, "the entry %s reaches beyond the entries", quoted(name))
	case !e.sizesFit():
		return e, z.corrupt(at, "the entry %s cannot unpack %d bytes to %d", quoted(name), e.packed, e.size)
	}
	e.name = nameSum(name)
	if z.office != nil {
		e.part = z.office.listed(e, name)
	}
	return e, nil
}

// extraFields gives the extra fields of an entry: each with its number and its content (APPNOTE.TXT 4.5).
func extraFields(extra []byte) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for len(extra) >= 4 {
			n := 4 + int(le16(extra[2:]))
			if n > len(extra) || !yield(le16(extra), extra[4:n]) {
				return // where a field is longer than its room, programs differ in what they make of it
			}
			extra = extra[n:]
		}
	}
}

// wide replaces the numbers that are 0xFFFFFFFF by those of the ZIP64 extra field (APPNOTE.TXT 4.5.3). It is false when
// one is missing there, no file is as large, or programs differ in where it stands there.
func wide(extra []byte, numbers ...*int64) bool {
	var wide []byte
	fields := 0
	for id, field := range extraFields(extra) {
		if id == 1 {
			wide, fields = field, fields+1
		}
	}
	// Some programs write all numbers there, and some read them so, whichever are needed.
	all, skipped := len(wide) >= 8*len(numbers), false
	for _, number := range numbers {
		if *number != 0xffffffff {
			skipped = true
			continue
		}
		if len(wide) < 8 || fields > 1 || all && skipped {
			return false
		}
		if *number = le64(wide); *number < 0 {
			return false
		}
		wide = wide[8:]
	}
	return true
}

// sizesFit reports whether so many bytes can unpack to so many.
func (e zipEntry) sizesFit() bool {
	switch {
	case e.method == 0 && e.flags&flagEncrypted == 0:
		return e.packed == e.size
	case e.method == 8:
		return e.size/deflateTimes <= e.packed
	}
	return true
}

// knownMethod reports whether APPNOTE.TXT (4.4.5) has this method: stored, deflated, those of archives from before
// 1993, and what 7-Zip and WinZip offer besides.
func knownMethod(method uint16) bool {
	return method <= 20 || method >= 93 && method <= 99
}
