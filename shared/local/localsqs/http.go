package localsqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"hatchery/shared/local/sigv4"
	"hatchery/shared/sqlitefile"
)

const (
	// requestTimeout bounds reading a request and writing its answer; a long poll adds its own wait.
	requestTimeout = 30 * time.Second
	// maxRequestBytes is a batch of the largest messages with every byte escaped as \u00XX, and room for the rest.
	maxRequestBytes = 6*maxMessageBytes + 1<<20

	targetPrefix = "AmazonSQS."
	contentType  = "application/x-amz-json-1.0"
)

// request is what an operation knows of its call besides the input.
type request struct {
	host    string // as the caller addresses this server
	control *http.ResponseController
	queue   *queue // that the QueueUrl names; nil where there is none
}

// extend gives a call that waits on purpose that much longer to answer. The read deadline goes: the request has been
// read, and its passing would look like a caller that hung up.
func (r *request) extend(wait time.Duration) {
	if r.control == nil || wait == 0 {
		return
	}
	// A connection that has no deadlines has nothing to extend.
	_ = r.control.SetReadDeadline(time.Time{})
	_ = r.control.SetWriteDeadline(time.Now().Add(wait + requestTimeout))
}

// operation decodes the JSON body of a call and runs it.
type operation func(ctx context.Context, s *Server, r *request, body []byte) (any, error)

// operationOf makes an operation of a method with typed input and output.
func operationOf[In, Out any](run func(*Server, context.Context, *request, *In) (*Out, error)) operation {
	return func(ctx context.Context, s *Server, r *request, body []byte) (any, error) {
		in := new(In)
		if err := decode(body, in); err != nil {
			return nil, err
		}
		return run(s, ctx, r, in)
	}
}

// queueInput is the part of an input that names a queue.
type queueInput struct {
	QueueURL string `json:"QueueUrl"`
}

func (in *queueInput) queueURL() string { return in.QueueURL }

// onQueue makes an operation of a method on the queue that the input names.
func onQueue[In, Out any, P interface {
	*In
	queueURL() string
}](run func(*Server, context.Context, *request, P) (*Out, error)) operation {
	return operationOf(func(s *Server, ctx context.Context, r *request, in *In) (_ *Out, err error) {
		if r.queue, err = s.byURL(P(in).queueURL()); err != nil {
			return nil, err
		}
		return run(s, ctx, r, in)
	})
}

// operations are the calls of SQS that this server answers.
func operations() map[string]operation {
	return map[string]operation{
		"CreateQueue":                  operationOf((*Server).createQueue),
		"GetQueueUrl":                  operationOf((*Server).getQueueURL),
		"ListQueues":                   operationOf((*Server).listQueues),
		"DeleteQueue":                  onQueue((*Server).deleteQueue),
		"PurgeQueue":                   onQueue((*Server).purgeQueue),
		"GetQueueAttributes":           onQueue((*Server).getQueueAttributes),
		"SetQueueAttributes":           onQueue((*Server).setQueueAttributes),
		"ListDeadLetterSourceQueues":   onQueue((*Server).listDeadLetterSourceQueues),
		"SendMessage":                  onQueue((*Server).sendMessage),
		"SendMessageBatch":             onQueue((*Server).sendMessageBatch),
		"ReceiveMessage":               onQueue((*Server).receiveMessage),
		"DeleteMessage":                onQueue((*Server).deleteMessage),
		"DeleteMessageBatch":           onQueue((*Server).deleteMessageBatch),
		"ChangeMessageVisibility":      onQueue((*Server).changeMessageVisibility),
		"ChangeMessageVisibilityBatch": onQueue((*Server).changeMessageVisibilityBatch),
		"StartMessageMoveTask":         operationOf((*Server).startMessageMoveTask),
		"ListMessageMoveTasks":         operationOf((*Server).listMessageMoveTasks),
		"CancelMessageMoveTask":        operationOf((*Server).cancelMessageMoveTask),
	}
}

// decode reads a JSON object. encoding/json would replace what is no UTF-8 by U+FFFD and change a message silently.
func decode(body []byte, into any) error {
	if !utf8.Valid(body) {
		return errSerialization("The request body is not valid UTF-8.")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return errSerialization("The request body must be a JSON object.")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return errSerialization("The request body cannot be read as JSON for this action.")
	}
	return nil
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.call(w, r)
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Amzn-RequestId", uuid.NewString())
	// SDKs correct their clocks by this header, so it tells the time that signatures are checked against.
	header.Set("Date", s.options.Now().UTC().Format(http.TimeFormat))
	status := http.StatusOK
	if err != nil {
		failure := s.describe(r, err)
		status = failure.status
		fault := "Sender"
		if status >= 500 {
			fault = "Receiver"
		}
		header.Set("X-Amzn-Query-Error", failure.code+";"+fault)
		answer = map[string]string{"__type": failure.shape, "message": failure.message}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		s.options.Log.Error("a queue answer cannot be written as JSON", "error", err)
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	w.WriteHeader(status)
	// The caller is gone when this fails: its message becomes visible again after the visibility timeout.
	_, _ = w.Write(body)
}

// describe finds the error to show: SQS's own, or InternalFailure for what only the log may know.
func (s *Server) describe(r *http.Request, err error) *apiError {
	if failure, ok := errors.AsType[*apiError](err); ok {
		return failure
	}
	if refusal, ok := errors.AsType[*sigv4.Refusal](err); ok {
		return &apiError{http.StatusForbidden, coralShapes + refusal.Shape, refusal.Code, refusal.Message}
	}
	if r.Context().Err() == nil {
		s.options.Log.Error("a queue request failed", "target", r.Header.Get("X-Amz-Target"), "error", err)
	}
	message := "The queue's storage failed; the server's log says why."
	if errors.Is(err, sqlitefile.ErrDiskFull) {
		message = "The disk of this queue's server is full: free some space and try again."
	}
	return &apiError{http.StatusInternalServerError, coralShapes + "InternalFailure", "InternalFailure", message}
}

// call checks, reads and runs one request. Nothing of the body is read before the header names a known key, a known
// action and the right time; nothing of it is decoded before the signature over it is right.
func (s *Server) call(w http.ResponseWriter, r *http.Request) (any, error) {
	claim, err := s.signatures.Read(r)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), contentType) {
		return nil, errUnknownOperation(r.Method + " with a body other than " + contentType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return nil, errSerialization("The request body cannot be read, or is longer than the limit.")
	}
	if err := s.signatures.Verify(claim, r, body); err != nil {
		return nil, err
	}
	target := r.Header.Get("X-Amz-Target")
	run, ok := s.ops[strings.TrimPrefix(target, targetPrefix)]
	if !ok || !strings.HasPrefix(target, targetPrefix) {
		return nil, errUnknownOperation(target)
	}
	return run(r.Context(), s, &request{host: r.Host, control: http.NewResponseController(w)}, body)
}
