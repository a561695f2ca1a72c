package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// Start is the page at which a person who tries the product begins: how the API is called, a form that uploads, the
// verdict, and the pictures of an entry. It stands in front of the API, and calls it as any caller does.
type Start struct {
	API http.Handler
	// Token is one that the application takes for every entry; "" when none is known: then nothing is uploaded or shown
	// here.
	Token string
	// URL is the API's, and Kind that of the uploads.
	URL, Kind string
	// Paused says whether the validator takes nothing, because somebody paused it.
	Paused func() bool
	Log    *slog.Logger

	page *template.Template
}

// NewStart makes the page.
func NewStart(s Start, now func() time.Time) (*Start, error) {
	pages, err := parsePages(now, "start")
	if err != nil {
		return nil, err
	}
	s.page = pages["start"]
	return &s, nil
}

// gallerySize is how many pictures the gallery shows, the newest.
const gallerySize = 24

// startPage is what the page shows.
type startPage struct {
	Title, Base, URL, Token, Kind string
	Running                       bool
	Journal, Entry                string
	Record                        *startRecord // the upload that was just made
	Waiting, Paused               bool
	Says                          string // what the API refused, or what failed
	Gallery                       []startRecord
	NotListed                     string // why what the entry has is not known
	More                          bool
}

// startRecord is a record as the API gives it.
type startRecord struct {
	ID, Name, Extension, Filename, Status string
	ContentType                           string         `json:"content_type"`
	Reason                                *upload.Reason `json:"reason"`
	Link                                  string         `json:"-"`
}

// FullName is what the person called the file.
func (r startRecord) FullName() string {
	if r.Filename != "" {
		return r.Filename
	}
	return r.Name + "." + r.Extension
}

// ServeHTTP answers a browser at /, and hands the rest to the API: a program gets there what it gets in AWS.
func (s *Start) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first := r.URL.Path == "/" && strings.Contains(r.Header.Get("Accept"), "text/html")
	switch {
	case first && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		s.show(w, r, http.StatusOK, "")
	case first && r.Method == http.MethodPost:
		s.post(w, r)
	case r.URL.Path == "/style.css" || r.URL.Path == "/icon.svg":
		protect(w.Header(), "")
		if !serveAsset(w, r, r.URL.Path) {
			s.API.ServeHTTP(w, r)
		}
	default:
		s.API.ServeHTTP(w, r)
	}
}

// entryOf reads which entry is meant.
func entryOf(q url.Values) (journal, entry string, err error) {
	journal, entry = q.Get("journal"), q.Get("entry")
	if journal == "" && entry == "" {
		journal, entry = "demo", "1"
	}
	if !upload.ValidPathID(journal) || !upload.ValidPathID(entry) {
		return "demo", "1", errors.New("Journals and entries have 1 to 64 of A-Z a-z 0-9 _ -.") //nolint:staticcheck // shown
	}
	return journal, entry, nil
}

// post hands the form to the API, with the token that browsers send in no form.
func (s *Start) post(w http.ResponseWriter, r *http.Request) {
	journal, entry, err := entryOf(r.URL.Query())
	if s.Token == "" || err != nil || !fromItself(r) {
		w.Header().Set("Connection", "close") // nothing of the body is read
		s.show(w, r, http.StatusForbidden, "Nothing was uploaded: send the form from this page itself.")
		return
	}
	answer := s.call(r, http.MethodPost, s.path(journal, entry))
	var record startRecord
	if answer.status != http.StatusAccepted || json.Unmarshal(answer.body.Bytes(), &record) != nil {
		w.Header().Set("Connection", "close")
		s.show(w, r, answer.status, "Your picture was NOT taken: "+answer.detail())
		return
	}
	http.Redirect(w, r, "/?"+url.Values{"journal": {journal}, "entry": {entry}, "id": {record.ID}}.Encode(),
		http.StatusSeeOther)
}

func (s *Start) path(journal, entry string) string {
	return "/files/" + journal + "/entries/" + entry + "/" + s.Kind
}

// show writes the page.
func (s *Start) show(w http.ResponseWriter, r *http.Request, status int, says string) {
	p := startPage{Title: "Hatchery on this machine", URL: s.URL, Token: s.Token, Kind: s.Kind, Says: says}
	var err error
	if p.Journal, p.Entry, err = entryOf(r.URL.Query()); err != nil && says == "" {
		status, p.Says = http.StatusBadRequest, err.Error()
	}
	images := ""
	if s.Token != "" {
		s.findUpload(r, &p)
		images = s.fillGallery(r, &p)
	}
	if p.Waiting {
		w.Header().Set("Refresh", "1")
	}
	writePage(w, s.page, status, p, images, s.Log)
}

// findUpload asks for the verdict about the upload that was just made.
func (s *Start) findUpload(r *http.Request, p *startPage) {
	id, err := upload.ParseID(r.URL.Query().Get("id"))
	if err != nil {
		return
	}
	answer := s.call(r, http.MethodGet, s.path(p.Journal, p.Entry)+"/"+string(id)+"/status")
	var record startRecord
	if answer.status != http.StatusOK || json.Unmarshal(answer.body.Bytes(), &record) != nil {
		p.Says = "How your upload stands is not known: " + answer.detail()
		return
	}
	p.Record, p.Waiting = &record, record.Status == string(upload.Pending)
	p.Paused = p.Waiting && s.Paused()
}

// fillGallery asks for the newest pictures of an entry, with a link to each, and gives the origin that they come from.
func (s *Start) fillGallery(r *http.Request, p *startPage) (origin string) {
	path := s.path(p.Journal, p.Entry)
	answer := s.call(r, http.MethodGet, fmt.Sprintf("%s?limit=%d", path, gallerySize))
	var list map[string]json.RawMessage
	if answer.status != http.StatusOK || json.Unmarshal(answer.body.Bytes(), &list) != nil ||
		json.Unmarshal(list[s.Kind], &p.Gallery) != nil {
		p.NotListed = "Not known, because it could not be listed: " + answer.detail()
		return ""
	}
	var next string
	p.More = json.Unmarshal(list["next_cursor"], &next) == nil && next != ""
	for i, record := range p.Gallery {
		if !upload.Inline(record.ContentType) {
			continue
		}
		answer := s.call(r, http.MethodGet, path+"/"+record.ID+"/link")
		var link struct{ URL string }
		if answer.status != http.StatusOK || json.Unmarshal(answer.body.Bytes(), &link) != nil {
			continue // deleted since, or no picture
		}
		if from := originOf(link.URL); from != "" && (origin == "" || origin == from) {
			p.Gallery[i].Link, origin = link.URL, from
		}
	}
	return origin
}

// call calls the API as the demo's caller. A body is handed on as it comes.
func (s *Start) call(r *http.Request, method, path string) *recorded {
	called := r.Clone(r.Context())
	at, err := url.Parse(path)
	if err != nil {
		return &recorded{status: http.StatusNotFound}
	}
	called.Method, called.URL, called.RequestURI = method, at, path
	for _, name := range []string{"Origin", "Cookie", "Range", "If-None-Match", "If-Match", "If-Range",
		"If-Modified-Since"} {
		called.Header.Del(name)
	}
	called.Header.Set("Authorization", s.Token)
	if method == http.MethodGet {
		called.Body, called.ContentLength = http.NoBody, 0
	}
	answer := &recorded{header: http.Header{}}
	s.API.ServeHTTP(answer, called)
	return answer
}

// maxAnswer bounds what is kept of an answer of the API: a page of the gallery.
const maxAnswer = 1 << 20

// recorded is an answer of the API, kept.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *recorded) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *recorded) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// Write implements http.ResponseWriter. What is beyond the bound is let go.
func (a *recorded) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body.Write(p[:min(len(p), maxAnswer-a.body.Len())])
	return len(p), nil
}

// detail is what the API says of a refusal.
func (a *recorded) detail() string {
	var problem struct{ Detail string }
	if json.Unmarshal(a.body.Bytes(), &problem) == nil && problem.Detail != "" {
		return problem.Detail
	}
	return fmt.Sprintf("the API answered %d.", a.status)
}
