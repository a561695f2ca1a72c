package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/config"
)

// The bounds with which the play meets every refusal.
const (
	redirectBytes, postBytes, maxBytes = 1000, 100_000, 200_000

	fileName = "My." + bait + ".png"
)

// play is a caller that shows its token with every request, wherever it goes.
type play struct {
	*search
	h        *hatchery
	client   *http.Client
	token    string
	statuses map[int]bool
	codes    map[string]bool
}

func newPlay(s *search, h *hatchery) *play {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &play{search: s, h: h, statuses: map[int]bool{}, codes: map[string]bool{},
		client: &http.Client{Transport: h.client.Transport, Timeout: h.client.Timeout, CheckRedirect: stay}}
}

// ask makes a request of anybody and looks into the answer. header has names and
// values in turn.
func (p *play) ask(method, url string, body []byte, header ...string) answer {
	p.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = p.h.base + url
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", p.token)
	r.Header.Set("Origin", "https://notes.example.com")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := listener{p.search, "answers", p.client}.Do(r)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, url, err)
	}
	a := answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		p.t.Fatal(err)
	}
	if !strings.HasPrefix(url, p.h.base) {
		return a
	}
	var problem struct{ Code string }
	if res.Header.Get("Content-Type") == "application/problem+json" && json.Unmarshal(a.body, &problem) == nil {
		p.codes[problem.Code] = true
	}
	p.statuses[a.status] = true
	return a
}

// want is ask, with one answer that is right.
func (p *play) want(status int, method, url string, body []byte, header ...string) answer {
	p.t.Helper()
	a := p.ask(method, url, body, header...)
	if a.status != status {
		p.t.Errorf("%s %s: %d %s, want %d", method, url, a.status, a.body, status)
	}
	return a
}

func (p *play) post(status int, path, name string, data []byte, header ...string) record {
	p.t.Helper()
	contentType, body := multipartOf(map[string]string{"note": "x"}, "upload.bin", data)
	form, err := io.ReadAll(body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := p.want(status, http.MethodPost, path+"?image_name="+name, form, append(header, "Content-Type", contentType)...)
	if status != http.StatusAccepted {
		return record{}
	}
	return a.record(p.t)
}

var jsonBody = []string{"Content-Type", "application/json"}

// form asks for a form and, with data, fills it: the token comes along.
func (p *play) form(status int, path string, data []byte, header ...string) record {
	p.t.Helper()
	a := p.want(status, http.MethodPost, path+"/uploads", []byte(`{"name":"`+fileName+`"}`),
		append(header, jsonBody...)...)
	var f form
	if err := json.Unmarshal(a.body, &f); err != nil {
		p.t.Fatal(err)
	}
	if data == nil {
		return f.Record
	}
	contentType, body := multipartOf(f.Form.Fields, "upload.bin", data)
	filled, err := io.ReadAll(body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.want(http.StatusCreated, http.MethodPost, f.Form.URL, filled, "Content-Type", contentType)
	return f.Record
}

// uploads sends files every way there is, and asks for them before their verdict.
// They are named after the key.
func (p *play) uploads(path, key string, seed uint64) {
	p.t.Helper()
	small, big := pngOf(p.t, 6, seed), pngOf(p.t, 40, seed)
	once := []string{"Idempotency-Key", key}
	first := p.post(202, path, fileName, small, once...)
	if again := p.post(202, path, fileName, small, once...); again.ID != first.ID {
		p.t.Errorf("repeated, it is %s, and was %s", again.ID, first.ID)
	}
	p.post(422, path, fileName, big, once...)
	formed := p.form(201, path, big, once...)
	if again := p.form(201, path, nil, once...); again.ID != formed.ID {
		p.t.Errorf("repeated, it is %s, and was %s", again.ID, formed.ID)
	}
	p.want(422, http.MethodPost, path+"/uploads", []byte(`{"name":"other.png"}`), append(once, jsonBody...)...)
	sum := sha256.Sum256(small)
	p.want(202, http.MethodPost, path+"?image_name="+fileName, small, "Content-Type", "image/png", "Content-Digest",
		"sha-256=:"+base64Of(sum[:])+":")
	fake := p.post(202, path, fileName, []byte("a fake"))
	for _, r := range []record{first, formed, fake} {
		p.ask(http.MethodGet, path+"/"+r.ID, nil) // 409, or the verdict was quick
		p.ask(http.MethodHead, path+"/"+r.ID, nil)
		p.want(200, http.MethodGet, path+"/"+r.ID+"/status", nil)
	}
	p.want(200, http.MethodHead, path+"/"+fake.ID+"/status", nil)
	if p.token == shows[0] {
		p.want(200, http.MethodGet, path+"/"+fake.ID+"/status?wait=1", nil)
	}
	p.want(200, http.MethodGet, path, nil)
}

// settled waits for the verdict.
func (p *play) settled(path string, r record, status string) record {
	p.t.Helper()
	if got := p.want(200, http.MethodGet, path+"/"+r.ID+"/status?wait=20", nil).record(p.t); got.Status != status {
		p.t.Errorf("%s is %+v, want %s", r.ID, got, status)
	}
	return r
}

// downloads asks for files in every way, whole, in parts, and behind a link.
func (p *play) downloads(path string, seed uint64) {
	p.t.Helper()
	small := p.settled(path, p.post(202, path, fileName, pngOf(p.t, 6, seed)), "stored")
	big := p.settled(path, p.form(201, path, pngOf(p.t, 40, seed), "Idempotency-Key",
		"form"+strconv.FormatUint(seed, 10)), "stored")
	fake := p.settled(path, p.post(202, path, fileName, []byte("a fake")), "rejected")
	p.form(200, path, nil, "Idempotency-Key", "form"+strconv.FormatUint(seed, 10)) // has its verdict
	at := path + "/" + small.ID
	tag := p.want(200, http.MethodGet, at, nil).header.Get("ETag")
	p.want(200, http.MethodGet, at+"/", nil)
	p.want(200, http.MethodHead, at, nil)
	p.want(206, http.MethodGet, at, nil, "Range", "bytes=0-9")
	p.want(206, http.MethodGet, at, nil, "Range", "bytes=-5", "If-Range", tag)
	p.want(416, http.MethodGet, at, nil, "Range", "bytes=90000-")
	p.want(304, http.MethodGet, at, nil, "If-None-Match", tag)
	p.want(412, http.MethodGet, at, nil, "If-Match", `"another"`)
	p.link(path + "/" + big.ID)
	p.want(200, http.MethodGet, path+"/"+small.ID+"/link", nil)
	p.want(200, http.MethodHead, path+"/"+big.ID, nil)
	p.want(410, http.MethodGet, path+"/"+fake.ID, nil) // it stays
	p.want(200, http.MethodGet, path+"?limit=1", nil)
	p.want(400, http.MethodGet, path+"?cursor=x&limit=1", nil)

	for _, data := range [][]byte{[]byte("another fake"), pngOf(p.t, 5, seed)} {
		r := p.post(202, path, fileName, data)
		p.want(200, http.MethodGet, path+"/"+r.ID+"/status?wait=20", nil)
		p.want(200, http.MethodDelete, path+"/"+r.ID, nil)
		p.want(404, http.MethodDelete, path+"/"+r.ID, nil)
		p.want(404, http.MethodGet, path+"/"+r.ID, nil)
		p.ask(http.MethodGet, path+"/"+r.ID+"/status", nil)
	}
	// The bytes of a stored file go behind our back.
	lost := p.settled(path, p.post(202, path, fileName, pngOf(p.t, 7, seed)), "stored")
	p.loseObjects("/" + lost.ID)
	p.want(500, http.MethodGet, path+"/"+lost.ID, nil)
}

// link asks for a file that is large enough to be redirected. A client may take its
// token along to the bucket.
func (p *play) link(at string) {
	p.t.Helper()
	var data struct{ URL string }
	if err := json.Unmarshal(p.want(200, http.MethodGet, at, nil, "Accept", "application/json").body, &data); err != nil {
		p.t.Error(err)
	}
	for _, url := range []string{p.want(302, http.MethodGet, at, nil).header.Get("Location"), data.URL} {
		p.ask(http.MethodGet, url, nil)
		token := p.token
		p.token = ""
		p.want(200, http.MethodGet, url, nil)
		p.token = token
	}
}

// loseObjects removes every version of the keys with such an end.
func (p *play) loseObjects(end string) {
	p.t.Helper()
	bucket := aws.String(p.h.env["HATCHERY_BUCKET"])
	all, err := p.h.bucketClient().ListObjectVersions(p.t.Context(), &s3.ListObjectVersionsInput{Bucket: bucket})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, v := range all.Versions {
		if strings.HasSuffix(*v.Key, end) {
			if _, err := p.h.bucketClient().DeleteObject(p.t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: v.Key,
				VersionId: v.VersionId}); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// refusals plays what a path of an allowed journal refuses.
func (p *play) refusals(path string) {
	p.t.Helper()
	png := pngOf(p.t, 6, 1)
	const named = "?image_name=" + fileName
	for _, r := range []struct {
		status      int
		query, kind string
		body        []byte
	}{
		{406, "", "image/png", png}, {406, "?image_name=.png", "image/png", png},
		{406, "?image_name=cat.exe", "image/png", png}, {400, "?image_name=%zz", "image/png", png},
		{400, named, "multipart/form-data; boundary=x", []byte("no multipart")}, {400, named, "multipart/form-data",
			png}, {406, named, "image/png", nil},
		{413, named, "image/png", make([]byte, postBytes+1)}, {406, named, "image/png", make([]byte, maxBytes+1)},
	} {
		p.want(r.status, http.MethodPost, path+r.query, r.body, "Content-Type", r.kind)
	}
	contentType, two := twoFiles(p.t, png)
	body, err := io.ReadAll(two)
	if err != nil {
		p.t.Fatal(err)
	}
	p.want(422, http.MethodPost, path+named, body, "Content-Type", contentType)
	p.want(400, http.MethodPost, path+named, png, "Content-Digest", "sha-256=:"+base64Of(make([]byte, 32))+":")
	p.want(400, http.MethodPost, path+named, png, "Idempotency-Key", "with a space")
	p.want(415, http.MethodPost, path+named, png, "Content-Encoding", "gzip")
	for text, status := range map[string]int{`{"name":`: 400, `{"name":"cat.png","size":999999}`: 406,
		`{"name":"cat.png","type":"image/gif"}`: 406,
		`{"name":"cat.png","sha256":"x"}`:       406, `{"name":"cat.png"}` + strings.Repeat(" ", 17<<10): 413,
		`{"name":"cat"}`: 406} {
		p.want(status, http.MethodPost, path+"/uploads", []byte(text), jsonBody...)
	}
	p.want(415, http.MethodPost, path+"/uploads", []byte(`{"name":"cat.png"}`), "Content-Type", "text/plain")
	few := strings.TrimSuffix(path, "images") + "few"
	// The one that fits may be there from before.
	if a := p.ask(http.MethodPost, few+named, png, "Content-Type", "image/png"); a.status == http.StatusAccepted {
		p.settled(few, a.record(p.t), "stored")
	}
	p.want(406, http.MethodPost, few+named, png, "Content-Type", "image/png")
	p.want(405, http.MethodPut, path, png)
	p.want(405, http.MethodPatch, path+"/"+anyID, nil)
	p.want(404, http.MethodGet, path+"/"+anyID, nil)
	p.want(404, http.MethodGet, "/nowhere", nil)
	p.want(404, http.MethodPost, strings.TrimSuffix(path, "images")+"unkind", png)
	p.want(204, http.MethodOptions, path, nil, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization")
	p.want(401, http.MethodGet, path, nil, "Authorization", p.token) // two of them
	p.want(200, http.MethodGet, "/ping", nil)
}

// refused asks everything of a journal that is not allowed.
func (p *play) refused(path string) {
	p.t.Helper()
	at := path + "/" + anyID
	for _, a := range []answer{
		p.ask(http.MethodGet, path, nil), p.ask(http.MethodHead, path, nil),
		p.ask(http.MethodPost, path+"?image_name=cat.png", []byte("x")),
		p.ask(http.MethodPost, path+"/uploads", []byte(`{}`), jsonBody...), p.ask(http.MethodGet, at, nil),
		p.ask(http.MethodHead, at, nil),
		p.ask(http.MethodDelete, at, nil), p.ask(http.MethodGet, at+"/status?wait=20", nil),
	} {
		if a.status < 400 {
			p.t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// strangers shows the token where it should not be shown: to the bucket, to the
// queue and to Bugout.
func (p *play) strangers(path string) {
	p.t.Helper()
	bucket := p.h.env["AWS_ENDPOINT_URL_S3"] + "/" + p.h.env["HATCHERY_BUCKET"]
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		for _, url := range []string{bucket, bucket + path, bucket + path + "?tagging", p.h.env["HATCHERY_QUEUE_URL"],
			p.h.env["AWS_ENDPOINT_URL_DYNAMODB"], p.h.env["HATCHERY_BUGOUT_URL"] + "/resources/"} {
			if !strings.HasPrefix(url, "http") {
				continue // not served with this store
			}
			if a := p.ask(method, url, []byte("x")); a.status < 400 {
				p.t.Errorf("%s %s: %d", method, url, a.status)
			}
		}
	}
}

// legacyImages asks for images that the replaced service recorded in Bugout.
func (p *play) legacyImages(path string) {
	p.t.Helper()
	parts := strings.Split(path, "/")
	for i, data := range [][]byte{pngOf(p.t, 6, 1), []byte("<script>"), pngOf(p.t, 40, 1), nil} {
		id := fmt.Sprintf("8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a0%d", i)
		p.h.askBrood(p.t, http.MethodPost, "/resources/",
			map[string]any{"application_id": p.h.env["HATCHERY_BUGOUT_APPLICATION_ID"],
				"resource_data": map[string]string{"id": id, "journal_id": parts[2], "entry_id": parts[4], "name": bait,
					"extension": "png", "created_at": "2021-09-19 15:15:00.437163"}})
		at := path + "/" + id
		if data == nil { // lost
			p.want(500, http.MethodGet, at, nil)
			continue
		}
		key := fmt.Sprintf("dev/%s/entries/%s/images/%s", parts[2], parts[4], id)
		if _, err := p.h.bucketClient().PutObject(p.t.Context(), &s3.PutObjectInput{Bucket: aws.String(oldBucket),
			Key: &key, Body: bytes.NewReader(data)}); err != nil {
			p.t.Fatal(err)
		}
		p.want(200, http.MethodHead, at, nil)
		p.want(406, http.MethodGet, at+"/link", nil)
		if len(data) > redirectBytes {
			p.link(at)
			continue
		}
		p.want(200, http.MethodGet, at, nil)
		p.want(206, http.MethodGet, at, nil, "Range", "bytes=1-3")
	}
	p.want(200, http.MethodGet, path, nil)
	p.want(200, http.MethodDelete, path+"/8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a00", nil)
}

// complete reports what the play left out: an answer of the API that the document
// names. Four of them need a front, a caller that is slow, many at once, or a full disk.
func (p *play) complete() {
	p.t.Helper()
	document, err := os.ReadFile(sourceFile(p.t, "docs", "openapi.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(document), "        code:\n          enum:\n")
	for line := range strings.Lines(list) {
		code, is := strings.CutPrefix(line, "            - ")
		if !is {
			break
		}
		code = strings.TrimSpace(code)
		if code == "no_link" && p.h.env["HATCHERY_RECORDS"] != config.RecordsBugout {
			continue // only images of the replaced service have none, which Bugout knows
		}
		if !p.codes[code] && !slices.Contains([]string{"not_by_front", "too_slow", "busy", "disk_full"}, code) {
			p.t.Errorf("no answer was %s; seen are %v", code, slices.Sorted(maps.Keys(p.codes)))
		}
	}
	for _, status := range []int{200, 201, 202, 204, 206, 302, 304} {
		if !p.statuses[status] {
			p.t.Errorf("no answer was %d", status)
		}
	}
	if len(p.codes) < 20 {
		p.t.Errorf("seen are %v", slices.Sorted(maps.Keys(p.codes)))
	}
}
