package sniff

import (
	"bytes"
	"fmt"
	"strings"

	"hatchery/shared/wording"
)

// Code is why a file is refused, for programs. Codes are stable.
type Code string

// The codes that Check gives.
const (
	TypeMismatch  Code = "type_mismatch"   // the bytes do not begin as the claimed type does
	Truncated     Code = "truncated"       // the bytes end before what they should be does
	Corrupt       Code = "corrupt"         // the structure breaks the rules of its format
	TrailingData  Code = "trailing_data"   // something follows the end that the limits do not allow there
	TooManyPixels Code = "too_many_pixels" // the declared size, or all frames or scans together, are beyond the limits
	NotAllowed    Code = "not_allowed"     // too much metadata or too many parts, or a file that points to another one
)

// Refusal is a verdict: these bytes are not a file that the limits allow.
type Refusal struct {
	Code    Code
	Message string // one sentence for the uploader: what was found and what to do; never bytes of the file unescaped
}

// Error returns the code and the message.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Message }

func refusef(code Code, format string, args ...any) error {
	return &Refusal{code, wording.Sprintf(format, args...)}
}

// called is what a person calls a file of this type: PNG picture.
func (t Type) called() string { return t.Name + " " + t.Noun }

// again is what to do with a file that is not as it should be.
func (t Type) again() string {
	verb := "export"
	switch t.Noun {
	case "archive":
		verb = "pack"
	case "text":
		verb = "save"
	}
	return fmt.Sprintf("%s the %s again as %s and upload that", verb, t.Noun, t.Name)
}

// article is "a" or "an", by how a type's name is said: an AVIF picture, an MP4 video.
func (t Type) article() string {
	if strings.ContainsRune("AEIOMX", rune(t.Name[0])) {
		return "an"
	}
	return "a"
}

// corrupt refuses for what is wrong at a byte of the input.
func (w *walker) corrupt(at int64, format string, args ...any) error {
	return w.refuse(Corrupt, "is damaged at byte %d: %s", at, wording.Sprintf(format, args...))
}

// refuse refuses the file for what a sentence says of it; how to make it again ends the sentence.
func (w *walker) refuse(code Code, format string, args ...any) error {
	return refusef(code, "The %s %s; %s.", w.called(), wording.Sprintf(format, args...), w.again())
}

// truncated refuses input that has been read to its end.
func (w *walker) truncated() error {
	size := w.base + int64(w.end)
	if size == 0 {
		return refusef(Truncated, "The file is empty (0 bytes); choose the %s again and upload the whole file.", w.Noun)
	}
	return refusef(Truncated, "The %s breaks off after %d bytes, before its end; "+
		"the file was cut short, so upload the whole file again.", w.called(), size)
}

// trailing refuses what stands at the walk's position, behind a file's end, or padding behind it, that ended at a byte.
func (w *walker) trailing(end int64) error {
	head, err := w.peek(described)
	if err != nil {
		return err
	}
	return w.refuse(TrailingData, "ends at byte %d, but more follows it, which looks like %s", end, recognise(head).is)
}

// mismatch refuses a file for its first bytes.
func (w *walker) mismatch() error {
	head, err := w.peek(described)
	if err != nil {
		return err
	}
	if w.Name == "PNG" && mangledPNG(head) {
		return refusef(Corrupt, "The PNG picture was changed on its way: its line ends are those of a text; "+
			"send it as binary data, not as text.")
	}
	seen := recognise(head)
	return w.notAsNamed("the file looks like "+seen.is, seen)
}

// notAsNamed refuses a file that is something else than its name says.
func (w *walker) notAsNamed(what string, seen likeness) error {
	return refusef(TypeMismatch, "The name says that this is %s %s, but %s; %s.", w.article(), w.called(), what,
		w.advice(seen))
}

// quoted shows the beginning of a name from a file in a message. What could be read as part of the sentence is escaped.
func quoted(name []byte) string {
	var b strings.Builder
	for i, c := range name {
		switch plain := isLetter(c) || isDigit(c); {
		case b.Len() >= 40:
			return `"` + b.String() + `"`
		case plain, strings.IndexByte("-_/[] ", c) >= 0, c == '.' && dotted(name[i:]):
			b.WriteByte(c)
		default:
			_, _ = fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return `"` + b.String() + `"`
}

// dotted reports whether the dot that a name goes on with is part of a word or a path, and ends no sentence: "a.png",
// "../a", "a/..b".
func dotted(rest []byte) bool {
	after := bytes.TrimPrefix(rest[1:], []byte("."))
	return len(after) > 0 && (isLetter(after[0]) || after[0] == '/' || after[0] == '\\')
}
