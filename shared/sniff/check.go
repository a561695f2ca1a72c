package sniff

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits is what the policy of a kind of upload allows a picture to be. In the three numbers 0 means no bound.
type Limits struct {
	// Instead are extensions whose types are allowed, too, where the bytes do not begin as the claimed type does. They
	// are tried in this order.
	Instead []string

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

	// MaxAncillaryBytes bounds what a picture carries beside its pixels: the data of PNG's ancillary chunks, JPEG's
	// APPn and COM segments, GIF's comments, texts and application blocks, BMP's colour profile and unused room.
	MaxAncillaryBytes int64
}

// Found is what the bytes of an allowed picture are. All of it was measured; nothing was taken from the caller.
type Found struct {
	ContentType   string // image/png, image/jpeg, image/gif or image/bmp
	Extension     string // one of that type: the claimed one, else the first of Limits.Instead
	Width, Height int64  // pixels, as the picture declares them; of a JPEG with further pictures: the first one's
	Size          int64  // bytes read, up to the end of the reader
	SHA256        [sha256.Size]byte
}

// ErrUnsupported says that no checker exists for the extension: a fault of the caller's set-up, not of the picture.
var ErrUnsupported = errors.New("no checker for this extension")

// Check reads r to its end, once and forward, and reports what the bytes are when they are one whole picture of the
// type that extension claims, or of one in l.Instead, within l. It keeps one block of fixed size in memory, whatever
// the length of r.
//
// A picture that is not allowed gives a *Refusal (errors.As), with a Found that holds what was learned before it:
// the type if the signature was right, the dimensions if they were read; never Size or SHA256. Check may stop reading
// there. Every other error is trouble and says nothing about the picture: an error of r other than io.EOF (an
// io.ErrUnexpectedEOF of r too) or of ctx, both wrapped, or ErrUnsupported. ctx is looked at once a block.
func Check(ctx context.Context, r io.Reader, extension string, l Limits) (Found, error) {
	t, ok := TypeOf(extension)
	if !ok {
		return Found{}, fmt.Errorf("check a file named .%q: %w", extension, ErrUnsupported)
	}
	w := &walker{stream: newStream(ctx, r), Type: t, limits: l}
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
// limits.Instead. Every type is asked by its own matcher.
func (w *walker) identify(claimed string) (extension string, _ error) {
	ok, err := w.begins()
	if ok || err != nil {
		return claimed, err
	}
	head, err := w.peek(described)
	if err != nil {
		return "", err
	}
	for _, other := range w.limits.Instead {
		if t, known := TypeOf(other); known && t.begins(head) {
			w.Type = t
			return other, nil
		}
	}
	return "", w.mismatch()
}

// begins reports whether what comes next begins as a picture of the claimed type. It walks over nothing.
func (w *walker) begins() (bool, error) {
	head, err := w.peek(described)
	if err != nil {
		return false, err
	}
	for _, s := range w.signatures {
		if len(head) < len(s) && strings.HasPrefix(s, string(head)) {
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
		return w.corrupt(at, "the picture claims to be %d x %d pixels", width, height)
	}
	l := w.limits
	if l.MaxSide > 0 && (width > l.MaxSide || height > l.MaxSide) {
		return refusef(TooManyPixels, "The picture is %d x %d pixels, and no side may be longer than %d; "+
			"scale it down and upload that.", width, height, l.MaxSide)
	}
	if l.MaxPixels > 0 && width > l.MaxPixels/height {
		return refusef(TooManyPixels, "The picture is %d x %d pixels, more than the %d pixels allowed; "+
			"scale it down and upload that.", width, height, l.MaxPixels)
	}
	return nil
}

// draw counts one frame or scan against the bound of all together. A viewer that composes an animation touches the
// whole canvas for each frame, so the canvas counts, not the frame's own size.
func (w *walker) draw(width, height int64, parts string) error {
	w.drawn += float64(width) * float64(height)
	if w.limits.MaxPixels > 0 && w.drawn > maxDrawn*float64(w.limits.MaxPixels) {
		return refusef(TooManyPixels, "The %s picture has too many %s: up to byte %d they take more than %d times the %d "+
			"pixels allowed for one picture; export it with fewer, or in a smaller size, and upload that.",
			w.Name, parts, w.offset(), maxDrawn, w.limits.MaxPixels)
	}
	return nil
}

// extra counts n bytes that are not pixels against Limits.MaxAncillaryBytes, before they are read.
func (w *walker) extra(n int64) error {
	w.ancillary += n
	if limit := w.limits.MaxAncillaryBytes; limit > 0 && w.ancillary > limit {
		return refusef(NotAllowed, "The %s picture carries more than %d bytes of metadata, seen at byte %d; "+
			"export it without metadata and upload that.", w.Name, limit, w.offset())
	}
	return nil
}
