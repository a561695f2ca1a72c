package upload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxWords is the most bytes of an operator's words for an uploader.
const MaxWords = 500

// ErrWords: an operator's words cannot be shown to an uploader.
var ErrWords = errors.New("the words for the uploader cannot be used")

// RejectByOperator settles a pending upload as rejected, for an operator, with words that the
// uploader reads: one line of 1 to MaxWords bytes, else ErrWords.
//
// The verdict is about the version that is named. Where that is not there, or none is named, it
// is about the newest that quarantine has, else about that of the promoted copy, else about none. So
// those bytes stay, and [Pipeline.Recheck] undoes it.
//
// ResultRejected: it is rejected now. ResultAlreadySettled and ResultDeleted: it was not pending;
// the record is given as it is, and nothing was changed. When it was this very rejection, whose
// answer was lost, then what it left undone is done: the copy, and the notification.
func (p *Pipeline) RejectByOperator(ctx context.Context, key Key, version Version, message string) (Outcome, error) {
	ref, ok := p.Layout.ParseQuarantineKey(key)
	if !ok {
		return Outcome{Result: ResultForeign, Version: version}, nil
	}
	a := arrived{ref, key, version}
	if err := CheckWords(message); err != nil {
		return a.failed(err)
	}
	reason := Reason{ByOperator, message}
	record, err := p.Records.Get(ctx, ref)
	if err != nil || record.Status != Pending {
		return p.notRejected(ctx, a, record, err, reason)
	}
	a, size, err := p.toReject(ctx, a)
	if err != nil {
		return a.failed(err)
	}
	settled, err := p.Records.Update(ctx, ref, Settle(Verdict{Status: Rejected, Version: a.version, At: p.Now(),
		Round: record.Round(), Size: size, Reason: &reason}))
	switch {
	case errors.Is(err, ErrConflict):
		// Somebody else was faster, or a store without compare-and-swap lost our answer.
		cause := err
		if record, err = p.Records.Get(ctx, ref); err != nil || record.Status != Pending {
			return p.notRejected(ctx, a, record, err, reason)
		}
		return a.failed(fmt.Errorf("settle record %s: %w", ref, cause))
	case err != nil:
		return p.notRejected(ctx, a, Record{}, err, reason)
	}
	return p.finishRejection(ctx, a, settled, ResultRejected)
}

// notRejected ends a rejection by an operator at a record that is not pending, or at what
// reading or settling it failed with.
func (p *Pipeline) notRejected(ctx context.Context, a arrived, record Record, err error,
	reason Reason) (Outcome, error) {
	switch {
	case errors.Is(err, ErrNotFound):
		return a.outcome(ResultOrphan, Record{})
	case err != nil:
		return a.failed(fmt.Errorf("reject record %s: %w", a.ref, err))
	case record.Status == Deleted:
		return a.outcome(ResultDeleted, record)
	case record.Status == Rejected && record.Reason != nil && *record.Reason == reason:
		return p.finishRejection(ctx, a.at(record.JudgedVersion), record, ResultAlreadySettled)
	}
	return a.outcome(ResultAlreadySettled, record)
}

// finishRejection does what follows the rejection of an upload by an operator.
func (p *Pipeline) finishRejection(ctx context.Context, a arrived, settled Record, result Result) (Outcome, error) {
	if err := p.removeCopyOf(ctx, a, settled, ""); err != nil {
		return a.failed(err)
	}
	if err := p.notify(ctx, settled); err != nil {
		return a.failed(err)
	}
	return a.outcome(result, settled)
}

// toReject finds the version that a rejection by an operator is about, and its size.
func (p *Pipeline) toReject(ctx context.Context, a arrived) (arrived, int64, error) {
	left, err := p.left(ctx, a.key, a.version)
	if errors.Is(err, ErrGone) && a.version != "" {
		left, err = p.left(ctx, a.key, "")
	}
	if !errors.Is(err, ErrGone) {
		return a.at(left.Version), left.Size, err
	}
	to := p.Layout.FilesKey(a.ref)
	copied, err := p.Objects.Stat(ctx, to)
	if err != nil && !errors.Is(err, ErrGone) {
		return a, 0, fmt.Errorf("look at object %q: %w", to, err)
	}
	return a.at(copied.Source), 0, nil
}

// left finds one version in quarantine; version "" is the newest, also below a delete marker.
// It lists, and reads nothing: operators may not. ErrGone: there is none.
func (p *Pipeline) left(ctx context.Context, key Key, version Version) (found ObjectVersion, _ error) {
	err := EachVersion(ctx, p.Objects, key, MaxPage, func(v ObjectVersion) bool {
		if version == "" || v.Version == version {
			found = v
		}
		return found.Key == ""
	})
	if err == nil && found.Key == "" {
		err = fmt.Errorf("look for object %q version %q: %w", key, version, ErrGone)
	}
	return found, err
}

// CheckWords says what is wrong with an operator's words for an uploader, as an ErrWords.
func CheckWords(words string) error {
	unprintable := strings.ContainsFunc(words, func(r rune) bool { return !unicode.IsPrint(r) })
	switch {
	case strings.TrimSpace(words) == "":
		return fmt.Errorf("%w: there are none", ErrWords)
	case len(words) > MaxWords:
		return fmt.Errorf("%w: they have %d bytes, and at most %d are shown", ErrWords, len(words), MaxWords)
	case !utf8.ValidString(words) || unprintable:
		return fmt.Errorf("%w: they are not one line of printable UTF-8", ErrWords)
	}
	return nil
}

// Recheck turns a rejected upload back into a pending one, for an operator, and gives the
// version that is to be judged again: the caller sends its message. A caller that ends before
// that leaves a pending upload with its bytes, which the reconciler sends.
//
// ErrGone: the bytes that were rejected are not in quarantine any more, and it stays rejected; where
// the rejection was about none, the newest there is are judged. ErrConflict, with the record: it
// is not rejected. ErrNotFound: there is no record.
func (p *Pipeline) Recheck(ctx context.Context, ref Ref) (Record, ObjectVersion, error) {
	record, left, err := p.rejected(ctx, ref)
	if err != nil {
		return record, left, err
	}
	reopened, err := p.Records.Update(ctx, ref, Reopen())
	if err != nil {
		if now, getErr := p.Records.Get(ctx, ref); getErr == nil {
			record = now // another operator was faster, or our answer was lost
		}
		return record, ObjectVersion{}, fmt.Errorf("reopen record %s: %w", ref, err)
	}
	return reopened, left, nil
}

// Reinspect judges what Recheck would have judged, by the policy of now, and changes nothing.
// Its errors are those of Recheck. The entry is not asked: it may be full, or have the same
// bytes already.
func (p *Pipeline) Reinspect(ctx context.Context, ref Ref) (Record, Facts, *Reason, error) {
	record, left, err := p.rejected(ctx, ref)
	if err != nil {
		return record, Facts{}, nil, err
	}
	object, err := p.Objects.Open(ctx, left.Key, left.Version)
	if err != nil {
		return record, Facts{}, nil, fmt.Errorf("open object %q version %s: %w", left.Key, left.Version, err)
	}
	_, facts, reason, err := p.read(ctx, record, left.Key, object)
	return record, facts, reason, err
}

// rejected finds a rejected upload, and the bytes that judging it again is about.
func (p *Pipeline) rejected(ctx context.Context, ref Ref) (Record, ObjectVersion, error) {
	record, err := p.Records.Get(ctx, ref)
	if err != nil {
		return Record{}, ObjectVersion{}, fmt.Errorf("get record %s: %w", ref, err)
	}
	if record.Status != Rejected {
		return record, ObjectVersion{}, fmt.Errorf("reopen record %s, which is %s: %w", ref, record.Status, ErrConflict)
	}
	if !record.DroppedAt.IsZero() {
		return record, ObjectVersion{}, fmt.Errorf("reopen record %s, whose bytes went to make room: %w", ref, ErrGone)
	}
	left, err := p.left(ctx, p.Layout.QuarantineKey(ref), record.JudgedVersion)
	return record, left, err
}
