// Package client uploads files to Hatchery, waits for their verdicts, and lists, reads and deletes them.
//
// A request that fails for a while (no answer, or 408, 429, 500, 502, 503, 504) is sent again, five times in all, after
// the time that the server names. An upload is sent again under the same idempotency key, so it is made once. The
// Authorization is sent to the API alone: neither to the bucket nor to where an answer redirects to.
package client

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Client is a caller of one deployment. Its fields are set before its first use. It may be used concurrently.
type Client struct {
	// URL is where the API is, https://files.example.com for instance.
	URL string
	// Authorization gives the value of the Authorization header for each request: the application decides by it.
	Authorization func(ctx context.Context) (string, error)
	// Transport sends the requests. Default: http.DefaultTransport.
	Transport http.RoundTripper

	// sleep waits, and silence is the longest time in which nothing is sent or received; tests alone set them.
	sleep   func(ctx context.Context, d time.Duration) error
	silence time.Duration
	// refused is the smallest file that POST did not take, 0 before there is one.
	refused atomic.Int64
}

// Token is an Authorization that is the same for each request.
func Token(authorization string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return authorization, nil }
}

// Entry is where the files of one kind are: in an entry of a journal.
type Entry struct {
	client *Client
	path   string
}

// Entry gives access to an entry's files of a kind.
func (c *Client) Entry(journal, entry, kind string) *Entry {
	return &Entry{client: c, path: "/files/" + url.PathEscape(journal) + "/entries/" + url.PathEscape(entry) + "/" +
		url.PathEscape(kind)}
}

// file is the path of one file.
func (e *Entry) file(id string) string { return e.path + "/" + url.PathEscape(id) }
