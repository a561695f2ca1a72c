package access

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestNewRefusesWhatHasNoBound(t *testing.T) {
	for _, o := range []Options{{GrantLife: -1}, {Bugout: "https://auth.example.com"},
		{Bugout: "https://auth.example.com", BugoutRequests: make(chan struct{})}} {
		if _, err := New("https://notes.example.com", &o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// Looked at from inside, because http.ProxyFromEnvironment remembers the
// environment of its first call: setting variables in a test proves nothing.
func TestProxyVariablesAreNotUsed(t *testing.T) {
	a, err := New("https://notes.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.transport.Proxy != nil {
		t.Error("the transport asks somebody for a proxy")
	}
}

// FuzzQuestion: whatever the setting and the ids are, a question goes to the
// host that was set, and its ids are the segments they should be.
func FuzzQuestion(f *testing.F) {
	f.Add("https://notes.example.com/api/", "j", "e")
	f.Add("http://127.0.0.1:7191", "a/../b", "..")
	f.Add("https://h/%2F?x#y", "a?b#c", "%2e%2e")
	f.Add("http://u:p@[::1%25lo]:80//", "\xff", "\x00")
	f.Fuzz(func(t *testing.T, base, journal, entry string) {
		a, err := New(base, nil)
		if err != nil || !isSegment(journal) || !isSegment(entry) {
			return
		}
		set, err := url.Parse(base)
		if err != nil {
			t.Fatalf("New took %q, which is no URL: %v", base, err)
		}
		asked, err := url.Parse(a.entryURL(journal, entry))
		if err != nil {
			t.Fatalf("New took %q, but its question is no URL: %v", base, err)
		}
		if asked.Host != set.Host || asked.Scheme != set.Scheme || asked.User != nil || asked.RawQuery != "" ||
			asked.Fragment != "" {
			t.Fatalf("set %q, asked %q", base, asked)
		}
		want := "/journals/" + journal + "/entries/" + entry
		segments := strings.Split(asked.EscapedPath(), "/")
		if !strings.HasSuffix(asked.Path, want) || len(segments) < 5 {
			t.Fatalf("asked %q of %q", asked.Path, want)
		}
		got, err := url.PathUnescape(segments[len(segments)-3])
		if err != nil || got != journal {
			t.Fatalf("journal %q became %q in %q", journal, got, asked.EscapedPath())
		}
	})
}

// FuzzRetryAfter: whatever the application says, the wait is bounded and whole.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, seed := range []string{"", "7", "-1", "99999999999999999999", "Fri, 02 Jan 2026 03:05:00 GMT",
		"Fri, 31 Dec 9999 23:59:59 GMT", "0x7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := retryAfter(value, now)
		if got < 0 || got > time.Hour || got%time.Second != 0 {
			t.Fatalf("%q: wait %s", value, got)
		}
	})
}
