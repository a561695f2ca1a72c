package localsqs

// Waiting is how many receives wait on a queue, for tests that must send after they began to.
func (s *Server) Waiting(queue string) int {
	s.mu.RLock()
	q := s.queues[queue]
	s.mu.RUnlock()
	q.waiters.mu.Lock()
	defer q.waiters.mu.Unlock()
	return len(q.waiters.queue)
}
