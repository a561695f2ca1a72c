package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

// resend sends the messages of an upload again when no earlier message can still be on its way.
//
// Every version gets a message of its own, newest first, under one count: which of them a validator that died
// had promoted is not known here, and only the message of that one can bring the upload to its end.
func (x *run) resend(ctx context.Context, record upload.Record, versions []upload.ObjectVersion) {
	versions = slices.DeleteFunc(slices.Clone(versions),
		func(v upload.ObjectVersion) bool { return !record.NeedsWork(v.Version) })
	if len(versions) == 0 {
		return
	}
	versions = versions[:min(len(versions), x.Limits.Versions)]
	first := versions[0]
	// Whoever settled or deleted the upload removes its bytes afterwards.
	since := newest(first.At, record.ResentAt, record.SettledAt, record.DroppedAt, record.DeletedAt)
	if x.now.Sub(since) <= x.Limits.Overdue {
		return
	}
	f := Finding{What: Resent, Key: first.Key, Version: first.Version, Upload: record.ID, Status: record.Status}
	if record.Resends >= x.Limits.Resends {
		f.What = UnfinishedTooLong
		if record.Status == upload.Pending {
			f.What = PendingTooLong
		}
		f.Detail = fmt.Sprintf("sent again %d times, last at %s, and still as it was%s",
			record.Resends, stamp(record.ResentAt), lastFailure(record))
		x.found(ctx, f)
		return
	}
	what := "in quarantine"
	if first.Version == "" {
		what = "promoted, without a verdict,"
	}
	f.Detail = fmt.Sprintf("%s since %s, message %d of %d%s",
		what, stamp(first.At), record.Resends+1, x.Limits.Resends, lastFailure(record))
	if !x.o.DryRun {
		sent, err := x.send(ctx, record, versions)
		if err != nil {
			x.failedOn(ctx, "send again upload", record.ID, f.Key, err)
		}
		if !sent {
			return
		}
	}
	x.found(ctx, f)
}

// send counts on the record and then sends a message for each version. It is false when none was sent: by an
// error, or because another reconciler was faster.
func (x *run) send(ctx context.Context, record upload.Record, versions []upload.ObjectVersion) (bool, error) {
	counted, err := x.Records.Update(ctx, record.Ref(), upload.CountResend(record.Resends, x.Now()))
	if errors.Is(err, upload.ErrConflict) || errors.Is(err, upload.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("count it on the record: %w", err)
	}
	for i, v := range versions {
		body, err := arrival.Again(arrival.Created{Time: v.At, Region: x.Region, Bucket: x.Bucket, Key: string(v.Key),
			VersionID: string(v.Version), Size: v.Size})
		if err == nil {
			err = x.Queue.Send(ctx, queue.Message{Body: string(body),
				Attributes: map[string]queue.Attribute{arrival.ResendAttribute: queue.Number(counted.Resends)}})
		}
		if err != nil {
			return i > 0, fmt.Errorf("send a message for version %s: %w", v.Version, err)
		}
	}
	return true, nil
}

func newest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// lastFailure describes the validator's last failure with an upload, if any.
func lastFailure(r upload.Record) string {
	if r.LastFailure == nil {
		return ""
	}
	return fmt.Sprintf("; %d failures, the last at %s: %.2000q",
		r.Failures, stamp(r.LastFailure.At), r.LastFailure.Message)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
