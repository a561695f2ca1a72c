package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	// Start, Previous and Next are addresses of other pages, "" where there are none.
	Start, Previous, Next string
	// Looked: the page is not full, because so many letters were looked at.
	Looked int
	Groups []deadletter.Group // those that are shown, the first of them
	Offers offers
	// Left: of some on this page nothing was done since the listing.
	Left   bool
	Causes []deadletter.Cause
	Codes  []upload.Code
}

func (c *Console) letters(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	selection, err := selectionOf(q)
	if err != nil {
		return err
	}
	from, err := positionOf(q.Get("from"))
	if err != nil {
		return err
	}
	before, err := positionOf(q.Get("before"))
	if err != nil {
		return err
	}
	snapshot, err := c.Review.Snapshot(r.Context(), q.Get("snapshot"))
	if err != nil {
		return err
	}
	p := lettersPage{Snapshot: snapshot, Selection: selection, OlderThan: q.Get("older"), Causes: deadletter.Causes(),
		Codes: upload.Codes()}
	p.count(!selection.ByUpload() && selection.OlderThan == 0)
	if q.Has("before") {
		if from, err = c.pageBefore(r.Context(), &p, before); err != nil {
			return err
		}
	}
	if p.First = from.number; from.at.Part > 1 || from.at.Row > 0 {
		p.Start, p.Previous = c.lettersAt(&p, "", from), c.lettersAt(&p, "before", from)
	}
	if err := c.fill(r.Context(), &p, from.at); err != nil {
		return err
	}
	p.Last = p.First + len(p.Letters) - 1
	v := view{Title: "Dead letters", Is: &p}
	if v.Listed, err = c.sinceListing(r.Context(), snapshot); err != nil {
		return err
	}
	p.Left = slices.ContainsFunc(p.Letters, func(l deadletter.Letter) bool {
		_, done := v.Listed.Done[l.MessageID]
		return !done
	})
	c.render(w, "letters", http.StatusOK, v)
	return nil
}

// offers are the actions for which a page of letters has buttons, and the one that is suggested.
type offers struct {
	Redrive, Reject, Discard bool
	Go                       deadletter.Action
}

// offer says what can be done with letters of some groups. Of what is not in a group all can be.
func offer(groups []deadletter.Group) (o offers) {
	for i, g := range groups {
		o.Redrive = o.Redrive || g.Suggest != deadletter.Discard || g.Cause == deadletter.Obsolete
		o.Discard = o.Discard || g.Suggest == deadletter.Discard
		o.Reject = o.Reject || g.Suggest != deadletter.Discard && g.Cause != deadletter.Unfinished
		if o.Go = g.Suggest; i > 0 && g.Suggest != groups[0].Suggest {
			o.Go = ""
		}
	}
	if len(groups) == 0 {
		return offers{Redrive: true, Reject: true, Discard: true}
	}
	return o
}

// count says how many letters there are by the groups of the listing, and which groups are shown.
func (p *lettersPage) count(byGroup bool) {
	for _, g := range p.Snapshot.Groups {
		of := deadletter.Letter{Diagnosis: deadletter.Diagnosis{Cause: g.Cause, Group: g.Group}}
		if !(deadletter.Selection{Cause: p.Selection.Cause, Group: p.Selection.Group}).Takes(of, time.Time{}) {
			continue
		}
		p.Groups = append(p.Groups, g)
		if byGroup {
			p.Total += g.Letters
		}
	}
	p.Offers = offer(p.Groups)
	p.Groups = p.Groups[:min(len(p.Groups), firstGroups)]
}

// fill reads the letters of a page.
func (c *Console) fill(ctx context.Context, p *lettersPage, from deadletter.LetterAt) error {
	now, looked := c.Review.Now(), 0
	err := c.Review.LettersFrom(ctx, p.Snapshot, from, func(at deadletter.LetterAt, l deadletter.Letter) error {
		if len(p.Letters) == rowsOnPage || looked == looksOnPage {
			p.Next = c.lettersAt(p, "from", position{at, p.First + len(p.Letters)})
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

// pageBefore finds where the page begins that ends before a row. It reads the listing backwards, part by part.
func (c *Console) pageBefore(ctx context.Context, p *lettersPage, end position) (position, error) {
	now, looked := c.Review.Now(), 0
	var rows []deadletter.LetterAt
	listing := p.Snapshot
	for listing.Parts = min(end.at.Part, listing.Parts); listing.Parts > 0; listing.Parts-- {
		var here []deadletter.LetterAt
		begin := deadletter.LetterAt{Part: listing.Parts}
		err := c.Review.LettersFrom(ctx, listing, begin, func(at deadletter.LetterAt, l deadletter.Letter) error {
			if at.Part == end.at.Part && at.Row >= end.at.Row {
				return errFull
			}
			if looked++; p.Selection.Takes(l, now) {
				here = append(here, at)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errFull) {
			return position{}, err
		}
		if rows = append(here, rows...); len(rows) >= rowsOnPage {
			return position{rows[len(rows)-rowsOnPage], max(1, end.number-rowsOnPage)}, nil
		}
		if looked >= looksOnPage {
			return position{begin, max(1, end.number-len(rows))}, nil
		}
	}
	return position{number: 1}, nil
}

// position is where a row of a page is, and its number.
type position struct {
	at     deadletter.LetterAt
	number int
}

// lettersAt is the address of the page that begins at a row, or ends before it, or of the first with which "".
func (c *Console) lettersAt(p *lettersPage, which string, row position) string {
	q := url.Values{"snapshot": {p.Snapshot.ID}}
	for name, value := range map[string]string{"cause": string(p.Selection.Cause), "group": p.Selection.Group,
		"journal": string(p.Selection.Journal), "entry": string(p.Selection.Entry), "name": p.Selection.Name,
		"code": string(p.Selection.Code), "older": p.OlderThan} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if which != "" {
		q.Set(which, fmt.Sprintf("%d.%d.%d", row.at.Part, row.at.Row, row.number))
	}
	return c.Base + "/letters?" + q.Encode()
}

// positionOf reads part, row, and the number of the row; "" is the beginning.
func positionOf(text string) (p position, err error) {
	if text == "" {
		return position{number: 1}, nil
	}
	var end string
	n, _ := fmt.Sscanf(text+" end", "%d.%d.%d %s", &p.at.Part, &p.at.Row, &p.number, &end)
	if n != 4 || p.at.Part < 1 || p.at.Row < 0 || p.number < 1 {
		return p, wrong("The address of this page is damaged: begin at the first page of the listing.")
	}
	return p, nil
}

// selectionOf reads which letters are meant.
func selectionOf(q url.Values) (deadletter.Selection, error) {
	s := deadletter.Selection{Cause: deadletter.Cause(q.Get("cause")), Group: q.Get("group"),
		Journal: upload.Journal(strings.TrimSpace(q.Get("journal"))), Entry: upload.Entry(strings.TrimSpace(q.Get("entry"))),
		Name: strings.TrimSpace(q.Get("name")), Code: upload.Code(q.Get("code"))}
	if err := s.Check(); err != nil {
		return s, wrongChoice(err)
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

func wrongChoice(err error) error {
	text := err.Error()
	return wrong("%s%s.", strings.ToUpper(text[:1]), text[1:])
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
	// Previous and Next are the numbers of those pages' first rows; 0 where there is none.
	Previous, Next int
}

func (c *Console) discarded(w http.ResponseWriter, r *http.Request) error {
	p := discardedPage{First: 1}
	if text := r.URL.Query().Get("from"); text != "" {
		var err error
		if p.First, err = strconv.Atoi(text); err != nil || p.First < 1 {
			return wrong("The address of this page is damaged: begin at the first page.")
		}
	}
	if p.First > 1 {
		p.Previous = max(1, p.First-rowsOnPage)
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
