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
	Queue, Row, Receive int64
	ID                  uuid.UUID
}

// String is the handle that goes over the wire.
func (r receipt) String() string {
	b, _ := binary.Append(nil, binary.BigEndian, r) // of fixed size, so this cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseReceipt(handle string) (r receipt, err error) {
	b, err := base64.RawURLEncoding.DecodeString(handle)
	if err == nil && len(b) == binary.Size(r) {
		_, err = binary.Decode(b, binary.BigEndian, &r)
	}
	if err != nil || len(b) != binary.Size(r) {
		return receipt{}, plain("ReceiptHandleIsInvalid",
			"The input receipt handle %.100q is not a valid receipt handle.", handle)
	}
	return r, nil
}

// receipt reads the handle, which must be given and be of this queue.
func (in *receivedInput) receipt(q *queue) (receipt, error) {
	if in.ReceiptHandle == nil || *in.ReceiptHandle == "" {
		return receipt{}, errMissingParameter("ReceiptHandle")
	}
	r, err := parseReceipt(*in.ReceiptHandle)
	if err == nil && r.Queue != q.id {
		return receipt{}, plain("ReceiptHandleIsInvalid", "The receipt handle is not valid for this queue.")
	}
	return r, err
}

const (
	sqlRemove = `DELETE FROM message WHERE id = ? AND queue = ? AND message_id = ? AND receives = ?`
	// sqlReceived gives no row for a message that is not in flight.
	sqlReceived = `SELECT received FROM message WHERE id = ? AND queue = ? AND message_id = ? AND receives = ?
		AND received IS NOT NULL AND due > ? AND sent > ?`
	sqlRehide = `UPDATE message SET due = ? WHERE id = ?`
)

// receivedInput names a received message, and for ChangeMessageVisibility its new timeout.
type receivedInput struct {
	ReceiptHandle     *string
	VisibilityTimeout *int64
}

type receiptInput struct {
	queueInput
	receivedInput
}

// A deletion with the handle of an earlier receive succeeds without deleting, as the SQS API reference has it for
// DeleteMessage: "If you use an old ReceiptHandle, the request will succeed, but the message might not be deleted."
// Here it never is: whoever received the message since still works on it. The newest handle deletes even after its
// visibility timeout, as long as nobody received the message again; a second deletion succeeds too.
func (s *Server) deleteMessage(_ context.Context, r *request, in *receiptInput) (*struct{}, error) {
	return &struct{}{}, s.db.alone(func(c *connection) error { return in.remove(c, r.queue) })
}

func (in *receivedInput) remove(c *connection, q *queue) error {
	r, err := in.receipt(q)
	if err == nil {
		_, err = c.exec(sqlRemove, r.Row, r.Queue, r.ID.String(), r.Receive)
	}
	return err
}

func (s *Server) changeMessageVisibility(_ context.Context, r *request, in *receiptInput) (*struct{}, error) {
	now := s.now()
	defer r.queue.waiters.wakeAll() // the message becomes visible at another time than before
	return &struct{}{}, s.db.write(func(c *connection) error { return in.rehide(c, r.queue, now) })
}

// rehide sets when a received message becomes visible: so long from now, but at most twelve hours after its receive, as
// in SQS. Without the newest handle, or once the message is visible again, it is not in flight.
func (in *receivedInput) rehide(c *connection, q *queue, now int64) error {
	r, err := in.receipt(q)
	if err != nil {
		return err
	}
	if in.VisibilityTimeout == nil {
		return errMissingParameter("VisibilityTimeout")
	}
	seconds, err := bounded("VisibilityTimeout", in.VisibilityTimeout, 0, 0, 43200)
	if err != nil {
		return err
	}
	var received int64
	err = c.row(sqlReceived, []any{r.Row, r.Queue, r.ID.String(), r.Receive, now, q.cutoff(now)}, &received)
	if errors.Is(err, sql.ErrNoRows) {
		return modelled("MessageNotInflight", "The message is not in flight: it was deleted, received again, or is visible.")
	}
	if err != nil {
		return err
	}
	until := now + 1000*seconds
	if until > received+(12*time.Hour).Milliseconds() {
		return errInvalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: "+
			"Total VisibilityTimeout for the message is beyond the limit [43200 seconds].", seconds)
	}
	_, err = c.exec(sqlRehide, until, r.Row)
	return err
}
