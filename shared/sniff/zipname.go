package sniff

import (
	"crypto/sha256"
	"hash/crc32"
	"iter"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// unixType masks the type of a file in its Unix mode, the upper half of an entry's external attributes, and unixLink is
// that of a symbolic link.
const unixType, unixLink = 0o170000, 0o120000

// notThroughLinks refuses an entry that would be unpacked to where another entry, a symbolic link, leads.
func (z *zipWalk) notThroughLinks(at int64, b []byte) error {
	own, extra := centralName(b)
	for _, name := range append(otherNames(own, extra), own) {
		through := false
		for sum := range pathSums(name) {
			if through {
				return z.refuse(Corrupt, "has an entry named %s (byte %d), which leads through a symbolic link in the archive",
					quoted(name), at)
			}
			through = z.links[sum]
		}
	}
	return nil
}

// slashed gives a name with "/" between folders. Old .NET programs write "\", which other programs read as the same.
func slashed(name []byte) string { return strings.ReplaceAll(string(name), `\`, "/") }

// nameSum tells names apart.
func nameSum(name []byte) [16]byte {
	sum := sha256.Sum256([]byte(slashed(name)))
	return [16]byte(sum[:16])
}

// pathSums gives a number for each folder that a name leads through, and then for the name itself. Names that differ in
// case alone have the same, as they are the same file on Windows and macOS.
func pathSums(name []byte) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		sum := uint64(14695981039346656037) // FNV-1a
		folded := path.Clean(slashed(name))
		if utf8.ValidString(folded) { // else ToLower would make one character of all others
			folded = strings.ToLower(folded)
		}
		for _, c := range []byte(folded) {
			switch {
			case isLetter(c):
				c |= 0x20
			case c == '/' && !yield(sum):
				return
			}
			sum = (sum ^ uint64(c)) * 1099511628211
		}
		yield(sum)
	}
}

// centralName gives the name and the extra fields of a record of the directory.
func centralName(b []byte) (name, extra []byte) {
	name = b[zipCentralSize:][:le16(b[28:])]
	return name, b[zipCentralSize+len(name):][:le16(b[30:])]
}

// otherNames gives the names in Info-ZIP's Unicode Path fields (APPNOTE.TXT 4.6.9). Many programs take such a name in
// place of the entry's own, if its checksum is of that. Of several that differ it gives two.
func otherNames(name, extra []byte) [][]byte {
	if len(extra) == 0 {
		return nil
	}
	var others [][]byte
	last, sum := name, crc32.ChecksumIEEE(name)
	for id, field := range extraFields(extra) {
		if id == 0x7075 && len(field) >= 5 && field[0] == 1 && uint32(le32(field[1:])) == sum &&
			len(others) < 2 && slashed(field[5:]) != slashed(last) {
			last = field[5:]
			others = append(others, last)
		}
	}
	return others
}

// badOthers says why an entry may not have its other names.
func badOthers(name, extra []byte) string {
	others := otherNames(name, extra)
	for _, other := range others {
		if reason := badName(other); reason != "" {
			return reason
		}
		if len(others) > 1 || !sameName(slashed(name), slashed(other)) {
			return "which an extra field names " + quoted(other)
		}
	}
	return ""
}

// sameName reports whether a name, in whatever charset or escapes, can be another in Unicode: what is ASCII at the
// beginning and the end of that has to be the same. A letter and the accent behind it may be one character in the name.
func sameName(name, other string) bool {
	beyond := func(r rune) bool { return r >= utf8.RuneSelf }
	first, last := strings.IndexFunc(other, beyond), strings.LastIndexFunc(other, beyond)
	if first < 0 {
		return name == other
	}
	_, size := utf8.DecodeRuneInString(other[last:])
	return strings.HasPrefix(name, other[:max(0, first-1)]) && strings.HasSuffix(name, other[last+size:])
}

// isAbove reports whether a part of a name is the folder above. Windows drops spaces at the end of a part.
func isAbove(part string) bool { return strings.TrimRight(part, " ") == ".." }

// badName says why an entry may not have this name: unpacking it could write somewhere else than into its folder.
func badName(name []byte) string {
	s := slashed(name)
	switch {
	case s == "":
		return "which is empty"
	case len(s) > maxEntryName:
		return "which is too long"
	case strings.IndexByte(s, 0) >= 0: // others would be odd, but macOS calls a folder's icon "Icon\r"
		return "with a zero byte"
	case s[0] == '/' || len(s) > 1 && s[1] == ':' && isLetter(s[0]):
		return "which does not stay in the folder that it is unpacked to"
	case strings.Contains(s, "..") && slices.ContainsFunc(strings.Split(s, "/"), isAbove):
		return "which leads out of the folder that it is unpacked to"
	}
	return ""
}
