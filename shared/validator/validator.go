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
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
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

// Attempts keeps what is noted about a message at its last receptions: of upload.Notes, what writes.
type Attempts interface {
	Put(ctx context.Context, key upload.Key, body []byte) error
}

// Validator handles batches. Handle may be called concurrently.
type Validator struct {
	Pipeline Pipeline
	Records  Records
	// Attempts keeps the last attempts.Last receptions of a message out of MaxReceives, each in a note that is written
	// before the message is judged, and again when that failed. Nil keeps none. Whether it works or not, a message is
	// judged all the same.
	Attempts Attempts
	// Layout is where quarantine is, for Records and for the log.
	Layout upload.Layout
	// Bucket that notifications must speak of.
	Bucket string
	// Concurrency is the most messages of a batch that are handled at once; at least 1. Each needs well under a
	// megabyte. Where ReadRate does not read the files of so many in the time that is left, they are fewer.
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
	// ObserveRedriven, when set, is called at the first reception of a message that an operator sent again, with how
	// often: 1 or more. It may be called concurrently.
	ObserveRedriven func(redrives int)
	Now             func() time.Time
	Log             *slog.Logger
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
	deliveries := make([]*delivery, len(batch.Records))
	for i, message := range batch.Records {
		deliveries[i] = v.receive(message)
	}
	v.keepBegun(ctx, deliveries)
	v.handleAll(ctx, deliveries)
	failures := []events.SQSBatchItemFailure{}
	for _, d := range deliveries {
		if len(d.failures) > 0 {
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: d.message.MessageId})
		}
	}
	return events.SQSEventResponse{BatchItemFailures: failures}, nil
}

// handleAll handles as many messages at once as Concurrency and the time allow, those with the smallest files first:
// they wait for no large one, and it may have the rest of the time to itself. Where that is too little each time, its
// last reception comes before all.
func (v *Validator) handleAll(ctx context.Context, deliveries []*delivery) {
	invocation := v.remaining(ctx) // after the attempts: no file is refused because they took time
	ended := make(chan *delivery)
	var running int
	var reading time.Duration
	wait := func() {
		d := <-ended
		running, reading = running-1, reading-d.reading
	}
	inOrder := slices.SortedStableFunc(slices.Values(deliveries), func(a, b *delivery) int {
		switch {
		case a.last == b.last:
			return cmp.Compare(a.reading, b.reading)
		case a.last:
			return -1
		}
		return 1
	})
	for _, d := range inOrder {
		for running > 0 && (running >= v.Concurrency || v.Margin+reading+d.reading > v.remaining(ctx)) {
			wait()
		}
		running, reading = running+1, reading+d.reading
		go func() {
			defer func() { ended <- d }()
			d.handle(ctx, invocation)
		}()
	}
	for running > 0 {
		wait()
	}
}

// receive reads what stands beside a message.
func (v *Validator) receive(message events.SQSMessage) *delivery {
	receiveCount := message.Attributes["ApproximateReceiveCount"]
	d := &delivery{Validator: v, message: message,
		log:   v.Log.With("message_id", message.MessageId, "receive_count", receiveCount),
		parse: sync.OnceValues(func() (arrival.Message, error) { return arrival.Parse([]byte(message.Body)) })}
	receptions, err := strconv.Atoi(receiveCount)
	if err != nil {
		receptions = 0 // not known, so that it is neither spent nor the last
	}
	if _, resent := message.MessageAttributes[arrival.ResendAttribute]; resent {
		d.spent = receptions > resentReceptions
		d.log = d.log.With("reenqueued", true)
	}
	if redriven, ok := message.MessageAttributes[arrival.RedriveAttribute]; ok {
		d.redrives = redrivesIn(redriven)
		d.log = d.log.With("redriven", d.redrives)
	}
	if parsed, err := d.parse(); err == nil {
		for _, created := range parsed.Created {
			d.reading += v.readTime(created)
		}
	}
	d.first = receptions == 1
	d.last = v.MaxReceives > 0 && receptions >= v.MaxReceives
	if v.Attempts != nil && v.MaxReceives > 0 && receptions > max(v.MaxReceives-attempts.Last, 0) {
		d.attempt = &attempts.Attempt{MessageID: message.MessageId, Receive: receptions, MaxReceives: v.MaxReceives}
	}
	return d
}

// redrivesIn reads how often an operator sent a message again: at least once, whatever the attribute says.
func redrivesIn(attribute events.SQSMessageAttribute) int {
	if attribute.StringValue == nil {
		return 1
	}
	n, err := strconv.Atoi(*attribute.StringValue)
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// delivery is one reception of one message.
type delivery struct {
	*Validator
	message events.SQSMessage
	log     *slog.Logger
	// parse reads the body, once.
	parse func() (arrival.Message, error)
	// first and last say which reception it is; a message that fails at the last one becomes a dead letter.
	first, last bool
	// spent: it was sent again, and has been tried often enough.
	spent bool
	// redrives is how often an operator sent it again; 0 is never.
	redrives int
	// reading is how long its files take to be read, as far as ReadRate tells.
	reading time.Duration
	// attempt is what is kept of this reception; nil: nothing.
	attempt *attempts.Attempt
	// invocation is how much time the whole batch had.
	invocation time.Duration
	failures   []failure
}

// failure is why a message comes again, and about which object where that is known.
type failure struct {
	key     string
	ref     upload.Ref
	version string
	err     error
}

// handle does all of one message.
func (d *delivery) handle(ctx context.Context, invocation time.Duration) {
	d.invocation = invocation
	d.judge(ctx, d.log)
	if len(d.failures) == 0 {
		return // the message is gone now, and the bucket's lifecycle removes its attempts
	}
	if d.last {
		d.logLastReception(ctx, d.log)
	}
	d.keepEnded(ctx)
}

// judge handles the records of the message that can be handled, whatever is wrong with their neighbours.
func (d *delivery) judge(ctx context.Context, log *slog.Logger) {
	defer d.failOnPanic(ctx, log, failure{})
	if d.redrives > 0 && d.first && d.ObserveRedriven != nil {
		d.ObserveRedriven(d.redrives)
	}
	parsed, err := d.parse()
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
		if r.Status != upload.Pending && !r.SettledAt.IsZero() {
			attrs = append(attrs, "since_accepted_ms", r.SettledAt.Sub(r.CreatedAt).Milliseconds())
		}
	}
	if outcome.Dropped > 0 {
		attrs = append(attrs, "dropped", outcome.Dropped)
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
		need := v.Margin + v.readTime(created)
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

// unlimited is more than any invocation has.
const unlimited = 24 * time.Hour

// readTime is how long an object takes to be read at ReadRate, unlimited at most; 0 when that is not known.
func (v *Validator) readTime(created arrival.Created) time.Duration {
	if v.ReadRate <= 0 {
		return 0
	}
	size := min(max(created.Size, 0), policy.LargestObject)
	return min(unlimited, time.Duration(float64(size)/float64(v.ReadRate)*float64(time.Second)))
}

// remaining is the time until the deadline, or unlimited when there is none.
func (v *Validator) remaining(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline.Sub(v.Now())
	}
	return unlimited
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
