package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"hatchery/shared/sniff"
)

// What Duplicates may say.
const (
	DuplicatesAllow  = "allow"
	DuplicatesRefuse = "refuse"
)

// What Mismatch may say.
const (
	MismatchRefuse  = "refuse"
	MismatchCorrect = "correct"
)

// Kind is the policy of one kind of file: what is accepted, and what the
// validator lets pass.
type Kind struct {
	// Extensions that a name may have, lower case. Each needs a checker.
	Extensions []string `json:"extensions"`
	// MinBytes and MaxBytes bound one file.
	MinBytes int64 `json:"min_bytes"`
	MaxBytes int64 `json:"max_bytes"`
	// MaxPixels and MaxSide bound a picture's declared dimensions.
	MaxPixels int64 `json:"max_pixels"`
	MaxSide   int64 `json:"max_side"`
	// Duplicates: "allow", or "refuse" the same bytes twice in one entry and kind.
	Duplicates string `json:"duplicates"`
	// AfterEnd: what may follow a picture's end: "mpf" (whole JPEGs behind a JPEG),
	// "zeros" (zero bytes), "padding" (zero bytes, 0xFF and a line end), "samsung" (the
	// small trailer of notes of Samsung's phones), "video" (a motion photo's clip).
	AfterEnd []string `json:"after_end"`
	// Active: what an office file may carry: "macros", "external" (parts that are loaded from elsewhere, as templates
	// are), "embedded" (objects of other programs).
	Active []string `json:"active,omitempty"`
	// Charsets: what a text may be in beside UTF-8: "utf-16", "windows-1252".
	Charsets []string `json:"charsets,omitempty"`
	// Mismatch: "refuse" a picture whose bytes are of another type than its extension says, or
	// "correct" it: where the kind allows that type, the picture is stored as what it is.
	Mismatch string `json:"mismatch"`
	// MaxFiles and MaxTotalBytes bound what one entry may hold; 0 is no bound.
	MaxFiles      int64 `json:"max_files,omitempty"`
	MaxTotalBytes int64 `json:"max_total_bytes,omitempty"`
	// MaxAncillaryBytes bounds what in a picture is not picture; 0 is no bound.
	MaxAncillaryBytes int64 `json:"max_ancillary_bytes,omitempty"`
}

// KindName names a kind of the policy, "images" for instance.
type KindName string

// Valid says whether a kind may have this name.
func (n KindName) Valid() bool {
	return Consists(string(n), Lower+Digits+"_-", 1, 32) && strings.IndexByte(Lower, n[0]) >= 0
}

// Policy is the kinds of file that this deployment takes.
type Policy struct {
	Kinds map[KindName]Kind `json:"kinds"`
}

// LargestObject is the most that a kind may allow: one POST form and one
// CopyObject with a full-object SHA-256 reach this far.
const LargestObject = 5_000_000_000

func defaultKind() Kind {
	return Kind{Extensions: []string{"png", "jpg", "jpeg", "bmp", "gif"}, MinBytes: 1, MaxBytes: 5_500_000,
		MaxPixels: 50_000_000, MaxSide: 16_384, Duplicates: DuplicatesAllow, AfterEnd: []string{"mpf", "padding", "samsung"},
		Mismatch: MismatchRefuse}
}

// Default takes what the replaced service took.
func Default() Policy {
	return Policy{Kinds: map[KindName]Kind{"images": defaultKind()}}
}

// maxPolicyBytes bounds the policy's JSON.
const maxPolicyBytes = 64 << 10

// Parse reads a policy's JSON, or the name of one of Names. A member that a kind leaves
// out has the default's value. readable is the most bytes that the validator can read before
// its deadline. Everything wrong is reported at once, as Faults.
func Parse(data []byte, readable int64) (Policy, error) {
	const setting = "HATCHERY_POLICY"
	if len(data) > maxPolicyBytes {
		return Policy{}, Faults{{setting, fmt.Sprintf("%d bytes", len(data)),
			fmt.Sprintf("at most %d bytes of JSON", maxPolicyBytes)}}
	}
	text := strings.TrimSpace(string(data))
	if p, ok := Named(text, readable); ok {
		return p, nil
	}
	var raw struct {
		Kinds map[KindName]json.RawMessage `json:"kinds"`
	}
	if err := decodeStrictly(data, &raw); err != nil {
		found := err.Error()
		if Consists(text, Letters, 1, 32) {
			found = fmt.Sprintf("%q", text)
		}
		return Policy{}, Faults{{setting, found,
			`a JSON object like {"kinds":{"images":{"extensions":["png"],"max_bytes":5500000}}}, or ` +
				strings.Join(Names(), ", ")}}
	}
	var faults Faults
	if len(raw.Kinds) == 0 {
		faults = append(faults, Fault{setting, "no kinds", `at least one kind under "kinds"`})
	}
	p := Policy{Kinds: make(map[KindName]Kind, len(raw.Kinds))}
	for _, name := range slices.Sorted(maps.Keys(raw.Kinds)) {
		where := fmt.Sprintf("%s kinds.%s", setting, name)
		if !name.Valid() {
			faults = append(faults, Fault{setting, fmt.Sprintf("a kind named %q", name),
				"a name of a-z, 0-9, _ and -, beginning with a letter, at most 32 characters"})
		}
		k := defaultKind()
		if err := decodeStrictly(raw.Kinds[name], &k); err != nil {
			faults = append(faults, Fault{where, err.Error(), "a JSON object with the members " + kindMembers})
			continue
		}
		faults = append(faults, k.faults(where, readable)...)
		p.Kinds[name] = k
	}
	return p, faults.Err()
}

const kindMembers = "extensions, min_bytes, max_bytes, max_pixels, max_side, duplicates, after_end, active, " +
	"charsets, mismatch, max_files, max_total_bytes, max_ancillary_bytes"

// decodeStrictly decodes one JSON value with no unknown members and nothing
// after it.
func decodeStrictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more text after the JSON value")
	}
	return nil
}

func (k Kind) faults(where string, readable int64) Faults {
	var fs Faults
	fault := func(member, found, accepted string) {
		fs = append(fs, Fault{where + "." + member, found, accepted})
	}
	if len(k.Extensions) == 0 {
		fault("extensions", "none", "at least one of "+strings.Join(sniff.Extensions(), ", "))
	}
	for _, e := range k.Extensions {
		if !slices.Contains(sniff.Extensions(), e) { // in lower case, as names are compared
			fault("extensions", fmt.Sprintf("%q, for which there is no checker", e), strings.Join(sniff.Extensions(), ", "))
		}
	}
	if k.MinBytes < 0 {
		fault("min_bytes", fmt.Sprint(k.MinBytes), "0 or more")
	}
	if k.MaxBytes < 1 || k.MaxBytes > LargestObject {
		fault("max_bytes", fmt.Sprint(k.MaxBytes),
			fmt.Sprintf("1 to %d, as far as one form and one copy reach", LargestObject))
	} else if k.MaxBytes > readable {
		fault("max_bytes", fmt.Sprint(k.MaxBytes),
			fmt.Sprintf("at most %d, what the validator can read before its deadline (HATCHERY_VALIDATOR_SECONDS times "+
				"HATCHERY_READ_RATE)", readable))
	}
	if k.MinBytes > k.MaxBytes {
		fault("min_bytes", fmt.Sprintf("%d, above max_bytes %d", k.MinBytes, k.MaxBytes), "at most max_bytes")
	}
	for _, n := range []struct {
		member string
		value  int64
		least  int64
	}{{"max_pixels", k.MaxPixels, 1}, {"max_side", k.MaxSide, 1}, {"max_files", k.MaxFiles, 0},
		{"max_total_bytes", k.MaxTotalBytes, 0}, {"max_ancillary_bytes", k.MaxAncillaryBytes, 0}} {
		if n.value < n.least {
			fault(n.member, fmt.Sprint(n.value), fmt.Sprintf("%d or more", n.least))
		}
	}
	if k.Duplicates != DuplicatesAllow && k.Duplicates != DuplicatesRefuse {
		fault("duplicates", fmt.Sprintf("%q", k.Duplicates), `"allow" or "refuse"`)
	}
	words := func(member string, found, accepted []string) {
		for _, word := range found {
			if !slices.Contains(accepted, word) {
				fault(member, fmt.Sprintf("%q", word), `"`+strings.Join(accepted, `", "`)+`"`)
			}
		}
	}
	words("after_end", k.AfterEnd, afterEnd)
	words("active", k.Active, []string{sniff.Macros, sniff.External, sniff.Embedded})
	words("charsets", k.Charsets, []string{sniff.UTF16, sniff.Windows1252})
	if k.Mismatch != MismatchRefuse && k.Mismatch != MismatchCorrect {
		fault("mismatch", fmt.Sprintf("%q", k.Mismatch), `"refuse" or "correct"`)
	}
	return fs
}

// afterEnd are the words of AfterEnd.
var afterEnd = []string{"mpf", "zeros", "padding", "samsung", "video"}

// Limits are the kind's bounds in the words of the checkers.
func (k Kind) Limits() sniff.Limits {
	return sniff.Limits{Extensions: k.Extensions, Correct: k.Mismatch == MismatchCorrect,
		MaxPixels: k.MaxPixels, MaxSide: k.MaxSide, MaxAncillaryBytes: k.MaxAncillaryBytes,
		Active: k.Active, Charsets: k.Charsets,
		MPF: slices.Contains(k.AfterEnd, "mpf"), Zeros: slices.Contains(k.AfterEnd, "zeros"),
		Padding: slices.Contains(k.AfterEnd, "padding"),
		Samsung: slices.Contains(k.AfterEnd, "samsung"), Video: slices.Contains(k.AfterEnd, "video")}
}

// mostRejected is how many of the largest files the rejected uploads of an entry may leave in quarantine at most.
const mostRejected = 100

// MaxRejectedBytes bounds the bytes that the rejected uploads of one entry have in quarantine: as many as the entry may
// hold of stored ones, at most a hundred of the largest file, and at least one.
func (k Kind) MaxRejectedBytes() int64 {
	bound := mostRejected * k.MaxBytes
	if k.MaxFiles > 0 {
		bound = min(mostRejected, k.MaxFiles) * k.MaxBytes
	}
	if k.MaxTotalBytes > 0 {
		bound = min(bound, k.MaxTotalBytes)
	}
	return max(bound, k.MaxBytes)
}

// AllowsExtension says whether a file may have this extension.
func (k Kind) AllowsExtension(e string) bool { return slices.Contains(k.Extensions, e) }

// Kind finds a kind by name.
func (p Policy) Kind(name KindName) (Kind, error) {
	k, ok := p.Kinds[name]
	if !ok {
		return Kind{}, Refuse(ProblemKind, "There is no kind %q here: use %s.", name, strings.Join(p.names(), ", "))
	}
	return k, nil
}

// CheckExtension refuses an extension that the kind does not take, and names the kinds that take it.
func (p Policy) CheckExtension(kind KindName, extension string) error {
	if p.Kinds[kind].AllowsExtension(extension) {
		return nil
	}
	others := slices.DeleteFunc(p.names(), func(n string) bool { return !p.Kinds[KindName(n)].AllowsExtension(extension) })
	if len(others) == 0 {
		return Refuse(ProblemExtension, "Files ending in %q are not accepted as %s: use %s.", "."+extension, kind,
			strings.Join(p.Kinds[kind].Extensions, ", "))
	}
	refusal := Refuse(ProblemExtension, "Files ending in %q are not accepted as %s: upload them as %s.", "."+extension,
		kind, strings.Join(others, " or "))
	if len(others) == 1 {
		refusal.Kind = KindName(others[0])
	}
	return refusal
}

func (p Policy) names() []string {
	names := make([]string, 0, len(p.Kinds))
	for n := range p.Kinds {
		names = append(names, string(n))
	}
	slices.Sort(names)
	return names
}

// CheckSize refuses a size that the kind does not take.
func (k Kind) CheckSize(size int64) error {
	switch {
	case size > k.MaxBytes:
		return Refuse(ProblemSize, "The file has %d bytes, and at most %d are accepted: make it smaller and upload it again.",
			size, k.MaxBytes)
	case size == 0 && k.MinBytes > 0:
		return Refuse(ProblemSize, "The file is empty (0 bytes): check that it was saved completely and upload it again.")
	case size < k.MinBytes:
		return Refuse(ProblemSize, "The file has %d bytes, and at least %d are needed: check that it was saved completely "+
			"and upload it again.", size, k.MinBytes)
	}
	return nil
}
