package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The bounds of what trim looks at, and how soon it removes.
const (
	// maxWaitingPages bounds the list of what an entry has in quarantine, and that of its rejected
	// records: ten thousand versions, and the newest records. What lies beyond is the next
	// rejection's, or goes when quarantine forgets it.
	maxWaitingPages = 10
	// minShare is the least that a version counts, as a share of the bound: so that the list is short.
	minShare = 1000
	// dropWait is how long bytes stay after the record says that they go, where a store has no
	// compare-and-swap: whoever reopened the upload at that moment has long been seen by then.
	dropWait = time.Hour
)

// waitingBytes is a version in quarantine that a rejection is about.
type waitingBytes struct {
	ObjectVersion
	record Record
}

// trim keeps what the rejected uploads of one entry and kind have in quarantine within the bound of
// the kind: beyond it the oldest bytes go. Nothing is refused for it, and the records stay.
//
// It lists the entry's quarantine first. In most entries that is all: the records are read only
// when what lies there, pending uploads included, is more than the bound. It gives how many
// uploads it dropped the bytes of.
func (p *Pipeline) trim(ctx context.Context, of Ref) (dropped int, _ error) {
	kind, known := p.Policy.Kinds[of.Kind]
	if !known {
		return 0, nil
	}
	bound := kind.MaxRejectedBytes()
	counts := func(v ObjectVersion) int64 { return max(v.Size, bound/minShare) }
	versions, err := p.inQuarantineOf(ctx, of)
	if err != nil {
		return 0, err
	}
	var all, held int64
	for _, v := range versions {
		all += counts(v)
	}
	if all <= bound {
		return 0, nil
	}
	rejected, err := p.rejectedAmong(ctx, of, versions)
	if err != nil {
		return 0, err
	}
	for _, w := range rejected {
		if w.record.DroppedAt.IsZero() {
			held += counts(w.ObjectVersion)
		}
	}
	for _, w := range rejected {
		switch {
		case !w.record.DroppedAt.IsZero(): // whoever noted that ended before it removed them
		case held > bound:
			held -= counts(w.ObjectVersion)
		default:
			continue
		}
		if err := p.drop(ctx, w); err != nil {
			return dropped, err
		}
		dropped++
	}
	return dropped, nil
}

// inQuarantineOf lists what uploads of the same entry and kind have in quarantine.
func (p *Pipeline) inQuarantineOf(ctx context.Context, of Ref) ([]ObjectVersion, error) {
	prefix := strings.TrimSuffix(string(p.Layout.QuarantineKey(of)), string(of.ID))
	var versions []ObjectVersion
	for n, cursor := 0, Cursor(""); n < maxWaitingPages; n++ {
		page, err := p.Objects.ListVersions(ctx, prefix, cursor, MaxPage)
		if err != nil {
			return nil, fmt.Errorf("list the objects under %q: %w", prefix, err)
		}
		versions = append(versions, page.Versions...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	return versions, nil
}

// rejectedAmong finds the versions that a rejection is about, oldest first.
func (p *Pipeline) rejectedAmong(ctx context.Context, of Ref, versions []ObjectVersion) ([]waitingBytes, error) {
	type place struct {
		key     Key
		version Version
	}
	there := make(map[place]ObjectVersion, len(versions))
	for _, v := range versions {
		there[place{v.Key, v.Version}] = v
	}
	var found []waitingBytes
	for n, cursor := 0, Cursor(""); n < maxWaitingPages; n++ {
		page, err := p.Records.List(ctx, Query{Journal: of.Journal, Entry: of.Entry, Kind: of.Kind, Status: Rejected,
			Cursor: cursor, Limit: MaxPage})
		if err != nil {
			return nil, fmt.Errorf("list the rejected records of entry %s/%s: %w", of.Journal, of.Entry, err)
		}
		for _, r := range page.Records {
			if v, ok := there[place{p.Layout.QuarantineKey(r.Ref()), r.JudgedVersion}]; ok {
				found = append(found, waitingBytes{v, r})
			}
		}
		if cursor = page.Next; cursor == "" || len(found) == len(versions) {
			break
		}
	}
	slices.SortFunc(found, func(a, b waitingBytes) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	})
	return found, nil
}

// drop removes the bytes of a rejected upload. The record says so first: from then on nobody has
// them judged again. An upload that is not rejected any more is left alone.
func (p *Pipeline) drop(ctx context.Context, w waitingBytes) error {
	ref := w.record.Ref()
	dropped, err := p.Records.Update(ctx, ref, Drop(w.Version, p.Now()))
	switch {
	case errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("note that the bytes of %s go: %w", ref, err)
	}
	return p.removeDropped(ctx, arrived{ref, w.Key, w.Version}, dropped)
}

// removeDropped removes the bytes of which the record says that they go.
func (p *Pipeline) removeDropped(ctx context.Context, a arrived, dropped Record) error {
	if p.dropWaits(dropped) {
		return nil
	}
	return p.removeArrived(ctx, a)
}

// dropWaits says whether dropped bytes have to stay for a while.
func (p *Pipeline) dropWaits(r Record) bool {
	return !p.Records.Atomic() && !r.DroppedAt.IsZero() && p.Now().Sub(r.DroppedAt) < dropWait
}

// keepRejected does with the bytes that a rejection is about what is to be done with them: they
// stay, unless the record says that they go, or the entry has too many.
func (p *Pipeline) keepRejected(ctx context.Context, a arrived, rejected Record) error {
	if !rejected.DroppedAt.IsZero() {
		return p.removeDropped(ctx, a, rejected)
	}
	_, err := p.trim(ctx, a.ref)
	return err
}
