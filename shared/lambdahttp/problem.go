package lambdahttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// problem is why the adapter answers in the handler's place. Its detail is written for callers, its cause for the log.
type problem struct {
	status       int
	code, detail string
	cause        error
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.detail
}

func (p *problem) Unwrap() error { return p.cause }

// malformed: the request is none that HTTP has.
func malformed(detail string) *problem {
	return &problem{status: http.StatusBadRequest, code: "bad_request", detail: detail}
}

// broken: no whole answer came of the handler.
func broken(cause error) *problem {
	return &problem{status: http.StatusInternalServerError, code: "internal", cause: cause,
		detail: "Something went wrong here. The request id names it in the log."}
}

// tooLarge: the answer does not fit through front. Without this AWS would say only that something is wrong with the
// function.
func tooLarge(f front, bytes int64) *problem {
	detail := fmt.Sprintf("The answer has %d bytes. With base64, a %s passes on at most %d. "+
		"Set HATCHERY_REDIRECT_BYTES to %d or less, so that larger files are redirected to a signed link.",
		bytes, f, f.maxReply(), f.maxReply()*2/3)
	return &problem{status: http.StatusInternalServerError, code: "answer_too_large", detail: detail,
		cause: errors.New(detail)}
}

// response is the problem as RFC 9457 problem details, with the members that all problems of the product have.
func (p *problem) response(requestID, method string) *response {
	named := "" // in the body, where the log has more to say
	if p.status >= http.StatusInternalServerError {
		named = requestID
	}
	text, err := json.Marshal(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Error     string `json:"error"`
		Code      string `json:"code"`
		RequestID string `json:"request_id,omitempty"`
	}{"urn:hatchery:problem:" + p.code, http.StatusText(p.status), p.status, p.detail, p.detail, p.code, named})
	if err != nil { // strings and a number: it cannot fail
		text = []byte("{}")
	}
	text = append(text, '\n')
	header := http.Header{"Content-Type": {"application/problem+json"}, "Content-Length": {strconv.Itoa(len(text))},
		"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}
	if requestID != "" {
		header.Set("X-Request-Id", requestID)
	}
	if method == http.MethodHead {
		text = nil
	}
	return &response{status: p.status, header: header, body: text}
}
