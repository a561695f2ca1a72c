package localsqs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// receipt is what a receipt handle says: which receive of which message in which queue. The number of the receive
// makes it new every time, and an old one recognisable; the message id guards against a handle of another file.
type receipt struct {
	queue, row, receive int64
	id                  string // a UUID
}

const receiptBytes = 3*8 + 16

// String is the handle that goes over the wire.
func (r receipt) String() string {
	b := make([]byte, 0, receiptBytes)
	for _, n := range []int64{r.queue, r.row, r.receive} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	id, err := uuid.Parse(r.id)
	if err != nil {
		id = uuid.Nil // ids are made here, by uuid; a handle with Nil would match no message
	}
	return base64.RawURLEncoding.EncodeToString(append(b, id[:]...))
}

func parseReceipt(handle string) (receipt, error) {
	invalid := plain("ReceiptHandleIsInvalid", "The input receipt handle %.100q is not a valid receipt handle.", handle)
	b, err := base64.RawURLEncoding.DecodeString(handle)
	if err != nil || len(b) != receiptBytes {
		return receipt{}, invalid
	}
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	id, err := uuid.FromBytes(b[24:])
	if err != nil {
		return receipt{}, invalid
	}
	return receipt{number(0), number(1), number(2), id.String()}, nil
}

type deleteMessageInput struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle *string
}

// A deletion with the handle of an earlier receive succeeds without deleting, as the SQS API reference has it for
// DeleteMessage: "If you use an old ReceiptHandle, the request will succeed, but the message might not be deleted."
// Here it never is: whoever received the message since still works on it. The newest handle deletes even after its
// visibility timeout, as long as nobody received the message again; a second deletion succeeds too.
func (s *Server) deleteMessage(_ context.Context, _ *request, in *deleteMessageInput) (*struct{}, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	r, err := requiredReceipt(q, in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	return &struct{}{}, s.db.Alone(func() error { return s.remove(r) })
}

// requiredReceipt reads a handle that must be there and be of this queue.
func requiredReceipt(q *queue, handle *string) (receipt, error) {
	if handle == nil || *handle == "" {
		return receipt{}, errMissingParameter("ReceiptHandle")
	}
	r, err := parseReceipt(*handle)
	if err == nil && r.queue != q.id {
		return receipt{}, plain("ReceiptHandleIsInvalid", "The receipt handle is not valid for this queue.")
	}
	return r, err
}

// remove wants the connection.
func (s *Server) remove(r receipt) error {
	_, err := s.db.remove.ExecContext(uninterrupted, r.row, r.queue, r.id, r.receive)
	return err
}

type changeVisibilityInput struct {
	QueueURL          string `json:"QueueUrl"`
	ReceiptHandle     *string
	VisibilityTimeout *int64
}

func (s *Server) changeMessageVisibility(_ context.Context, _ *request, in *changeVisibilityInput) (*struct{}, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	r, timeout, err := in.read(q)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if err := s.db.Write(func() error { return s.rehide(q, r, now, timeout) }); err != nil {
		return nil, err
	}
	s.rehidden(q, now, timeout)
	return &struct{}{}, nil
}

func (in *changeVisibilityInput) read(q *queue) (receipt, time.Duration, error) {
	r, err := requiredReceipt(q, in.ReceiptHandle)
	if err != nil {
		return r, 0, err
	}
	if in.VisibilityTimeout == nil {
		return r, 0, errMissingParameter("VisibilityTimeout")
	}
	seconds, err := bounded("VisibilityTimeout", in.VisibilityTimeout, 0, 0, 43200)
	return r, time.Duration(seconds) * time.Second, err
}

// rehide sets when a held message becomes visible: timeout from now, but at most twelve hours after its receive, as
// in SQS. Without the newest handle, or once the message is visible again, it is not in flight. It wants the
// connection.
func (s *Server) rehide(q *queue, r receipt, now int64, timeout time.Duration) error {
	var received sql.NullInt64
	var due int64
	err := s.db.held.QueryRowContext(uninterrupted, r.row, r.queue, r.id, r.receive, q.cutoff(now)).Scan(&received, &due)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!received.Valid || due <= now) {
		return modelled("MessageNotInflight", "The message is not in flight: it was deleted, received again, or is visible.")
	}
	if err != nil {
		return err
	}
	until := now + timeout.Milliseconds()
	if until > received.Int64+(12*time.Hour).Milliseconds() {
		return errInvalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].", timeout/time.Second)
	}
	_, err = s.db.rehide.ExecContext(uninterrupted, until, r.row)
	return err
}

// rehidden lets waiting receives know of a message that becomes visible at another time than before.
func (s *Server) rehidden(q *queue, now int64, timeout time.Duration) {
	if timeout == 0 {
		q.waiters.wake(1)
	} else {
		q.waiters.wakeAt(now+timeout.Milliseconds(), timeout)
	}
}
