package reconcile

// SetConcurrency sets how many uploads are looked at at once.
func (r *Reconciler) SetConcurrency(n int) { r.concurrency = n }
