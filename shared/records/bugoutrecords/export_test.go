package bugoutrecords

import (
	"net/http"
	"time"
)

// SetPause and the functions below set the options that tests alone set.
func (o *Options) SetPause(pause func(n int) time.Duration) { o.pause = pause }

func (o *Options) SetNonce(nonce func() string) { o.nonce = nonce }

func (o *Options) SetTransport(transport http.RoundTripper) { o.transport = transport }
