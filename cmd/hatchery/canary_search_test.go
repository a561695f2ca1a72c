package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The tokens of callers that must be found nowhere afterwards. The second has the
// form that Bugout's have, so that its auth server is asked about it.
const (
	canary     = "canary51c0ffee93d7"
	canaryUUID = "ca9a47b1-51c0-4fee-93d7-0badcafe0001"
	// bait is in entries' and files' names: it is found wherever the search works.
	bait = "bait5e7e0f2a"
)

// pieces are what is searched for: each token's head and tail, as half a token is
// told, too.
func pieces() [][]byte {
	bare := strings.ReplaceAll(canaryUUID, "-", "")
	raw, _ := hex.DecodeString(bare) // it is hex
	all := [][]byte{raw}
	for _, token := range []string{canary, canaryUUID, bare} {
		all = append(all, []byte(token[:12]), []byte(token[len(token)-12:]))
	}
	return all
}

// needles are the forms of a piece: as it is, in hex, escaped for URLs and for JSON,
// all in lower case; and in base64 wherever in the coded text it begins.
func needles(piece []byte) (lower, exact [][]byte) {
	lower = [][]byte{bytes.ToLower(piece), []byte(hex.EncodeToString(piece))}
	for _, form := range []string{"%%%02x", `\u%04x`, `\x%02x`} {
		var b bytes.Buffer
		for _, c := range piece {
			fmt.Fprintf(&b, form, c)
		}
		lower = append(lower, b.Bytes())
	}
	for shift := range 3 {
		// Of the first and last group of three only whole ones do not depend on neighbours.
		rest := piece[(3-shift)%3:]
		exact = append(exact, []byte(base64.StdEncoding.EncodeToString(rest[:len(rest)/3*3])))
	}
	return lower, exact
}

var (
	base64Run  = regexp.MustCompile(`[A-Za-z0-9+/]{16,}`)
	percentRun = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	urlSafe    = strings.NewReplacer("-", "+", "_", "/")
)

// unwrapped gives a text, and what is in it packed by gzip, base64 or percent signs,
// so many times over.
func unwrapped(text []byte, times int, yield func([]byte)) {
	yield(text)
	if times == 0 {
		return
	}
	for at := 0; ; at += 2 {
		next := bytes.Index(text[at:], []byte{0x1f, 0x8b, 8})
		if next < 0 {
			break
		}
		at += next
		if z, err := gzip.NewReader(bytes.NewReader(text[at:])); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(z, 8<<20)) // what comes before the damage counts
			unwrapped(plain, times-1, yield)
		}
	}
	for _, alphabet := range [][]byte{text, []byte(urlSafe.Replace(string(text)))} {
		var decoded [][]byte
		for _, run := range base64Run.FindAll(alphabet, -1) {
			if len(run)%4 == 1 {
				run = run[:len(run)-1]
			}
			if plain, err := base64.RawStdEncoding.DecodeString(string(run)); err == nil {
				decoded = append(decoded, plain)
			}
		}
		if len(decoded) > 0 {
			unwrapped(bytes.Join(decoded, []byte("\n")), times-1, yield)
		}
	}
	if percentRun.Match(text) {
		unwrapped(percentRun.ReplaceAllFunc(text, func(escape []byte) []byte {
			c, _ := hex.DecodeString(string(escape[1:])) // the expression takes hex alone
			return c
		}), 0, yield)
	}
}

// search looks for the tokens in whatever it is given.
type search struct {
	t            *testing.T
	lower, exact [][]byte
	// baits counts, by place, the texts in which bait was found.
	baits map[string]int
	// quiet collects what is found, and is no fault.
	quiet *[]string
}

func newSearch(t *testing.T) *search {
	s := &search{t: t, baits: map[string]int{}}
	for _, piece := range pieces() {
		lower, exact := needles(piece)
		s.lower, s.exact = append(s.lower, lower...), append(s.exact, exact...)
	}
	return s
}

// look reports a token in a text, which is of a place: "objects" for instance.
func (s *search) look(place, where string, text []byte) {
	s.t.Helper()
	baited, found := false, false
	unwrapped(append([]byte(where+"\n"), text...), 3, func(plain []byte) {
		small := bytes.ToLower(plain)
		baited = baited || bytes.Contains(small, []byte(bait))
		if found {
			return
		}
		for _, needle := range s.lower {
			found = found || s.report(place, where, small, needle)
		}
		plain = []byte(urlSafe.Replace(string(plain)))
		for _, needle := range s.exact {
			found = found || s.report(place, where, plain, needle)
		}
	})
	if baited {
		s.baits[place]++
	}
}

func (s *search) report(place, where string, text, needle []byte) bool {
	s.t.Helper()
	at := bytes.Index(text, needle)
	if at < 0 {
		return false
	}
	if s.quiet != nil {
		*s.quiet = append(*s.quiet, place)
	} else {
		s.t.Errorf("a caller's token is in %s, %s: %q", place, where, text[max(0, at-100):min(len(text), at+100)])
	}
	return true
}

// listener is an HTTP client that looks into every answer that it gets.
type listener struct {
	*search
	place  string
	client *http.Client
}

func (l listener) Do(r *http.Request) (*http.Response, error) {
	l.t.Helper()
	res, err := l.client.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var header bytes.Buffer
	if err := res.Header.Write(&header); err != nil {
		return nil, err
	}
	if err := res.Trailer.Write(&header); err != nil {
		return nil, err
	}
	l.look(l.place, fmt.Sprintf("the answer %s to %s %s", res.Status, r.Method, r.URL.Path),
		append(header.Bytes(), body...))
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// TestATokenIsFoundInEveryForm: a search that finds nothing proves nothing by itself.
func TestATokenIsFoundInEveryForm(t *testing.T) {
	packed := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	std, raw := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString
	escaped := func(form, text string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
	bareUUID, _ := hex.DecodeString(strings.ReplaceAll(canaryUUID, "-", ""))
	forms := map[string]string{"nothing": "", "half": "canary51c0ff", "raw UUID": string(bareUUID),
		"raw UUID in base64": raw(bareUUID)}
	for _, token := range []string{canary, canaryUUID, strings.ReplaceAll(canaryUUID, "-", "")} {
		for shift := range 3 {
			before := strings.Repeat("~", shift)
			forms["base64 "+token+before] = std([]byte(before + token + "~~~"))
			forms["base64 for URLs "+token+before] = "path/" + raw([]byte(before+token+"~~~"))
			forms["base64 twice "+token+before] = std([]byte(`{"a":"` + std([]byte(before+token)) + `"}`))
		}
		for name, form := range map[string]string{"plain": token, "upper": strings.ToUpper(token),
			"percent": escaped("%%%02X", token), "JSON": escaped(`\u%04x`, token),
			"hex": escaped("%02X", token), "gzip": "x\x1f\x8b" + packed(token),
			"gzip in base64": std([]byte(packed(token))), "base64 in gzip": packed(std([]byte(token))),
			"base64 in a URL": strings.ReplaceAll(std([]byte(token+"?>")), "=", "%3D")} {
			forms[name+" "+token] = form
		}
	}
	for name, form := range forms {
		var found []string
		s := newSearch(t)
		s.quiet = &found
		s.look(name, "", []byte("before \x00\""+form+"\" after"))
		if (len(found) > 0) != (form != "") {
			t.Errorf("%s: %q: found %v", name, form, found)
		}
	}
}
