package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

const (
	// countTime bounds the counting of uploads, and looking at the rest of the overview.
	countTime = 5 * time.Second
	// firstGroups is how many groups the overview shows.
	firstGroups = 20
)

// overviewPage is what the overview shows. A text stands in the place of what could not be read.
type overviewPage struct {
	Counts              []statusCount // nil: not counted
	CountsError         string
	Source, Dead        queue.State
	SourceError         string
	DeadError           string
	Newest              deadletter.Snapshot
	NoListing           bool
	ListingError        string
	Groups              []deadletter.Group
	MoreGroups          int
	Oldest, FirstGone   time.Time
	LastRun, LastRunWhy string
	// Lost is how many of the uploads that are counted have lost their bytes.
	Lost int
	// Paused is why the validator takes nothing, "" when it does.
	Paused string
}

// NoLetters says whether the queue has no dead letters.
func (p overviewPage) NoLetters() bool { return p.DeadError == "" && p.Dead.Messages() == 0 }

// statusCount is how many uploads have a status; More: there are more than were counted.
type statusCount struct {
	Status upload.Status
	N      int
	More   bool
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var p overviewPage
	if c.CountAlways || r.URL.Query().Has("count") {
		p.CountsError = c.countUploads(ctx, &p)
	}
	p.Source, p.SourceError = inspect(ctx, c.Source)
	p.Dead, p.DeadError = inspect(ctx, c.Dead)
	newest, err := c.Review.Snapshot(ctx, "")
	switch {
	case errors.Is(err, deadletter.ErrNoSnapshot):
		p.NoListing = true
	case err != nil:
		p.ListingError = told(err)
	}
	v := view{Title: "Overview"}
	if newest.ID != "" {
		if v.Listed, err = c.sinceListing(ctx, newest); err != nil {
			p.ListingError = told(err)
		}
	}
	p.Newest, p.Groups = newest, newest.Groups
	for _, g := range newest.Groups {
		if p.Oldest.IsZero() || g.Oldest.Before(p.Oldest) {
			p.Oldest = g.Oldest
		}
		if p.FirstGone.IsZero() || g.Expires.Before(p.FirstGone) {
			p.FirstGone = g.Expires
		}
	}
	if len(p.Groups) > firstGroups {
		p.Groups, p.MoreGroups = p.Groups[:firstGroups], len(p.Groups)-firstGroups
	}
	p.LastRun, p.LastRunWhy = c.lastRun(ctx)
	p.Paused = c.paused(ctx)
	v.Is = p
	c.render(w, "overview", http.StatusOK, v)
	return nil
}

// countUploads reads the records of each status, a page of them: no store keeps a count.
func (c *Console) countUploads(ctx context.Context, p *overviewPage) (why string) {
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	for _, status := range upload.Statuses() {
		page, err := c.Review.Records.Scan(ctx, upload.ScanQuery{Status: status, Limit: upload.MaxPage})
		if err != nil {
			return told(err)
		}
		p.Counts = append(p.Counts, statusCount{status, len(page.Records), page.Next != ""})
		for _, r := range page.Records {
			if r.LostBytes() {
				p.Lost++
			}
		}
	}
	return ""
}

// paused says whether the validator takes nothing; "" when it does, or when nothing tells.
func (c *Console) paused(ctx context.Context) string {
	if c.Paused == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	switch paused, err := c.Paused(ctx); {
	case err != nil:
		return "Whether the validator is paused is not known: " + told(err)
	case paused:
		return "Paused: the validator takes no messages, until hatchery dlq resume" + c.Flags + "."
	}
	return ""
}

func inspect(ctx context.Context, q queue.Inspector) (queue.State, string) {
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	state, err := q.Inspect(ctx)
	if err != nil {
		return state, told(err)
	}
	return state, ""
}

// lastRun says when the reconciler ran, or why that is not known.
func (c *Console) lastRun(ctx context.Context) (at, why string) {
	if c.LastRun == nil {
		return "", "No schedule runs it here. To find what was left undone, type hatchery reconcile" + c.Flags + "."
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	last, err := c.LastRun(ctx)
	switch {
	case err != nil:
		return "", told(err)
	case last.IsZero():
		return "", "It is not known when its schedule ran it last."
	}
	return fmt.Sprintf("%s, %s ago", wording.Stamp(last), wording.Age(c.Review.Now().Sub(last))), ""
}

// list begins a listing. It is an action, because receiving hides the letters from others meanwhile.
func (c *Console) list(w http.ResponseWriter, r *http.Request) error {
	return c.begin(w, r, "list", 0, func(ctx context.Context, j *job) error {
		snapshot, err := c.Review.List(ctx, func(deadletter.Letter) error {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.counts["listed"]++
			return nil
		})
		j.mu.Lock()
		defer j.mu.Unlock()
		j.snapshot = snapshot.ID
		j.sentence = "Listed: " + wording.Count(snapshot.Letters, "dead letter") + "."
		if snapshot.InOtherHands > 0 {
			j.sentence += fmt.Sprintf(" %s more in other hands: somebody lists or acts just now, or did a moment ago.",
				wording.Grouped(int64(snapshot.InOtherHands)))
		}
		return err
	})
}

func (c *Console) listings(w http.ResponseWriter, r *http.Request) error {
	all, err := c.Review.Snapshots(r.Context())
	if err != nil {
		return err
	}
	c.render(w, "listings", http.StatusOK, view{Title: "Listings", Is: all})
	return nil
}

// maxActions is how many actions are listed.
const maxActions = 50

func (c *Console) actions(w http.ResponseWriter, r *http.Request) error {
	all, err := c.Review.Audits(r.Context(), maxActions)
	if err != nil {
		return err
	}
	c.render(w, "actions", http.StatusOK, view{Title: "Actions", Is: all})
	return nil
}

// actionPage is one action with some of its results.
type actionPage struct {
	deadletter.Audit
	Results []deadletter.Result
	More    int
}

func (c *Console) action(w http.ResponseWriter, r *http.Request) error {
	audit, err := c.Review.Audit(r.Context(), r.URL.Query().Get("id"))
	if errors.Is(err, deadletter.ErrNoAudit) {
		return missing("There is no action of this id: the newest are listed under Actions.")
	}
	if err != nil {
		return err
	}
	p := actionPage{Audit: audit, Results: audit.Results}
	if len(p.Results) > maxResults {
		p.Results, p.More = p.Results[:maxResults], len(p.Results)-maxResults
	}
	c.render(w, "action", http.StatusOK, view{Title: "One action", Is: p})
	return nil
}
