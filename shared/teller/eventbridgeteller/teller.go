// Package eventbridgeteller tells the application of verdicts by events on an
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
// A verdict may be told several times and late, and verdicts of different uploads
// come in any order. The id is the upload's and the judged version's, so that
// repetitions have the same: a consumer that keeps the ids it has handled, with
// the record's status, handles each verdict once. An upload that an operator has
// judged again comes under the same id with another verdict, and an upload whose
// bytes never arrived has the id "{upload}:" without a version.
package eventbridgeteller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Teller puts events on one bus. It may be used concurrently.
type Teller struct {
	client *eventbridge.Client
	bus    string
	bucket string
	layout upload.Layout
	o      Options
}

var _ upload.Teller = (*Teller)(nil)

// Options of a Teller; the zero value has the defaults.
type Options struct {
	// Timeout bounds telling of one verdict, repetitions included. Default 10 s: a
	// message waits for it.
	Timeout time.Duration
	// Attempts is how often an event is put that the bus says it could not take in.
	// Default 3. Calls that fail as a whole are repeated by the client itself.
	Attempts int
	// Sleep waits between two attempts, until ctx ends. Default: a timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// New makes a Teller. The bus is a name or an ARN; bucket and layout say where
// stored files lie.
func New(client *eventbridge.Client, bus, bucket string, layout upload.Layout, o Options) *Teller {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &Teller{client: client, bus: bus, bucket: bucket, layout: layout, o: o}
}

// Tell puts the event of a verdict on the bus. Without an error the bus has it.
// After an error it may have it.
func (t *Teller) Tell(ctx context.Context, settled upload.Record) error {
	entry, err := t.entry(settled)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err = t.put(ctx, entry)
		if attempt >= t.o.Attempts || !errors.Is(err, errNotTaken) {
			return err
		}
		if t.o.Sleep(ctx, 100*time.Millisecond<<attempt) != nil {
			return err // the time is up: say what went wrong before
		}
	}
}

// errNotTaken: the bus has not taken the event in, and may do so the next time.
var errNotTaken = errors.New("the bus could not take it")

// put makes one call. A bus answers 200, too, when it has not taken the event.
func (t *Teller) put(ctx context.Context, entry types.PutEventsRequestEntry) error {
	out, err := t.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry}})
	if err != nil {
		return fmt.Errorf("put an event on the bus %s: %w", t.bus, err)
	}
	if len(out.Entries) != 1 {
		return fmt.Errorf("put an event on the bus %s: an answer about %d events, want 1", t.bus, len(out.Entries))
	}
	result := out.Entries[0]
	switch code := aws.ToString(result.ErrorCode); {
	case code == "InternalFailure", code == "InternalException", code == "ThrottlingException":
		return fmt.Errorf("put an event on the bus %s: %w: %s: %.200q", t.bus, errNotTaken, code, aws.ToString(result.ErrorMessage))
	case code != "", out.FailedEntryCount != 0, aws.ToString(result.EventId) == "":
		return fmt.Errorf("put an event on the bus %s: refused: %.100q: %.200q", t.bus, code, aws.ToString(result.ErrorMessage))
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

func (t *Teller) entry(settled upload.Record) (types.PutEventsRequestEntry, error) {
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
		return types.PutEventsRequestEntry{}, fmt.Errorf("tell of upload %s: it is %s, which is no verdict", settled.Ref(), settled.Status)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return types.PutEventsRequestEntry{}, fmt.Errorf("tell of upload %s: %w", settled.Ref(), err)
	}
	return types.PutEventsRequestEntry{EventBusName: &t.bus, Source: aws.String(Source), DetailType: &kind,
		Detail: aws.String(string(text)), Time: &settled.SettledAt}, nil
}

// cut gives at most so many bytes of a text, in whole characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
