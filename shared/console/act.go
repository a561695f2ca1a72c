package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// What an operator does on the pages: the actions on letters, and beside them these.
const (
	doProbe   = "probe"   // redrive one, and wait for its verdict
	doRestore = "restore" // of discarded letters
	doRecheck = "recheck" // of uploads
	doWould   = "would"   // what recheck would come to
	doGiveUp  = "give_up" // reject an upload
)

const (
	defaultRate = 20
	maxRate     = 500
	// probeWait is how long a probe waits for its verdict.
	probeWait = 3 * time.Minute
	// maxReason bounds the words of a reason, in bytes. The uploader's are bounded further.
	maxReason = 2000
)

// order is what an operator wants done, as the forms carry it.
type order struct {
	Action    string
	Snapshot  string
	Selection deadletter.Selection
	OlderThan string
	Messages  []string // checked, also of discarded letters
	Uploads   []string
	Reason    string
	Rate      int
	// Count is how many the page said that it would be about.
	Count int
}

// planned is an order with how many it is about, and why not more.
type planned struct {
	// Names are what the first of the uploads are called that it rejects; for Kept of them redrive is suggested, and of
	// Lost the bytes are gone.
	Names    []string
	Kept     int
	Lost     int
	Order    order
	N        int
	By       []tally // by cause
	Left     []tally // by why
	Plan     deadletter.Plan
	Refs     []upload.Ref
	Verb     string
	Reason   string // what the reason is for; "" when none is needed
	Rated    bool
	Problem  string
	Listed   *listed
	MaxWords int
}

// tally is a number of something.
type tally struct {
	What string
	N    int
}

// verbs say what an action does to how many, for a heading and its button.
var verbs = map[string][2]string{
	string(deadletter.Redrive): {"Redrive", "dead letter"}, string(deadletter.Reject): {"Reject", "upload"},
	string(deadletter.Discard): {"Discard", "dead letter"}, doProbe: {"Probe with one of", "dead letter"},
	doRestore: {"Restore", "discarded letter"}, doRecheck: {"Recheck", "upload"}, doWould: {"Try to recheck", "upload"},
	doGiveUp: {"Reject", "upload"},
}

func orderOf(form url.Values) (o order, err error) {
	o = order{Action: form.Get("action"), Snapshot: form.Get("snapshot"), OlderThan: form.Get("older"),
		Messages: form["message"], Uploads: form["upload"], Reason: strings.TrimSpace(form.Get("reason")), Rate: defaultRate}
	if _, known := verbs[o.Action]; !known {
		return o, wrong("There is no action %.40q.", o.Action)
	}
	if o.Selection, err = selectionOf(form); err != nil {
		return o, err
	}
	o.Selection.Messages = o.Messages
	if form.Get("only") == "checked" && len(o.Messages)+len(o.Uploads) == 0 {
		return o, wrong("Nothing is checked: check some rows first, or choose all of them below the table.")
	}
	if text := form.Get("rate"); text != "" {
		if o.Rate, err = strconv.Atoi(text); err != nil || o.Rate < 1 || o.Rate > maxRate {
			return o, wrong("Messages a second: found %.40q; accepted: 1 to %d.", text, maxRate)
		}
	}
	o.Count, _ = strconv.Atoi(form.Get("count")) // anything else is another count
	return o, nil
}

// planOf says what an order is about, and changes nothing.
func (c *Console) planOf(ctx context.Context, o order) (p planned, err error) {
	p = planned{Order: o, Verb: verbs[o.Action][0], Rated: o.Action == string(deadletter.Redrive),
		MaxWords: upload.MaxWords}
	switch o.Action {
	case string(deadletter.Reject), doGiveUp:
		p.Reason = "What the uploader reads"
	case string(deadletter.Discard):
		p.Reason = "Why, for who reads the trace later"
	}
	switch o.Action {
	case doRestore:
		if p.Plan, err = c.Review.PlanRestore(ctx, o.Messages); err != nil {
			return p, err
		}
		p.count()
		p.Names = slices.Sorted(maps.Keys(p.Plan.Chosen))
		p.Order.Messages = p.Names
		return p, nil
	case doRecheck, doWould, doGiveUp:
		return p, p.findUploads(ctx, c.Review)
	}
	action := deadletter.Action(o.Action)
	if o.Action == doProbe {
		action = deadletter.Redrive
	}
	if p.Plan, err = c.Review.Plan(ctx, action, o.Snapshot, o.Selection); err != nil {
		return p, err
	}
	p.Order.Snapshot = p.Plan.Snapshot.ID
	if p.Listed, err = c.sinceListing(ctx, p.Plan.Snapshot); err != nil {
		return p, err
	}
	p.Plan.Without(p.Listed.Since)
	p.count()
	if action == deadletter.Reject {
		err = p.nameRejected(ctx, c.Review)
	}
	return p, err
}

// count says how many an order is about, and why not more.
func (p *planned) count() {
	p.N = len(p.Plan.Chosen)
	counts := map[deadletter.Cause]int{}
	for _, cause := range p.Plan.Chosen {
		counts[cause]++
	}
	for _, cause := range deadletter.Causes() {
		if counts[cause] > 0 {
			p.By = append(p.By, tally{string(cause), counts[cause]})
		}
	}
	for _, why := range slices.Sorted(maps.Keys(p.Plan.NotEligible)) {
		p.Left = append(p.Left, tally{why, p.Plan.NotEligible[why]})
	}
}

// maxNames is how many uploads are named that are to be rejected.
const maxNames = 5

// nameRejected says what the uploads are called that a plan rejects, and of how many the bytes are lost.
func (p *planned) nameRejected(ctx context.Context, r *deadletter.Review) error {
	return r.Letters(ctx, p.Plan.Snapshot, func(l deadletter.Letter) error {
		if _, chosen := p.Plan.Chosen[l.MessageID]; !chosen {
			return nil
		}
		if l.Diagnosis.Suggest == deadletter.Redrive {
			p.Kept++
		}
		if l.Diagnosis.Cause == deadletter.Lost {
			p.Lost++
		}
		for _, a := range l.Arrivals {
			if a.UploadID != "" && len(p.Names) <= maxNames {
				p.Names = append(p.Names, cmp.Or(a.Called(), deadletter.NameOf(a.Ref())))
			}
		}
		return nil
	})
}

// Named are the names that are shown.
func (p planned) Named() string {
	if len(p.Names) > maxNames {
		return strings.Join(p.Names[:maxNames], ", ") + ", …"
	}
	return strings.Join(p.Names, ", ")
}

// findUploads reads the uploads of an order: where each belongs, so that none is looked for in all records.
func (p *planned) findUploads(ctx context.Context, r *deadletter.Review) error {
	for _, text := range p.Order.Uploads {
		name, err := deadletter.ParseUploadName(text)
		if err != nil || name.Kind == "" {
			return wrong("This names no upload: %.200q.", text)
		}
		record, err := r.Find(ctx, name)
		if errors.Is(err, upload.ErrNotFound) {
			return missing("There is no record of upload %s any more.", name.ID)
		}
		if err != nil {
			return fmt.Errorf("find upload %s: %w", name.ID, err)
		}
		if why := p.notTaken(record); why != "" {
			p.Left = append(p.Left, tally{why, 1})
			continue
		}
		p.Refs = append(p.Refs, record.Ref())
		if p.Order.Action == doGiveUp && r.BytesGone(ctx, record) {
			p.Lost++
		}
	}
	p.N = len(p.Refs)
	return nil
}

// notTaken says why an order does not take an upload; "" when it does.
func (p *planned) notTaken(r upload.Record) string {
	switch {
	case p.Order.Action == doGiveUp && r.Status != upload.Pending:
		return fmt.Sprintf("%s is %s, and not pending", r.ID, r.Status)
	case p.Order.Action == doWould && r.Status != upload.Rejected:
		return fmt.Sprintf("%s is %s, and not rejected", r.ID, r.Status)
	}
	return ""
}

// planned reads the order of a form, and what it is about.
func (c *Console) planned(ctx context.Context, form url.Values) (planned, error) {
	o, err := orderOf(form)
	if err != nil {
		return planned{}, err
	}
	return c.planOf(ctx, o)
}

// plan shows what an action would do: the question before it.
func (c *Console) plan(w http.ResponseWriter, r *http.Request) error {
	form, found := c.asked.form(r.URL.Query().Get("question"))
	if !found {
		return missing("This question was asked too long ago, or before the console was started: choose again.")
	}
	p, err := c.planned(r.Context(), form)
	if err != nil {
		return err
	}
	c.showPlan(w, http.StatusOK, p)
	return nil
}

func (c *Console) showPlan(w http.ResponseWriter, status int, p planned) {
	title := p.Verb + " " + wording.Count(p.N, verbs[p.Order.Action][1]) + "?"
	if p.N == 0 {
		title = "Nothing to " + actionName(p.Order.Action)
	}
	c.render(w, "plan", status, view{Title: title, Is: p, Listed: p.Listed})
}

// actionName is what an action is called where it is told of.
func actionName(action string) string {
	if action == doProbe {
		return "probe with"
	}
	return strings.ToLower(verbs[action][0])
}

// act does what its page said, if it is still so many.
func (c *Console) act(w http.ResponseWriter, r *http.Request) error {
	p, err := c.planned(r.Context(), r.PostForm)
	if err != nil {
		return err
	}
	if p.Problem = p.problem(); p.Problem != "" {
		if c.wasBegun(r) {
			http.Redirect(w, r, c.Base+"/progress", http.StatusSeeOther)
			return nil
		}
		c.showPlan(w, http.StatusBadRequest, p)
		return nil
	}
	total := p.N
	if p.Order.Action == doProbe {
		total = 1
	}
	return c.begin(w, r, actionName(p.Order.Action), total, func(ctx context.Context, j *job) error {
		return c.carryOut(ctx, j, p)
	})
}

// problem says why an order cannot be carried out as it is; "" when it can.
func (p planned) problem() string {
	switch {
	case p.N == 0:
		return p.Nothing()
	case p.N != p.Order.Count:
		return wording.Sprintf("The page before said %d, and it is %d now: look again.", p.Order.Count, p.N)
	case p.Reason == "":
		return ""
	case p.Order.Reason == "":
		return "Words are needed: " + p.Reason + "."
	case len(p.Order.Reason) > maxReason:
		return fmt.Sprintf("The words have %d bytes; accepted: %d.", len(p.Order.Reason), maxReason)
	case p.Order.Action != string(deadletter.Discard):
		if err := upload.CheckWords(p.Order.Reason); err != nil {
			return fmt.Sprintf("These words cannot be used: %v.", err)
		}
	}
	return ""
}

// Nothing says that an order is about nothing. Of a listing it says no more than what the listing has.
func (p planned) Nothing() string {
	if p.Listed != nil {
		return "There is nothing to do in this listing."
	}
	return "There is nothing to do."
}

// begin starts an action and shows its progress.
func (c *Console) begin(w http.ResponseWriter, r *http.Request, action string, total int,
	run func(context.Context, *job) error) error {
	if !c.jobs.start(action, r.PostForm.Encode(), total, run) && !c.wasBegun(r) {
		return &shownError{http.StatusConflict, "Another action is running: one at a time. " +
			"Nothing was done; see its progress, and do this again when it has ended."}
	}
	http.Redirect(w, r, c.Base+"/progress", http.StatusSeeOther)
	return nil
}

// wasBegun says whether the newest action was begun by this very form: a button that was pressed twice sends it twice.
func (c *Console) wasBegun(r *http.Request) bool {
	j := c.jobs.last()
	return j != nil && j.form == r.PostForm.Encode()
}

// carryOut does what was planned.
func (c *Console) carryOut(ctx context.Context, j *job, p planned) error {
	options := deadletter.Options{Reason: p.Order.Reason, Done: j.note}
	if p.Rated {
		options.PerSecond = p.Order.Rate
	}
	var audit deadletter.Audit
	var err error
	switch p.Order.Action {
	case doProbe:
		return c.probe(ctx, j, p)
	case doRestore:
		audit, err = c.Review.Restore(ctx, p.Order.Messages, options)
	case doRecheck, doGiveUp:
		audit, err = c.onUploads(ctx, j, p)
	case doWould:
		return c.eachUpload(ctx, j, p.Refs, func(ref upload.Ref) deadletter.Result {
			return c.Review.WouldRecheck(ctx, ref).Audited()
		})
	default:
		audit, err = c.Review.Act(ctx, p.Plan, options)
	}
	sends, back := p.Rated || p.Order.Action == doRestore || p.Order.Action == doRecheck, time.Time{}
	if sends {
		back = c.backBy(context.WithoutCancel(ctx), c.Review.Now())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.audit, j.sends, j.back = audit.ID, sends, back
	return err
}

func (c *Console) probe(ctx context.Context, j *job, p planned) error {
	j.tell(fmt.Sprintf("One is sent, and its verdict is waited for, %v at most.", probeWait))
	var sent deadletter.Result
	note := func(r deadletter.Result) { sent = r }
	probed, err := c.Review.Probe(ctx, p.Plan, deadletter.Options{Done: note}, probeWait)
	if probed.FailedAgain {
		sent.Result, sent.Detail = failedAgain, probed.Sentence
	}
	if sent.Result != "" {
		j.note(sent)
	}
	if errors.Is(err, deadletter.ErrNoProbe) {
		j.tell("No letter that was chosen has a pending upload, so that no verdict would come: redrive without a probe.")
		return nil
	}
	if err != nil {
		j.tell("It is not known what came of it.")
		return err
	}
	switch {
	case probed.FailedAgain && probed.Left == 0:
		j.tell("No verdict: " + probed.Sentence + ". " + probed.NotMended())
	case probed.FailedAgain:
		j.tell("No verdict: " + probed.Sentence + ". " + probed.NotMended() + " " + c.comesBack(c.backBy(ctx, j.began)))
	case !probed.Verdict && probed.Result.Result == deadletter.ResultDone:
		j.tell(strings.ToUpper(probed.Sentence[:1]) + probed.Sentence[1:] + ": list again. " + c.paused(ctx))
	case !probed.Verdict:
		j.tell("No verdict: " + probed.Sentence)
	default:
		j.tell("The validator came to a verdict: " + probed.Sentence + ".")
		j.leave(p)
	}
	return nil
}

// failedAgain is the result of a probe whose message failed again.
const failedAgain = "failed again"

// onUploads acts on uploads, and leaves a trace of it.
func (c *Console) onUploads(ctx context.Context, j *job, p planned) (deadletter.Audit, error) {
	a := deadletter.Audit{Action: deadletter.Recheck, Reason: p.Order.Reason, Chosen: len(p.Refs)}
	one := func(ref upload.Ref) deadletter.Result { return c.Review.RecheckUpload(ctx, ref).Audited() }
	if p.Order.Action == doGiveUp {
		a.Action = deadletter.Reject
		one = func(ref upload.Ref) deadletter.Result {
			result, _ := c.Review.RejectUpload(ctx, ref, p.Order.Reason) // the result says it, too
			return result
		}
	}
	for _, ref := range p.Refs {
		a.Selection.Messages = append(a.Selection.Messages, string(ref.ID))
	}
	a, err := c.Review.BeginAudit(ctx, a)
	if err != nil {
		return a, err
	}
	err = c.eachUpload(ctx, j, p.Refs, func(ref upload.Ref) deadletter.Result {
		result := one(ref)
		a.Results = append(a.Results, result)
		a.Counts[result.Result]++
		return result
	})
	return a, c.Review.EndAudit(ctx, &a, err)
}

func (c *Console) eachUpload(ctx context.Context, j *job, refs []upload.Ref,
	one func(upload.Ref) deadletter.Result) error {
	for _, ref := range refs {
		if err := ctx.Err(); err != nil {
			return err
		}
		j.note(one(ref))
	}
	return nil
}

// progress shows the action that runs, or the last one. It loads itself again while one runs, unless asked not to.
func (c *Console) progress(w http.ResponseWriter, r *http.Request) error {
	j := c.jobs.last()
	if j == nil {
		c.render(w, "progress", http.StatusOK, view{Title: "Progress"})
		return nil
	}
	p := struct {
		jobView
		Still               bool
		Verdicts, ComesBack string
	}{jobView: j.view(), Still: r.URL.Query().Has("still")}
	switch {
	case p.Running && !p.Still:
		w.Header().Set("Refresh", "2")
	case !p.Running && p.Sends:
		var settled int
		if p.Verdicts, settled = c.verdicts(r.Context(), p.Results, p.Began); settled < p.Counts[deadletter.ResultDone] {
			p.ComesBack = c.comesBack(p.Back)
		}
	}
	c.render(w, "progress", http.StatusOK, view{Title: "Progress", Is: p})
	return nil
}

// stop interrupts the action that runs, as Ctrl-C does: what was not done is given back.
func (c *Console) stop(w http.ResponseWriter, r *http.Request) error {
	if j := c.jobs.last(); j != nil {
		j.cancel()
	}
	http.Redirect(w, r, c.Base+"/progress", http.StatusSeeOther)
	return nil
}
