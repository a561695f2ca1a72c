package deadletter

import (
	"context"
	"errors"
	"fmt"

	"hatchery/shared/arrival"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// What became of an upload that was to be judged again, or would.
const (
	NowPending      = "pending"
	PendingBefore   = "pending_already"
	SentAgain       = "sent_again"
	WouldBeStored   = "would_be_stored"
	WouldBeRejected = "would_be_rejected"
	VersionGone     = "bytes_gone"
	NotRejected     = "not_rejected"
	RecheckFailed   = "failed"
)

// Rechecked is what became of one upload. Its JSON is a line of `hatchery recheck --json`.
type Rechecked struct {
	Upload upload.ID `json:"upload_id"`
	Name   string    `json:"upload"` // journal/entry/kind/id
	Result string    `json:"result"`
	// Was is why it was rejected, and WouldBe why it would be again.
	Was     *upload.Reason `json:"was,omitempty"`
	WouldBe *upload.Reason `json:"would_be,omitempty"`
	Detail  string         `json:"detail"`
}

// Audited is the result as an audit keeps it.
func (l Rechecked) Audited() Result {
	result := Result{UploadID: l.Upload, Upload: l.Name, Result: ResultSkipped, Detail: l.Detail}
	switch l.Result {
	case NowPending, PendingBefore, SentAgain, WouldBeStored:
		result.Result = ResultDone
	case RecheckFailed:
		result.Result = ResultFailed
	}
	return result
}

// RecheckUpload makes one rejected upload pending again, and sends the validator the message of exactly the bytes that
// were rejected. Of an upload that is not rejected and has bytes in quarantine it sends the message again. The audit is
// the caller's.
func (r *Review) RecheckUpload(ctx context.Context, ref upload.Ref) Rechecked {
	before, err := r.Records.Get(ctx, ref)
	if err != nil {
		return undone(before, err).about(ref)
	}
	record, left, err := r.Pipeline.Recheck(ctx, ref)
	if errors.Is(err, upload.ErrConflict) {
		return r.sendAgain(ctx, record).about(ref)
	}
	if err != nil {
		return undone(record, err).about(ref)
	}
	line := Rechecked{Result: NowPending, Was: before.Reason,
		Detail: fmt.Sprintf("was rejected because %s, is pending now, and version %s is judged", because(before.Reason),
			left.Version)}
	if err := r.sendVersion(ctx, left); err != nil {
		line.Result, line.Detail = RecheckFailed, fmt.Sprintf("is pending now, and its message could not be sent: %v: "+
			"the reconciler sends it, hatchery reconcile at once", err)
	}
	return line.about(ref)
}

// sendAgain sends the messages of an upload that is not rejected and has bytes in quarantine: one that is pending
// may have lost its own, or an earlier recheck ended before it sent one; of one that is settled they should be gone.
func (r *Review) sendAgain(ctx context.Context, record upload.Record) Rechecked {
	versions, err := r.versions(ctx, r.Layout.QuarantineKey(record.Ref()))
	if err != nil {
		return Rechecked{Result: RecheckFailed, Detail: err.Error()}
	}
	switch {
	case len(versions) == 0 && record.Status == upload.Pending:
		return Rechecked{Result: VersionGone,
			Detail: "is pending, and nothing of it is in quarantine: there is nothing to judge"}
	case len(versions) == 0:
		return undone(record, upload.ErrConflict)
	}
	for _, v := range versions {
		if err := r.sendVersion(ctx, v); err != nil {
			return Rechecked{Result: RecheckFailed, Detail: fmt.Sprintf("is %s already, and the message of version %s "+
				"could not be sent again: %v", record.Status, v.Version, err)}
		}
	}
	result := SentAgain
	if record.Status == upload.Pending {
		result = PendingBefore
	}
	return Rechecked{Result: result, Detail: fmt.Sprintf("is %s already, with bytes in quarantine: %s sent again",
		record.Status, wording.Count(len(versions), "message"))}
}

// sendVersion sends the message of one version, with all the tries of a first one.
func (r *Review) sendVersion(ctx context.Context, v upload.ObjectVersion) error {
	body, err := arrival.Again(arrival.Created{Time: v.At, Region: r.Region, Bucket: r.Bucket,
		Key: string(v.Key), VersionID: string(v.Version), Size: v.Size})
	if err != nil {
		return err
	}
	return r.Source.Send(ctx, queue.Message{Body: string(body)})
}

// WouldRecheck says what RecheckUpload would come to, and changes nothing. It reads the bytes.
func (r *Review) WouldRecheck(ctx context.Context, ref upload.Ref) Rechecked {
	record, facts, reason, err := r.Pipeline.Reinspect(ctx, ref)
	if err != nil {
		return undone(record, err).about(ref)
	}
	line := Rechecked{Result: WouldBeStored, Was: record.Reason, WouldBe: reason,
		Detail: fmt.Sprintf("was rejected because %s, would be stored as %s of %s bytes", because(record.Reason),
			facts.ContentType, wording.Grouped(facts.Size))}
	if reason != nil {
		line.Result = WouldBeRejected
		line.Detail = fmt.Sprintf("was rejected because %s, would be rejected again because %s", because(record.Reason),
			because(reason))
	}
	return line.about(ref)
}

func (l Rechecked) about(ref upload.Ref) Rechecked {
	l.Upload, l.Name = ref.ID, NameOf(ref)
	return l
}

// undone says why an upload is not judged again.
func undone(record upload.Record, err error) Rechecked {
	line := Rechecked{Result: NotRejected, Was: record.Reason}
	switch {
	case errors.Is(err, upload.ErrNotFound):
		line.Detail = "has no record any more"
	case errors.Is(err, upload.ErrGone):
		line.Result = VersionGone
		gone := "its bytes are gone from quarantine"
		if !record.DroppedAt.IsZero() {
			gone = "its bytes were removed from quarantine at " + wording.Stamp(record.DroppedAt) +
				", because the rejected uploads of its entry had more there than they may"
		}
		line.Detail = fmt.Sprintf("was rejected because %s, and stays so: %s, it has to be uploaded again",
			because(record.Reason), gone)
	case errors.Is(err, upload.ErrConflict) && record.Status == upload.Pending:
		line.Result = PendingBefore
		line.Detail = "is pending already: what it has in quarantine is judged when a message of it comes"
	case errors.Is(err, upload.ErrConflict):
		line.Detail = fmt.Sprintf("is %s, and not rejected: nothing was done", record.Status)
	default:
		line.Result, line.Detail = RecheckFailed, err.Error()
	}
	return line
}

// because writes a reason. One that is missing is a store's fault.
func because(r *upload.Reason) string {
	if r == nil {
		return "of nothing that is known"
	}
	return fmt.Sprintf("%s: %q", r.Code, r.Message)
}

// RejectUpload settles a pending upload as rejected, with words that the uploader reads. The result's detail says what
// became of it; the audit is the caller's. An error is what the rejection failed of, and is the result, too.
func (r *Review) RejectUpload(ctx context.Context, ref upload.Ref, reason string) (Result, error) {
	outcome, err := r.Pipeline.RejectByOperator(ctx, r.Layout.QuarantineKey(ref), "", reason)
	result := Result{UploadID: ref.ID, Upload: NameOf(ref), Result: ResultFailed}
	if err != nil {
		result.Detail = err.Error()
		return result, err
	}
	result.Result, result.Detail = rejection(outcome, reason)
	return result, nil
}

// rejection says what became of an upload that was to be rejected with these words.
func rejection(o upload.Outcome, reason string) (result, sentence string) {
	r := o.Record
	switch {
	case o.Result == upload.ResultRejected:
		return ResultDone, "was pending, is rejected"
	case rejectedWith(r.Status, r.Reason, reason):
		return ResultDone, "is rejected already, with these words"
	case o.Result == upload.ResultOrphan:
		return ResultSkipped, "has no record any more"
	case r.Status == upload.Rejected && r.Reason != nil:
		return ResultSkipped, fmt.Sprintf("is rejected already, as %s: %s", r.Reason.Code, r.Reason.Message)
	}
	return ResultSkipped, fmt.Sprintf("is %s, and not pending: nothing was done", r.Status)
}
