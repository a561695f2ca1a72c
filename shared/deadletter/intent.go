package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hatchery/shared/upload"
)

// intent is what an operator began to do with a message. A run that comes after a crash only deletes a
// message whose intent is done.
type intent struct {
	Action   Action    `json:"action"`
	Operator string    `json:"operator"`
	Run      string    `json:"run"`
	At       time.Time `json:"at"`
	// DoneAt: the queue has taken the message again, or its uploads are rejected.
	DoneAt time.Time `json:"done_at,omitzero"`
}

func intentKey(message string) upload.Key {
	return upload.DeadLetterPrefix + "intents/" + upload.Key(message) + ".json"
}

// intentOf reads the intent of a message; the zero one is none.
func (r *Review) intentOf(ctx context.Context, message string) (intent, error) {
	var i intent
	err := r.getNote(ctx, intentKey(message), &i)
	if errors.Is(err, upload.ErrGone) {
		return intent{}, nil
	}
	return i, err
}

// carryOut notes the intent, does it, and notes that it is done. A crash before the last step has it done
// twice, which is harmless for everything that is carried out so.
func (x *run) carryOut(ctx context.Context, message string, do func() error) error {
	i := intent{Action: x.audit.Action, Operator: x.Operator, Run: x.audit.ID, At: x.Now().UTC()}
	if err := x.putNote(ctx, intentKey(message), i); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	i.DoneAt = x.Now().UTC()
	return x.putNote(ctx, intentKey(message), i)
}

// putNote writes v as JSON.
func (r *Review) putNote(ctx context.Context, key upload.Key, v any) error {
	body, err := json.Marshal(v)
	if err == nil {
		err = r.Notes.Put(ctx, key, body)
	}
	if err != nil {
		return fmt.Errorf("write note %s: %w", key, err)
	}
	return nil
}

// getNote reads JSON into v. ErrGone: there is no such note.
func (r *Review) getNote(ctx context.Context, key upload.Key, v any) error {
	body, err := r.Notes.Get(ctx, key)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return fmt.Errorf("read note %s: %w", key, err)
	}
	return nil
}
