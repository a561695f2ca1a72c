package sniff

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits is what the policy of a kind of upload allows a file to be. In the three numbers 0 means no bound.
type Limits struct {
	// Extensions are those that the kind takes: only to one of them is a file told to be renamed. None: all.
	Extensions []string
	// Correct: where the bytes do not begin as the claimed type does, the types of Extensions are tried in their order.
	Correct bool

	MaxPixels int64 // width times height of one picture; all frames or scans together may be maxDrawn times as many
	MaxSide   int64 // pixels of width, and of height

	// What may follow the end of a picture. Everything else that follows it is refused.
	MPF     bool // JPEG: up to 16 complete JPEGs (previews, gain maps), whether or not an MPF index announces them
	Zeros   bool // zero bytes, as some tools write for alignment
	Padding bool // zero bytes and 0xFF, as cameras write them, and one or two line ends or spaces, as tools for text do
	// JPEG: the trailer of notes that Samsung's phones write behind every photo, at most 64 KiB.
	Samsung bool
	// JPEG: one MP4 or QuickTime video (a motion photo), bare or in Samsung's trailer.
	Video bool

	Active   []string // what an office file may carry: Macros, External, Embedded
	Charsets []string // those that a text may have beside UTF-8: UTF16, Windows1252

	// MaxAncillaryBytes bounds what a picture carries beside its pixels: the data of PNG's ancillary chunks, JPEG's
	// APPn and COM segments, GIF's comments, texts and application blocks, BMP's colour profile and unused room,
	// WebP's chunks of profiles, metadata and what is not known.
	MaxAncillaryBytes int64
}

// The words of Limits.Active, which are those of a policy.
const (
	Macros   = "macros"
	External = "external" // parts that are loaded from elsewhere, as templates are
	Embedded = "embedded" // objects of other programs
)

// The words of Limits.Charsets, which are those of a policy and of a Content-Type.
const (
	UTF16       = "utf-16" // with a byte order mark
	Windows1252 = "windows-1252"
)

// Found is what the bytes of an allowed picture are. All of it was measured; nothing was taken from the caller.
type Found struct {
	ContentType   string // that of the type, see Types
	Extension     string // one of that type: the claimed one, else the first of Limits.Extensions
	Width, Height int64  // pixels, as declared; of several pictures or tracks: the first one's; of a sound: 0
	Size          int64  // bytes read, up to the end of the reader
	SHA256        [sha256.Size]byte
}

// ErrUnsupported says that no checker exists for the extension: a fault of the caller's set-up, not of the file.
var ErrUnsupported = errors.New("no checker for this extension")

// Check reads r to its end, once and forward, and reports what the bytes are when they are one whole file of the
// type that extension claims, or of another in l.Extensions where l.Correct, within l. It keeps one block of
// fixed size in memory, whatever the length of r.
//
// A file that is not allowed gives a *Refusal (errors.As), with a Found that holds what was learned before it:
// the type if the signature was right, the dimensions if they were read; never Size or SHA256. Check may stop reading
// there. Every other error is trouble and says nothing about the file: an error of r other than io.EOF (an
// io.ErrUnexpectedEOF of r too) or of ctx, both wrapped, or ErrUnsupported. ctx is looked at once a block.
//
// A type whose Reads says so needs an r that is a Ranges, too: its walk reads parts by their place before the rest.
func Check(ctx context.Context, r io.Reader, extension string, l Limits) (Found, error) {
	t, ok := TypeOf(extension)
	if !ok {
		return Found{}, fmt.Errorf("check a file named .%q: %w", extension, ErrUnsupported)
	}
	w := &walker{stream: newStream(ctx, r), Type: t, limits: l}
	w.ranges, _ = r.(Ranges)
	defer w.close()
	if err := w.check(extension); err != nil {
		if errors.Is(err, errShort) {
			err = w.truncated()
		}
		return w.found, err
	}
	w.found.Size = w.offset()
	w.sum.Sum(w.found.SHA256[:0])
	return w.found, nil
}

// Looks gives the type of extension when head, the first bytes of a file (512 are enough), begin as a file of that type
// does, else "". That is all it says: nothing is walked.
func Looks(extension string, head []byte) (contentType string) {
	if t, ok := TypeOf(extension); ok && t.begins(head) {
		return t.ContentType
	}
	return ""
}

// walker is one Check under way. The methods that know a type are in that type's file.
type walker struct {
	*stream
	Type
	limits Limits
	found  Found
	ranges Ranges // nil where the reader has none
	pieces int    // how often they were read

	parts     int64 // chunks, segments, blocks, frames and boxes
	ancillary int64 // bytes counted against limits.MaxAncillaryBytes
	blanks    int   // line ends and spaces seen behind pictures
	// drawn is how many pixels showing all frames or scans takes. The product of three hostile numbers may not fit an
	// int64.
	drawn float64
}

// check is Check without the bookkeeping: it returns errShort where the bytes end too early.
func (w *walker) check(extension string) error {
	extension, err := w.identify(extension)
	if err != nil {
		return err
	}
	w.found.ContentType, w.found.Extension = w.ContentType, extension
	if err := w.walk(w); err != nil {
		return err
	}
	return w.tail()
}

// identify finds the type by the first bytes and gives an extension of it: the claimed one, else the first of
// limits.Extensions where a mismatch is corrected. Every type is asked by its own matcher.
func (w *walker) identify(claimed string) (extension string, _ error) {
	ok, err := w.begins()
	if ok || err != nil {
		return claimed, err
	}
	head, err := w.peek(described)
	if err != nil {
		return "", err
	}
	for _, other := range w.limits.Extensions {
		if !w.limits.Correct {
			break
		}
		if t, known := TypeOf(other); known && len(t.signatures) > 0 && t.begins(head) {
			w.Type = t
			return other, nil
		}
	}
	return "", w.mismatch()
}

// become makes the file one of the type that an extension names, where a mismatch is corrected and the kind takes that.
func (w *walker) become(extension string) bool {
	taken := w.taken(extension)
	t, known := TypeOf(taken)
	if !known || !w.limits.Correct {
		return false
	}
	w.Type, w.found.ContentType, w.found.Extension = t, t.ContentType, taken
	return true
}

// begins reports whether what comes next begins as a file of the claimed type. It walks over nothing.
func (w *walker) begins() (bool, error) {
	head, err := w.peek(described)
	if err != nil {
		return false, err
	}
	for _, s := range w.signatures {
		if len(head) < len(s) && agree(s, head) && (len(head) == 0 || strings.Trim(s[:len(head)], "?") != "") {
			return false, errShort // empty, or the first bytes of what it should be
		}
	}
	return w.Type.begins(head), nil
}

// maxDrawn is how many times Limits.MaxPixels the frames of one animation, or the scans of one JPEG file, may take
// together. Under the default of 50 million pixels that is 1.6 thousand million: 770 frames of a 1920 x 1080 screen
// recording pass, and 10 scans of any progressive photo, but a few kilobytes cannot ask a viewer to draw 50 million
// pixels a hundred times.
const maxDrawn = 32

// dimensions checks a declared size, found at byte at, against the limits.
func (w *walker) dimensions(at, width, height int64) error {
	if width <= 0 || height <= 0 {
		return w.corrupt(at, "the %s claims to be %d x %d pixels", w.Noun, width, height)
	}
	l := w.limits
	if l.MaxSide > 0 && (width > l.MaxSide || height > l.MaxSide) {
		return refusef(TooManyPixels, "The %s is %d x %d pixels, and no side may be longer than %d; "+
			"scale it down and upload that.", w.Noun, width, height, l.MaxSide)
	}
	if l.MaxPixels > 0 && width > l.MaxPixels/height {
		return refusef(TooManyPixels, "The %s is %d x %d pixels, more than the %d pixels allowed; "+
			"scale it down and upload that.", w.Noun, width, height, l.MaxPixels)
	}
	return nil
}

// draw counts one frame or scan against the bound of all together. A viewer that composes an animation touches the
// whole canvas for each frame, so the canvas counts, not the frame's own size.
func (w *walker) draw(width, height int64, parts string) error {
	w.drawn += float64(width) * float64(height)
	if w.limits.MaxPixels > 0 && w.drawn > maxDrawn*float64(w.limits.MaxPixels) {
		return refusef(TooManyPixels, "The %s has too many %s: up to byte %d they take more than %d times the %d "+
			"pixels allowed for one picture; export it with fewer, or in a smaller size, and upload that.",
			w.called(), parts, w.offset(), maxDrawn, w.limits.MaxPixels)
	}
	return nil
}

// A file may have maxParts chunks, segments, blocks, frames or boxes, and one more for each partBytes of it, so that
// its size bounds the time of a check, whatever the bytes are. The parts of large files are hundreds of bytes long.
const (
	maxParts  = 65_536
	partBytes = 64
)

// part counts one part, which begins at the walk's position.
func (w *walker) part() error { return w.partAt(w.offset()) }

// partAt counts one part, which begins at a byte of the input.
func (w *walker) partAt(at int64) error {
	if w.parts++; w.parts > maxParts+at/partBytes {
		return w.refuse(NotAllowed, "is cut into %d parts up to byte %d, more than any program makes of it", w.parts, at)
	}
	return nil
}

// extra counts n bytes that are not pixels against Limits.MaxAncillaryBytes, before they are read.
func (w *walker) extra(n int64) error {
	w.ancillary += n
	if limit := w.limits.MaxAncillaryBytes; limit > 0 && w.ancillary > limit {
		return refusef(NotAllowed, "The %s carries more than %d bytes of metadata, seen at byte %d; "+
			"export it without metadata and upload that.", w.called(), limit, w.offset())
	}
	return nil
}
