package bugoutrecords

import "context"

// Count says how many records All gives. It reads all of them, as every page of All
// does, and tells of no damaged one: the lists do.
func (s *Store) Count(ctx context.Context) (int, error) {
	there, err := s.listAnd(ctx, nil, func(resource) bool { return true }, func(error) {})
	return len(onePerUpload(there)), wrap(err, "count the records")
}
