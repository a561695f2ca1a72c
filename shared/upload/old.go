package upload

import (
	"context"
	"io"

	"hatchery/shared/sniff"
)

// Old says whether r is an image that the replaced service stored: it was never
// judged, and its bytes lie where that service put them.
func (r Record) Old() bool {
	return r.Status == Stored && r.neverJudged()
}

func (r Record) neverJudged() bool {
	return r.JudgedVersion == "" && r.ServedVersion == "" && r.SettledAt.IsZero()
}

// OldImages are the images that the replaced service stored, in a bucket of its own
// that is only read and deleted from. Nobody has validated them: whoever serves one
// looks at its first bytes before saying what it is. It passes the suite
// uploadtest.RunOldImages.
type OldImages interface {
	// Look gives an image's size and its first bytes, at most 512. ErrGone when it is
	// not there.
	Look(ctx context.Context, ref Ref) (OldImage, error)
	// Read reads length bytes from offset; length -1 reads to the end. ErrGone when it
	// is not there.
	Read(ctx context.Context, ref Ref, offset, length int64) (io.ReadCloser, error)
	// LinkOld signs a URL that reads it, with the type and disposition of l signed in;
	// key and version of l are not looked at.
	LinkOld(ctx context.Context, ref Ref, l Link) (url string, err error)
	// RemoveOld removes it. It is no error when it is not there.
	RemoveOld(ctx context.Context, ref Ref) error
}

// OldImage is what is known of an old image without reading all of it.
type OldImage struct {
	Size int64
	Head []byte
}

// OldHead is how many first bytes of an old image are looked at.
const OldHead = 512

// TypeOf is the media type of an extension whose signature head begins with, "" when
// it does not. It is no validation.
func TypeOf(extension string, head []byte) string { return sniff.Looks(extension, head) }
