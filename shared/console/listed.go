package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// listed is a listing, and what became of it.
type listed struct {
	deadletter.Snapshot
	deadletter.Since
	// New is how many dead letters there are, by the queue's count, that it does not have.
	New int
}

// sinceListing says what became of a listing.
func (c *Console) sinceListing(ctx context.Context, s deadletter.Snapshot) (*listed, error) {
	l := &listed{Snapshot: s}
	var err error
	if l.Since, err = c.Review.Since(ctx, s); err != nil {
		return nil, err
	}
	dead, why := inspect(ctx, c.Dead)
	if why != "" {
		return l, nil // the overview says it
	}
	left := s.Letters
	for _, a := range l.Actions {
		if a.Snapshot == s.ID {
			left -= a.Counts[deadletter.ResultDone]
		}
	}
	l.New = max(0, dead.Messages()-max(0, left))
	return l, nil
}

// AllDone says whether nothing is left of it.
func (l *listed) AllDone() bool { return l != nil && l.Complete && len(l.Since.Done) >= l.Letters }

// questions are what forms asked for. Each has an address, so that its page can be loaded again, and gone back to.
type questions struct {
	mu    sync.Mutex
	made  int
	forms map[int]url.Values
}

// maxQuestions is how many are kept, the newest.
const maxQuestions = 20

func (q *questions) keep(form url.Values) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.forms == nil {
		q.forms = map[int]url.Values{}
	}
	q.made++
	q.forms[q.made] = form
	delete(q.forms, q.made-maxQuestions)
	return q.made
}

func (q *questions) form(number string) (url.Values, bool) {
	n, _ := strconv.Atoi(number)
	q.mu.Lock()
	defer q.mu.Unlock()
	form, found := q.forms[n]
	return form, found
}

// ask keeps what a form asks for, and leads to the question about it.
func (c *Console) ask(w http.ResponseWriter, r *http.Request) error {
	if _, err := orderOf(r.PostForm); err != nil {
		return err
	}
	http.Redirect(w, r, fmt.Sprintf("%s/plan?question=%d", c.Base, c.asked.keep(r.PostForm)), http.StatusSeeOther)
	return nil
}

const (
	// maxVerdicts is how many uploads are looked at for what came of an action, and verdictsAtOnce how many at once.
	maxVerdicts    = 100
	verdictsAtOnce = 8
)

// verdicts says how the uploads stand now to which something was sent, in words; "" when none was. It counts those that
// were settled since the action began.
func (c *Console) verdicts(ctx context.Context, results []deadletter.Result, began time.Time) (text string,
	settled int) {
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	var mu sync.Mutex
	looked, counts := 0, map[upload.Status]int{}
	var group errgroup.Group
	group.SetLimit(verdictsAtOnce)
	for _, result := range results {
		name, err := deadletter.ParseUploadName(result.Upload)
		if result.Result != deadletter.ResultDone || err != nil || looked == maxVerdicts {
			continue
		}
		looked++
		group.Go(func() error {
			record, err := c.Review.Find(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err == nil { // else how it stands is not known, and it is not counted
				counts[record.Status]++
			}
			if err == nil && record.Status != upload.Pending && !record.SettledAt.Before(began.Truncate(time.Second)) {
				settled++
			}
			return nil
		})
	}
	_ = group.Wait() // every function returns nil
	for _, status := range upload.Statuses() {
		if counts[status] > 0 {
			text += fmt.Sprintf(", %s %s", wording.Grouped(int64(counts[status])), status)
		}
	}
	if text == "" {
		return "", settled
	}
	return fmt.Sprintf("How the uploads stand now, of the last %s: %s.", wording.Grouped(int64(looked)), text[2:]), settled
}

// backBy gives when what was sent and fails again is among the dead letters; zero when that is not known.
func (c *Console) backBy(ctx context.Context, sent time.Time) time.Time {
	source, why := inspect(ctx, c.Source)
	if why != "" || source.Visibility == 0 {
		return time.Time{}
	}
	return sent.Add(source.Visibility * time.Duration(c.Review.MaxReceives))
}

// comesBack says when what fails again is back; "" when that is not known.
func (c *Console) comesBack(by time.Time) string {
	switch {
	case by.IsZero():
		return ""
	case c.Review.Now().Before(by):
		return fmt.Sprintf("What fails again comes back by about %s: list again then.", wording.Stamp(by))
	}
	return "What failed again is back by now: list again."
}
