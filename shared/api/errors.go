package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"hatchery/shared/access"
	"hatchery/shared/upload"
)

// code is a stable name of a problem. Programs branch on it.
type code string

const (
	badRequest       code = "bad_request"
	badMultipart     code = "bad_multipart"
	severalFiles     code = "several_files"
	badJSON          code = "bad_json"
	badKey           code = "bad_idempotency_key"
	badDigest        code = "digest_mismatch"
	unauthorized     code = "unauthorized"
	forbidden        code = "forbidden"
	notFound         code = "not_found"
	wrongMethod      code = "method_not_allowed"
	badName          code = "name"
	badExtension     code = "extension"
	badSize          code = "size"
	badType          code = "type"
	badChecksum      code = "checksum"
	overQuota        code = "quota"
	tooSlow          code = "too_slow"
	pending          code = "pending"
	rejected         code = "rejected"
	preconditionFail code = "precondition_failed"
	useForm          code = "use_form"
	tooLarge         code = "too_large"
	wrongMedia       code = "unsupported_media_type"
	badRange         code = "range_not_satisfiable"
	keyReused        code = "idempotency_key_reused"
	tooMany          code = "too_many_requests"
	internal         code = "internal"
	busy             code = "busy"
	unavailable      code = "unavailable"
)

// problems is the one table of what each problem is on the wire. The word "error" is the member that the replaced
// service had; where it had none, the title stands there too.
var problems = map[code]struct {
	status int
	title  string
	error  string
}{
	badRequest:       {400, "The request is malformed", ""},
	badMultipart:     {400, "The multipart body is malformed", ""},
	severalFiles:     {400, "One request carries one file", ""},
	badJSON:          {400, "The JSON body is malformed", ""},
	badKey:           {400, "The Idempotency-Key is malformed", ""},
	badDigest:        {400, "The body does not have the announced digest", ""},
	unauthorized:     {401, "Authorization is required", ""},
	forbidden:        {403, "Access is denied", ""},
	notFound:         {404, "Not found", ""},
	wrongMethod:      {405, "The method is not allowed here", ""},
	badName:          {406, "The name is not accepted", "Unacceptable image name"},
	badExtension:     {406, "The extension is not accepted", "Unacceptable image extension"},
	badSize:          {406, "The size is not accepted", "Unacceptable image size"},
	badType:          {406, "The declared type is not accepted", "Unacceptable image type"},
	badChecksum:      {406, "The declared checksum is not accepted", ""},
	overQuota:        {406, "The entry is full", ""},
	tooSlow:          {408, "The body arrived too slowly", ""},
	pending:          {409, "The file is not validated yet", ""},
	rejected:         {410, "The file was rejected", ""},
	preconditionFail: {412, "The precondition failed", ""},
	useForm:          {413, "The file is too large for POST", ""},
	tooLarge:         {413, "The body is too large", ""},
	wrongMedia:       {415, "The content type is not supported", ""},
	badRange:         {416, "The range cannot be satisfied", ""},
	keyReused:        {422, "The Idempotency-Key was used before", ""},
	tooMany:          {429, "Too many requests", ""},
	internal:         {500, "Internal error", ""},
	busy:             {503, "Too many uploads at once", ""},
	unavailable:      {503, "Temporarily unavailable", ""},
}

// problem is an error that knows its answer. Its detail is written for callers.
type problem struct {
	code       code
	detail     string
	retryAfter time.Duration
	// reason and record say more of a rejected or pending upload.
	reason *upload.Reason
	record *upload.Record
	// form is the path to use instead of POST.
	form string
	// cause is for the log alone.
	cause error
}

func newProblem(c code, format string, args ...any) *problem {
	return &problem{code: c, detail: fmt.Sprintf(format, args...)}
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.detail
}

func (p *problem) Unwrap() error { return p.cause }

// refusals says which problem a refused request has.
var refusals = map[upload.Problem]code{
	upload.ProblemName: badName, upload.ProblemExtension: badExtension, upload.ProblemSize: badSize,
	upload.ProblemType: badType, upload.ProblemChecksum: badChecksum, upload.ProblemQuota: overQuota,
	upload.ProblemKind: notFound,
}

// denials says which problem an application's answer has.
var denials = map[int]code{401: unauthorized, 403: forbidden, 404: notFound, 429: tooMany}

// unavailableRetry is how long a caller should wait after a 503.
const unavailableRetry = 5 * time.Second

// problemOf says what an error becomes for a caller. The text of an error that is not known to be the caller's goes to
// the log alone.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*upload.Refusal](err); ok {
		if c, known := refusals[r.Problem]; known {
			return &problem{code: c, detail: r.Message}
		}
	}
	if d, ok := errors.AsType[*access.Denied](err); ok {
		if c, known := denials[d.Status]; known {
			return &problem{code: c, detail: d.Message, retryAfter: d.RetryAfter}
		}
		return &problem{code: unavailable, detail: d.Message, retryAfter: unavailableRetry, cause: err}
	}
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return nothingHere()
	case errors.Is(err, upload.ErrKeyReused):
		return newProblem(keyReused, "This Idempotency-Key was used in the last 24 hours "+
			"for another name, size or bytes: use a new key for a new upload.")
	case errors.Is(err, upload.ErrBadCursor):
		return newProblem(badRequest, "The cursor is not one that this list gave: start again without it.")
	}
	return &problem{code: unavailable, detail: "A system behind this one did not answer as it should: try again. " +
		"An upload may be repeated safely with the same Idempotency-Key.", retryAfter: unavailableRetry, cause: err}
}

// nothingHere is the same for what is absent, deleted or somebody else's.
func nothingHere() *problem {
	return newProblem(notFound, "There is nothing at this address.")
}

// bytesMissing: somebody else removed the bytes of a stored record.
func bytesMissing(cause error) *problem {
	return &problem{code: internal, cause: cause,
		detail: "The file is recorded but its bytes are not to be found. The request id names it in the log."}
}

// refuse answers with a problem.
func (h *handler) refuse(c *call, err error) {
	p := problemOf(err)
	c.code = p.code
	status := problems[p.code].status
	if status >= 500 {
		c.err = err
	}
	header := c.w.Header()
	// What a handler that began a good answer may have set.
	for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Length", "Location",
		"Accept-Ranges"} {
		header.Del(name)
	}
	if p.code != badRange {
		header.Del("Content-Range")
	}
	header.Set("Cache-Control", "no-store")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10))
	}
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	body, err := json.Marshal(p.public(c.requestID))
	if err != nil { // strings and a record: it cannot fail
		body = []byte(`{"status":500}`)
	}
	leaveBody := c.answerBeforeBody()
	c.write("application/problem+json", status, append(body, '\n'))
	leaveBody()
}

// public is the problem as RFC 9457 and the replaced service have it.
func (p *problem) public(requestID string) any {
	known := problems[p.code]
	if known.status < 500 {
		requestID = ""
	}
	return struct {
		Type      string         `json:"type"`
		Title     string         `json:"title"`
		Status    int            `json:"status"`
		Detail    string         `json:"detail"`
		Error     string         `json:"error"`
		Code      code           `json:"code"`
		Reason    *upload.Reason `json:"reason,omitempty"`
		Record    *upload.Record `json:"record,omitempty"`
		Form      string         `json:"upload_form,omitempty"`
		RequestID string         `json:"request_id,omitempty"`
	}{"urn:hatchery:problem:" + string(p.code), known.title, known.status, p.detail,
		cmp.Or(known.error, known.title), p.code, p.reason, p.record, p.form, requestID}
}
