package deadletter

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"hatchery/shared/arrival"
)

func TestAGroupIsTheErrorWithoutItsIDs(t *testing.T) {
	for text, want := range map[string]string{
		denied: `denied: open object "…" version …: s3 get: S3: GetObject, StatusCode: 403, AccessDenied: Access Denied`,
		`read tcp 10.1.2.3:44321->52.1.1.1:443: connection reset by peer`:                                                `denied: read tcp …->…: connection reset by peer`,
		`dial tcp [2001:db8::1]:443: i/o timeout`:                                                                        `denied: dial tcp …: i/o timeout`,
		`dial tcp: lookup s3.eu-central-1.amazonaws.com on 10.0.0.2:53: no`:                                              `denied: dial tcp: lookup … on …: no`,
		`at 2026-03-04T12:00:00.123Z it had 5 of 17 bytes`:                                                               `denied: at … it had … of … bytes`,
		"dial tcp 10.1.2.3:443: refused\nfailed to get rate limit token, retry quota exceeded, 4 available, 5 requested": "denied: dial tcp …: refused",
		"panic: \x1b[31mboo\nhoo":                                                 `denied: panic: […mboo hoo`,
		`the copy's SHA-256 "abc" is not "def`:                                    `denied: the copy's SHA-256 "…" is not "…"`,
		`tell that upload j/entries/e/images/0195600d-0000-7000-8000-1 is stored`: `denied: tell that upload … is stored`,
	} {
		if got := groupOf(Denied, text); got != want {
			t.Errorf("%q is grouped as\n%q, want\n%q", text, got, want)
		}
	}
}

func TestAGroupThatIsCutSaysSo(t *testing.T) {
	for words, cut := range map[int]bool{10: false, 100: true} {
		group := groupOf(Denied, strings.Repeat("word ", words))
		if strings.HasSuffix(group, "…") != cut || len(group) > maxGroupBytes {
			t.Errorf("%d words are grouped as %q", words, group)
		}
	}
}

func FuzzGroupsAreBoundedLinesThatGroupAsThemselves(f *testing.F) {
	f.Add(denied)
	f.Add(unavailable)
	f.Add(`version version 1234567890123456 "`)
	f.Add("a/entries/b/entries/c \\\" '……' 1,2.3,4 (5) =6")
	f.Add(strings.Repeat("é1 ", 100))
	f.Add("RequestID: RequestID: HostID: , api error api error operation error x")
	f.Fuzz(func(t *testing.T, text string) {
		group := groupOf(Unknown, text)
		if len(group) > maxGroupBytes || !utf8.ValidString(group) || strings.ContainsFunc(group, func(r rune) bool {
			return !unicode.IsPrint(r)
		}) {
			t.Errorf("%q is grouped as %q", text, group)
		}
		if again := groupOf(Unknown, strings.TrimPrefix(group, "unknown: ")); again != group {
			t.Errorf("%q is grouped as\n%q, and that as\n%q", text, group, again)
		}
	})
}

// errorForms are texts of errors with the ids of an upload, each with what makes the id: an upload's id and a version,
// a request, an address, a number.
var errorForms = []string{
	`open object "quarantine/%[2]s/entries/%[2]s/images/%[1]s" version %[3]s: s3 get: operation error S3: GetObject, https ` +
		`response error StatusCode: 403, RequestID: %[4]s, HostID: %[5]s, api error AccessDenied: Access Denied`,
	`get record %[2]s/entries/%[2]s/images/%[1]s: operation error DynamoDB: GetItem, https response error StatusCode: 0, ` +
		`RequestID: %[4]s, request send failed, Post "http://%[6]s/%[3]s": dial tcp %[6]s: connect: connection refused`,
	`tell that upload %[2]s/entries/%[2]s/images/%[1]s is stored: put an event on the bus b: RequestID: %[4]s`,
	`resource %[1]s of upload %[1]s: it has %[7]d bytes of %[7]d at 2026-03-04T12:00:%[7]d`,
}

func FuzzNoIDOfAnUploadRemainsInItsGroup(f *testing.F) {
	f.Add(uint64(1), uint64(2), "journal")
	f.Add(uint64(1<<63), uint64(77777), "AccessDenied")
	f.Fuzz(func(t *testing.T, a, b uint64, journal string) {
		if journal == "" || len(journal) > 64 || strings.ContainsFunc(journal, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		}) {
			return
		}
		fill := func(form string, a, b uint64, journal string) string {
			return fmt.Sprintf(form+"%[8]s", fmt.Sprintf("%08x-%04x-7000-8000-%012x", uint32(a), uint16(a>>32), b&0xffffffffffff),
				journal, fmt.Sprintf("v%dx.%x", a, b), fmt.Sprintf("%016X", a), fmt.Sprintf("E/%x+%x=", a, b),
				fmt.Sprintf("%d.%d.%d.%d:%d", byte(a), byte(a>>8), byte(b), byte(b>>8), uint16(b)), a%100000, "")
		}
		for _, form := range errorForms {
			if x, y := groupOf(Unknown, fill(form, a, b, journal)), groupOf(Unknown, fill(form, 12345, 67890, "j")); x != y {
				t.Errorf("two uploads that failed of the same are\n%q and\n%q", x, y)
			}
		}
	})
}

func FuzzAPoisonedBodyIsShownSafely(f *testing.F) {
	f.Add(`{"Records": [{"eventVersion": nope}]}`)
	f.Add("\x1b]0;title\x07{\xff\xfe\u202e")
	f.Add("{")
	f.Fuzz(func(t *testing.T, body string) {
		parsed, err := arrival.Parse([]byte(body))
		d := diagnose(evidence{body: body, parsed: parsed, unreadable: err})
		if err != nil && d.Cause != Poison {
			t.Errorf("%q is diagnosed as %+v", body, d)
		}
		for _, text := range []string{d.Sentence, d.Group} {
			if len(text) > 1000 || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q is shown as %q", body, text)
			}
		}
		if _, err := json.Marshal(d); err != nil {
			t.Error(err)
		}
	})
}
