package upload

import (
	"context"
	"errors"
	"fmt"

	"hatchery/shared/policy"
)

// promote copies the judged version to where it is served from, and settles.
func (p *Pipeline) promote(ctx context.Context, a arrived, record Record, kind policy.Kind,
	facts Facts) (Outcome, error) {
	to := p.Layout.FilesKey(a.ref)
	copied, err := p.Objects.Promote(ctx, Promotion{From: a.key, Version: a.version, To: to,
		ContentType: facts.ContentType, Disposition: record.dispositionAs(facts),
		Round: record.Round()})
	switch {
	case errors.Is(err, ErrGone):
		return p.gone(ctx, a, record)
	case errors.Is(err, ErrExists):
		copied, err = p.ownCopy(ctx, record)
		if err != nil {
			return a.failed(fmt.Errorf("promote object %q version %s: %q was there, and may be removed again: %w",
				a.key, a.version, to, err))
		}
		if copied.Source != a.version {
			return p.anotherPromoted(ctx, a, copied)
		}
		// Our own copy from before a crash, or another validator's of the same
		// version.
	case err != nil:
		return a.failed(fmt.Errorf("promote object %q version %s: %w", a.key, a.version, err))
	}
	return p.settle(ctx, a, record, kind, facts, copied, copied.Version)
}

// anotherPromoted handles a files key that is taken by a copy of another version: the
// first that was promoted wins.
func (p *Pipeline) anotherPromoted(ctx context.Context, a arrived, copied Copy) (Outcome, error) {
	first := a.at(copied.Source)
	if waits, err := p.inQuarantine(ctx, first); err != nil {
		return a.failed(err)
	} else if !waits {
		outcome, err := p.judgeCopy(ctx, first, copied)
		switch {
		case err != nil:
			return a.failed(err)
		case outcome.Result == ResultOrphan:
			return a.outcome(ResultOrphan, Record{})
		}
	}
	record, err := p.Records.Get(ctx, a.ref)
	switch {
	case errors.Is(err, ErrNotFound):
		return a.outcome(ResultOrphan, Record{})
	case err != nil:
		return a.failed(fmt.Errorf("get record %s: %w", a.ref, err))
	case record.Status == Pending:
		return a.failed(fmt.Errorf(
			"promote object %q version %s: %q holds a copy of version %q, which is about to be settled; trying again later",
			a.key, a.version, p.Layout.FilesKey(a.ref), copied.Source))
	}
	return p.alreadySettled(ctx, a, record, "")
}
