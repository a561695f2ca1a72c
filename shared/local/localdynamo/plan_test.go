package localdynamo

import (
	"database/sql"
	"strings"
	"testing"
)

// Every page is found by an index and comes in its order: nothing is read only to be left out or sorted.
func TestPagesAreFoundByIndex(t *testing.T) {
	s := silent(t)
	if _, err := s.ops["CreateTable"](t.Context(), s, []byte(fuzzTable)); err != nil {
		t.Fatal(err)
	}
	table := s.tables["things"]
	start := &startKey{key{[]byte("a"), []byte("b")}, key{[]byte("a"), []byte("b")}}
	span := &keyRange{hash: []byte("a"), low: []byte("a"), high: []byte("b")}
	for name, c := range map[string]struct {
		listing listing
		want    string // with what SQLite seeks
	}{
		"scan":                          {listing{}, "item_by_key (tab=?)"},
		"scan from a key":               {listing{start: start}, "item_by_key (tab=? AND (hash,sort)>(?,?))"},
		"query":                         {listing{keys: span}, "item_by_key (tab=? AND hash=? AND sort>? AND sort<?)"},
		"query backward":                {listing{keys: span, backward: true}, "item_by_key (tab=? AND hash=? AND sort>? AND sort<?)"},
		"scan of an index":              {listing{index: table.indexes[0]}, "PRIMARY KEY (tab=? AND number=?)"},
		"scan of an index from a key":   {listing{index: table.indexes[0], start: start}, "PRIMARY KEY (tab=? AND number=? AND (hash,sort,pk,sk)>(?,?,?,?))"},
		"query of an index":             {listing{index: table.indexes[1], keys: span}, "PRIMARY KEY (tab=? AND number=? AND hash=? AND sort>? AND sort<?)"},
		"query of an index from a key":  {listing{index: table.indexes[1], keys: span, start: start}, "PRIMARY KEY (tab=? AND number=? AND hash=? AND"},
		"query from a key and backward": {listing{keys: span, start: start, backward: true}, "item_by_key (tab=? AND hash=? AND sort"},
	} {
		c.listing.table = table
		query, args := c.listing.sql()
		var plan []string
		err := s.db.Each("EXPLAIN QUERY PLAN "+query, args, func(row *sql.Rows) (bool, error) {
			var id, parent, unused int
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return true, err
		})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(plan, "; ")
		if !strings.Contains(got, c.want) || strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") {
			t.Errorf("%s: %s\nwant %s", name, got, c.want)
		}
	}
}
