package reconcile

import (
	"context"
	"log/slog"
	"time"

	"hatchery/shared/upload"
)

// Report is what one run did and found; in a dry run, what it would do.
type Report struct {
	DryRun    bool      `json:"dry_run"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	// Complete: the walk over the pending uploads came to its end in this run, and the survey is at its end, in
	// this run or since an earlier scheduled one. Resume is "" then, else it is where to go on.
	Complete bool   `json:"complete"`
	Resume   string `json:"resume"`

	// What was looked at: pending uploads older than the limits, versions in the bucket, stored records.
	PendingSeen int `json:"pending_seen"`
	ObjectsSeen int `json:"objects_seen"`
	StoredSeen  int `json:"stored_seen"`

	// Uploads that were sent again, and that were given up.
	Resent       int `json:"reenqueued"`
	NeverArrived int `json:"never_arrived"`

	// What a person should look at. Pending uploads whose bytes came, and were removed; once there
	// is no more hope of them they are given up.
	BytesLost int `json:"bytes_lost"`
	// These two were sent again as often as may be: pending uploads, and others whose bytes are still in quarantine.
	PendingTooLong    int `json:"pending_too_long"`
	UnfinishedTooLong int `json:"unfinished_too_long"`
	// Keys in quarantine without a record; versions of files that no stored record serves; keys that Hatchery
	// never makes; stored records without their version.
	OrphanObjects  int `json:"orphan_objects"`
	StrayFiles     int `json:"stray_files"`
	ForeignObjects int `json:"foreign_objects"`
	LostRecords    int `json:"lost_records"`
	// DeadLetters is how many messages failed for good and wait in the dead-letter queue; nil is not counted. A
	// scheduled run does not count them: an alarm watches them, and the function has no right to ask.
	DeadLetters *int `json:"dead_letters,omitempty"`

	// Failed counts the uploads and lists with which something failed, and a failure to count dead letters.
	Failed int `json:"failed"`

	// Findings are what the counts from Resent to LostRecords are about, sorted; at most MaxFindings,
	// FindingsLeftOut more are counted only.
	Findings        []Finding `json:"findings"`
	FindingsLeftOut int       `json:"findings_left_out"`

	// Walk and Survey are for gauges: what both found over all the runs that they took so far. Survey is zero
	// when this run had none to do.
	Walk   Total `json:"-"`
	Survey Total `json:"-"`
}

// Total is what was found since the beginning of a walk or a survey.
type Total struct {
	// Whole: it is at its end, and everything could be looked at. Only then a zero means something.
	Whole bool
	// Stuck were sent again as often as may be: pending uploads for the walk, others for the survey. Lost are pending
	// uploads whose bytes were removed for the walk, lost records for the survey. Orphans are the survey's alone, and
	// have the stray files in them.
	Stuck, Orphans, Lost int
}

// MaxFindings bounds the list in a report, and what a run logs of it.
const MaxFindings = 1000

// NeedsPerson says that something was found that no later run will mend.
func (r Report) NeedsPerson() bool {
	return r.BytesLost+r.PendingTooLong+r.UnfinishedTooLong+r.OrphanObjects+r.StrayFiles+r.ForeignObjects+
		r.LostRecords > 0 || r.DeadLetters != nil && *r.DeadLetters > 0
}

// What a finding is.
type What string

// The findings. The names are part of the report's JSON.
const (
	Resent            What = "reenqueued"
	NeverArrived      What = "never_arrived"
	BytesLost         What = "bytes_lost"
	PendingTooLong    What = "pending_too_long"
	UnfinishedTooLong What = "unfinished_too_long"
	OrphanObject      What = "orphan_object"
	StrayFile         What = "stray_file"
	ForeignObject     What = "foreign_object"
	LostRecord        What = "lost_record"
)

// Finding is an upload or object that was done something about, or that is reported.
type Finding struct {
	What What       `json:"what"`
	Key  upload.Key `json:"key"`
	// Version is empty where the finding is about the upload as a whole.
	Version upload.Version `json:"version,omitempty"`
	// Upload and Status are of the record, empty where there is none.
	Upload upload.ID     `json:"upload_id,omitempty"`
	Status upload.Status `json:"status,omitempty"`
	// Detail says in a sentence what was seen.
	Detail string `json:"detail"`
}

// found counts and logs a finding.
func (x *run) found(ctx context.Context, f Finding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &x.report
	*map[What]*int{
		Resent: &r.Resent, NeverArrived: &r.NeverArrived, BytesLost: &r.BytesLost,
		PendingTooLong: &r.PendingTooLong, UnfinishedTooLong: &r.UnfinishedTooLong,
		OrphanObject: &r.OrphanObjects, StrayFile: &r.StrayFiles,
		ForeignObject: &r.ForeignObjects, LostRecord: &r.LostRecords,
	}[f.What]++
	if len(r.Findings) == MaxFindings {
		r.FindingsLeftOut++
		return
	}
	r.Findings = append(r.Findings, f)
	level := slog.LevelWarn
	switch f.What {
	case Resent, NeverArrived:
		level = slog.LevelInfo
	case BytesLost, PendingTooLong, LostRecord:
		level = slog.LevelError
	}
	x.Log.Log(ctx, level, "reconcile: "+f.Detail, "finding", string(f.What), "dry_run", x.o.DryRun,
		"upload_id", string(f.Upload), "status", string(f.Status), "key", string(f.Key), "version", string(f.Version))
}
