package api_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"hatchery/shared/api"
	"hatchery/shared/upload"
)

// brokenStores fails always, with an error whose text is a secret.
type brokenStores struct {
	upload.Records
	upload.Downloads
}

var errInternals = errors.New("secret internals of a store")

func (brokenStores) Atomic() bool { return true }

func (brokenStores) Get(context.Context, upload.Ref) (upload.Record, error) {
	return upload.Record{}, errInternals
}

func (brokenStores) Create(context.Context, upload.Record, *upload.IdempotencyKey) (upload.Record, error) {
	return upload.Record{}, errInternals
}

func (brokenStores) List(context.Context, upload.Query) (upload.Page, error) {
	return upload.Page{}, errInternals
}

func (brokenStores) ReadRange(context.Context, upload.Key, upload.Version, int64, int64) (io.ReadCloser, error) {
	return nil, errInternals
}

func (brokenStores) Sign(context.Context, upload.FormRequest) (upload.Form, error) {
	return upload.Form{}, errInternals
}

func (brokenStores) Link(context.Context, upload.Link) (string, error) { return "", errInternals }

func (brokenStores) Update(context.Context, upload.Ref, upload.Transition) (upload.Record, error) {
	return upload.Record{}, errInternals
}

func brokenRecords(w *fixture) { w.pipeline.Records = brokenStores{} }

// fullRecords fail as a store does whose disk is full.
type fullRecords struct{ brokenStores }

var errFull = fmt.Errorf("secret internals of a store: %w", syscall.ENOSPC)

func (fullRecords) Get(context.Context, upload.Ref) (upload.Record, error) {
	return upload.Record{}, errFull
}

func (fullRecords) Create(context.Context, upload.Record, *upload.IdempotencyKey) (upload.Record, error) {
	return upload.Record{}, errFull
}

func (fullRecords) Update(context.Context, upload.Ref, upload.Transition) (upload.Record, error) {
	return upload.Record{}, errFull
}

func (fullRecords) List(context.Context, upload.Query) (upload.Page, error) {
	return upload.Page{}, errFull
}

func cors(origins ...string) func(*fixture) {
	return func(w *fixture) { w.config.CORSOrigins = origins }
}

// allowing allows one origin besides those that were set.
func allowing(origin string) func(*fixture) {
	return func(w *fixture) { w.config.AllowOrigin = func(asked string) bool { return asked == origin } }
}

// everyRoute is one proper request for every route that needs Authorization.
func everyRoute() []exchange {
	return []exchange{
		{name: "list", method: "GET", path: files},
		{name: "post", method: "POST", path: named("cat.png"), body: "bytes"},
		{name: "form", method: "POST", path: files + "/uploads", body: `{"name":"cat.png"}`,
			header: []string{"Content-Type", "application/json"}},
		{name: "serve", method: "GET", path: files + "/" + idStored},
		{name: "head", method: "HEAD", path: files + "/" + idStored},
		{name: "delete", method: "DELETE", path: files + "/" + idStored},
		{name: "status", method: "GET", path: files + "/" + idStored + "/status"},
		{name: "link", method: "GET", path: files + "/" + idStored + "/link"},
	}
}

// generalTable is what holds for many routes at once.
func generalTable() []exchange {
	var table []exchange
	with := func(e exchange, name string, header []string, status int, code string) exchange {
		e.name, e.header, e.status, e.code = name+" "+e.name, append(append([]string{}, e.header...), header...), status, code
		return e
	}
	for _, e := range everyRoute() {
		none := with(e, "no authorization:", []string{"Authorization", "-"}, 401, "unauthorized")
		none.want = []string{"WWW-Authenticate", "Bearer"}
		table = append(table, none,
			with(e, "two authorizations:", []string{"Authorization", "Bearer other"}, 401, "unauthorized"),
			with(e, "an empty authorization:", []string{"Authorization", "-", "Authorization", ""}, 401, "unauthorized"))
		for _, denied := range []struct {
			token, code string
			status      int
		}{{"401", "unauthorized", 401}, {"403", "forbidden", 403}, {"404", "not_found", 404},
			{"429", "too_many_requests", 429},
			{"503", "unavailable", 503}, {"302", "unavailable", 503}, {"broken", "unavailable", 503},
			{"panic", "internal", 500}} {
			d := with(e, "denied with "+denied.token+":",
				[]string{"Authorization", "-", "Authorization", "Bearer " + denied.token}, denied.status, denied.code)
			if denied.token == "429" {
				d.want = []string{"Retry-After", "7"}
			}
			table = append(table, d)
		}
		failing := with(e, "failing records:", nil, 503, "unavailable")
		failing.change, failing.want = brokenRecords, []string{"Retry-After", "5"}
		full := with(e, "full disk:", nil, 503, "disk_full")
		full.change, full.want = func(w *fixture) { w.pipeline.Records = fullRecords{} }, []string{"Retry-After", "5"}
		table = append(table, failing, full)

		allowed := with(e, "cors, denied:", []string{"Authorization", "-", "Origin", "https://notes.example.com"}, 401,
			"unauthorized")
		allowed.change = cors("https://other.example.com", "https://notes.example.com")
		allowed.want = []string{"Access-Control-Allow-Origin", "https://notes.example.com", "Vary", "Origin",
			"Access-Control-Allow-Credentials", "-"}
		table = append(table, allowed)
	}

	table = append(table, frontTable()...)
	for _, path := range []string{"/", "", "/files", "/files/j", "/files/j/entries/e", "/files/j/entries/e/documents",
		"/files/j/entries/e/IMAGES", "/files/j/entry/e/images", "/ping/pong", "//ping", "/ping//",
		"/files//entries/e/images", "/files/j/entries//images", "/files/a.b/entries/e/images", "/files/../entries/e/images",
		"/files/%2E%2E/entries/e/images", "/files/j%2Fentries%2Fe%2Fimages", "/files/j/entries/e%2F/images",
		"/files/j/entries/e%00/images", "/files/j/entries/%C3%A9/images", "/files/j/entries/e%20/images",
		"/files/" + strings.Repeat("j", 65) + "/entries/e/images", "/files/j/entries/" + strings.Repeat("e", 65) + "/images",
		"/files/j/entries/e/images/nouuid", "/files/j/entries/e/images/uploads/x", files + "/" + idStored + "/other",
		files + "/" + strings.ReplaceAll(idStored, "-", ""), files + "/{" + idStored + "}",
		files + "/" + idStored + "/status/x",
		files + "/" + idStored + "/link/x",
		files + "/" + idStored + "%2Fstatus", "/files/j/entries/e/images//", "/" + strings.Repeat("a", 2000),
		strings.Repeat("/a", 1000), "/ping%2F", "/files/j/entries/e/images/" + idStored + "%00"} {
		if path == "" {
			continue // no request line has it
		}
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			table = append(table, exchange{name: method + " unknown " + path[:min(len(path), 60)], method: method, path: path,
				status: 404, code: "not_found"})
		}
	}
	long := strings.Repeat("J", 64)
	for path, says := range map[string]string{
		"/":                                "There is nothing at this address: files are at /files/{journal}/entries/{entry}/{kind}.",
		"/files/j/entries/e/image":         `There is no kind \"image\" here: use images.`,
		"/files/j/entries/e/image/uploads": `There is no kind \"image\" here: use images.`,
		"/files/a.b/entries/e/images":      "A journal has 1 to 64 characters, of A-Z, a-z, 0-9, _ and -.",
		"/files/j/entries/" + strings.Repeat("e", 65) + "/images/" + idStored: "An entry has 1 to 64 characters, of A-Z, a-z, 0-9, _ and -.",
		files + "/1":        "The id of a file is a UUID like 01890a5d-ac96-774b-bcce-b302099a8057.",
		files + "/1/status": "The id of a file is a UUID like",
	} {
		table = append(table, exchange{name: "404 says what is known, " + path[:min(len(path), 60)], method: "GET", path: path,
			header: []string{"Authorization", "-"}, status: 404, code: "not_found", holds: []string{says}})
	}
	table = append(table,
		exchange{name: "ids of 64 characters", method: "GET", path: "/files/" + long + "/entries/-_9" + long[3:] + "/images",
			status: 200},
		exchange{name: "an escaped letter is that letter", method: "GET", path: "/files/%6A/entries/e/images", status: 200,
			holds: []string{idStored}},
		exchange{name: "PUT", method: "PUT", path: files, body: "x", status: 405, code: "method_not_allowed",
			want: []string{"Allow", "GET, HEAD, OPTIONS, POST"}},
		exchange{name: "DELETE of the list", method: "DELETE", path: files, status: 405,
			want: []string{"Allow", "GET, HEAD, OPTIONS, POST"}},
		exchange{name: "GET of the forms", method: "GET", path: files + "/uploads", status: 405,
			want: []string{"Allow", "OPTIONS, POST"}},
		exchange{name: "PATCH of a file", method: "PATCH", path: files + "/" + idStored, status: 405,
			want: []string{"Allow", "DELETE, GET, HEAD, OPTIONS"}},
		exchange{name: "POST of a status", method: "POST", path: files + "/" + idStored + "/status", status: 405,
			want: []string{"Allow", "GET, HEAD, OPTIONS"}},
		exchange{name: "POST of ping", method: "POST", path: "/ping", status: 405},
		exchange{name: "an odd method", method: "BREW", path: files, status: 405},

		exchange{name: "OPTIONS", method: "OPTIONS", path: files, header: []string{"Authorization", "-"}, status: 204,
			want: []string{"Allow", "GET, HEAD, OPTIONS, POST", "Access-Control-Allow-Origin", "-"}},
		exchange{name: "preflight", method: "OPTIONS", path: files, change: cors("https://notes.example.com"), status: 204,
			header: []string{"Authorization", "-", "Origin", "https://notes.example.com", "Access-Control-Request-Method",
				"POST", "Access-Control-Request-Headers", "authorization, idempotency-key"},
			want: []string{"Access-Control-Allow-Origin", "https://notes.example.com", "Access-Control-Allow-Methods",
				"GET, HEAD, POST, DELETE, OPTIONS", "Vary", "Origin", "Access-Control-Max-Age", "7200",
				"Access-Control-Allow-Credentials", "-",
				"Access-Control-Allow-Headers",
				"Authorization, Content-Type, Content-Digest, Idempotency-Key, Range, If-Match, If-None-Match, " +
					"If-Modified-Since, If-Unmodified-Since, If-Range"}},
		exchange{name: "preflight from elsewhere", method: "OPTIONS", path: files, change: cors("https://notes.example.com"),
			status: 204,
			header: []string{"Origin", "https://notes.example.com.evil.test", "Access-Control-Request-Method", "POST"},
			want:   []string{"Access-Control-Allow-Origin", "-", "Access-Control-Allow-Methods", "-", "Vary", "Origin"}},
		exchange{name: "preflight from an origin that is allowed besides", method: "OPTIONS", path: files,
			change: allowing("http://localhost:3000"), status: 204,
			header: []string{"Origin", "http://localhost:3000", "Access-Control-Request-Method", "POST"},
			want: []string{"Access-Control-Allow-Origin", "http://localhost:3000", "Vary", "Origin",
				"Access-Control-Max-Age", "7200"}},
		exchange{name: "an answer to a page that is allowed besides", method: "GET", path: files + "/" + idAbsent,
			change: allowing("http://localhost:3000"), status: 404,
			header: []string{"Origin", "http://localhost:3000"},
			want:   []string{"Access-Control-Allow-Origin", "http://localhost:3000"}},
		exchange{name: "an answer to a page that is not allowed besides", method: "GET", path: files,
			change: allowing("http://localhost:3000"), status: 200, header: []string{"Origin", "null"},
			want: []string{"Access-Control-Allow-Origin", "-", "Vary", "Origin"}},
		exchange{name: "an answer to no page, with origins allowed besides", method: "GET", path: files,
			change: allowing(""), status: 200, want: []string{"Access-Control-Allow-Origin", "-"}},
		exchange{name: "an answer to an allowed page", method: "GET", path: files, change: cors("https://notes.example.com"),
			header: []string{"Origin", "https://notes.example.com"}, status: 200,
			want: []string{"Access-Control-Allow-Origin", "https://notes.example.com", "Access-Control-Expose-Headers",
				"Location, Link, ETag, Retry-After, x-bugout-image-fullname, Content-Disposition, Content-Length, Content-Range, " +
					"Accept-Ranges, Last-Modified, Allow, X-Request-Id"}},
		exchange{name: "an answer to another page", method: "GET", path: files, change: cors("https://notes.example.com"),
			header: []string{"Origin", "null"}, status: 200,
			want: []string{"Access-Control-Allow-Origin", "-", "Vary", "Origin"}},
		exchange{name: "an answer to any page", method: "GET", path: files, change: cors("*"),
			header: []string{"Origin", "https://any.test"}, status: 200,
			want: []string{"Access-Control-Allow-Origin", "*", "Access-Control-Allow-Credentials", "-"}},
		exchange{name: "a star among others means nothing", method: "GET", path: files, change: cors("*", "https://a.test"),
			header: []string{"Origin", "https://any.test"}, status: 200, want: []string{"Access-Control-Allow-Origin", "-"}},

		exchange{name: "a form that cannot be signed", method: "POST", path: files + "/uploads", body: `{"name":"cat.png"}`,
			header: []string{"Content-Type", "application/json"}, status: 503, code: "unavailable",
			change: func(w *fixture) { w.config.Forms = brokenStores{} }, want: []string{"Location", "-"}},
		exchange{name: "a link that cannot be signed", method: "GET", path: "/files/j/entries/large/images/" + idLarge,
			status: 503, code: "unavailable",
			change: func(w *fixture) { w.config.Downloads, w.config.RedirectBytes = brokenStores{}, 1000 }},
		exchange{name: "a link by its own address that cannot be signed", method: "GET", path: files + "/" + idStored + "/link",
			status: 503, code: "unavailable", change: func(w *fixture) { w.config.Downloads = brokenStores{} }},
		exchange{name: "bytes that cannot be read", method: "GET", path: files + "/" + idStored, status: 503,
			code: "unavailable", header: []string{"Range", "bytes=0-1"},
			change: func(w *fixture) { w.config.Downloads = brokenStores{} }, want: []string{"Content-Range", "-", "ETag", "-"}},
	)
	return table
}

// behind has a front that says one of these secrets.
func behind(secrets ...string) func(*fixture) {
	return func(w *fixture) {
		for _, secret := range secrets {
			w.config.FrontHashes = append(w.config.FrontHashes, sha256.Sum256([]byte(secret)))
		}
	}
}

// frontTable is what comes by the front and past it: every route, the open one included, is refused to whoever does not
// say the secret, before anything else is looked at.
func frontTable() []exchange {
	const header, secret, older = api.FrontHeader, canary + " of the front", canary + " of before"
	routes := append(everyRoute(), exchange{name: "ping", method: "GET", path: "/ping"},
		exchange{name: "preflight", method: "OPTIONS", path: files},
		exchange{name: "nothing", method: "GET", path: "/nothing"})
	var table []exchange
	for _, e := range routes {
		name := e.name
		e.status, e.code, e.change = 403, "not_by_front", behind(older, secret)
		for said, values := range map[string][]string{"nothing": nil, "another": {header, secret + "x"}, "nothing in it": {header, ""},
			"its hash": {header, fmt.Sprintf("%x", sha256.Sum256([]byte(secret)))}} {
			past := e
			past.name, past.header = "past the front, who says "+said+": "+name, append(slices.Clone(e.header), values...)
			table = append(table, past)
		}
	}
	for _, said := range []string{older, secret} {
		table = append(table, exchange{name: "by the front: ping", method: "GET", path: "/ping", change: behind(older, secret),
			header: []string{header, said}, status: 200})
	}
	return append(table,
		exchange{name: "by the front: list", method: "GET", path: files, change: behind(secret), header: []string{header, secret},
			status: 200},
		exchange{name: "by the front, not authorized", method: "GET", path: files, change: behind(secret),
			header: []string{header, secret, "Authorization", "-"}, status: 401, code: "unauthorized"},
		exchange{name: "what the front said before", method: "GET", path: "/ping", change: behind(secret),
			header: []string{header, older}, status: 403, code: "not_by_front"},
		exchange{name: "no front, and somebody says something", method: "GET", path: "/ping",
			header: []string{header, secret}, status: 200})
}
