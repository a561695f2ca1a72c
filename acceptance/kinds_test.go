//go:build acceptance

package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
)

type kindRow struct{ kind, name, contentType, sample string }

// everyKind has a genuine file for each extension of each kind: a row more is all that another one needs.
var everyKind = []kindRow{
	{"images", "Bild 1.PNG", "image/png", "genuine/go-nrgba.png"},
	{"images", "Größe.jpg", "image/jpeg", "genuine/go.jpg"},
	{"images", "Größe.jpeg", "image/jpeg", "genuine/ffmpeg.jpg"},
	{"images", "a.bmp", "image/bmp", "genuine/gd.bmp"},
	{"images", "a.gif", "image/gif", "genuine/go.gif"},
	{"images", "large.png", "image/png", ""}, // largePicture: by form, and read by a link in AWS
}

// commands are put, get, ls and rm, as a caller of one API types them.
type commands struct {
	program, url, journal, entry, token string
	env                                 []string
}

// run runs one of them about a kind, and wants an exit code.
func (c commands) run(t *testing.T, code int, kind, name string, args ...string) string {
	t.Helper()
	r := run(t, command{env: c.env, args: append([]string{c.program, name, "--url", c.url, "--journal", c.journal, "--entry",
		c.entry, "--kind", kind, "--token-file", c.token}, args...)})
	if r.code != code {
		t.Fatalf("want exit %d: %s", code, r)
	}
	return r.stdout
}

// goInAndOut uploads a file of every kind, a file with a false extension for each, and one that no kind takes; lists,
// reads and deletes them.
func (c commands) goInAndOut(t *testing.T) {
	for name, kind := range policy.Default().Kinds {
		for _, extension := range kind.Extensions {
			if !slices.ContainsFunc(everyKind, func(r kindRow) bool {
				return r.kind == string(name) && strings.HasSuffix(strings.ToLower(r.name), "."+extension)
			}) {
				t.Errorf("everyKind has no row for .%s of %s", extension, name)
			}
		}
	}
	for _, row := range everyKind {
		t.Run(row.kind+" "+row.name, func(t *testing.T) {
			folder, liar := t.TempDir(), "false"+filepath.Ext(row.name)
			var content []byte
			if row.sample == "" {
				content = largePicture(t)
			} else {
				content = sample(t, row.sample)
			}
			write(t, filepath.Join(folder, row.name), string(content))
			write(t, filepath.Join(folder, liar), "#!/bin/sh\necho I am a script\n")
			write(t, filepath.Join(folder, "refused.exe"), "MZ")

			ids := map[string]string{}
			for line := range strings.Lines(c.run(t, 1, row.kind, "put", "--json", folder)) {
				var put struct{ File, Status, Code, ID string }
				check(t, json.Unmarshal([]byte(line), &put))
				base := filepath.Base(put.File)
				want := map[string]string{row.name: "stored ", liar: "rejected type_mismatch", "refused.exe": "refused extension"}
				if got := put.Status + " " + put.Code; got != want[base] {
					t.Errorf("put says of %s: %s, want %s", base, got, want[base])
				}
				ids[base] = put.ID
			}
			if len(ids) != 3 || ids[row.name] == "" || ids[liar] == "" {
				t.Fatalf("put uploaded %v", ids)
			}
			for status, id := range map[string]string{"stored": ids[row.name], "rejected": ids[liar]} {
				if out := c.run(t, 0, row.kind, "ls", "--status", status); !strings.Contains(out, id) {
					t.Errorf("ls has no %s %s:\n%s", status, id, out)
				}
			}
			copies := t.TempDir()
			out := c.run(t, 0, row.kind, "get", "--to", copies, ids[row.name])
			got, err := os.ReadFile(filepath.Join(copies, row.name))
			if err != nil || !bytes.Equal(got, content) || !strings.Contains(out, row.contentType) {
				t.Errorf("get wrote %d bytes of %d (%v), and says %s", len(got), len(content), err, out)
			}
			c.run(t, 1, row.kind, "get", "--to", copies, ids[liar])
			c.run(t, 0, row.kind, "rm", "--yes", ids[row.name], ids[liar])
			for _, status := range []string{"stored", "rejected"} {
				if out := c.run(t, 0, row.kind, "ls", "--status", status); out != "" {
					t.Errorf("after rm ls has %s", out)
				}
			}
		})
	}
}

func TestEveryKindGoesInAndOutByTheCommandsOnDev(t *testing.T) {
	program := hatcheryProgram(t)
	token := write(t, filepath.Join(t.TempDir(), "token"), "demo\n")
	for name, args := range map[string][]string{"dev": nil, "dev --like-aws": {"--like-aws"}} {
		t.Run(name, func(t *testing.T) {
			_, ready := startDev(t, program, args...)
			commands{program: program, url: ready.API, journal: "demo", entry: "kinds", token: token,
				env: bareEnvironment(t, "XDG_CACHE_HOME="+t.TempDir())}.goInAndOut(t)
		})
	}
}

// everyKindByTheCommands is the same on a deployed stack. The commands reach its API by a proxy, because the emulator
// tells its APIs apart by names that only its own client resolves, and the bucket by the address in forms and links.
func everyKindByTheCommands(t *testing.T, s *stack) {
	e := s.newEntry()
	to, err := url.Parse(s.api)
	check(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Transport: s.http.Transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = to.Host
	}})
	t.Cleanup(proxy.Close)
	commands{program: hatcheryProgram(t), url: proxy.URL, journal: e.journal, entry: e.id,
		token: write(t, filepath.Join(t.TempDir(), "token"), fmt.Sprintln(e.token)),
		env:   bareEnvironment(t, "SSL_CERT_FILE="+s.identity.authority, "XDG_CACHE_HOME="+t.TempDir())}.goInAndOut(t)
}
