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
	{"images", "a.webp", "image/webp", "genuine/cwebp.webp"},
	{"images", "IMG_1.HEIC", "image/heic", "genuine/phone.heic"},
	{"images", "a.heif", "image/heic", "genuine/heif-enc-10.heif"},
	{"images", "a.avif", "image/avif", "genuine/avifenc.avif"},
	{"images", "large.png", "image/png", ""}, // largePicture: by form, and read by a link in AWS
	{"media", "VID 1.mp4", "video/mp4", "genuine/ffmpeg-h264.mp4"},
	{"media", "a.mov", "video/quicktime", "genuine/ffmpeg-fragments.mov"},
	{"media", "a.m4a", "audio/mp4", "genuine/ffmpeg.m4a"},
	{"media", "a.wav", "audio/wav", "genuine/sox.wav"},
	{"documents", "a.pdf", "application/pdf", "genuine/qpdf.pdf"},
	{"documents", "a.zip", "application/zip", "genuine/infozip.zip"},
	{"documents", "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "genuine/own.docx"},
	{"documents", "a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "genuine/own.xlsx"},
	{"documents", "a.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", "genuine/own.pptx"},
	{"documents", "Notizen.txt", "text/plain", "genuine/notepad.txt"},
	{"documents", "a.csv", "text/csv", "genuine/excel.csv"},
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

// all is the named policy under which they run.
func all(t *testing.T) policy.Policy {
	t.Helper()
	p, named := policy.Named("all", 1<<40)
	if !named {
		t.Fatal("there is no policy all")
	}
	return p
}

// goInAndOut uploads of each kind a file of every extension, for each a file that is none, and one that no kind takes; lists,
// reads and deletes them.
func (c commands) goInAndOut(t *testing.T) {
	for name, kind := range all(t).Kinds {
		for _, extension := range kind.Extensions {
			if !slices.ContainsFunc(everyKind, func(r kindRow) bool {
				return r.kind == string(name) && strings.HasSuffix(strings.ToLower(r.name), "."+extension)
			}) {
				t.Errorf("everyKind has no row for .%s of %s", extension, name)
			}
		}
		t.Run(string(name), func(t *testing.T) {
			rows := slices.DeleteFunc(slices.Clone(everyKind), func(r kindRow) bool { return r.kind != string(name) })
			c.kindGoesInAndOut(t, string(name), rows)
		})
	}
}

func (c commands) kindGoesInAndOut(t *testing.T, kind string, rows []kindRow) {
	const stored, refused = "stored ", "rejected type_mismatch"
	folder, contents := t.TempDir(), map[string][]byte{}
	want := map[string]string{"refused.exe": "refused extension"}
	write(t, filepath.Join(folder, "refused.exe"), "MZ")
	for _, row := range rows {
		content := largePicture
		if row.sample != "" {
			content = func(t *testing.T) []byte { return sample(t, row.sample) }
		}
		liar := "false " + row.name
		contents[row.name], want[row.name], want[liar] = content(t), stored, refused
		write(t, filepath.Join(folder, row.name), string(contents[row.name]))
		write(t, filepath.Join(folder, liar), "MZ\x90\x00\x03\x00\x00\x00 I am a program")
	}

	ids, of := map[string][]string{}, map[string]string{}
	for line := range strings.Lines(c.run(t, 1, kind, "put", "--json", folder)) {
		var put struct{ File, Status, Code, ID string }
		check(t, json.Unmarshal([]byte(line), &put))
		base := filepath.Base(put.File)
		verdict := put.Status + " " + put.Code
		if verdict != want[base] {
			t.Errorf("put says of %s: %s, want %s", base, verdict, want[base])
		}
		ids[verdict], of[base] = append(ids[verdict], put.ID), put.ID
	}
	if len(of) != len(want) || len(ids[stored]) != len(rows) || len(ids[refused]) != len(rows) {
		t.Fatalf("put uploaded %v", ids)
	}
	for status, verdict := range map[string]string{"stored": stored, "rejected": refused} {
		out := c.run(t, 0, kind, "ls", "--status", status)
		for _, id := range ids[verdict] {
			if !strings.Contains(out, id) {
				t.Errorf("ls has no %s %s:\n%s", status, id, out)
			}
		}
	}
	for _, row := range rows {
		copies := t.TempDir()
		out := c.run(t, 0, kind, "get", "--to", copies, of[row.name])
		got, err := os.ReadFile(filepath.Join(copies, row.name))
		if err != nil || !bytes.Equal(got, contents[row.name]) || !strings.Contains(out, row.contentType) {
			t.Errorf("get wrote %d bytes of %d (%v), and says %s", len(got), len(contents[row.name]), err, out)
		}
		c.run(t, 1, kind, "get", "--to", copies, of["false "+row.name])
	}
	c.run(t, 0, kind, "rm", slices.Concat([]string{"--yes"}, ids[stored], ids[refused])...)
	for _, status := range []string{"stored", "rejected"} {
		if out := c.run(t, 0, kind, "ls", "--status", status); out != "" {
			t.Errorf("after rm ls has %s", out)
		}
	}
}

func TestEveryKindGoesInAndOutByTheCommandsOnDev(t *testing.T) {
	program := hatcheryProgram(t)
	token := write(t, filepath.Join(t.TempDir(), "token"), "demo\n")
	for name, args := range map[string][]string{"dev": {}, "dev --like-aws": {"--like-aws"}} {
		t.Run(name, func(t *testing.T) {
			_, ready := startDev(t, program, append(args, "--policy", "all")...)
			commands{program: program, url: ready.API, journal: "demo", entry: "kinds", token: token,
				env: bareEnvironment(t, "XDG_CACHE_HOME="+t.TempDir())}.goInAndOut(t)
		})
	}
}

// everyKindByTheCommands is the same on a deployed stack. The commands reach its API by a proxy, because the emulator
// tells its APIs apart by names that only its own client resolves, and the bucket by the address in forms and links.
func everyKindByTheCommands(t *testing.T, s *stack) {
	for _, function := range []string{"ApiFunction", "ValidatorFunction"} {
		s.misled(t, function, map[string]string{"HATCHERY_POLICY": "all"})
	}
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
