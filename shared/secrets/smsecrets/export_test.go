package smsecrets

import "time"

// WithCallTimeout gives options that bound one reading.
func WithCallTimeout(d time.Duration) Options { return Options{callTimeout: d} }
