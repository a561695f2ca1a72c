package client

import (
	"context"
	"net/http"
	"time"
)

// SetSleep sets how the client waits.
func (c *Client) SetSleep(sleep func(context.Context, time.Duration) error) { c.sleep = sleep }

// SetSilence sets how long nothing may be sent or received.
func (c *Client) SetSilence(d time.Duration) { c.silence = d }

// Tries is how often a request is sent at most.
const Tries = tries

// PostBytes is the largest file that is sent to the API.
const PostBytes = postBytes

// ErrSilence is what a request ends with in which nothing moves.
var ErrSilence = errSilence

// Refusal reads an answer that is no success.
func Refusal(answer *http.Response) *Error { return refusal(answer) }
