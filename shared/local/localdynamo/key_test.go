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
