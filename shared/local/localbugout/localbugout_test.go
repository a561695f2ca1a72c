package localbugout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
)

const (
	app        = "4bf67555-b4f3-4a2e-95ff-7142d49d167b"
	member     = "11111111-1111-4111-8111-111111111111"
	stranger   = "22222222-2222-4222-8222-222222222222"
	restricted = "33333333-3333-4333-8333-333333333333"
	revoked    = "44444444-4444-4444-8444-444444444444"
	unknown    = "55555555-5555-4555-8555-555555555555"
)

// brood is a stand-in and a client without a mind of its own.
type brood struct {
	*testing.T
	*localbugout.Server
	client *http.Client
	token  string
}

func open(t *testing.T, change func(*localbugout.Options)) *brood {
	t.Helper()
	o := localbugout.Options{Listen: "127.0.0.1:0", Application: app,
		Tokens: map[string]localbugout.Role{member: localbugout.Member, stranger: localbugout.Stranger,
			restricted: localbugout.Restricted, revoked: localbugout.Revoked}}
	o.SetNow(func() time.Time { return time.Date(2026, 11, 22, 23, 48, 54, 129967000, time.UTC) })
	if change != nil {
		change(&o)
	}
	s, err := localbugout.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &brood{T: t, Server: s, token: "Bearer " + member, client: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	status int
	header http.Header
	text   string
}

func (b *brood) ask(ctx context.Context, method, path, body string, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, b.URL()+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", b.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	response, err := b.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, strings.TrimSpace(string(text))}, err
}

func (b *brood) call(method, path, body string, header ...string) answer {
	b.Helper()
	got, err := b.ask(b.Context(), method, path, body, header...)
	if err != nil {
		b.Fatal(err)
	}
	return got
}

// want checks a status and a part of the body.
func (b *brood) want(got answer, status int, part string) answer {
	b.Helper()
	if got.status != status || !strings.Contains(got.text, part) {
		b.Fatalf("%d %s, want %d with %s", got.status, got.text, status, part)
	}
	return got
}

func (b *brood) create(data string) string {
	b.Helper()
	got := b.want(b.call("POST", "/resources/", `{"application_id":"`+app+`","resource_data":`+data+`}`), 200, `"id":`)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(got.text), &made); err != nil {
		b.Fatal(err)
	}
	return made.ID
}

func TestDataComesBackAsJSONBKeepsIt(t *testing.T) {
	b := open(t, nil)
	for data, want := range map[string]string{
		`{"longer":1,"b":2,"a":3}`:               `{"a":3,"b":2,"longer":1}`,
		`{"a":1,"a":2}`:                          `{"a":2}`,
		`{"a":1e3,"b":123456789012345678901234}`: `{"a":1000.0,"b":123456789012345678901234}`,
		`{"a":null,"b":[1,{"c":true}],"d":{}}`:   `{"a":null,"b":[1,{"c":true}],"d":{}}`,
		`{}`:                                     `{}`,
	} {
		got := b.call("GET", "/resources/"+b.create(data), "")
		b.want(got, 200, `"resource_data":`+want+`,"created_at":"2026-11-22T23:48:54.129967+00:00"`)
	}
	for _, data := range []string{`{"a":"x\u0000y"}`, `{"a":NaN}`, `{"a":1e999}`} {
		b.want(b.call("POST", "/resources/", `{"application_id":"`+app+`","resource_data":`+data+`}`), 500,
			"Internal Server Error")
	}
}

func TestATimeWithoutFractionHasNoDecimals(t *testing.T) {
	b := open(t, func(o *localbugout.Options) {
		o.SetNow(func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) })
	})
	b.want(b.call("GET", "/resources/"+b.create(`{}`), ""), 200, `"created_at":"2026-01-02T03:04:05+00:00"`)
}

func TestRefusalsOfACreation(t *testing.T) {
	b := open(t, nil)
	for _, c := range []struct {
		body   string
		status int
		part   string
		header []string
	}{
		{`{"application_id":"` + unknown + `","resource_data":{}}`, 404, `{"detail":"Not found"}`, nil},
		{`{"application_id":"x","resource_data":{}}`, 422, `"type":"type_error.uuid"`, nil},
		{`{"resource_data":{}}`, 422, `"application_id"`, nil},
		{`{"application_id":"` + app + `"}`, 422, `"resource_data"`, nil},
		{`{"application_id":"` + app + `","resource_data":[]}`, 422, `"resource_data"`, nil},
		{`{`, 422, `"detail":[`, nil},
		{`{"application_id":"` + app + `","resource_data":{}}`, 422, `"detail":[`,
			[]string{"Content-Type", "application/x-www-form-urlencoded"}},
		{`{"application_id":"` + app + `","resource_data":{}}`, 403, `{"detail":"Forbidden"}`,
			[]string{"Authorization", "Bearer " + stranger}},
		{`{"application_id":"` + app + `","resource_data":{}}`, 200, `"id":`, []string{"Content-Type", ""}},
	} {
		b.want(b.call("POST", "/resources/", c.body, c.header...), c.status, c.part)
	}
}

func TestListsAreFilteredByText(t *testing.T) {
	b := open(t, nil)
	b.create(`{"name":"cat","size":12345,"ok":true,"none":null,"list":["a","b"],"deep":{"x":1}}`)
	for query, found := range map[string]bool{
		"": true, "name=cat": true, "name=Cat": false, "size=12345": true, "size=12345.0": false, "ok=true": true,
		"ok=True": false, "none=null": false,
		"list=" + url.QueryEscape(`["a", "b"]`): true, "x=1": false, "limit=1": false, "name=cat&size=1": false,
		"name=dog&name=cat":     true,
		"application_id=" + app: true, "application_id=" + unknown: false, "application_id=" + app + "&name=cat": true,
	} {
		got := b.call("GET", "/resources/?"+query, "")
		if b.want(got, 200, `{"resources":[`); strings.Contains(got.text, `"name"`) != found {
			t.Errorf("%s: %s", query, got.text)
		}
	}
	b.want(b.call("GET", "/resources/?application_id=x", ""), 500, "")
	if got := b.call("GET", "/resources/", "", "Authorization", "Bearer "+stranger); got.text != `{"resources":[]}` {
		t.Errorf("a stranger sees %s", got.text)
	}
}

func TestUpdatesMergeAndDrop(t *testing.T) {
	b := open(t, nil)
	path := "/resources/" + b.create(`{"a":1,"b":{"x":1},"c":3}`)
	b.want(b.call("PUT", path, `{"update":{"b":{"y":2},"d":null},"drop_keys":["c","zz"]}`), 200,
		`{"a":1,"b":{"y":2},"d":null}`)
	b.want(b.call("PUT", path, `{"update":{"a":5},"drop_keys":["a"]}`), 200, `{"b":{"y":2},"d":null}`)
	b.want(b.call("PUT", path, `{"update":{}}`), 200, `{"b":{"y":2},"d":null}`)
	b.want(b.call("PUT", path, `{"drop_keys":[]}`), 422, `"update"`)
	b.want(b.call("PUT", path, `{"update":{}}`, "Authorization", "Bearer "+stranger), 404, `{"detail":"Not Found"}`)
}

func TestWhatIsDeletedIsGone(t *testing.T) {
	b := open(t, nil)
	path := "/resources/" + b.create(`{"a":1}`)
	b.want(b.call("DELETE", path, "", "Authorization", "Bearer "+stranger), 404, `{"detail":"Not Found"}`)
	b.want(b.call("DELETE", path, ""), 200, `{"a":1}`)
	for _, method := range []string{"DELETE", "GET"} {
		b.want(b.call(method, path, ""), 404, `{"detail":"Not Found"}`)
	}
	b.want(b.call("GET", "/resources/no-uuid", ""), 422, `"detail":[`)
}

func TestOtherRoutes(t *testing.T) {
	b := open(t, nil)
	path := "/resources/" + b.create(`{}`)
	for _, from := range []string{"/resources?a=b", path + "/"} {
		got := b.want(b.call("GET", from, ""), 307, "")
		if to := got.header.Get("Location"); !strings.HasPrefix(to, b.URL()+"/resources/") {
			t.Errorf("%s is redirected to %s", from, to)
		}
	}
	b.want(b.call("GET", "/ping", ""), 200, `{"status":"ok"}`)
	b.want(b.call("GET", "/resources/version", ""), 200, `{"version":"0.3.0"}`)
	for _, c := range [][3]string{{"PATCH", path, "GET"}, {"HEAD", path, "GET"}, {"POST", path, "GET"},
		{"PUT", "/resources/", "POST"}, {"PUT", path + "/holders", "POST"}, {"POST", "/ping", "GET"},
		{"POST", "/auth", "GET"}, {"PUT", "/applications", "POST"}} {
		got := b.call(c[0], c[1], "", "Authorization", "")
		if got.status != 405 || got.header.Get("Allow") != c[2] ||
			c[0] != "HEAD" && got.text != `{"detail":"Method Not Allowed"}` {
			t.Errorf("%s %s: %d %s, allowed is %q, want %q", c[0], c[1], got.status, got.text, got.header.Get("Allow"), c[2])
		}
	}
	b.want(b.call("GET", "/nothing", ""), 404, `{"detail":"Not Found"}`)
}

func TestAnApplicationIsMadeInAGroupOfTheCallers(t *testing.T) {
	b := open(t, nil)
	const group = "7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10"
	register := func(token, group string) answer {
		return b.call("POST", "/applications", url.Values{"group_id": {group}, "name": {"pictures"}}.Encode(),
			"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Bearer "+token)
	}
	for name, c := range map[string][2]string{"an unknown group": {member, unknown}, "a foreign group": {stranger, group}} {
		if got := register(c[0], c[1]); got.status != 404 || got.text !=
			`{"detail":"No group with that group id or you do not have permission to view this resource"}` {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	b.want(register(member, "mine"), 422, "group_id")
	b.want(register(restricted, group), 403, `"Restricted tokens are not authorized to create applications."`)
	made := b.want(register(member, group), 200, `"name":"pictures"`)
	var application struct{ ID string }
	if err := json.Unmarshal([]byte(made.text), &application); err != nil {
		t.Fatal(err)
	}
	b.want(b.call("POST", "/resources/", `{"application_id":"`+application.ID+`","resource_data":{}}`), 200, "")
	b.want(b.call("POST", "/applications", "", "Content-Type", "application/x-www-form-urlencoded"), 422, "group_id")
}

func TestWhatWasAnsweredOutlivesACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "brood.jsonl")
	keep := func(o *localbugout.Options) { o.Path = path }
	first := open(t, keep)
	kept, gone := first.create(`{"a":"1","é":1e3}`), first.create(`{"b":2}`)
	first.want(first.call("PUT", "/resources/"+kept, `{"update":{"a":"2"}}`), 200, "")
	first.want(first.call("DELETE", "/resources/"+gone, ""), 200, "")
	before := first.call("GET", "/resources/", "")
	// The process ends within the next line.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, `{"resource":{"id":"half`...), 0o600); err != nil {
		t.Fatal(err)
	}
	second := open(t, keep)
	if after := second.call("GET", "/resources/", ""); after.text != before.text {
		t.Errorf("before %s\nafter  %s", before.text, after.text)
	}
	third := second.create(`{}`)
	again := open(t, keep)
	again.want(again.call("GET", "/resources/"+third, ""), 200, "")
}

// TestAReaderSeesAllAndChangesNothing: a user outside of the group who was given read.
func TestAReaderSeesAllAndChangesNothing(t *testing.T) {
	b := open(t, nil)
	path := "/resources/" + b.create(`{"a":1}`)
	b.SetRole(stranger, localbugout.Reader)
	b.token = "Bearer " + stranger
	b.want(b.call("GET", path, ""), 200, `{"a":1}`)
	b.want(b.call("GET", "/resources/?a=1", ""), 200, `{"a":1}`)
	b.want(b.call("POST", "/resources/", `{"application_id":"`+app+`","resource_data":{}}`), 403, `{"detail":"Forbidden"}`)
	b.want(b.call("PUT", path, `{"update":{"a":2}}`), 404, `{"detail":"Not Found"}`)
	b.want(b.call("DELETE", path, ""), 404, `{"detail":"Not Found"}`)
	b.want(b.call("GET", path, ""), 200, `{"a":1}`)
}

func FuzzCreate(f *testing.F) {
	for _, seed := range []string{`{"a":1e3,"b":[null,true,"x"],"":{"\u00e9":-0}}`, `{"a":"\u0000"}`, `{"a":1.10}`, `[]`,
		`{"a":NaN}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := localbugout.Normal(data)
		if err != nil {
			return
		}
		again, err := localbugout.Normal(first)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("%s became %s, and then %s, %v", data, first, again, err)
		}
	})
}
