package localsqs

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Receiving, looking for a tag and the next due time must not get slower as the queue gets longer.
func TestHotQueriesUseTheirIndex(t *testing.T) {
	s, err := start(t.Context(),
		Options{Path: filepath.Join(t.TempDir(), "queue.db"), Region: "us-east-1", Now: time.Now}, nowhere)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.finish(); err != nil {
			t.Error(err)
		}
	}()
	for query, index := range map[string]string{
		sqlVisible: "message_due", sqlNextDue: "message_due", sqlHolds: "message_tag", sqlExpire: "message_sent",
	} {
		plan, err := s.explain(query)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "; ")
		if !strings.Contains(text, index) || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s: %s", query, text)
		}
	}
}

// explain is how SQLite goes about a query.
func (s *Server) explain(query string) (plan []string, err error) {
	err = s.db.alone(func(c *connection) error {
		return c.each("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?")), func(row *sql.Rows) error {
			var id, parent, unused int
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		})
	})
	return plan, err
}
