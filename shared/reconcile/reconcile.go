package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

// Pipeline is what the reconciler needs of upload.Pipeline.
type Pipeline interface {
	Expire(ctx context.Context, ref upload.Ref) (upload.Record, error)
}

// Reconciler compares records and bucket. Run may be called concurrently, in any number of processes.
type Reconciler struct {
	Records   upload.Records
	Inventory upload.Inventory
	// Pipeline gives up uploads whose bytes never came.
	Pipeline Pipeline
	// Queue is the validator's; DeadLetters is the same one where Run is to count its dead letters, else nil.
	Queue       queue.Sender
	DeadLetters queue.Inspector
	Layout      upload.Layout
	// Bucket and Region are what messages say of where an object lies.
	Bucket, Region string
	Limits         Limits
	Now            func() time.Time
	Log            *slog.Logger

	concurrency int // how many uploads are looked at at once; 0 is 8
}

// Limits say what is too old and what is too often.
type Limits struct {
	// Overdue is how long a message can go on being tried: the queue's maxReceiveCount times its visibility
	// timeout. Shorter, and uploads that are merely being tried are sent again; longer, and people wait.
	Overdue time.Duration
	// Missing is how long an upload without bytes is waited for, after its form expired, or after it was created
	// when it has none.
	Missing time.Duration
	// Young is how old something odd must be to be reported: what is younger may be on its way.
	Young time.Duration
	// Resends is how often an upload is sent again at most.
	Resends int
	// Versions is how many versions of one upload are sent again at once, newest first. A form can be posted any
	// number of times.
	Versions int
}

// DefaultLimits are the limits for a queue.
func DefaultLimits(maxReceives int, visibility time.Duration) Limits {
	return Limits{Overdue: time.Duration(maxReceives) * visibility, Missing: upload.LateForms, Young: time.Hour,
		Resends: 2, Versions: 100}
}

// Options of one run; the zero value is a whole run without bounds.
type Options struct {
	// DryRun changes nothing; the report says what would be done.
	DryRun bool
	// Resume is the Resume of an earlier run's report: the survey goes on there. Anything else is an
	// upload.ErrBadCursor.
	Resume string
	// MaxRecords bounds the records that the walk looks at, and those that the survey does; MaxObjects bounds the
	// versions that the survey looks at. 0 is no bound.
	MaxRecords, MaxObjects int
	// SurveyEvery is how long after the beginning of one survey Scheduled begins the next; 0 is as soon as the
	// one before is done. Run ignores it.
	SurveyEvery time.Duration
	// Margin is kept free before ctx's deadline; 0 is DefaultMargin. Half of it is for calls that are under way.
	Margin time.Duration
}

// DefaultMargin is enough for calls that are under way and for reporting.
const DefaultMargin = 20 * time.Second

// Run counts the dead letters and does one run, until it is done, until a bound or until shortly before ctx's
// deadline. A failure is counted and logged, and the rest goes on; then the error says so, beside a report that is
// true all the same.
func (r *Reconciler) Run(ctx context.Context, o Options) (Report, error) {
	at, err := parsePosition(o.Resume)
	if err != nil {
		return Report{}, fmt.Errorf("resume: %w", err)
	}
	// First: a run may take all the time that there is.
	count, countErr := r.countDeadLetters(ctx)
	report, _, err := r.run(ctx, o, at, false)
	report.DeadLetters = count
	if countErr != nil {
		report.Failed++
	}
	return report, errors.Join(countErr, err)
}

// Notes keeps a short text by name, for the next run.
type Notes interface {
	// Note gives what SetNote kept last under a name, "" when there is nothing.
	Note(ctx context.Context, name string) (string, error)
	SetNote(ctx context.Context, name, text string) error
}

// NoteName is the name of the note that says how far scheduled runs came, and when they began the last survey.
const NoteName = "reconcile"

// LastRun gives when the last scheduled run ended; zero when that is not known.
func LastRun(ctx context.Context, notes Notes) (time.Time, error) {
	text, err := notes.Note(ctx, NoteName)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when the last run ended: %w", err)
	}
	at, err := parsePosition(text)
	if err != nil || at.Ended == 0 {
		return time.Time{}, nil //nolint:nilerr // a note of another version says nothing
	}
	return time.Unix(at.Ended, 0).UTC(), nil
}

// Scheduled is Run from where the last scheduled run ended, and with a survey only as often as
// Options.SurveyEvery; it ignores Options.Resume. A note that is lost or cannot be read costs one more survey and
// nothing else. A dry run leaves the note as it is.
func (r *Reconciler) Scheduled(ctx context.Context, notes Notes, o Options) (Report, error) {
	var errs []error
	text, err := notes.Note(ctx, NoteName)
	if err != nil {
		errs = append(errs, fmt.Errorf("read how far the last run came: %w", err))
	}
	at, err := parsePosition(text)
	if err != nil {
		r.Log.WarnContext(ctx, "the note of how far the last run came cannot be read: the survey begins anew", "error", err)
		at = start
	}
	at.Ended = 0 // of the run before
	report, at, err := r.run(ctx, o, at.beginSurvey(r.Now(), o.SurveyEvery), true)
	errs = append(errs, err)
	if !o.DryRun {
		at.Ended = r.Now().Unix()
		if err := notes.SetNote(ctx, NoteName, at.String()); err != nil {
			errs = append(errs, fmt.Errorf("note how far this run came: %w", err))
		}
	}
	return report, errors.Join(errs...)
}

// run is one run.
type run struct {
	*Reconciler
	o Options
	// restartLists: a list begins anew when its store does not know the cursor any more.
	restartLists bool
	now          time.Time // one time for all that is compared with it
	stopAt       time.Time // zero when there is no deadline
	seen         *seenVersions

	mu     sync.Mutex
	report Report
	errs   []error
	// missed counts the keys that could not be looked at, which the run does not come back to.
	missed int
}

func (r *Reconciler) run(ctx context.Context, o Options, at position, restartLists bool) (Report, position, error) {
	x := &run{Reconciler: r, o: o, restartLists: restartLists, now: r.Now(), seen: newSeenVersions()}
	x.report = Report{DryRun: o.DryRun, StartedAt: x.now.UTC(), Findings: []Finding{}}
	callerCtx := ctx
	if deadline, bounded := ctx.Deadline(); bounded {
		margin := cmp.Or(o.Margin, DefaultMargin)
		x.stopAt = deadline.Add(-margin)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin/2))
		defer cancel()
	}
	at, walked := x.walk(ctx, at)
	if at.Survey != surveyDone {
		at = x.survey(ctx, at)
	}

	report := x.report
	report.Complete = walked && at.Survey == surveyDone
	if !report.Complete {
		report.Resume = at.String()
	}
	// Findings come in as their uploads are done with.
	slices.SortFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version))
	})
	report.EndedAt = r.Now().UTC()
	if err := callerCtx.Err(); err != nil {
		x.errs = append(x.errs, fmt.Errorf("the run was ended: %w", err))
	}
	err := errors.Join(x.errs...)
	if report.Failed > len(x.errs) {
		err = fmt.Errorf("%d failures, among them: %w", report.Failed, err)
	}
	return report, at, err
}

// maxErrors is how many failures a run's error names; all are logged.
const maxErrors = 5

// failed counts and logs a failure with a list, which the next run goes on with there.
func (x *run) failed(ctx context.Context, what string, err error) {
	x.count(ctx, what, fmt.Errorf("%s: %w", what, err), "error", err)
}

// failedOn counts and logs a failure with one key, and the rest goes on. id is empty for a foreign key.
func (x *run) failedOn(ctx context.Context, what string, id upload.ID, key upload.Key, err error) {
	x.count(ctx, what, fmt.Errorf("%s %q: %w", what, key, err), "upload_id", string(id), "key", string(key), "error", err)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.missed++
}

func (x *run) count(ctx context.Context, what string, err error, attrs ...any) {
	x.Log.ErrorContext(ctx, "reconcile: "+what+" failed", attrs...)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.report.Failed++
	if len(x.errs) < maxErrors {
		x.errs = append(x.errs, err)
	}
}
