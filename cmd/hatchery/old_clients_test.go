package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// oldClient speaks to the API as programs do that were written for the service which
// Hatchery replaced. It looks at the wire itself: net/http would spell headers anew.
type oldClient struct {
	t *testing.T
	h *hatchery
	// slash ends every path: "" or "/".
	slash string
}

// oldAnswer is what came: the header as it was spelled, and the body.
type oldAnswer struct {
	status int
	header string
	body   []byte
}

// call makes one request. path has no slash at its end, query may be "".
func (c oldClient) call(method, path, query, authorization, contentType string, body io.Reader) oldAnswer {
	c.t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(c.h.base, "http://"), 10*time.Second)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	var content []byte
	if body != nil {
		if content, err = io.ReadAll(body); err != nil {
			c.t.Fatal(err)
		}
	}
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s%s%s HTTP/1.1\r\nHost: files.localhost\r\nConnection: close\r\n", method, path,
		c.slash, query)
	if authorization != "" {
		fmt.Fprintf(&head, "Authorization: %s\r\n", authorization)
	}
	if body != nil {
		fmt.Fprintf(&head, "Content-Type: %s\r\nContent-Length: %d\r\n", contentType, len(content))
	}
	head.WriteString("\r\n")
	go func() {
		// A body that is refused before its end cannot all be written.
		_, _ = conn.Write(append([]byte(head.String()), content...))
	}()
	var wire bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &wire)), &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	header, _, _ := strings.Cut(wire.String(), "\r\n\r\n")
	return oldAnswer{response.StatusCode, header + "\r\n", data}
}

const demoToken = "Bearer demo"

func (c oldClient) get(path string) oldAnswer {
	c.t.Helper()
	return c.call(http.MethodGet, path, "", demoToken, "", nil)
}

func (c oldClient) post(path, query, authorization string, data []byte) oldAnswer {
	c.t.Helper()
	contentType, body := multipartOf(nil, "upload.bin", data)
	return c.call(http.MethodPost, path, query, authorization, contentType, body)
}

// The members that a record had, and those that it has besides.
var (
	oldMembers = []string{"created_at", "entry_id", "extension", "id", "journal_id", "name"}
	newMembers = []string{"content_type", "kind", "reason", "settled_at", "sha256", "size", "status"}

	createdForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$`)
	idForm      = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// record reads the six members that a record of the replaced service had.
func (c oldClient) record(a oldAnswer, what string) map[string]string {
	c.t.Helper()
	if !strings.Contains(a.header, "\r\nContent-Type: application/json\r\n") {
		c.t.Errorf("%s is of another type:\n%s", what, a.header)
	}
	return c.members(a.body, what)
}

func (c oldClient) members(text []byte, what string) map[string]string {
	c.t.Helper()
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		c.t.Fatalf("%s: %v: %s", what, err, text)
	}
	delete(all, "filename") // it is there where it is not name.extension
	if names := slices.Sorted(maps.Keys(all)); !slices.Equal(names,
		slices.Sorted(slices.Values(append(slices.Clone(oldMembers), newMembers...)))) {
		c.t.Errorf("%s has the members %q", what, names)
	}
	record := map[string]string{}
	for _, name := range oldMembers {
		value, isText := all[name].(string)
		if !isText {
			c.t.Errorf("%s: %s is %v", what, name, all[name])
		}
		record[name] = value
	}
	if !createdForm.MatchString(record["created_at"]) || !idForm.MatchString(record["id"]) {
		c.t.Errorf("%s: created_at is %q, id %q", what, record["created_at"], record["id"])
	}
	return record
}

// list reads the images of an entry, which must be all that the answer has.
func (c oldClient) list(path string) []map[string]string {
	c.t.Helper()
	a := c.get(path)
	var members map[string][]json.RawMessage
	if err := json.Unmarshal(a.body, &members); err != nil || a.status != http.StatusOK || len(members) != 1 ||
		members["images"] == nil {
		c.t.Fatalf("the list is answered %d %s", a.status, a.body)
	}
	listed := []map[string]string{}
	for _, text := range members["images"] {
		listed = append(listed, c.members(text, "in the list"))
	}
	return listed
}

// refused wants a refusal with the member "error", which old clients show.
func (c oldClient) refused(what string, a oldAnswer, status int, says string) {
	c.t.Helper()
	var problem struct{ Error string }
	if err := json.Unmarshal(a.body, &problem); err != nil || a.status != status || problem.Error == "" ||
		says != "" && problem.Error != says {
		c.t.Errorf("%s: %d %s, want %d and the error %q", what, a.status, a.body, status, says)
	}
}

// shipped is what an old client sends, and what the record says of it.
type shipped struct {
	imageName, name, extension, contentType string
	data                                    []byte
}

func TestClientsOfTheReplacedServiceWorkUnchanged(t *testing.T) {
	pictures := map[string][]byte{}
	for _, file := range byVerdict(t)["ok"] {
		extension := file[strings.LastIndex(file, ".")+1:]
		if pictures[extension] == nil {
			pictures[extension] = readFile(t, file)
		}
	}
	ship := []shipped{
		{"My.Cat.png", "my_cat", "png", "image/png", pictures["png"]},
		{"cat.PNG", "cat", "png", "image/png", pngOf(t, 8, 1)},
		{"Photo.JPG", "photo", "jpg", "image/jpeg", pictures["jpg"]},
		{"photo.jpeg", "photo", "jpeg", "image/jpeg", pictures["jpg"]},
		{"scan.bmp", "scan", "bmp", "image/bmp", pictures["bmp"]},
		{"wave.gif", "wave", "gif", "image/gif", pictures["gif"]},
	}
	over := make([]byte, 5_500_001)
	onEveryStore(t, func(t *testing.T, store string) {
		data, policy := t.TempDir(), openPolicy(t)
		h := startHatchery(t, data, "--records", store, "--policy", policy, "--no-validator")
		clients := []struct {
			oldClient
			path   string
			posted []map[string]string
		}{
			{oldClient{t, h, ""}, "/files/3f0c/entries/plain/images", nil},
			{oldClient{t, h, "/"}, "/files/3f0c/entries/slash/images", nil},
		}
		for i := range clients {
			c := &clients[i]
			if a := c.call(http.MethodGet, "/ping", "", "", "", nil); a.status != http.StatusOK ||
				strings.TrimSpace(string(a.body)) != `{"status":"ok"}` {
				t.Errorf("ping: %d %s", a.status, a.body)
			}
			if listed := c.list(c.path); len(listed) != 0 {
				t.Errorf("a new entry has %v", listed)
			}
			for _, s := range ship {
				a := c.post(c.path, "?image_name="+s.imageName, demoToken, s.data)
				if a.status != http.StatusAccepted { // it was 200: whatever is taken is validated first
					t.Fatalf("%s: %d %s", s.imageName, a.status, a.body)
				}
				r := c.record(a, s.imageName)
				want := map[string]string{"journal_id": "3f0c", "entry_id": strings.Split(c.path, "/")[4], "name": s.name,
					"extension": s.extension}
				for member, value := range want {
					if r[member] != value {
						t.Errorf("%s: %s is %q, want %q", s.imageName, member, r[member], value)
					}
				}
				c.posted = append(c.posted, r)
			}
			// Nobody has looked at the bytes yet.
			c.refused("an image before its verdict", c.get(c.path+"/"+c.posted[0]["id"]), http.StatusConflict, "")
			if listed := c.list(c.path); len(listed) != 0 {
				t.Errorf("before their verdict %v are listed", listed)
			}
			c.refusals(c.path, c.posted[0]["id"], ship[0].data, over)
		}
		if code := h.interrupt(); code != exitDone {
			t.Fatalf("exit code %d: %s", code, h.errors)
		}

		h = startHatchery(t, data, "--records", store, "--policy", policy)
		for _, c := range clients {
			c.h = h
			for i, r := range c.posted {
				if settled := h.mustSettle(c.path, r["id"]); settled.Status != "stored" {
					t.Fatalf("%s is %+v", ship[i].imageName, settled)
				}
				a := c.get(c.path + "/" + r["id"])
				if a.status != http.StatusOK || !bytes.Equal(a.body, ship[i].data) {
					t.Errorf("%s: %d with %d bytes of %d", ship[i].imageName, a.status, len(a.body), len(ship[i].data))
				}
				for _, line := range []string{"Content-Type: " + ship[i].contentType, "x-bugout-image-fullname: " +
					ship[i].name + "." + ship[i].extension} {
					if !strings.Contains(a.header, "\r\n"+line+"\r\n") {
						t.Errorf("%s: there is no %q in\n%s", ship[i].imageName, line, a.header)
					}
				}
			}
			byID := func(a, b map[string]string) int { return strings.Compare(a["id"], b["id"]) }
			same := func(a, b []map[string]string) bool {
				return slices.EqualFunc(slices.SortedFunc(slices.Values(a), byID), slices.SortedFunc(slices.Values(b), byID),
					maps.Equal)
			}
			if listed := c.list(c.path); !same(listed, c.posted) {
				t.Errorf("listed are %v\nposted were %v", listed, c.posted)
			}
			first := c.posted[0]
			deleted := c.call(http.MethodDelete, c.path+"/"+first["id"], "", demoToken, "", nil)
			if r := c.record(deleted, "the deleted record"); deleted.status != http.StatusOK || !maps.Equal(r, first) {
				t.Errorf("DELETE: %d %s", deleted.status, deleted.body)
			}
			c.refused("a deleted image", c.get(c.path+"/"+first["id"]), http.StatusNotFound, "")
			c.refused("a second DELETE", c.call(http.MethodDelete, c.path+"/"+first["id"], "", demoToken, "", nil),
				http.StatusNotFound, "")
			if listed := c.list(c.path); !same(listed, c.posted[1:]) {
				t.Errorf("after a deletion listed are %v", listed)
			}
		}
	})
}

// refusals plays what is refused.
func (c oldClient) refusals(path, id string, picture, over []byte) {
	c.t.Helper()
	const named = "?image_name=cat.png"
	for _, r := range []struct {
		what, query string
		data        []byte
		says        string
	}{
		{"a name without a dot", "?image_name=cat", picture, "Unacceptable image name"},
		{"no name but that of the part, upload.bin", "", picture, "Unacceptable image extension"},
		{"an empty name", "?image_name=", picture, "Unacceptable image name"},
		{"another extension", "?image_name=cat.svg", picture, "Unacceptable image extension"},
		{"an extension of two", "?image_name=cat.png.exe", picture, "Unacceptable image extension"},
		{"5,500,001 bytes", named, over, ""},
	} {
		c.refused(r.what, c.post(path, r.query, demoToken, r.data), http.StatusNotAcceptable, r.says)
	}
	contentType, body := twoFiles(c.t, picture)
	c.refused("two files", c.call(http.MethodPost, path, named, demoToken, contentType, body), http.StatusUnprocessableEntity, "")
	for what, a := range map[string]oldAnswer{
		"POST": c.post(path, named, "", picture), "the list": c.call(http.MethodGet, path, "", "", "", nil),
		"GET": c.call(http.MethodGet, path+"/"+id, "", "", "", nil), "DELETE": c.call(http.MethodDelete, path+"/"+id, "",
			"", "", nil)} {
		c.refused(what+" without Authorization", a, http.StatusUnauthorized, "")
	}
	const another = "Bearer another"
	for what, a := range map[string]oldAnswer{
		"POST": c.post(path, named, another, picture), "the list": c.call(http.MethodGet, path, "", another, "", nil),
		"GET": c.call(http.MethodGet, path+"/"+id, "", another, "", nil), "DELETE": c.call(http.MethodDelete,
			path+"/"+id, "", another, "", nil)} {
		c.refused(what+" with a token that the application refuses", a, http.StatusForbidden, "")
	}
	for _, nowhere := range []string{"/", "/files", "/files/3f0c", "/images", path + "/not-an-id", path +
		"/00000000-0000-4000-8000-000000000000", strings.TrimSuffix(path, "s")} {
		c.refused(nowhere, c.get(nowhere), http.StatusNotFound, "")
	}
	// Another difference: a path that is there was 404, too, for methods that it has not.
	for _, r := range []struct{ method, path, allow string }{
		{http.MethodPost, "/ping", "GET, HEAD, OPTIONS"}, {http.MethodPut, path, "GET, HEAD, OPTIONS, POST"},
		{http.MethodDelete, path, "GET, HEAD, OPTIONS, POST"},
		{http.MethodPatch, path + "/" + id, "DELETE, GET, HEAD, OPTIONS"}, {http.MethodPost, path + "/" + id,
			"DELETE, GET, HEAD, OPTIONS"},
	} {
		a := c.call(r.method, r.path, "", demoToken, "application/json", strings.NewReader("{}"))
		c.refused(r.method+" "+r.path, a, http.StatusMethodNotAllowed, "")
		if !strings.Contains(a.header, "\r\nAllow: "+r.allow+"\r\n") {
			c.t.Errorf("%s %s: there is no Allow: %s in\n%s", r.method, r.path, r.allow, a.header)
		}
	}
}

// twoFiles is a body with two parts named file: the replaced service stored both
// under one key.
func twoFiles(t *testing.T, data []byte) (contentType string, body io.Reader) {
	t.Helper()
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	for _, name := range []string{"a.png", "b.png"} {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), &buffer
}
