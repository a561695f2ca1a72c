package localbugout

import (
	"encoding/json"
	"time"
)

// Calls is how many requests have come in.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Settle waits until no request is under way.
func (s *Server) Settle() {
	for {
		s.mu.Lock()
		busy := s.busy
		s.mu.Unlock()
		if busy == 0 {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// Normal is what comes back of JSON.
func Normal(data []byte) ([]byte, error) {
	v, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	if o, ok := v.(object); ok {
		return o.MarshalJSON()
	}
	return json.Marshal(v)
}

// SetNow sets the clock of created_at.
func (o *Options) SetNow(now func() time.Time) { o.now = now }
