package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// pictureLife is for how long the link to a picture can be used: the browser loads it with the page.
const pictureLife = time.Minute

// uploadPage is all that is known of one upload.
type uploadPage struct {
	deadletter.Story
	Name    string // journal/entry/kind/id
	Picture string // a link; "" when there is none to show
	NoImage string // why a stored picture is not shown
	Failed  string
	Newest  string // the listing that has its letters
}

func (c *Console) upload(w http.ResponseWriter, r *http.Request) error {
	name, err := deadletter.ParseUploadName(r.URL.Query().Get("name"))
	if err != nil {
		return wrong("This names no upload: %v. Accepted: %s.", err, deadletter.UploadForms)
	}
	record, err := c.Review.Find(r.Context(), name)
	if errors.Is(err, upload.ErrNotFound) {
		return missing("There is no record of upload %s in this deployment: it never was, or was deleted so long ago that "+
			"its tombstone is gone.", name.ID)
	}
	if err != nil {
		return fmt.Errorf("find upload %s: %w", name.ID, err)
	}
	p := uploadPage{Name: deadletter.NameOf(record.Ref())}
	if p.Story, err = c.Review.Story(r.Context(), record); err != nil {
		p.Failed = told(err)
	}
	v := view{Title: "One upload"}
	if p.Picture, v.Images, err = c.picture(r.Context(), record); err != nil {
		p.NoImage = noImage(err)
	}
	v.Is = p
	c.render(w, "upload", http.StatusOK, v)
	return nil
}

// picture signs a link to a stored picture, and gives the origin that it is loaded from. What the replaced service
// stored was never validated, and is not shown.
func (c *Console) picture(ctx context.Context, r upload.Record) (link, origin string, _ error) {
	if r.Status != upload.Stored || !upload.Inline(r.ContentType) || r.Legacy() {
		return "", "", nil
	}
	// A link is signed without asking whether it may be used, and a browser says nothing of a refusal.
	key := c.Review.Layout.FilesKey(r.Ref())
	first, err := c.Downloads.ReadRange(ctx, key, r.ServedVersion, 0, 1)
	if err == nil {
		err = first.Close()
	}
	if err != nil {
		return "", "", fmt.Errorf("read the picture: %w", err)
	}
	link, err = c.Downloads.Link(ctx, upload.Link{Key: key, Version: r.ServedVersion,
		ContentType: r.ContentType, Disposition: upload.Disposition(r.ContentType, r.FullName()), Lifetime: pictureLife})
	if err != nil {
		return "", "", fmt.Errorf("sign a link to the picture: %w", err)
	}
	if origin = originOf(link); origin == "" {
		return "", "", errors.New("the link to the picture leads to no web server")
	}
	return link, origin, nil
}

// noImage says why a stored picture is not shown.
func noImage(err error) string {
	switch {
	case errors.Is(err, upload.ErrGone):
		return "The picture is not shown: the bucket does not have the version that the record names. See FilesAreMissing " +
			"in docs/operations.md."
	case deadletter.Refusal(err) != "":
		return "The picture is not shown: that needs the right to s3:GetObjectVersion on stored files. Of the stack's " +
			"policies OperatorSeesFiles alone gives it: attach it to your role, and load this page again."
	}
	return "The picture is not shown: " + err.Error()
}

// originOf is what a policy calls the server of a URL; "" when it is no web server's.
func originOf(link string) string {
	at, err := url.Parse(link)
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" ||
		strings.ContainsAny(at.Host, " ;,'\"") {
		return ""
	}
	return at.Scheme + "://" + at.Host
}

const (
	// foundOnPage is how many records are read at once. A search goes on until it has found half as many, or has looked at
	// looksOnSearch.
	foundOnPage   = 100
	looksOnSearch = 10_000
	// searchTime is how long it looks.
	searchTime = 15 * time.Second
)

// searchPage is a search and what it found.
type searchPage struct {
	ID, Journal, Entry, Name, Code, Status, From, To string
	Asked, Later                                     bool // Later: of pages, not the first
	// Problem is why an id is none. All: every row is checked.
	Problem string
	All     bool
	Here    string // the address of this very page
	Found   []upload.Record
	Looked  int
	// Next is the address where the search goes on; "" when it came to its end.
	Next string
	// Cut: of an entry, only the newest of each status were looked at.
	Cut      bool
	Codes    []upload.Code
	from, to time.Time
}

func (c *Console) search(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p := searchPage{ID: strings.TrimSpace(q.Get("id")), Journal: strings.TrimSpace(q.Get("journal")),
		Entry: strings.TrimSpace(q.Get("entry")), Name: strings.TrimSpace(q.Get("name")), Code: q.Get("code"),
		Status: q.Get("status"), From: q.Get("from"), To: q.Get("to"), Codes: upload.Codes(), All: q.Has("all"),
		Here: c.Base + "/search?" + r.URL.RawQuery}
	if p.ID != "" {
		found, err := c.searchID(w, r, p.ID)
		if found || err != nil {
			return err
		}
		p.Problem = "This is the id of no dead letter in the newest listing, and of no upload. Accepted: a message's id, " +
			"or " + deadletter.UploadForms + " of an upload. Looking for a name? Use \"Name has\" below."
		c.render(w, "search", http.StatusBadRequest, view{Title: "Search", Is: p})
		return nil
	}
	p.Asked = p.Journal+p.Entry+p.Name+p.Code+p.Status+p.From+p.To != ""
	if p.Asked {
		if err := p.check(); err != nil {
			return err
		}
		p.Later = q.Has("cursor")
		if err := c.look(r.Context(), &p, upload.Cursor(q.Get("cursor"))); err != nil {
			return err
		}
	}
	c.render(w, "search", http.StatusOK, view{Title: "Search", Is: p})
	return nil
}

// searchID leads to what has an id: a letter of the newest listing, or an upload. What is no id leads nowhere.
func (c *Console) searchID(w http.ResponseWriter, r *http.Request, id string) (found bool, _ error) {
	newest, err := c.Review.Snapshot(r.Context(), "")
	if err == nil && !strings.Contains(id, "/") {
		err = c.Review.Letters(r.Context(), newest, func(l deadletter.Letter) error {
			if l.MessageID == id {
				return errFull
			}
			return nil
		})
	}
	switch {
	case errors.Is(err, errFull):
		http.Redirect(w, r, c.Base+"/letter?"+url.Values{"snapshot": {newest.ID}, "id": {id}}.Encode(), http.StatusSeeOther)
		return true, nil
	case err != nil && !errors.Is(err, deadletter.ErrNoSnapshot):
		return false, err
	}
	if _, err = deadletter.ParseUploadName(id); err == nil {
		http.Redirect(w, r, c.Base+"/upload?"+url.Values{"name": {id}}.Encode(), http.StatusSeeOther)
		found = true
	}
	return found, nil
}

// Statuses are those that can be asked for.
func (p searchPage) Statuses() (names []string) {
	for _, status := range upload.Statuses() {
		names = append(names, string(status))
		if status == upload.Pending {
			names = append(names, lostBytes)
		}
	}
	return names
}

// lostBytes asks for the pending uploads whose bytes are gone, among the statuses.
const lostBytes = "bytes_lost"

// status is the one that a search asks for; "" is any.
func (p *searchPage) status() upload.Status {
	switch {
	case p.Status == lostBytes:
		return upload.Pending
	case p.Status == "" && p.Code != "":
		return upload.Rejected
	}
	return upload.Status(p.Status)
}

func (p *searchPage) check() (err error) {
	s := deadletter.Selection{Journal: upload.Journal(p.Journal), Entry: upload.Entry(p.Entry), Code: upload.Code(p.Code)}
	if err := s.Check(); err != nil {
		return wrongChoice(err)
	}
	if status := p.status(); status != "" && !slices.Contains(upload.Statuses(), status) {
		return wrong("Status: found %.100q; accepted: %v or %s.", p.Status, upload.Statuses(), lostBytes)
	}
	for _, day := range []struct {
		what, text string
		at         *time.Time
		more       time.Duration
	}{{"From", p.From, &p.from, 0}, {"To", p.To, &p.to, 24 * time.Hour}} {
		if day.text == "" {
			continue
		}
		if *day.at, err = time.Parse(time.DateOnly, day.text); err != nil {
			return wrong("%s: found %.100q; accepted: a date like 2026-11-23.", day.what, day.text)
		}
		*day.at = day.at.Add(day.more)
	}
	return nil
}

// takes says whether a record is as the search asks.
func (p *searchPage) takes(r upload.Record) bool {
	return (p.Journal == "" || string(r.Journal) == p.Journal) && (p.Entry == "" || string(r.Entry) == p.Entry) &&
		(p.Name == "" || upload.HasName(r.Names(), p.Name)) &&
		(p.Status == "" || r.Status == p.status()) && (p.Status != lostBytes || r.LostBytes()) &&
		(p.Code == "" || r.Reason != nil && string(r.Reason.Code) == p.Code) &&
		(p.from.IsZero() || !r.CreatedAt.Before(p.from)) && (p.to.IsZero() || r.CreatedAt.Before(p.to))
}

// look goes through the records, those of one entry alone where it is named.
func (c *Console) look(ctx context.Context, p *searchPage, cursor upload.Cursor) error {
	if p.Journal != "" && p.Entry != "" {
		return c.lookInEntry(ctx, p)
	}
	end := c.Review.Now().Add(searchTime)
	q := upload.ScanQuery{Cursor: cursor, Limit: foundOnPage, Status: p.status()}
	if q.Status != "" {
		q.Before = p.to // which needs a status
	}
	for p.Looked < looksOnSearch && len(p.Found) < foundOnPage/2 {
		page, err := c.Review.Records.Scan(ctx, q)
		if errors.Is(err, upload.ErrBadCursor) {
			return wrong("The address of this page is damaged, or too old: search again.")
		}
		if err != nil {
			return fmt.Errorf("look through the records: %w", err)
		}
		p.add(page.Records)
		q.Cursor = page.Next
		if page.Next == "" || c.Review.Now().After(end) {
			break
		}
	}
	if q.Cursor != "" {
		p.Next = c.Base + "/search?" + url.Values{"journal": {p.Journal}, "entry": {p.Entry}, "name": {p.Name},
			"code": {p.Code}, "status": {p.Status}, "from": {p.From}, "to": {p.To}, "cursor": {string(q.Cursor)}}.Encode()
	}
	return nil
}

// lookInEntry asks for one entry's records, the newest of each kind and status.
func (c *Console) lookInEntry(ctx context.Context, p *searchPage) error {
	for kind := range c.Review.Policy.Kinds {
		for _, status := range upload.Statuses() {
			page, err := c.Review.Records.List(ctx, upload.Query{Journal: upload.Journal(p.Journal),
				Entry: upload.Entry(p.Entry), Kind: kind, Status: status, Limit: foundOnPage})
			if err != nil {
				return fmt.Errorf("list the records of the entry: %w", err)
			}
			p.add(page.Records)
			p.Cut = p.Cut || page.Next != ""
		}
	}
	slices.SortStableFunc(p.Found, func(a, b upload.Record) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return nil
}

func (p *searchPage) add(records []upload.Record) {
	p.Looked += len(records)
	for _, r := range records {
		if p.takes(r) {
			p.Found = append(p.Found, r)
		}
	}
}
