package dynamorecords

import (
	"context"
	"time"
)

// WithShards and the functions below set the options that tests alone set.
func (o Options) WithShards(n int) Options { o.shards = n; return o }

func (o Options) WithCallTimeout(d time.Duration) Options { o.callTimeout = d; return o }

func (o Options) WithPatience(d time.Duration) Options { o.patience = d; return o }

func (o Options) WithToken(token func() string) Options { o.token = token; return o }

func (o Options) WithWait(wait func(ctx context.Context, longest time.Duration) error) Options {
	o.wait = wait
	return o
}

// WithoutWaits retries at once, unless WithWait says how.
func (o Options) WithoutWaits() Options {
	if o.wait == nil {
		o.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	return o
}
