package upload

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hatchery/shared/sniff"
)

// Legacy says whether r is an image that the replaced service stored: it was never
// judged, and its bytes lie where that service put them.
func (r Record) Legacy() bool {
	return r.Status == Stored && r.neverJudged()
}

func (r Record) neverJudged() bool {
	return r.JudgedVersion == "" && r.ServedVersion == "" && r.SettledAt.IsZero()
}

// LegacyImages are the images that the replaced service stored, in a bucket of its own
// that is only read and deleted from. Nobody has validated them: whoever serves one
// looks at its first bytes before saying what it is. It passes the suite
// uploadtest.RunLegacyImages.
type LegacyImages interface {
	// Head gives an image's size and its first bytes, at most 512. ErrGone when it is
	// not there.
	Head(ctx context.Context, ref Ref) (LegacyImage, error)
	// Read reads length bytes from offset; length -1 reads to the end. ErrGone when it
	// is not there.
	Read(ctx context.Context, ref Ref, offset, length int64) (io.ReadCloser, error)
	// SignLegacy signs a URL that reads it, with the type and disposition of l signed in;
	// key and version of l are not looked at.
	SignLegacy(ctx context.Context, ref Ref, l Link) (url string, err error)
	// PromoteLegacy copies it to p.To, create-only as Objects.Promote does, noting
	// p.Version as its source; p.From is not looked at. ErrGone when it is not there,
	// ErrExists when an object is there already.
	PromoteLegacy(ctx context.Context, ref Ref, p Promotion) (Copy, error)
	// RemoveLegacy removes it. It is no error when it is not there.
	RemoveLegacy(ctx context.Context, ref Ref) error
}

// LegacyImage is what is known of a legacy image without reading all of it.
type LegacyImage struct {
	Size int64
	Head []byte
}

// LegacyVersion stands for the version of a legacy image that was judged after all: its
// bucket has none. Such an upload is served as any other, and its deletion removes
// the legacy image, too.
const LegacyVersion Version = "old-image"

// JudgeLegacy reads a legacy image whole, as Validate reads what is in quarantine, and
// gives why it may not be served, nil when it may. Nothing is changed.
func (p *Pipeline) JudgeLegacy(ctx context.Context, record Record) (Facts, *Reason, error) {
	ref := record.Ref()
	kind, known := p.Policy.Kinds[record.Kind]
	if !known {
		return Facts{}, noLongerAccepted(record.Kind), nil
	}
	image, err := p.LegacyImages.Head(ctx, ref)
	if err != nil {
		return Facts{}, nil, fmt.Errorf("look at the legacy image of %s: %w", ref, err)
	}
	body, err := p.LegacyImages.Read(ctx, ref, 0, -1)
	if err != nil {
		return Facts{}, nil, fmt.Errorf("read the legacy image of %s: %w", ref, err)
	}
	defer body.Close() //nolint:errcheck // reading is over; there is nothing to lose
	parts := func(offset, length int64) (io.ReadCloser, error) {
		return p.LegacyImages.Read(ctx, ref, offset, length)
	}
	facts, reason, err := Inspect(ctx, kind, stored{body, parts}, record.Extension, image.Size, Declared{})
	if err != nil {
		return Facts{}, nil, fmt.Errorf("inspect the legacy image of %s: %w", ref, err)
	}
	return facts, reason, nil
}

// AdoptLegacy judges a legacy image and promotes it: from then on it is an upload as any
// other. With a reason it may not be, and stays what it was. It may be repeated after
// any error.
func (p *Pipeline) AdoptLegacy(ctx context.Context, record Record) (Record, *Reason, error) {
	ref := record.Ref()
	facts, reason, err := p.JudgeLegacy(ctx, record)
	if err != nil || reason != nil {
		return record, reason, err
	}
	to := p.Layout.FilesKey(ref)
	copied, err := p.LegacyImages.PromoteLegacy(ctx, ref,
		Promotion{Version: LegacyVersion, To: to, ContentType: facts.ContentType,
			Disposition: record.dispositionAs(facts)})
	if errors.Is(err, ErrExists) {
		copied, err = p.Objects.Stat(ctx, to)
	}
	if err != nil {
		return record, nil, fmt.Errorf("promote the legacy image of %s: %w", ref, err)
	}
	if copied.Source != LegacyVersion || copied.SHA256 != facts.SHA256 {
		// Its bucket has no versions: what was copied need not be what was read. Nothing
		// serves that copy, and another run may be about to, so a person removes it.
		return record, nil, fmt.Errorf(
			"promote the legacy image of %s: %q holds a copy of version %q with the SHA-256 %q, and %q was read: remove its "+
				"version %s when no other run is under way, and try again", ref, to, copied.Source, copied.SHA256, facts.SHA256,
			copied.Version)
	}
	adopted, err := p.Records.Update(ctx, ref,
		Adopt(Verdict{Status: Stored, Version: LegacyVersion, At: p.Now(), Size: facts.Size,
			ContentType: facts.ContentType, Extension: facts.Extension, SHA256: facts.SHA256, Served: copied.Version}))
	if err != nil {
		return record, nil, p.notAdopted(ctx, ref, copied, err)
	}
	return adopted, nil, nil
}

// notAdopted handles a copy whose record took no verdict: when that was deleted
// meanwhile, nobody will come back for the copy.
func (p *Pipeline) notAdopted(ctx context.Context, ref Ref, copied Copy, cause error) error {
	cause = fmt.Errorf("adopt record %s: %w", ref, cause)
	if !errors.Is(cause, ErrNotFound) && !errors.Is(cause, ErrConflict) {
		return cause
	}
	existing, err := p.Records.Get(ctx, ref)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return errors.Join(cause, fmt.Errorf("get record %s: %w", ref, err))
	}
	if err != nil || existing.Status == Deleted {
		if err := p.Objects.Remove(ctx, p.Layout.FilesKey(ref), copied.Version); err != nil {
			return errors.Join(cause, fmt.Errorf("remove the copy of %s: %w", ref, err))
		}
	}
	return cause
}

// LegacyHead is how many first bytes of a legacy image are looked at.
const LegacyHead = 512

// TypeOf is the media type of an extension whose signature head begins with, "" when
// it does not. It is no validation.
func TypeOf(extension string, head []byte) string { return sniff.Looks(extension, head) }
