package wording_test

import (
	"testing"
	"time"

	"hatchery/shared/wording"
)

func TestNumbersAndTimesAreWrittenForAPerson(t *testing.T) {
	for got, want := range map[string]string{
		wording.Grouped(0): "0", wording.Grouped(999): "999", wording.Grouped(1234567): "1,234,567",
		wording.Grouped(-123456): "-123,456", wording.Grouped(-1234): "-1,234",
		wording.Sprintf("%d of %d, %02x, %s %5.1f", 1234567, int64(98765), 10, "a", 1234.5): "1,234,567 of 98,765, 0a, a 1234.5",
		wording.ShellWord("a/b.c"): "a/b.c", wording.ShellWord("a b'c"): `'a b'\''c'`, wording.ShellWord(""): "''",
		wording.Count(1, "record"): "1 record", wording.Count(2000, "record"): "2,000 records",
		wording.List([]string{"png"}): "png", wording.List([]string{"png", "gif", "bmp"}): "png, gif, bmp",
		wording.Age(-time.Second): "0s", wording.Age(59 * time.Second): "59s", wording.Age(90 * time.Second): "1m 30s",
		wording.Age(25 * time.Hour): "1d 1h", wording.Age(3*time.Hour + 5*time.Minute): "3h 5m",
		wording.Ordinal(1): "1st", wording.Ordinal(12): "12th", wording.Ordinal(22): "22nd", wording.Ordinal(103): "103rd",
		wording.Stamp(time.Date(2026, 1, 2, 5, 4, 5, 6, time.FixedZone("", 3600))): "2026-01-02T04:04:05Z",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
