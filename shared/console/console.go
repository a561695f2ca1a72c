// Package console shows an operator on a page what the commands about dead letters and uploads show in a terminal, and
// does what they do. It is served on the loopback alone, to a browser that has shown its token. It acts as whoever
// started it. It has no JavaScript.
package console

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// Config is what a console needs.
type Config struct {
	Review *deadletter.Review
	// Source is the validator's queue, and Dead its dead-letter queue. They are counted, and nothing is received.
	Source, Dead queue.Inspector
	Downloads    upload.Downloads
	// LastRun says when the reconciler's last scheduled run ended, zero when that is not known; nil: nothing tells.
	LastRun func(context.Context) (time.Time, error)
	// Paused says whether the validator takes nothing, because somebody paused it; nil: that is not known.
	Paused func(context.Context) (bool, error)
	// CountAlways counts the uploads whenever the overview is shown: reading their records costs nothing.
	CountAlways bool
	// Deployment is what the pages call the deployment, and Flags are those with which a command is about it.
	Deployment, Flags string
	// Base is the path under which the console is served, without a slash at its end.
	Base   string
	Random io.Reader
	Log    *slog.Logger
}

// Console is an http.Handler. Close is called before what it works on is closed.
type Console struct {
	Config
	secrets secrets
	jobs    jobs
	asked   questions
	pages   map[string]*template.Template
	mux     *http.ServeMux
	end     context.CancelFunc
}

//go:embed pages
var assets embed.FS

// New makes a console whose actions end with life, as those of a command end with Ctrl-C.
func New(life context.Context, config Config) (*Console, error) {
	secrets, err := newSecrets(config.Random)
	if err != nil {
		return nil, err
	}
	pages, err := parsePages(config.Review.Now, "message", "stranger", "overview", "listings", "letters", "letter",
		"search", "upload", "discarded", "actions", "action", "progress", "plan")
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(life)
	c := &Console{Config: config, secrets: secrets, jobs: jobs{life: life, now: config.Review.Now}, pages: pages,
		mux: http.NewServeMux(), end: end}
	for pattern, serve := range map[string]page{
		"GET /{$}":       (*Console).overview,
		"GET /listings":  (*Console).listings,
		"GET /letters":   (*Console).letters,
		"GET /letter":    (*Console).letter,
		"GET /search":    (*Console).search,
		"GET /upload":    (*Console).upload,
		"GET /discarded": (*Console).discarded,
		"GET /actions":   (*Console).actions,
		"GET /action":    (*Console).action,
		"GET /progress":  (*Console).progress,
		"POST /list":     (*Console).list,
		"POST /plan":     (*Console).ask,
		"GET /plan":      (*Console).plan,
		"POST /act":      (*Console).act,
		"POST /stop":     (*Console).stop,
		"/":              (*Console).nothing,
	} {
		c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { c.answer(w, r, serve) })
	}
	return c, nil
}

// Path is where the console is opened: its base and the token.
func (c *Console) Path() string { return c.Base + "/?token=" + c.secrets.token }

// Close interrupts the action that runs, if there is one, and returns when it has ended.
func (c *Console) Close() {
	c.end()
	c.jobs.running.Wait()
}

// requestTime bounds a request: what takes longer is an action, which the browser does not wait for.
const requestTime = 25 * time.Second

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header(), "")
	path := strings.TrimPrefix(r.URL.Path, c.Base)
	switch {
	case path == "": // a relative link would leave the base
		http.Redirect(w, r, c.Base+"/", http.StatusSeeOther)
		return
	case serveAsset(w, r, path):
		return
	}
	refused := (*refusal)(nil)
	if r.Method == http.MethodGet && r.URL.Query().Has("token") {
		if refused = c.exchange(w, r); refused == nil {
			return
		}
	} else {
		refused = c.refused(w, r)
	}
	if refused != nil {
		w.Header().Set("Connection", "close") // nothing of a body is read
		page := "message"
		if refused.stranger {
			page = "stranger" // which says nothing of the deployment
		}
		c.render(w, page, refused.status, view{Title: "Not served", Words: refused.words})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	r = r.WithContext(ctx)
	r.URL.Path = path
	c.mux.ServeHTTP(w, r)
}

// serveAsset serves the stylesheet and the icon, which hold nothing of anybody.
func serveAsset(w http.ResponseWriter, r *http.Request, path string) bool {
	types := map[string]string{"/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"}
	text, err := assets.ReadFile("pages" + path)
	if types[path] == "" || err != nil || r.Method != http.MethodGet {
		return false
	}
	w.Header().Set("Content-Type", types[path])
	_, _ = w.Write(text) // it fails when the caller is gone
	return true
}

// page answers a request that was let in. What it fails with is shown.
type page func(*Console, http.ResponseWriter, *http.Request) error

// shownError is a failure with the status and the words of its page.
type shownError struct {
	status int
	words  string
}

func (e *shownError) Error() string { return e.words }

func wrong(format string, args ...any) error {
	return &shownError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) error {
	return &shownError{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

// titles are those of the pages of what we refuse ourselves.
var titles = map[int]string{http.StatusBadRequest: "Not as it should be", http.StatusNotFound: "Not found",
	http.StatusConflict: "Not now"}

func (c *Console) answer(w http.ResponseWriter, r *http.Request, serve page) {
	err := serve(c, w, r)
	if err == nil {
		return
	}
	v := view{Title: "That did not work", Words: told(err)}
	status := http.StatusBadGateway
	told, ours := errors.AsType[*shownError](err)
	switch {
	case ours:
		status, v.Title = told.status, titles[told.status]
	case errors.Is(err, deadletter.ErrNoSnapshot):
		status, v.Title = http.StatusNotFound, "No such listing"
		v.Words, v.Lists = "There is no such listing: list the dead letters first.", true
	case deadletter.Refusal(err) != "":
		status, v.Title = http.StatusForbidden, "Not allowed"
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
		v.Words = fmt.Sprintf("It took more than %v, and was given up: %v", requestTime, err)
	}
	if !ours {
		c.Log.WarnContext(r.Context(), "the console could not show a page", "page", r.URL.Path, "error", err)
	}
	c.render(w, "message", status, v)
}

// told says what failed. For who lacks a right, that comes first.
func told(err error) string {
	if denied := deadletter.Refusal(err); denied != "" {
		return denied + " Which policy gives which right is in docs/deploy.md, under \"Who may do what with dead " +
			"letters\". The whole answer: " + err.Error()
	}
	return err.Error()
}

func (c *Console) nothing(http.ResponseWriter, *http.Request) error {
	return missing("There is no page at this address.")
}

// view is what every page has, and its own.
type view struct {
	Title, Words string
	Is           any
	Images       string  // one more origin of pictures
	Listed       *listed // the listing that the page is about, and what was done since
	Lists        bool    // the page offers to list the dead letters

	Base, CSRF, Deployment, Operator, Flags string
	Running                                 bool // an action is
}

// render writes a page, whole or not at all.
func (c *Console) render(w http.ResponseWriter, name string, status int, v view) {
	v.Base, v.CSRF, v.Deployment, v.Operator, v.Flags = c.Base, c.secrets.csrf, c.Deployment, c.Review.Operator, c.Flags
	if j := c.jobs.last(); j != nil {
		v.Running = j.view().Running
	}
	writePage(w, c.pages[name], status, v, v.Images, c.Log)
}

func writePage(w http.ResponseWriter, t *template.Template, status int, v any, images string, log *slog.Logger) {
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout.html", v); err != nil {
		log.Error("a page cannot be written", "error", err)
		http.Error(w, "This page cannot be written: it is a fault of ours.", http.StatusInternalServerError)
		return
	}
	protect(w.Header(), images)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // it fails when the caller is gone
}

// parsePages reads the templates of some pages: each page in its own copy of the layout.
func parsePages(now func() time.Time, names ...string) (map[string]*template.Template, error) {
	functions := template.FuncMap{
		"inert": func(text any) template.HTML { return inert(fmt.Sprint(text)) }, "lines": inertBlock,
		"grouped": func(n any) string { return grouped(n) }, "count": wording.Count, "stamp": wording.Stamp,
		"ago":   func(t time.Time) string { return wording.Age(now().Sub(t)) },
		"until": func(t time.Time) string { return wording.Age(t.Sub(now())) },
		"name":  deadletter.NameOf, "bare": bareGroup, "shell": wording.ShellWord, "advice": deadletter.Advice,
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		t, err := template.New("").Funcs(functions).ParseFS(assets, "pages/layout.html", "pages/parts.html",
			"pages/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("read the page %s: %w", name, err)
		}
		pages[name] = t
	}
	return pages, nil
}

func grouped(n any) string {
	switch n := n.(type) {
	case int:
		return wording.Grouped(int64(n))
	case int64:
		return wording.Grouped(n)
	}
	return fmt.Sprint(n)
}

// bareGroup is a group without its cause, which stands beside it.
func bareGroup(cause deadletter.Cause, group string) string {
	return strings.TrimPrefix(group, string(cause)+": ")
}
