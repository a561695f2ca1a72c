package sniff

import "fmt"

// Code is why a picture is refused, for programs. Codes are stable.
type Code string

// The codes that Check gives.
const (
	TypeMismatch  Code = "type_mismatch"   // the bytes do not begin as the claimed type does
	Truncated     Code = "truncated"       // the bytes end before the picture does
	Corrupt       Code = "corrupt"         // the structure breaks the rules of its format
	TrailingData  Code = "trailing_data"   // something follows the picture that the limits do not allow there
	TooManyPixels Code = "too_many_pixels" // the declared size, or all frames or scans together, are beyond the limits
	NotAllowed    Code = "not_allowed"     // more metadata than the limits allow, or a BMP that points to a file elsewhere
)

// Refusal is a verdict: these bytes are not a picture that the limits allow.
type Refusal struct {
	Code    Code
	Message string // one sentence for the uploader: what was found and what to do; never bytes of the file unescaped
}

// Error returns the code and the message.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Message }

func refusef(code Code, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// corrupt refuses for what is wrong at a byte of the input.
func (w *walker) corrupt(at int64, format string, args ...any) error {
	return refusef(Corrupt, "The %s picture is damaged at byte %d: %s; export the picture again as %[1]s and upload that.",
		w.Name, at, fmt.Sprintf(format, args...))
}

// truncated refuses input that has been read to its end.
func (w *walker) truncated() error {
	size := w.base + int64(w.end)
	if size == 0 {
		return refusef(Truncated, "The file is empty (0 bytes); choose the picture again and upload the whole file.")
	}
	return refusef(Truncated, "The %s picture breaks off after %d bytes, before its end; "+
		"the file was cut short, so upload the whole file again.", w.Name, size)
}

// trailing refuses what stands at the walk's position, behind a picture, or padding behind it, that ended at a byte.
func (w *walker) trailing(end int64) error {
	head, err := w.peek(described)
	if err != nil {
		return err
	}
	return refusef(TrailingData, "The %s picture ends at byte %d, but more follows it, which looks like %s; "+
		"export the picture again as %[1]s and upload that.", w.Name, end, recognise(head).is)
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
	return refusef(TypeMismatch, "The name says that this is a %s picture, but the file looks like %s; %s.",
		w.Name, seen.is, seen.advice(w.Name))
}
