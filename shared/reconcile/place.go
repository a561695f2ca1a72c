package reconcile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"hatchery/shared/upload"
)

// place is how far a run came: how far along the pending records, and in which part
// of the survey.
type place struct {
	Pending upload.Cursor `json:"p,omitempty"`
	Survey  part          `json:"s"`
	Cursor  upload.Cursor `json:"c,omitempty"`
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
		panic(fmt.Sprintf("three strings make no JSON: %v", err))
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
