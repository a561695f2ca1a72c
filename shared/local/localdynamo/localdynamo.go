// Package localdynamo is an Amazon DynamoDB endpoint for one process, in memory: minidyn (github.com/truora/minidyn),
// with AWS's signatures checked before it. It lets the deployed code run unchanged, pointed at this endpoint.
//
// # What differs from DynamoDB
//
// Nothing is kept: the tables end with the server. Every read is consistent, requests run one after the other, and an
// expired item is never removed. There are no bounds of items, pages and transactions, no consumed capacity, and a
// transaction's ClientRequestToken is ignored: a repeated one fails on its own conditions. An index of minidyn forgets
// rows when an item that has left it is deleted. What depends on any of that is tested on DynamoDB Local (acceptance).
package localdynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/truora/minidyn/server"

	"hatchery/shared/local/httpserver"
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

// Options say what Open is to serve.
type Options struct {
	// Listen is the TCP address, "127.0.0.1:0" for any free port. Required.
	Listen string
	// Hosts are further hosts by which it is called.
	Hosts httpserver.Hosts
	// Region, AccessKey and SecretKey are what requests must be signed with. Required.
	Region, AccessKey, SecretKey string
	// Log receives what the server cannot tell a caller; nil drops it.
	Log *slog.Logger
}

// Server is a running endpoint.
type Server struct {
	http       *httpserver.Server
	signatures sigv4.Checker

	// mu lets one request at a time into minidyn: its table operations take no lock of their own.
	mu     sync.Mutex
	tables http.Handler
	names  map[string]bool // of the tables
}

// Open listens on the address and serves until Close. The error names the address when that is taken, and is a
// syscall.EADDRINUSE then.
func Open(ctx context.Context, options Options) (*Server, error) {
	if options.Listen == "" || options.Region == "" || options.AccessKey == "" || options.SecretKey == "" {
		return nil, errors.New("open the tables: listen address, region, access key and secret key are required")
	}
	log := options.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	endpoint, err := httpserver.Listen(ctx, options.Listen, options.Hosts, requestTimeout, requestTimeout, log)
	if err != nil {
		return nil, fmt.Errorf("open the tables: %w", err)
	}
	s := &Server{http: endpoint, tables: server.NewServer(), names: map[string]bool{},
		signatures: sigv4.Checker{AccessKey: options.AccessKey, SecretKey: options.SecretKey,
			Region: options.Region, Service: "dynamodb", Now: time.Now}}
	endpoint.Start(s)
	return s, nil
}

// URL is the endpoint for a client on this machine.
func (s *Server) URL() string { return s.http.URL() }

// Close lets requests finish until ctx ends and for a second at most. The tables end with it.
func (s *Server) Close(ctx context.Context) error {
	if err := s.http.Close(ctx); err != nil {
		return fmt.Errorf("close the tables: %w", err)
	}
	return nil
}

// ServeHTTP checks, reads and answers one request. Nothing of the body is read before the header names a known key and
// the right time.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claim, err := s.signatures.Read(r)
	if err != nil {
		refuse(w, err)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil || !json.Valid(body) {
		writeError(w, "SerializationException", "The request body cannot be read as JSON, or is longer than 16 MB.")
		return
	}
	if err := s.signatures.Verify(claim, r, body); err != nil {
		refuse(w, err)
		return
	}
	operation, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if !ours || r.Method != http.MethodPost {
		writeError(w, "UnknownOperationException", "")
		return
	}
	s.call(operation, body, r).writeTo(w)
}

// call answers what minidyn does not know, and has it answer the rest.
func (s *Server) call(operation string, body []byte, r *http.Request) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch operation {
	case "UpdateTimeToLive": // the answer repeats the question
		return &answer{body: *bytes.NewBuffer(body)}
	case "ListTables":
		return answerOf(map[string]any{"TableNames": slices.Sorted(maps.Keys(s.names))})
	}
	// In a buffer: a caller that reads slowly would keep the others out.
	a := &answer{}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.tables.ServeHTTP(a, r)
	if !json.Valid(a.body.Bytes()) {
		return errorAnswer("UnknownOperationException", "")
	}
	if a.status == 0 {
		s.note(operation, body)
	}
	return a
}

// note keeps the tables' names for ListTables.
func (s *Server) note(operation string, body []byte) {
	var in struct{ TableName string }
	if err := json.Unmarshal(body, &in); err != nil {
		return // it was answered, so it was understood
	}
	switch operation {
	case "CreateTable":
		s.names[in.TableName] = true
	case "DeleteTable":
		delete(s.names, in.TableName)
	}
}

// answer is an answer that is not sent yet.
type answer struct {
	status int // 0 is 200
	body   bytes.Buffer
}

func answerOf(v any) *answer {
	a := &answer{}
	_ = json.NewEncoder(&a.body).Encode(v) // text in maps and slices
	return a
}

func (a *answer) Header() http.Header         { return http.Header{} } // all answers have the same
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *answer) writeTo(w http.ResponseWriter) {
	w.Header().Set("Content-Type", contentType)
	// The SDKs warn of an answer without it.
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.body.Bytes())), 10))
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	// The caller is gone when this fails: it has to find out what became of its call, as with DynamoDB.
	_, _ = w.Write(a.body.Bytes())
}

// refuse answers a signature that is not right. DynamoDB answers 400 where older services answer 403.
func refuse(w http.ResponseWriter, err error) {
	refusal := &sigv4.Refusal{Shape: "InternalServerError"}
	errors.As(err, &refusal)
	writeError(w, refusal.Shape, refusal.Message)
}

func writeError(w http.ResponseWriter, shape, message string) { errorAnswer(shape, message).writeTo(w) }

func errorAnswer(shape, message string) *answer {
	a := answerOf(map[string]string{"__type": "com.amazon.coral.service#" + shape, "message": message})
	a.status = http.StatusBadRequest
	return a
}
