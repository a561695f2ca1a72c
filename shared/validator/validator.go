// Package validator turns a batch of queue messages into verdicts: each message holds S3 notifications, each of them
// names one version of a quarantine object, and the pipeline decides about it. A rejection is a result: only what
// keeps the pipeline from deciding fails a message.
package validator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"hatchery/shared/arrival"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Pipeline is what the validator needs of upload.Pipeline.
type Pipeline interface {
	Validate(ctx context.Context, key upload.Key, version upload.Version) (upload.Outcome, error)
}

// Records is what the validator itself needs of upload.Records.
type Records interface {
	// Get is asked whether a message that was sent again, and tried often enough, still has a rejection to tell of.
	Get(ctx context.Context, ref upload.Ref) (upload.Record, error)
	// Update counts a failure and keeps why, for whoever looks at the dead letter later.
	Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error)
}

// Validator handles batches. Handle may be called concurrently.
type Validator struct {
	Pipeline Pipeline
	Records  Records
	// Layout is where quarantine is, for Records and for the log.
	Layout upload.Layout
	// Bucket that notifications must speak of.
	Bucket string
	// Concurrency is how many messages of a batch are handled at once; at least 1. Each needs well under a megabyte.
	Concurrency int
	// Margin is kept free before the deadline for the answer and for notes of failure.
	Margin time.Duration
	// ReadRate is how many bytes a second are counted on when judging whether a file can be read before the
	// deadline; 0 does not judge.
	ReadRate int64
	// MaxReceives and Visibility are the queue's. A message that fails at reception MaxReceives becomes a dead letter:
	// SQS moves it at the next receive, when Visibility has passed since the last. MaxReceives 0: not known.
	MaxReceives int
	Visibility  time.Duration
	// Observe, when set, is called once for each S3 record with what became of it, and for each message or record
	// that cannot be read. An error means that the message comes again. It may be called concurrently.
	Observe func(upload.Outcome, error)
	Now     func() time.Time
	Log     *slog.Logger
}

func (v *Validator) observe(o upload.Outcome, err error) {
	if v.Observe != nil {
		v.Observe(o, err)
	}
}

// DefaultMargin is enough to note failures and to answer.
const DefaultMargin = 3 * time.Second

// Handle judges every message of the batch. The answer lists the messages that have to come again, in the form of
// SQS partial batch responses; the list is never nil. The error is always nil: it would fail the whole batch.
func (v *Validator) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	invocation := v.remaining(ctx)
	done := make([]bool, len(batch.Records))
	var group errgroup.Group
	group.SetLimit(max(v.Concurrency, 1))
	for i, message := range batch.Records {
		group.Go(func() error {
			done[i] = v.handle(ctx, message, invocation)
			return nil
		})
	}
	_ = group.Wait() // every function returns nil
	failures := []events.SQSBatchItemFailure{}
	for i, message := range batch.Records {
		if !done[i] {
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return events.SQSEventResponse{BatchItemFailures: failures}, nil
}

// handle does all of one message and says whether its work is done. invocation is how much time the whole batch had.
func (v *Validator) handle(ctx context.Context, message events.SQSMessage, invocation time.Duration) (done bool) {
	receiveCount := message.Attributes["ApproximateReceiveCount"]
	log := v.Log.With("message_id", message.MessageId, "receive_count", receiveCount)
	receptions, err := strconv.Atoi(receiveCount)
	if err != nil {
		receptions = 0 // not known, so that it is neither spent nor the last
	}
	_, resent := message.MessageAttributes[arrival.ResendAttribute]
	if resent {
		log = log.With("reenqueued", true)
	}
	d := &delivery{Validator: v, invocation: invocation, spent: resent && receptions > resentReceptions}
	d.judge(ctx, log, message)
	if len(d.failures) > 0 && v.MaxReceives > 0 && receptions >= v.MaxReceives {
		d.logLastReception(ctx, log)
	}
	return len(d.failures) == 0
}

// delivery is one reception of one message.
type delivery struct {
	*Validator
	invocation time.Duration
	// spent: it was sent again, and has been tried often enough.
	spent    bool
	failures []failure
}

// failure is why a message comes again, and about which object where that is known.
type failure struct {
	key     string
	ref     upload.Ref
	version string
	err     error
}

// judge handles the records of the message that can be handled, whatever is wrong with their neighbours.
func (d *delivery) judge(ctx context.Context, log *slog.Logger, message events.SQSMessage) {
	defer d.failOnPanic(ctx, log, failure{})
	parsed, err := arrival.Parse([]byte(message.Body))
	if err != nil {
		d.unreadable(ctx, log, "message cannot be read", err)
		return
	}
	for _, fault := range parsed.Faults {
		d.unreadable(ctx, log, "record of a message cannot be read", fault)
	}
	for _, name := range parsed.Ignored {
		log.WarnContext(ctx, "event is not about a new object", "event", name)
	}
	for _, created := range parsed.Created {
		ref, ours := d.Layout.ParseQuarantineKey(upload.Key(created.Key))
		if d.spent && !(ours && d.wasRejected(ctx, ref, created)) {
			log.ErrorContext(ctx, "a message that was sent again has come to nothing: the upload stays as it is",
				"key", created.Key, "upload_id", string(ref.ID), "version", created.VersionID)
			continue
		}
		d.validate(ctx, log, created, ref)
	}
}

// unreadable fails the message, unless it is spent.
func (d *delivery) unreadable(ctx context.Context, log *slog.Logger, what string, err error) {
	log.ErrorContext(ctx, what, "error", err)
	d.observe(upload.Outcome{}, err)
	if !d.spent {
		d.failures = append(d.failures, failure{err: err})
	}
}

// logLastReception says that the message becomes a dead letter: SQS moves it, and logs nothing.
func (d *delivery) logLastReception(ctx context.Context, log *slog.Logger) {
	within := int(d.Visibility.Seconds())
	first := d.failures[0]
	attrs := []any{"key", first.key, "upload_id", string(first.ref.ID), "version", first.version,
		"max_receives", d.MaxReceives, "dead_letter_within_s", within, "error", first.err, "cause", causeOf(first.err)}
	if n := len(d.failures); n > 1 {
		attrs = append(attrs, "failures", n)
	}
	log.ErrorContext(ctx, fmt.Sprintf("last of %d receptions; a dead letter within %d s", d.MaxReceives, within), attrs...)
}

// resentReceptions is how often a message that the reconciler sent is tried. It is acknowledged afterwards,
// untried: fewer than any queue's maxReceiveCount here, so that such a message does not become one more dead
// letter, though trying it ends the whole function every time. (A neighbour in its batch that ends the function, or
// a function that cannot start, still counts receptions of it.)
const resentReceptions = 3

// wasRejected says whether the upload was rejected because of this very version. What may be left to do then is to
// notify the application, and no later message would: so it is tried as often as any other, and its dead letter
// says that nobody was told.
func (v *Validator) wasRejected(ctx context.Context, ref upload.Ref, created arrival.Created) bool {
	if created.Bucket != v.Bucket {
		return false
	}
	record, err := v.Records.Get(ctx, ref)
	return err == nil && record.Status == upload.Rejected && record.JudgedVersion == upload.Version(created.VersionID)
}

// failOnPanic is deferred: a panic fails what was being done, and nothing else.
func (d *delivery) failOnPanic(ctx context.Context, log *slog.Logger, at failure) {
	if p := recover(); p != nil {
		log.ErrorContext(ctx, "validation panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		at.err = fmt.Errorf("%w: %v", errPanicked, p)
		d.failures = append(d.failures, at)
		d.observe(upload.Outcome{}, errPanicked)
	}
}

var (
	errNoTime      = errors.New("not enough time is left before the deadline")
	errPanicked    = errors.New("the validation panicked")
	errOtherBucket = errors.New("the event is about another bucket")
)

// validate handles one S3 record.
func (d *delivery) validate(ctx context.Context, log *slog.Logger, created arrival.Created, ref upload.Ref) {
	log = log.With("event", created.Name, "key", created.Key)
	at := failure{key: created.Key, ref: ref, version: created.VersionID}
	fail := func(err error) {
		at.err = err
		d.failures = append(d.failures, at)
	}
	defer d.failOnPanic(ctx, log, at)
	if created.Bucket != d.Bucket {
		// The deployment is wired wrongly. Acknowledging would lose the event.
		log.ErrorContext(ctx, "event is about another bucket", "bucket", created.Bucket)
		d.observe(upload.Outcome{}, errOtherBucket)
		fail(errOtherBucket)
		return
	}
	began := d.Now()
	outcome, err := d.inTime(ctx, created, d.invocation)
	d.observe(outcome, err)
	log = log.With("upload_id", string(outcome.Ref.ID), "version", string(outcome.Version))
	if err != nil {
		at.version = cmp.Or(string(outcome.Version), at.version)
		log.ErrorContext(ctx, "validation failed", "error", err, "cause", causeOf(err))
		fail(err)
		d.note(ctx, log, outcome.Ref, err)
		return
	}
	attrs := []any{"result", string(outcome.Result), "took_ms", d.Now().Sub(began).Milliseconds()}
	if r := outcome.Record; r.ID != "" {
		attrs = append(attrs, "status", string(r.Status), "name", r.FullName(), "size", r.Size)
		if r.ContentType != "" {
			attrs = append(attrs, "content_type", r.ContentType)
		}
		if r.Reason != nil {
			attrs = append(attrs, "code", string(r.Reason.Code), "reason", r.Reason.Message)
		}
		if !r.SettledAt.IsZero() {
			attrs = append(attrs, "since_accepted_ms", r.SettledAt.Sub(r.CreatedAt).Milliseconds())
		}
	}
	level := slog.LevelInfo
	switch outcome.Result {
	case upload.ResultForeign:
		level = slog.LevelWarn
	case upload.ResultLost:
		level = slog.LevelError
	}
	log.Log(ctx, level, "validated", attrs...)
}

// causeOf is the innermost error's text, which names no key and no version, so that a log's failures can be grouped
// by it.
func causeOf(err error) string {
	for {
		var inner error
		switch outer := err.(type) { //nolint:errorlint // it is the unwrapping itself
		case interface{ Unwrap() error }:
			inner = outer.Unwrap()
		case interface{ Unwrap() []error }:
			if all := outer.Unwrap(); len(all) > 0 {
				inner = all[0]
			}
		}
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// inTime validates if the rest of the invocation allows it. What cannot finish is failed at once, so that it comes
// again with a whole invocation before it.
func (v *Validator) inTime(ctx context.Context, created arrival.Created,
	invocation time.Duration) (upload.Outcome, error) {
	if deadline, bounded := ctx.Deadline(); bounded {
		need := v.Margin
		if v.ReadRate > 0 {
			size := min(max(created.Size, 0), policy.LargestObject)
			need += time.Duration(float64(size) / float64(v.ReadRate) * float64(time.Second))
		}
		// A whole invocation is all that there ever is: with that it is tried.
		if v.remaining(ctx) < min(need, invocation-v.Margin) {
			return upload.Outcome{}, errNoTime
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-v.Margin))
		defer cancel()
	}
	return v.Pipeline.Validate(ctx, upload.Key(created.Key), upload.Version(created.VersionID))
}

// remaining is the time until the deadline, or a day when there is none.
func (v *Validator) remaining(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline.Sub(v.Now())
	}
	return 24 * time.Hour
}

// note keeps the failure on the record. It is best effort: the message is retried either way.
func (v *Validator) note(ctx context.Context, log *slog.Logger, ref upload.Ref, cause error) {
	if ref.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.Margin/2)
	defer cancel()
	err := upload.NoteFailure(ctx, v.Records, ref, upload.Failure{At: v.Now(), Message: cause.Error()})
	if err != nil && !errors.Is(err, upload.ErrNotFound) {
		log.WarnContext(ctx, "failure could not be noted", "error", err)
	}
}
