package localdynamo

import (
	"bytes"
	"strings"
	"testing"
)

func TestARangeOfAPrefixHoldsAllThatBeginWithIt(t *testing.T) {
	for _, prefix := range []string{"", "a", "a\xff", "\xff", "\xff\xff", "a\xff\xff", "\x00"} {
		end := behind([]byte(prefix))
		for _, tail := range []string{"", "\x00", "z", "\xff", "\xff\xff\xff"} {
			if end != nil && bytes.Compare([]byte(prefix+tail), end) >= 0 {
				t.Errorf("%q is not before %q", prefix+tail, end)
			}
		}
		if end != nil && strings.HasPrefix(string(end), prefix) {
			t.Errorf("%q begins with %q", end, prefix)
		}
		if end == nil && strings.Count(prefix, "\xff") != len(prefix) {
			t.Errorf("nothing is behind %q", prefix)
		}
	}
}

func TestKeysSortAsNumbers(t *testing.T) {
	ascending := []string{"-9.9E125", "-100", "-99.99", "-12.3", "-12", "-1", "-0.5", "-1E-130", "0", "1E-130", "0.05", "0.5", "0.51", "1", "9", "10", "12", "12.3", "100", "1E100", "9.9E125"}
	var last []byte
	for _, text := range ascending {
		n, err := parseNumber(text)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Compare(last, n.key()) >= 0 {
			t.Errorf("%s does not come after the number before it", text)
		}
		last = n.key()
	}
}

// The developer guide's "item sizes and formats", by which items are bounded and calls are priced.
func TestItemsHaveTheSizeThatTheirPriceGoesBy(t *testing.T) {
	for document, want := range map[string]int{
		`{"ab":{"S":"é"}}`:                                2 + 2,
		`{"ab":{"B":"AAAA"}}`:                             2 + 3,
		`{"ab":{"N":"0"}}`:                                2 + 1,
		`{"ab":{"N":"12345"}}`:                            2 + 4,
		`{"ab":{"N":"-1.50E100"}}`:                        2 + 3,
		`{"ab":{"BOOL":false},"c":{"NULL":true}}`:         2 + 1 + 1 + 1,
		`{"ab":{"SS":["a","bc"]}}`:                        2 + 3,
		`{"ab":{"L":[]}}`:                                 2 + 3,
		`{"ab":{"L":[{"S":"a"},{"M":{"key":{"S":""}}}]}}`: 2 + 3 + (1 + 1) + (3 + 3 + 1 + 1),
	} {
		it, err := decodeItem([]byte(document))
		if err != nil || itemSize(it) != want {
			t.Errorf("%s has the size %d, want %d: %v", document, itemSize(it), want, err)
		}
	}
}

func TestADeletedTableLeavesNothingInTheFile(t *testing.T) {
	s := silent(t)
	for _, call := range [][2]string{{"CreateTable", fuzzTable}, {"PutItem", `{"TableName":"things","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"g":{"B":"AA=="}}}`},
		{"DeleteTable", `{"TableName":"things"}`}} {
		if _, err := s.ops[call[0]](t.Context(), s, []byte(call[1])); err != nil {
			t.Fatal(err)
		}
	}
	var left int
	row := s.db.Conn().QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM item) + (SELECT count(*) FROM entry) + (SELECT count(*) FROM tab)`)
	if err := row.Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}

// A key may hold any byte, so none can stand between its parts.
func TestARequestNamesAnItemTwiceOnlyByItsWholeKey(t *testing.T) {
	seen := itemSet{}
	one, other := &table{name: "one"}, &table{name: "other"}
	for i, k := range []key{{[]byte("a"), []byte("b\x00c")}, {[]byte("a\x00b"), []byte("c")}, {[]byte("a"), nil}} {
		if seen.again(one, k) || seen.again(other, k) {
			t.Errorf("key %d is taken for another one", i)
		}
		if !seen.again(one, k) || !seen.again(other, k) {
			t.Errorf("key %d is not known again", i)
		}
	}
}
