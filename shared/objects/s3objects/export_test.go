package s3objects

import "time"

// SetStallTimeout sets how long a read or write may make no progress.
func (s *Store) SetStallTimeout(d time.Duration) { s.stallTimeout = d }

// SetCallTimeout sets how long a call may take.
func (n *Notes) SetCallTimeout(d time.Duration) { n.callTimeout = d }
