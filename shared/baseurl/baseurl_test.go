package baseurl

import (
	"strings"
	"testing"
)

func TestNewAcceptsOnlyAPlaceThatTokensMayGoTo(t *testing.T) {
	for _, c := range []struct{ base, problem string }{
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
			_, err := Parse("application", c.base)
			switch {
			case c.problem == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case c.problem != "" && err == nil:
				t.Errorf("accepted; want an error with %q", c.problem)
			case c.problem != "" && !strings.Contains(err.Error(), c.problem):
				t.Errorf("error %q does not say %q", err, c.problem)
			case err != nil && strings.Contains(err.Error(), "s3cret"):
				t.Errorf("error %q gives a secret away", err)
			}
		})
	}
}
