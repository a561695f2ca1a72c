package localsqs

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Receiving, looking for a tag and the next due time must not get slower as the queue gets longer.
func TestHotQueriesUseTheirIndex(t *testing.T) {
	s, err := start(t.Context(), Options{Path: filepath.Join(t.TempDir(), "queue.db"), Region: "us-east-1", Now: time.Now}, nowhere{})
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
	err = s.db.statement(func() error {
		rows, err := s.db.conn.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			plan = append(plan, detail)
		}
		return rows.Err()
	})
	return plan, err
}
