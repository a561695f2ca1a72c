package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

// Pipeline is what the reconciler needs of upload.Pipeline.
type Pipeline interface {
	GiveUp(ctx context.Context, ref upload.Ref) (upload.Record, error)
}

// Reconciler compares records and bucket. Run may be called concurrently, in as
// many processes as there are.
type Reconciler struct {
	Records   upload.Records
	Inventory upload.Inventory
	// Pipeline gives up uploads whose bytes never came.
	Pipeline Pipeline
	// Queue is the validator's.
	Queue  queue.Sender
	Layout upload.Layout
	// Bucket and Region are what messages say of where an object lies.
	Bucket, Region string
	Limits         Limits
	// Concurrency is how many uploads are looked at at once; 0 is 8.
	Concurrency int
	Now         func() time.Time
	Log         *slog.Logger
}

// Limits say what is too old and what is too often.
type Limits struct {
	// Overdue is how long a message can go on being tried: the queue's
	// maxReceiveCount times its visibility timeout. Shorter, and uploads that are
	// merely being tried are sent again; longer, and people wait.
	Overdue time.Duration
	// Missing is how long an upload without bytes is waited for, after its form
	// expired, or after it was created when it has none.
	Missing time.Duration
	// Young is how old something odd must be to be reported: what is younger may
	// be on its way.
	Young time.Duration
	// Reenqueues is how often an upload is sent again at most.
	Reenqueues int
	// Versions is how many versions of one upload are sent again at once, newest
	// first. A form can be posted any number of times.
	Versions int
}

// DefaultLimits are the limits for a queue.
func DefaultLimits(maxReceives int, visibility time.Duration) Limits {
	return Limits{Overdue: time.Duration(maxReceives) * visibility, Missing: 24 * time.Hour, Young: time.Hour, Reenqueues: 2, Versions: 100}
}

// Options of one run; the zero value is a whole run without bounds.
type Options struct {
	// DryRun changes nothing; the report says what would be done.
	DryRun bool
	// Resume is the Resume of an earlier run's report: the survey goes on there.
	// An upload.ErrBadCursor when it is nothing that a report gave.
	Resume string
	// MaxRecords bounds the records that the walk looks at, and as many that the
	// survey does; MaxObjects bounds the versions that the survey looks at. 0 is no
	// bound.
	MaxRecords, MaxObjects int
	// SurveyEvery is how long after the beginning of one survey Scheduled begins the
	// next; 0 is as soon as the one before is done. Run does not look at it.
	SurveyEvery time.Duration
	// Margin is kept free before ctx's deadline; 0 is DefaultMargin. Half of it is
	// for calls that are under way.
	Margin time.Duration
}

// DefaultMargin is enough for calls that are under way and for reporting.
const DefaultMargin = 20 * time.Second

// Run does one run, until it is through, until a bound or until shortly before
// ctx's deadline. What fails is counted and logged, and the rest goes on; then the
// error says so, beside a report that is true all the same.
func (r *Reconciler) Run(ctx context.Context, o Options) (Report, error) {
	at, err := parsePlace(o.Resume)
	if err != nil {
		return Report{}, fmt.Errorf("resume: %w", err)
	}
	report, _, err := r.run(ctx, o, at, false)
	return report, err
}

// Notes keeps a short text by name, for the next run.
type Notes interface {
	// Note gives what SetNote kept last under a name, "" when there is nothing.
	Note(ctx context.Context, name string) (string, error)
	SetNote(ctx context.Context, name, text string) error
}

// NoteName is the name of the note that says how far scheduled runs came, and when
// they began the last survey.
const NoteName = "reconcile"

// Scheduled is Run from where the last scheduled run ended, and with a survey only
// as often as Options.SurveyEvery; Options.Resume is not looked at. A note that is
// lost or cannot be read costs one more survey and nothing else. A dry run leaves the
// note as it is.
func (r *Reconciler) Scheduled(ctx context.Context, notes Notes, o Options) (Report, error) {
	var faults []error
	text, err := notes.Note(ctx, NoteName)
	if err != nil {
		faults = append(faults, fmt.Errorf("read how far the last run came: %w", err))
	}
	at, err := parsePlace(text)
	if err != nil {
		r.Log.WarnContext(ctx, "the note of how far the last run came cannot be read: the survey begins anew", "error", err)
		at = beginning
	}
	report, at, err := r.run(ctx, o, at.begin(r.Now(), o.SurveyEvery), true)
	faults = append(faults, err)
	if !o.DryRun {
		if err := notes.SetNote(ctx, NoteName, at.String()); err != nil {
			faults = append(faults, fmt.Errorf("note how far this run came: %w", err))
		}
	}
	return report, errors.Join(faults...)
}

// run is one run.
type run struct {
	*Reconciler
	o Options
	// anew: a cursor that its store does not know any more begins its list anew.
	anew   bool
	now    time.Time // one time for all that is compared with it
	stopAt time.Time // zero when there is no deadline

	mu     sync.Mutex
	report Report
	errs   []error
	// missed counts what could not be looked at, and is looked at no more.
	missed int
	// shown are the served versions that this run has seen in the bucket.
	shown shown
}

func (r *Reconciler) run(ctx context.Context, o Options, at place, anew bool) (Report, place, error) {
	x := &run{Reconciler: r, o: o, anew: anew, now: r.Now()}
	x.report = Report{DryRun: o.DryRun, StartedAt: x.now.UTC()}
	asked := ctx
	if deadline, bounded := ctx.Deadline(); bounded {
		margin := o.Margin
		if margin <= 0 {
			margin = DefaultMargin
		}
		x.stopAt = deadline.Add(-margin)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin/2))
		defer cancel()
	}
	if at.Pending == "" {
		at.Walked = tally{} // it begins
	}
	var walked bool
	at.Pending, walked = x.walk(ctx, at.Pending)
	at.Walked.Stuck += x.report.PendingTooLong
	at.Walked.Missed += x.missed
	x.report.Walk = Total{Whole: walked && at.Walked.Missed == 0, Stuck: at.Walked.Stuck}
	x.missed = 0

	if at.Survey != surveyDone {
		at = x.survey(ctx, at)
		found := &at.Surveyed
		found.Stuck += x.report.UnfinishedTooLong
		found.Orphans += x.report.OrphanObjects + x.report.StrayFiles
		found.Lost += x.report.LostRecords
		found.Missed += x.missed
		x.report.Survey = Total{Whole: at.Survey == surveyDone && found.Missed == 0, Stuck: found.Stuck, Orphans: found.Orphans, Lost: found.Lost}
	}

	report := x.report
	report.Complete = walked && at.Survey == surveyDone
	if !report.Complete {
		report.Resume = at.String()
	}
	report.finish(r.Now())
	if err := asked.Err(); err != nil {
		x.errs = append(x.errs, fmt.Errorf("the run was ended: %w", err))
	}
	err := errors.Join(x.errs...)
	if report.Failed > len(x.errs) {
		err = fmt.Errorf("%d failures, among them: %w", report.Failed, err)
	}
	return report, at, err
}

// stopped says that nothing new may be begun: the margin before the deadline has
// begun, or the run was ended.
func (x *run) stopped(ctx context.Context, at time.Time) bool {
	return ctx.Err() != nil || !at.IsZero() && !x.Now().Before(at)
}

// maxErrors is how many failures the error of a run tells of; all are logged.
const maxErrors = 5

// failed counts a failure with a list, which goes on there in the next run.
func (x *run) failed(ctx context.Context, what string, err error) {
	x.Log.ErrorContext(ctx, "reconcile: "+what+" failed", "error", err)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.count(fmt.Errorf("%s: %w", what, err))
}

// failedOn counts a failure with one key, and the rest goes on. id is empty where the
// key is none that Hatchery makes.
func (x *run) failedOn(ctx context.Context, what string, id upload.ID, key upload.Key, err error) {
	x.Log.ErrorContext(ctx, "reconcile: "+what+" failed", "upload_id", string(id), "key", string(key), "error", err)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.missed++
	x.count(fmt.Errorf("%s %q: %w", what, key, err))
}

// count is for whoever holds mu.
func (x *run) count(err error) {
	x.report.Failed++
	if len(x.errs) < maxErrors {
		x.errs = append(x.errs, err)
	}
}
