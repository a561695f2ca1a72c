package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

const (
	// rowsOnPage is how many letters a page shows.
	rowsOnPage = 100
	// looksOnPage is how many letters are looked at for one page: few may be as the filter asks.
	looksOnPage = 20_000
)

// errFull ends the reading of a listing when a page is full.
var errFull = errors.New("the page is full")

// lettersPage is a page of a listing.
type lettersPage struct {
	Snapshot  deadletter.Snapshot
	Selection deadletter.Selection
	OlderThan string
	Letters   []deadletter.Letter
	// First and Last are the numbers of the rows, and Total how many there are, 0 when that is not known.
	First, Last, Total int
	// Next is the address of the next page, "" on the last one.
	Next string
	// Looked: the page is not full, because so many letters were looked at.
	Looked int
	Group  *deadletter.Group // the one that is shown
	Causes []deadletter.Cause
	Codes  []upload.Code
}

func (c *Console) letters(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	selection, err := selectionOf(q)
	if err != nil {
		return err
	}
	from, first, err := positionOf(q.Get("from"))
	if err != nil {
		return err
	}
	snapshot, err := c.Review.Snapshot(r.Context(), q.Get("snapshot"))
	if err != nil {
		return err
	}
	p := lettersPage{Snapshot: snapshot, Selection: selection, OlderThan: q.Get("older"), First: first,
		Causes: deadletter.Causes(), Codes: upload.Codes()}
	if selection.Journal == "" && selection.Code == "" && selection.OlderThan == 0 {
		p.count()
	}
	if err := c.fill(r.Context(), &p, from); err != nil {
		return err
	}
	p.Last = p.First + len(p.Letters) - 1
	c.render(w, "letters", http.StatusOK, view{Title: "Dead letters", Is: p})
	return nil
}

// count says how many letters there are by the groups of the listing.
func (p *lettersPage) count() {
	for _, g := range p.Snapshot.Groups {
		of := deadletter.Letter{Diagnosis: deadletter.Diagnosis{Cause: g.Cause, Group: g.Group}}
		if p.Selection.Takes(of, time.Time{}) {
			p.Total += g.Letters
		}
		if g.Group == p.Selection.Group {
			p.Group = &g
		}
	}
}

// fill reads the letters of a page.
func (c *Console) fill(ctx context.Context, p *lettersPage, from deadletter.LetterAt) error {
	now, looked := c.Review.Now(), 0
	err := c.Review.LettersFrom(ctx, p.Snapshot, from, func(at deadletter.LetterAt, l deadletter.Letter) error {
		if len(p.Letters) == rowsOnPage || looked == looksOnPage {
			p.Next = c.lettersAt(p, at)
			if len(p.Letters) < rowsOnPage {
				p.Looked = looked
			}
			return errFull
		}
		if looked++; p.Selection.Takes(l, now) {
			p.Letters = append(p.Letters, l)
		}
		return nil
	})
	if errors.Is(err, errFull) {
		return nil
	}
	return err
}

// lettersAt is the address of the page that begins there.
func (c *Console) lettersAt(p *lettersPage, at deadletter.LetterAt) string {
	q := url.Values{"snapshot": {p.Snapshot.ID},
		"from": {fmt.Sprintf("%d.%d.%d", at.Part, at.Row, p.First+len(p.Letters))}}
	for name, value := range map[string]string{"cause": string(p.Selection.Cause), "group": p.Selection.Group,
		"journal": string(p.Selection.Journal), "code": string(p.Selection.Code), "older": p.OlderThan} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return c.Base + "/letters?" + q.Encode()
}

// positionOf reads where a page begins: part, row, and the number of its first row.
func positionOf(text string) (at deadletter.LetterAt, first int, err error) {
	if text == "" {
		return at, 1, nil
	}
	var end string
	n, _ := fmt.Sscanf(text+" end", "%d.%d.%d %s", &at.Part, &at.Row, &first, &end)
	if n != 4 || at.Part < 1 || at.Row < 0 || first < 1 {
		return at, 0, wrong("The address of this page is damaged: begin at the first page of the listing.")
	}
	return at, first, nil
}

// selectionOf reads which letters are meant.
func selectionOf(q url.Values) (deadletter.Selection, error) {
	s := deadletter.Selection{Cause: deadletter.Cause(q.Get("cause")), Group: q.Get("group"),
		Journal: upload.Journal(q.Get("journal")), Code: upload.Code(q.Get("code"))}
	switch {
	case s.Cause != "" && !slices.Contains(deadletter.Causes(), s.Cause):
		return s, wrong("Cause: found %.100q; accepted: %v.", s.Cause, deadletter.Causes())
	case s.Code != "" && !slices.Contains(upload.Codes(), s.Code):
		return s, wrong("Code: found %.100q; accepted: %v.", s.Code, upload.Codes())
	case s.Journal != "" && !upload.ValidPathID(string(s.Journal)):
		return s, wrong("Journal: found %.100q; accepted: 1 to 64 of A-Z a-z 0-9 _ -.", s.Journal)
	}
	if hours := q.Get("older"); hours != "" {
		n, err := strconv.Atoi(hours)
		if err != nil || n < 0 || n > 100_000 {
			return s, wrong("Older than: found %.100q; accepted: a whole number of hours.", hours)
		}
		s.OlderThan = time.Duration(n) * time.Hour
	}
	return s, nil
}

// letterPage is one letter, explained afresh.
type letterPage struct {
	Snapshot deadletter.Snapshot
	Letter   deadletter.Letter
	Failed   string
}

func (c *Console) letter(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	snapshot, err := c.Review.Snapshot(r.Context(), q.Get("snapshot"))
	if err != nil {
		return err
	}
	letters, err := c.Review.Show(r.Context(), snapshot, q.Get("id"))
	if len(letters) == 0 {
		if err != nil {
			return err
		}
		return missing("This message is not in the listing %s: what died since is found by a new one.", snapshot.ID)
	}
	p := letterPage{Snapshot: snapshot, Letter: letters[0]}
	if err != nil {
		p.Failed = err.Error()
	}
	c.render(w, "letter", http.StatusOK, view{Title: "One dead letter", Is: p})
	return nil
}

// discardedPage is a page of what was discarded.
type discardedPage struct {
	Letters []deadletter.DiscardedLetter
	First   int
	Next    int // the number of the next page's first row; 0 on the last one
}

func (c *Console) discarded(w http.ResponseWriter, r *http.Request) error {
	p := discardedPage{First: 1}
	if text := r.URL.Query().Get("from"); text != "" {
		var err error
		if p.First, err = strconv.Atoi(text); err != nil || p.First < 1 {
			return wrong("The address of this page is damaged: begin at the first page.")
		}
	}
	row := 0
	err := c.Review.Discarded(r.Context(), func(l deadletter.DiscardedLetter) error {
		if row++; row < p.First {
			return nil
		}
		if len(p.Letters) == rowsOnPage {
			p.Next = row
			return errFull
		}
		p.Letters = append(p.Letters, l)
		return nil
	})
	if err != nil && !errors.Is(err, errFull) {
		return err
	}
	c.render(w, "discarded", http.StatusOK, view{Title: "Discarded letters", Is: p})
	return nil
}
