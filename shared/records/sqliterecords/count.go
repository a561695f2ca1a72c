package sqliterecords

import "context"

// Count says how many records All gives. It reads one index, and no record.
func (s *Store) Count(ctx context.Context) (int, error) {
	var n int
	err := s.readers.QueryRowContext(ctx, "SELECT count(*) FROM uploads").Scan(&n)
	return n, s.wrap(err, "count the records")
}
