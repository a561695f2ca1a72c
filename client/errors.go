package client

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Error is an answer that is a refusal, of the API or of the bucket.
type Error struct {
	Status int
	// Code is the problem's, "extension" for instance; "" where something in front of the API answered.
	Code string
	// Detail is a sentence that says what is wrong.
	Detail string
	// Kind is the one kind that takes a file with this extension, where the one that was asked does not.
	Kind string
	// Reason is why the file was rejected, and Record its record, where the problem has them.
	Reason *Reason
	Record *Record
	// RequestID names the request in the server's log, from status 500 on.
	RequestID string
	// RetryAfter is how long the server asks to wait, 0 where it does not say.
	RetryAfter time.Duration
}

// Error says what is wrong, with the status and the code.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s (%d", e.Detail, e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	return text + ")"
}

var (
	// ErrDamaged is what a download ends with that is not the stored file: it has another size or SHA-256.
	ErrDamaged = errors.New("what was received is not the file that is stored")
	errSilence = errors.New("nothing was sent or received for too long")
	errForeign = errors.New("the answer is none of Hatchery's: is this the address of its API?")
)

// localError is a failure on this side, to read what is to be uploaded for instance: it is not tried again.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// maxProblem bounds what is read of a refusal.
const maxProblem = 64 << 10

// refusal reads an answer that is no success.
func refusal(answer *http.Response) *Error {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxProblem)) // a part says something too
	e := &Error{Status: answer.StatusCode}
	if seconds, err := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 20); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	var problem struct {
		Code, Detail, Message string
		Kind                  string
		Reason                *Reason
		Record                *Record
		RequestID             string `json:"request_id"`
	}
	var ofBucket struct{ Code, Message string }
	switch {
	case json.Unmarshal(text, &problem) == nil:
		e.Code, e.Detail = problem.Code, cmp.Or(problem.Detail, problem.Message)
		e.Kind, e.Reason, e.Record, e.RequestID = problem.Kind, problem.Reason, problem.Record, problem.RequestID
	case xml.Unmarshal(text, &ofBucket) == nil:
		e.Code, e.Detail = ofBucket.Code, ofBucket.Message
	}
	if to := answer.Header.Get("Location"); to != "" && answer.StatusCode/100 == 3 {
		e.Detail = "The answer redirects to " + to + ": the API has another address"
	}
	if e.Detail == "" {
		e.Detail = "The answer is " + cmp.Or(http.StatusText(answer.StatusCode), "of an unknown status")
		if answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusForbidden {
			e.Detail += ", and none of Hatchery's: is this the address of its API?"
		}
	}
	return e
}
