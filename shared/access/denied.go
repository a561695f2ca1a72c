package access

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what the application can make a caller wait.
const maxRetryAfter = time.Hour

// Denied is why a caller may not touch an entry. It is the only error that [Application.Allow] returns. Neither it nor
// its text ever holds the caller's Authorization or a byte of the application's answer but its status.
type Denied struct {
	// Status is the HTTP status that the caller should get: 401, 403, 404, 429 or 503.
	Status int
	// Message is a sentence for the caller.
	Message string
	// Detail says what was seen, for the operator's log; empty when Message says it all.
	Detail string
	// RetryAfter is how long the application asked the caller to wait, with a 429 alone: at most an hour, whole
	// seconds, 0 when it did not say.
	RetryAfter time.Duration
	// Answered is the application's own status; 0 when there was no answer, or nobody was asked.
	Answered int

	journal, entry string
	cause          error // the caller's own context error, or nil
}

// Error is for the log: it names the entry, the status and what was seen.
func (d *Denied) Error() string {
	return fmt.Sprintf("access to journal %q entry %q denied with %d: %s", d.journal, d.entry, d.Status,
		cmp.Or(d.Detail, d.Message))
}

// Unwrap gives the error of the caller's own context when that ended, and nil otherwise. Errors of the network are not
// unwrapped, because their texts can quote what the other side sent.
func (d *Denied) Unwrap() error { return d.cause }

// translateStatus makes the application's status a Denied; nil is a grant.
func translateStatus(status int, header http.Header, now time.Time) *Denied {
	d := &Denied{Status: status, Answered: status, Detail: fmt.Sprintf("the application answered %d", status)}
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized:
		d.Message = "The application does not accept this Authorization."
	case status == http.StatusNotFound:
		d.Message = "The application knows no such journal or entry."
	case status == http.StatusTooManyRequests:
		d.Message = "The application asks for fewer requests; try again later."
		d.RetryAfter = retryAfter(header.Get("Retry-After"), now)
	case status >= 400 && status < 500:
		d.Status = http.StatusForbidden
		d.Message = "The application does not allow this journal entry with this Authorization."
	default:
		d = unavailable(d.Detail, nil)
		d.Answered = status
	}
	return d
}

// unavailable is the answer to everything that is neither a yes nor a no.
func unavailable(detail string, cause error) *Denied {
	return &Denied{Status: http.StatusServiceUnavailable, Detail: detail, cause: cause,
		Message: "The application that decides about access did not give an answer; try again later."}
}

// retryAfter reads a Retry-After header in either of its forms (RFC 9110, 10.2.3): seconds, or an HTTP date. What is
// missing, broken or past is 0, and anything beyond maxRetryAfter is maxRetryAfter.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds > int(maxRetryAfter/time.Second) {
			return maxRetryAfter // too many digits to count is a long time, too
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// Bounded before it is rounded: the wait until the year 9999 has no second to spare. Rounded up, so that nobody
	// comes back a moment too early.
	wait := min(max(at.Sub(now), 0), maxRetryAfter)
	return (wait + time.Second - 1).Truncate(time.Second)
}
