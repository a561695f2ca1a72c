package upload

import (
	"strings"

	"hatchery/shared/policy"
)

// Layout says where in the bucket uploads lie. Both prefixes end in "/" and
// neither begins with the other, or promotion's own copy would be notified and
// validated again. Neither begins with DeadLetterPrefix, or it with them.
type Layout struct {
	Quarantine string
	Files      string
}

// DefaultLayout is quarantine/ and files/.
var DefaultLayout = Layout{Quarantine: "quarantine/", Files: "files/"}

// QuarantineKey is where the bytes of an upload arrive.
func (l Layout) QuarantineKey(r Ref) Key { return Key(l.Quarantine + r.String()) }

// FilesKey is where the bytes of an upload are served from once stored.
func (l Layout) FilesKey(r Ref) Key { return Key(l.Files + r.String()) }

// ParseQuarantineKey finds which upload a quarantine key belongs to. It is
// false for a key that this layout would never have made.
func (l Layout) ParseQuarantineKey(k Key) (Ref, bool) {
	rest, ok := strings.CutPrefix(string(k), l.Quarantine)
	if !ok {
		return Ref{}, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 5 || parts[1] != "entries" || !ValidPathID(parts[0]) || !ValidPathID(parts[2]) ||
		!policy.KindName(parts[3]).Valid() {
		return Ref{}, false
	}
	id, err := ParseID(parts[4])
	if err != nil || string(id) != parts[4] {
		return Ref{}, false
	}
	return Ref{Journal: Journal(parts[0]), Entry: Entry(parts[2]), Kind: policy.KindName(parts[3]), ID: id}, true
}
