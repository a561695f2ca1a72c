package access

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestNewAcceptsOnlyAPlaceThatTokensMayGoTo(t *testing.T) {
	for _, c := range []struct{ base, fault string }{
		{"https://notes.example.com", ""},
		{"https://notes.example.com/", ""},
		{"https://notes.example.com:8443/api/v1", ""},
		{"https://203.0.113.7", ""},
		{"HTTPS://NOTES.EXAMPLE.COM", ""},
		{"http://127.0.0.1:7191", ""},
		{"http://[::1]:7191/", ""},
		{"http://[::ffff:127.0.0.1]", ""},
		{"http://10.1.2.3", ""},
		{"http://172.17.0.1:7191", ""},
		{"http://192.168.1.5", ""},
		{"http://[fd00::1]", ""},
		{"http://localhost:7191", ""},
		{"http://application:7191", ""},
		{"http://host.docker.internal:7191", ""},
		{"http://notes.localhost", ""},
		{"http://printer.local.", ""},

		{"", `scheme ""`},
		{"notes.example.com", `scheme ""`},
		{"notes.example.com:443", `scheme "notes.example.com"`},
		{"ftp://notes.example.com", `scheme "ftp"`},
		{"file:///etc/passwd", `scheme "file"`},
		{"https://", "no host"},
		{"https:notes.example.com", "no host"},
		{"https://:443", "no host"},
		{"https://notes.example.com:0", "port 0"},
		{"https://notes.example.com:65536", "port 65536"},
		{"https://me:s3cret@notes.example.com", "holds a user"},
		{"https://me@notes.example.com", "holds a user"},
		{"https://notes.example.com?token=s3cret", "holds a query"},
		{"https://notes.example.com?", "holds a query"},
		{"https://notes.example.com#s3cret", "holds a fragment"},
		{"https://notes.example.com#", "holds a fragment"},
		{"https://notes example.com", "not a URL"},
		{"https://me:s3cret@notes example.com", "not a URL"},
		{"http://notes.example.com", "in clear"},
		{"http://203.0.113.7", "in clear"},
		{"http://0.0.0.0", "in clear"},
		{"http://169.254.169.254", "in clear"},
		{"http://[fe80::1]", "in clear"},
		{"http://localhost.example.com", "in clear"},
		{"http://internal.example.com", "in clear"},
	} {
		t.Run(c.base, func(t *testing.T) {
			_, err := New(c.base, nil)
			switch {
			case c.fault == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case c.fault != "" && err == nil:
				t.Errorf("accepted; want a fault with %q", c.fault)
			case c.fault != "" && !strings.Contains(err.Error(), c.fault):
				t.Errorf("fault %q does not say %q", err, c.fault)
			case err != nil && strings.Contains(err.Error(), "s3cret"):
				t.Errorf("fault %q gives a secret away", err)
			}
		})
	}
}

func TestNewRefusesNegativeBounds(t *testing.T) {
	for _, o := range []Options{{Timeout: -1}, {MaxBody: -1}, {GrantLife: -1}, {MaxGrants: -1}} {
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
		asked, err := url.Parse(a.question(journal, entry))
		if err != nil {
			t.Fatalf("New took %q, but its question is no URL: %v", base, err)
		}
		if asked.Host != set.Host || asked.Scheme != set.Scheme || asked.User != nil || asked.RawQuery != "" || asked.Fragment != "" {
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
	for _, seed := range []string{"", "7", "-1", "99999999999999999999", "Fri, 02 Jan 2026 03:05:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "0x7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := retryAfter(value, now)
		if got < 0 || got > time.Hour || got%time.Second != 0 {
			t.Fatalf("%q: wait %s", value, got)
		}
	})
}
