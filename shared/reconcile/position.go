package reconcile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"hatchery/shared/upload"
)

// position is how far a run came in the walk and in the survey, and what both have found by then: they may take
// several runs.
type position struct {
	Pending upload.Cursor `json:"p,omitempty"` // along the pending records
	Survey  part          `json:"s"`
	Cursor  upload.Cursor `json:"c,omitempty"` // within the part of the survey
	// Began is when a scheduled run began the survey, in Unix seconds; 0 when none did.
	Began int64 `json:"b,omitzero"`
	// Ended is when the last scheduled run ended, in Unix seconds; 0 when that is not known.
	Ended    int64 `json:"e,omitzero"`
	Walked   tally `json:"w,omitzero"`
	Surveyed tally `json:"f,omitzero"`
}

// tally is what the walk or the survey found since its beginning. What two runs looked at, because the first
// stopped within a page or a key, counts twice.
type tally struct {
	Stuck   int `json:"s,omitzero"` // sent again as often as may be
	Orphans int `json:"o,omitzero"`
	Lost    int `json:"l,omitzero"` // uploads whose bytes were removed for the walk, records for the survey
	Missed  int `json:"m,omitzero"` // what could not be looked at
}

func (t tally) total(ended bool) Total {
	return Total{Whole: ended && t.Missed == 0, Stuck: t.Stuck, Orphans: t.Orphans, Lost: t.Lost}
}

// part is one of the survey's parts, in the order in which they come.
type part string

const (
	surveyQuarantine part = "quarantine"
	surveyFiles      part = "files"
	surveyStored     part = "stored"
	surveyDone       part = "done"
)

var start = position{Survey: surveyQuarantine}

// beginSurvey begins a survey, unless one is under way or the last one began less than every ago. A time in the
// future is not believed.
func (p position) beginSurvey(now time.Time, every time.Duration) position {
	since := now.Sub(time.Unix(p.Began, 0))
	if p.Began != 0 && since >= 0 && (p.Survey != surveyDone || since < every) {
		return p
	}
	return position{Pending: p.Pending, Walked: p.Walked, Survey: start.Survey, Began: now.Unix()}
}

var positionEncoding = base64.RawURLEncoding

func (p position) String() string {
	text, _ := json.Marshal(p) // strings and numbers always make JSON
	return positionEncoding.EncodeToString(text)
}

// parsePosition reads what String wrote; "" is the start. A made-up position can at most leave out what a run
// would look at.
func parsePosition(s string) (position, error) {
	if s == "" {
		return start, nil
	}
	var p position
	text, err := positionEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return position{}, fmt.Errorf("%w: %w", upload.ErrBadCursor, err)
	}
	switch p.Survey {
	case surveyQuarantine, surveyFiles, surveyStored, surveyDone:
	default:
		return position{}, fmt.Errorf("%w: a survey of %.40q", upload.ErrBadCursor, string(p.Survey))
	}
	if p.String() != s {
		return position{}, fmt.Errorf("%w: it is written in another way", upload.ErrBadCursor)
	}
	return p, nil
}
