package policy

import (
	"maps"
	"slices"

	"hatchery/shared/sniff"
)

// named lists the policies that a deployment takes by their name, with the kinds of each.
var named = map[string][]KindName{
	"pictures":  {"images"},
	"media":     {"images", "media"},
	"documents": {"images", "documents"},
	"all":       {"images", "media", "documents"},
}

// Names lists the names of policies that Parse takes in place of JSON.
func Names() []string { return slices.Sorted(maps.Keys(named)) }

// Named gives the policy of a name. It takes every type that there is a checker for and that belongs to its kinds.
// A kind's max_bytes is less than it would be where the validator cannot read so much before its deadline.
func Named(name string, readable int64) (Policy, bool) {
	kinds, ok := named[name]
	p := Policy{Kinds: map[KindName]Kind{}}
	for _, t := range sniff.Types() {
		home := kindOf(t)
		if !slices.Contains(kinds, home) {
			continue
		}
		k, begun := p.Kinds[home]
		if !begun {
			k = namedKind(home)
			k.MaxBytes = min(k.MaxBytes, readable)
		}
		k.Extensions = append(k.Extensions, t.Extensions...)
		p.Kinds[home] = k
	}
	return p, ok
}

// kindOf says which kind of a named policy takes a type, by what people call such a file.
func kindOf(t sniff.Type) KindName {
	switch t.Noun {
	case "picture":
		return "images"
	case "video", "sound":
		return "media"
	}
	return "documents"
}

// namedKind has the bounds of a kind, without its extensions.
func namedKind(name KindName) Kind {
	k := Kind{MinBytes: 1, MaxBytes: 100_000_000, MaxPixels: 210_000_000, MaxSide: 32_768, Duplicates: DuplicatesAllow,
		AfterEnd: []string{"padding"}, Mismatch: MismatchRefuse}
	switch name {
	case "images": // what phones make: up to 200 million pixels, motion photos, names of another type
		k.AfterEnd, k.Mismatch = []string{"mpf", "padding", "samsung", "video"}, MismatchCorrect
	case "documents": // Excel for Windows writes CSV in Windows-1252, and Unicode text in UTF-16
		k.Charsets = []string{sniff.UTF16, sniff.Windows1252}
	case "media":
		k.MaxBytes, k.Mismatch = 1_000_000_000, MismatchCorrect
	}
	return k
}
