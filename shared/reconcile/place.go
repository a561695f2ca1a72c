package reconcile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"hatchery/shared/upload"
)

// place is how far a run came: how far along the pending records, and in which part
// of the survey; and what the walk and the survey have found by then, because both
// may take several runs.
type place struct {
	Pending upload.Cursor `json:"p,omitempty"`
	Survey  part          `json:"s"`
	Cursor  upload.Cursor `json:"c,omitempty"`
	// Began is when a scheduled run began the survey, in Unix seconds; 0 when none
	// did.
	Began    int64 `json:"b,omitzero"`
	Walked   tally `json:"w,omitzero"`
	Surveyed tally `json:"f,omitzero"`
}

// tally is what the walk or the survey found since its beginning. What two runs
// looked at, because the first stopped within a page or a key, counts twice.
type tally struct {
	Stuck   int `json:"s,omitzero"` // sent again as often as may be
	Orphans int `json:"o,omitzero"`
	Lost    int `json:"l,omitzero"`
	Missed  int `json:"m,omitzero"` // what could not be looked at
}

// begin begins the survey, if none is under way and the last one began long enough
// ago. Of a time that is still to come nothing is believed.
func (p place) begin(now time.Time, every time.Duration) place {
	since := now.Sub(time.Unix(p.Began, 0))
	if p.Began != 0 && since >= 0 && (p.Survey != surveyDone || since < every) {
		return p
	}
	return place{Pending: p.Pending, Walked: p.Walked, Survey: beginning.Survey, Began: now.Unix()}
}

// part is one of the survey's parts, in the order in which they come.
type part string

const (
	surveyQuarantine part = "quarantine"
	surveyFiles      part = "files"
	surveyStored     part = "stored"
	surveyDone       part = "done"
)

var beginning = place{Survey: surveyQuarantine}

var placeForm = base64.RawURLEncoding

func (p place) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("strings and numbers make no JSON: %v", err))
	}
	return placeForm.EncodeToString(text)
}

// parsePlace reads what String wrote; "" is the beginning. A made-up place can at
// most leave out what a run would look at.
func parsePlace(s string) (place, error) {
	if s == "" {
		return beginning, nil
	}
	text, err := placeForm.DecodeString(s)
	if err != nil {
		return place{}, fmt.Errorf("%w: %w", upload.ErrBadCursor, err)
	}
	var p place
	if err := json.Unmarshal(text, &p); err != nil {
		return place{}, fmt.Errorf("%w: %w", upload.ErrBadCursor, err)
	}
	switch p.Survey {
	case surveyQuarantine, surveyFiles, surveyStored, surveyDone:
	default:
		return place{}, fmt.Errorf("%w: a survey of %.40q", upload.ErrBadCursor, string(p.Survey))
	}
	if p.String() != s {
		return place{}, fmt.Errorf("%w: it is written in another way", upload.ErrBadCursor)
	}
	return p, nil
}
