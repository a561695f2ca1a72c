package eventbridgeteller

import (
	"context"
	"time"
)

// SetTimeout sets how long telling of one verdict may take.
func (t *Teller) SetTimeout(d time.Duration) { t.timeout = d }

// SetSleep sets how a Teller waits between two attempts.
func (t *Teller) SetSleep(sleep func(context.Context, time.Duration) error) { t.sleep = sleep }
