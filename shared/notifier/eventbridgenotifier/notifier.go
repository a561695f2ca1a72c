// Package eventbridgenotifier notifies the application of verdicts by events on an
// Amazon EventBridge bus.
//
// # The event
//
// Its source is "hatchery", its detail-type "Upload Stored" or "Upload Rejected",
// its time that of the verdict, and its detail
//
//	{
//	  "id": "0198…:3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
//	  "record": {"id": "0198…", "status": "stored", …},
//	  "file": {"bucket": "…", "key": "files/…", "version_id": "…"}
//	}
//
// The record is the one that the API answers with. The file, there for stored
// uploads alone, is what a consumer may read with rights of its own; only this
// version of it was judged.
//
// # At least once
//
// The event of a verdict may come several times and late, and those of different
// uploads come in any order. The id is the upload's and the judged version's, so
// that repetitions have the same: a consumer that keeps the ids it has handled, with
// the record's status, handles each verdict once. An upload that an operator has
// judged again comes under the same id with another verdict, and an upload whose
// bytes never arrived has the id "{upload}:" without a version.
package eventbridgenotifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"hatchery/shared/upload"
)

// What the events are called. Consumers match on it.
const (
	Source       = "hatchery"
	TypeStored   = "Upload Stored"
	TypeRejected = "Upload Rejected"
)

// maxReason bounds the sentence of a reason, in bytes: a bus takes events of 256 KiB.
const maxReason = 4 << 10

// attempts is how often an event is put that the bus says it could not take in. Calls
// that fail as a whole are repeated by the client itself.
const attempts = 3

// Notifier puts events on one bus. It may be used concurrently.
type Notifier struct {
	client func() *eventbridge.Client
	bus    string
	bucket string
	layout upload.Layout
	// timeout bounds all attempts for one verdict: a message waits for it.
	timeout time.Duration
	sleep   func(context.Context, time.Duration) error
}

var _ upload.Notifier = (*Notifier)(nil)

// New makes a Notifier. The client is made when the first event is put, because most
// functions put none. The bus is a name or an ARN; bucket and layout say where stored
// files lie.
func New(client func() *eventbridge.Client, bus, bucket string, layout upload.Layout) *Notifier {
	return &Notifier{client: sync.OnceValue(client), bus: bus, bucket: bucket, layout: layout,
		timeout: 10 * time.Second, sleep: sleep}
}

// Notify puts the event of a verdict on the bus. Without an error the bus has it.
// After an error it may have it.
func (t *Notifier) Notify(ctx context.Context, settled upload.Record) error {
	entry, err := t.entry(settled)
	if err != nil {
		return fmt.Errorf("tell of upload %s: %w", settled.Ref(), err)
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err = t.put(ctx, entry)
		if attempt >= attempts || !errors.Is(err, errNotTaken) {
			return err
		}
		if t.sleep(ctx, 100*time.Millisecond<<attempt) != nil {
			return err // the time is up: say what went wrong before
		}
	}
}

// errNotTaken: the bus has not taken the event in, and may do so the next time.
var errNotTaken = errors.New("the bus could not take it")

// put makes one call. A bus answers 200, too, when it has not taken the event.
func (t *Notifier) put(ctx context.Context, entry types.PutEventsRequestEntry) error {
	out, err := t.client().PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry}})
	if err == nil {
		err = taken(out)
	}
	if err != nil {
		return fmt.Errorf("put an event on the bus %s: %w", t.bus, err)
	}
	return nil
}

// taken says why the bus has not taken the one event.
func taken(out *eventbridge.PutEventsOutput) error {
	if len(out.Entries) != 1 {
		return fmt.Errorf("an answer about %d events, want 1", len(out.Entries))
	}
	result := out.Entries[0]
	switch code, message := aws.ToString(result.ErrorCode), aws.ToString(result.ErrorMessage); {
	case code == "InternalFailure", code == "InternalException", code == "ThrottlingException":
		return fmt.Errorf("%w: %s: %.200q", errNotTaken, code, message)
	case code != "", out.FailedEntryCount != 0, aws.ToString(result.EventId) == "":
		return fmt.Errorf("refused: %.100q: %.200q", code, message)
	}
	return nil
}

// detail is the event's own part.
type detail struct {
	ID     string        `json:"id"`
	Record upload.Record `json:"record"`
	File   *file         `json:"file,omitempty"`
}

type file struct {
	Bucket  string         `json:"bucket"`
	Key     upload.Key     `json:"key"`
	Version upload.Version `json:"version_id"`
}

func (t *Notifier) entry(settled upload.Record) (types.PutEventsRequestEntry, error) {
	d := detail{ID: string(settled.ID) + ":" + string(settled.JudgedVersion), Record: settled}
	kind := TypeRejected
	switch settled.Status {
	case upload.Stored:
		kind = TypeStored
		d.File = &file{t.bucket, t.layout.FilesKey(settled.Ref()), settled.ServedVersion}
	case upload.Rejected:
		if r := settled.Reason; r != nil {
			d.Record.Reason = &upload.Reason{Code: r.Code, Message: cut(r.Message, maxReason)}
		}
	default:
		return types.PutEventsRequestEntry{}, fmt.Errorf("it is %s, which is no verdict", settled.Status)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return types.PutEventsRequestEntry{}, err
	}
	return types.PutEventsRequestEntry{EventBusName: &t.bus, Source: aws.String(Source), DetailType: &kind,
		Detail: aws.String(string(text)), Time: &settled.SettledAt}, nil
}

// cut gives at most so many bytes of a text, in whole characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
