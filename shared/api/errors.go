package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"hatchery/shared/access"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// problemType is what a problem is on the wire.
type problemType struct {
	code   string // a stable name, which programs branch on
	status int
	title  string
	error  string // the member "error" as the replaced service had it; "" where it had none: the title stands there too
}

// The one table of all problems.
var (
	badRequest       = problemType{"bad_request", 400, "The request is malformed", ""}
	badMultipart     = problemType{"bad_multipart", 400, "The multipart body is malformed", ""}
	severalFiles     = problemType{"several_files", 422, "One request carries one file", ""}
	badJSON          = problemType{"bad_json", 400, "The JSON body is malformed", ""}
	badKey           = problemType{"bad_idempotency_key", 400, "The Idempotency-Key is malformed", ""}
	badDigest        = problemType{"digest_mismatch", 400, "The body does not have the announced digest", ""}
	unauthorized     = problemType{"unauthorized", 401, "Authorization is required", ""}
	forbidden        = problemType{"forbidden", 403, "Access is denied", ""}
	notByFront       = problemType{"not_by_front", 403, "The API is not called at this address", ""}
	notFound         = problemType{"not_found", 404, "Not found", ""}
	wrongMethod      = problemType{"method_not_allowed", 405, "The method is not allowed here", ""}
	badName          = problemType{"name", 406, "The name is not accepted", "Unacceptable image name"}
	badExtension     = problemType{"extension", 406, "The extension is not accepted", "Unacceptable image extension"}
	badSize          = problemType{"size", 406, "The size is not accepted", "Unacceptable image size"}
	badType          = problemType{"type", 406, "The declared type is not accepted", "Unacceptable image type"}
	badChecksum      = problemType{"checksum", 406, "The declared checksum is not accepted", ""}
	overQuota        = problemType{"quota", 406, "The entry is full", ""}
	noLink           = problemType{"no_link", 406, "There is no link to this file", ""}
	tooSlow          = problemType{"too_slow", 408, "The body arrived too slowly", ""}
	pending          = problemType{"pending", 409, "The file is not validated yet", ""}
	rejected         = problemType{"rejected", 410, "The file was rejected", ""}
	preconditionFail = problemType{"precondition_failed", 412, "The precondition failed", ""}
	useForm          = problemType{"use_form", 413, "The file is too large for POST", ""}
	tooLarge         = problemType{"too_large", 413, "The body is too large", ""}
	wrongMedia       = problemType{"unsupported_media_type", 415, "The content type is not supported", ""}
	badRange         = problemType{"range_not_satisfiable", 416, "The range cannot be satisfied", ""}
	keyReused        = problemType{"idempotency_key_reused", 422, "The Idempotency-Key was used before", ""}
	tooMany          = problemType{"too_many_requests", 429, "Too many requests", ""}
	internal         = problemType{"internal", 500, "Internal error", ""}
	diskFull         = problemType{"disk_full", 503, "The disk is full", ""}
	busy             = problemType{"busy", 503, "Too many uploads at once", ""}
	unavailable      = problemType{"unavailable", 503, "Temporarily unavailable", ""}
)

// problem is an error that knows its answer. Its detail is written for callers.
type problem struct {
	problemType
	detail     string
	retryAfter time.Duration
	// reason and record say more of a rejected or pending upload.
	reason *upload.Reason
	record *upload.Record
	// kind is the one that takes the file.
	kind policy.KindName
	// form is the path to use instead of POST.
	form string
	// cause is for the log alone.
	cause error
}

func newProblem(t problemType, format string, args ...any) *problem {
	return &problem{problemType: t, detail: wording.Sprintf(format, args...)}
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.detail
}

func (p *problem) Unwrap() error { return p.cause }

// refusals says which problem a refused request has.
var refusals = map[policy.Problem]problemType{
	policy.ProblemName: badName, policy.ProblemExtension: badExtension, policy.ProblemSize: badSize,
	policy.ProblemType: badType, policy.ProblemChecksum: badChecksum, policy.ProblemQuota: overQuota,
	policy.ProblemKind: notFound,
}

// denials says which problem an application's answer has.
var denials = map[int]problemType{401: unauthorized, 403: forbidden, 404: notFound, 429: tooMany}

// unavailableRetry is how long a caller should wait after a 503.
const unavailableRetry = 5 * time.Second

// problemOf says what an error becomes for a caller. The text of an error that is not known to be the caller's goes to
// the log alone.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		if t, known := refusals[r.Problem]; known {
			return &problem{problemType: t, detail: r.Message, kind: r.Kind}
		}
	}
	if d, ok := errors.AsType[*access.Denied](err); ok {
		if t, known := denials[d.Status]; known {
			return &problem{problemType: t, detail: d.Message, retryAfter: d.RetryAfter}
		}
		return &problem{problemType: unavailable, detail: d.Message, retryAfter: unavailableRetry, cause: err}
	}
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return absent()
	case errors.Is(err, upload.ErrKeyReused):
		return newProblem(keyReused, "This Idempotency-Key was used in the last 24 hours "+
			"for another name, size or bytes: use a new key for a new upload.")
	case errors.Is(err, upload.ErrBadCursor):
		return newProblem(badRequest, "The cursor is not one that this list gave: start again without it.")
	}
	if errors.Is(err, syscall.ENOSPC) {
		return &problem{problemType: diskFull, retryAfter: unavailableRetry, cause: err,
			detail: "The disk of this server is full: try again when its operator has freed some space."}
	}
	return &problem{problemType: unavailable, retryAfter: unavailableRetry, cause: err,
		detail: "A system behind this one did not answer as it should: try again. " +
			"An upload may be repeated safely with the same Idempotency-Key."}
}

// absent is the same problem for what never was, what is deleted, and what is somebody else's.
func absent() *problem {
	return newProblem(notFound, "There is no such file in this entry: it was deleted, or never was.")
}

// bytesMissing: somebody else removed the bytes of a stored record.
func bytesMissing(cause error) *problem {
	return &problem{problemType: internal, cause: cause,
		detail: "The file is recorded but its bytes are not to be found. The request id names it in the log."}
}

// refuse answers with a problem.
func (h *handler) refuse(c *call, err error) {
	p := problemOf(err)
	c.code = p.code
	if p.status >= 500 {
		c.err = err
	}
	header := c.w.Header()
	// What a handler that began a good answer may have set.
	for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Length", "Location",
		"Accept-Ranges", "Content-Security-Policy"} {
		header.Del(name)
	}
	delete(header, fullNameHeader)
	if p.code != badRange.code {
		header.Del("Content-Range")
	}
	header.Set("Cache-Control", "no-store")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10))
	}
	if p.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	body, err := json.Marshal(p.public(c.requestID))
	if err != nil { // strings and a record: it cannot fail
		body = []byte(`{"status":500}`)
	}
	leaveBody := c.answerBeforeBody()
	c.write("application/problem+json", p.status, append(body, '\n'))
	leaveBody()
}

// public is the problem as RFC 9457 and the replaced service have it.
func (p *problem) public(requestID string) any {
	if p.status < 500 {
		requestID = ""
	}
	return struct {
		Type      string          `json:"type"`
		Title     string          `json:"title"`
		Status    int             `json:"status"`
		Detail    string          `json:"detail"`
		Error     string          `json:"error"`
		Code      string          `json:"code"`
		Kind      policy.KindName `json:"kind,omitempty"`
		Reason    *upload.Reason  `json:"reason,omitempty"`
		Record    *upload.Record  `json:"record,omitempty"`
		Form      string          `json:"upload_form,omitempty"`
		RequestID string          `json:"request_id,omitempty"`
	}{"urn:hatchery:problem:" + p.code, p.title, p.status, p.detail, cmp.Or(p.error, p.title), p.code,
		p.kind, p.reason, p.record, p.form, requestID}
}
