package sqsqueue

import "time"

// SetCallTimeout sets how long one call may take.
func (q *Queue) SetCallTimeout(d time.Duration) { q.callTimeout = d }
