package eventbridgenotifier

import (
	"context"
	"time"
)

// SetTimeout sets how long notifying of one verdict may take.
func (t *Notifier) SetTimeout(d time.Duration) { t.timeout = d }

// SetSleep sets how a Notifier waits between two attempts.
func (t *Notifier) SetSleep(sleep func(context.Context, time.Duration) error) { t.sleep = sleep }
