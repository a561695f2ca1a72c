//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/upload"
)

// refusesFalseExtensions: each reason that the validator itself can have.
func refusesFalseExtensions(t *testing.T, s *stack) {
	for _, c := range []struct {
		code upload.Code
		file string
	}{
		{upload.TypeMismatch, "refused/archive.jpg"},
		{upload.TypeMismatch, "refused/cat.png"},
		{upload.Truncated, "refused/cut-in-idat.png"},
		{upload.Corrupt, "refused/bad-crc.png"},
		{upload.TrailingData, "refused/zip-behind.gif"},
		{upload.TooManyPixels, "refused/giant.png"},
		{upload.NotAllowed, "refused/profile-linked.bmp"},
	} {
		t.Run(string(c.code)+" "+c.file, func(t *testing.T) {
			t.Parallel()
			e := s.newEntry()
			r, err := e.post(t.Context(), "images", c.file[len("refused/"):], sample(t, c.file))
			check(t, err)
			check(t, e.rejected(t.Context(), r, c.code))
			_, err = e.want(t.Context(), http.StatusGone, nil, http.MethodGet, e.path("images", r.ID), nil)
			check(t, err)
			// The bytes stay where nobody is served from.
			kept, err := e.versions(t.Context(), e.quarantineKey(r))
			check(t, err)
			served, err := e.versions(t.Context(), e.filesKey(r))
			check(t, err)
			if len(kept) != 1 || len(served) != 0 {
				t.Errorf("quarantine has %v, files has %v", kept, served)
			}
		})
	}
	t.Run("duplicate", func(t *testing.T) {
		t.Parallel()
		e, bytes := s.newEntry(), padded(t, 200)
		first, err := e.post(t.Context(), "pairs", "a.gif", bytes)
		check(t, err)
		_, err = e.stored(t.Context(), first)
		check(t, err)
		second, err := e.post(t.Context(), "pairs", "b.gif", bytes)
		check(t, err)
		check(t, e.rejected(t.Context(), second, upload.Duplicate))
	})
	t.Run("checksum_mismatch", func(t *testing.T) {
		t.Parallel()
		e, bytes := s.newEntry(), padded(t, 200)
		f, err := e.form(t.Context(), "pairs", map[string]any{"name": "a.gif", "sha256": hexSum([]byte("something else"))})
		check(t, err)
		a, err := e.fill(t.Context(), f.Form, bytes)
		if err != nil || a.status/100 != 2 {
			t.Fatal(a, err)
		}
		check(t, e.rejected(t.Context(), f.Record, upload.ChecksumMismatch))
	})
	// A form's size is bounded, so only somebody with more rights gets these past it.
	for code, size := range map[upload.Code]int{upload.TooLarge: 2001, upload.TooSmall: 99} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			e := s.newEntry()
			f, err := e.form(t.Context(), "pairs", map[string]any{"name": "a.gif"})
			check(t, err)
			_, err = s.objects.PutObject(t.Context(),
				&s3.PutObjectInput{Bucket: &s.bucket, Key: aws.String(e.quarantineKey(f.Record)),
					Body: bytes.NewReader(make([]byte, size))})
			check(t, err)
			check(t, e.rejected(t.Context(), f.Record, code))
		})
	}
}

// padded is a picture of about so many bytes, different each time.
func padded(t testing.TB, size int) []byte {
	t.Helper()
	gif := picture(t)
	for len(gif) < size {
		gif = append(append(gif[:len(gif)-1], 0x21, 0xFE, 100), string(bytes.Repeat([]byte("wide"), 25))+"\x00;"...)
	}
	return gif
}

// refusal is one request that the API has to refuse.
type refusal struct {
	what         string
	method, path string
	body         []byte
	headers      []string
	token        string // "" is the demo's; "none" is none
	status       int
	code         string // "" is any
}

// refusesRequests: what the API says no to, as a caller sees it through the
// gateway.
func refusesRequests(t *testing.T, s *stack) {
	e := s.newEntry()
	images, absent := e.path("images"), e.path("images", "0195600d-0000-7000-8000-000000000001")
	gif := picture(t)
	for _, c := range []refusal{
		{"no Authorization", http.MethodPost, images + "?name=a.gif", gif, nil, "none", 401, ""},
		{"the application knows nobody", http.MethodGet, images, nil, nil, "Bearer unknown", 401, ""},
		{"the application forbids", http.MethodPost, images + "?name=a.gif", gif, nil, "Bearer other", 403, ""},
		{"the application knows no such entry", http.MethodGet, images, nil, nil, "Bearer lost", 404, ""},
		{"the application is broken", http.MethodGet, images, nil, nil, "Bearer broken", 503, ""},
		{"no such route", http.MethodGet, "/nowhere", nil, nil, "", 404, ""},
		{"no such kind", http.MethodGet, e.path("films"), nil, nil, "", 404, ""},
		{"an id that is none", http.MethodGet, e.path("images", "1"), nil, nil, "", 404, ""},
		{"no such upload", http.MethodGet, absent, nil, nil, "", 404, ""},
		{"no such upload to delete", http.MethodDelete, absent, nil, nil, "", 404, ""},
		{"a method that the path has not", http.MethodPut, images, gif, nil, "", 405, ""},
		{"no name", http.MethodPost, images, gif, nil, "", 406, ""},
		{"an extension that is not taken", http.MethodPost, images + "?name=a.svg", gif, nil, "", 406, "extension"},
		{"a name of which nothing is left", http.MethodPost, images + "?name=%E2%80%8B.gif", gif, nil, "", 406, "name"},
		{"too small", http.MethodPost, e.path("pairs") + "?name=a.gif", gif[:10], nil, "", 406, ""},
		{"too large for the kind", http.MethodPost, e.path("pairs") + "?name=a.gif", make([]byte, 2001), nil, "", 406, ""},
		{"too large for POST", http.MethodPost, images + "?name=a.gif", make([]byte, 4_400_001), nil, "", 413, ""},
		{"another checksum than was said", http.MethodPost, images + "?name=a.gif", gif,
			[]string{"Content-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"}, "", 400, "digest_mismatch"},
		{"a form for another extension", http.MethodPost, e.path("images", "uploads"), []byte(`{"name":"a.svg"}`),
			[]string{"Content-Type", "application/json"}, "", 406, "extension"},
		{"a form asked for with rubbish", http.MethodPost, e.path("images", "uploads"), []byte(`{"name":`),
			[]string{"Content-Type", "application/json"}, "", 400, ""},
		{"a cursor that nobody gave", http.MethodGet, images + "?limit=1&cursor=rubbish", nil, nil, "", 400, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			check(t, s.refuses(t.Context(), e, c))
		})
	}
	t.Run("an idempotency key used for something else", func(t *testing.T) {
		t.Parallel()
		e := s.newEntry()
		first, err := e.post(t.Context(), "images", "a.gif", gif, "Idempotency-Key", "one")
		check(t, err)
		again, err := e.post(t.Context(), "images", "a.gif", gif, "Idempotency-Key", "one")
		check(t, err)
		if first.ID != again.ID {
			t.Errorf("the same request again made %s beside %s", again.ID, first.ID)
		}
		check(t, s.refuses(t.Context(), e, refusal{method: http.MethodPost, path: e.path("images") + "?name=b.gif", body: gif,
			headers: []string{"Idempotency-Key", "one"}, status: 422}))
	})
	t.Run("an entry that is full", func(t *testing.T) {
		t.Parallel()
		e := s.newEntry()
		for range 2 {
			r, err := e.post(t.Context(), "pairs", "a.gif", padded(t, 200))
			check(t, err)
			_, err = e.stored(t.Context(), r)
			check(t, err)
		}
		check(t, s.refuses(t.Context(), e,
			refusal{method: http.MethodPost, path: e.path("pairs") + "?name=a.gif", body: padded(t, 200), status: 406}))
	})
	t.Run("another entry's upload", func(t *testing.T) {
		t.Parallel()
		e, other := s.newEntry(), s.newEntry()
		r, err := e.post(t.Context(), "images", "a.gif", gif)
		check(t, err)
		check(t, s.refuses(t.Context(), other,
			refusal{method: http.MethodGet, path: other.path("images", r.ID, "status"), status: 404}))
	})
}

func (s *stack) refuses(ctx context.Context, e entry, c refusal) error {
	switch c.token {
	case "":
	case "none":
		e.token = ""
	default:
		e.token = c.token
	}
	a, err := e.want(ctx, c.status, nil, c.method, c.path, c.body, c.headers...)
	if err == nil && (a.code() == "" || c.code != "" && a.code() != c.code) {
		err = fmt.Errorf("the problem's code is %q, want %q: %s", a.code(), c.code, a)
	}
	return err
}
