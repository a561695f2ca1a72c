package migrate

import "time"

// WithPageSize sets how many records are read at once.
func (m *Migration) WithPageSize(n int) *Migration {
	m.pageRecords = n
	return m
}

// WithGrace sets how long records under way may take when the context ends.
func (m *Migration) WithGrace(d time.Duration) *Migration {
	m.grace = d
	return m
}
