package localdynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"hatchery/shared/local/sigv4"
)

const (
	// requestTimeout bounds reading a request and writing its answer.
	requestTimeout = 30 * time.Second
	// maxRequestBytes is DynamoDB's own bound of a request.
	maxRequestBytes = 16 << 20

	targetPrefix = "DynamoDB_20120810."
	contentType  = "application/x-amz-json-1.0"
)

// operation decodes the JSON body of a call and runs it.
type operation func(ctx context.Context, s *Server, body []byte) (any, error)

// itemsOf makes an operation on items of a method with typed input and output. Tables stay as they are while it runs.
func itemsOf[In, Out any](run func(*Server, context.Context, *In) (*Out, error)) operation {
	return func(ctx context.Context, s *Server, body []byte) (any, error) {
		in := new(In)
		if err := decode(body, in); err != nil {
			return nil, err
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		return run(s, ctx, in)
	}
}

// tablesOf makes an operation that changes tables. It runs alone.
func tablesOf[In, Out any](run func(*Server, context.Context, *In) (*Out, error)) operation {
	return func(ctx context.Context, s *Server, body []byte) (any, error) {
		in := new(In)
		if err := decode(body, in); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return run(s, ctx, in)
	}
}

// operations are the calls of DynamoDB that this server answers.
func operations() map[string]operation {
	return map[string]operation{
		"CreateTable":        tablesOf((*Server).createTable),
		"DeleteTable":        tablesOf((*Server).deleteTable),
		"UpdateTimeToLive":   tablesOf((*Server).updateTimeToLive),
		"DescribeTable":      itemsOf((*Server).describe),
		"ListTables":         itemsOf((*Server).listTables),
		"DescribeTimeToLive": itemsOf((*Server).describeTimeToLive),
		"PutItem":            itemsOf((*Server).putItem),
		"GetItem":            itemsOf((*Server).getItem),
		"UpdateItem":         itemsOf((*Server).updateItem),
		"DeleteItem":         itemsOf((*Server).deleteItem),
		"Query":              itemsOf((*Server).query),
		"Scan":               itemsOf((*Server).scan),
		"BatchGetItem":       itemsOf((*Server).batchGetItem),
		"BatchWriteItem":     itemsOf((*Server).batchWriteItem),
		"TransactGetItems":   itemsOf((*Server).transactGetItems),
		"TransactWriteItems": itemsOf((*Server).transactWriteItems),
	}
}

// decode reads a JSON object. encoding/json would replace what is no UTF-8 by U+FFFD and change an item silently.
func decode(body []byte, into any) error {
	if !utf8.Valid(body) {
		return errSerialization("The request body is not valid UTF-8.")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return errSerialization("The request body must be a JSON object.")
	}
	err := json.Unmarshal(body, into)
	var refusal *apiError
	if errors.As(err, &refusal) {
		return refusal // in the words of an attribute value
	}
	if err != nil {
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
		failure := s.describeError(r, err)
		status, answer = failure.status, failure.body()
	}
	body, err := json.Marshal(answer)
	if err != nil {
		s.log.Error("a table answer cannot be written as JSON", "error", err)
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	// The caller is gone when this fails: it has to find out what became of its call, as with DynamoDB.
	_, _ = w.Write(body)
}

// describeError finds the error to show: DynamoDB's own, or InternalServerError for what only the log may know.
func (s *Server) describeError(r *http.Request, err error) *apiError {
	var failure *apiError
	if errors.As(err, &failure) {
		return failure
	}
	var refusal *sigv4.Refusal
	if errors.As(err, &refusal) {
		// DynamoDB answers 400 where older services answer 403.
		return &apiError{status: http.StatusBadRequest, shape: coralShapes + refusal.Shape, message: refusal.Message}
	}
	if r.Context().Err() == nil {
		s.log.Error("a table request failed", "target", r.Header.Get("X-Amz-Target"), "error", err)
	}
	return errInternal()
}

// call checks, reads and runs one request. Nothing of the body is read before the header names a known key, a known
// action and the right time; nothing of it is decoded before the signature over it is right.
func (s *Server) call(w http.ResponseWriter, r *http.Request) (any, error) {
	claim, err := s.signatures.Read(r)
	if err != nil {
		return nil, err
	}
	target := r.Header.Get("X-Amz-Target")
	run, ok := s.ops[strings.TrimPrefix(target, targetPrefix)]
	if !ok || !strings.HasPrefix(target, targetPrefix) {
		return nil, errUnknownOperation(target)
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), contentType) {
		return nil, errUnknownOperation(r.Method + " with a body other than " + contentType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return nil, errSerialization("The request body cannot be read, or is longer than 16 MB.")
	}
	if err := s.signatures.Verify(claim, r, body); err != nil {
		return nil, err
	}
	return run(r.Context(), s, body)
}
