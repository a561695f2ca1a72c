package deadletter

import (
	"fmt"
	"slices"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// Selection chooses letters of a snapshot. All that is set has to hold; the zero value
// chooses all.
type Selection struct {
	Messages []string       `json:"messages,omitempty"` // message ids, or upload ids
	Cause    Cause          `json:"cause,omitempty"`
	Group    string         `json:"group,omitempty"` // begins so, with its cause or without
	Journal  upload.Journal `json:"journal,omitempty"`
	Entry    upload.Entry   `json:"entry,omitempty"`
	Name     string         `json:"name,omitempty"` // a name of the file has it, whatever the case
	Code     upload.Code    `json:"code,omitempty"` // the reason of a rejected upload
	// OlderThan is the least age since SentAt.
	OlderThan time.Duration `json:"older_than,omitempty"`
}

// Check says what no letter can be, and what is accepted.
func (s Selection) Check() error {
	const ids = "1 to 64 of A-Z a-z 0-9 _ -"
	switch {
	case s.Cause != "" && !slices.Contains(Causes(), s.Cause):
		return fmt.Errorf("cause: found %.100q; accepted: %s", s.Cause, wording.List(Causes()))
	case s.Journal != "" && !upload.ValidPathID(string(s.Journal)):
		return fmt.Errorf("journal: found %.100q; accepted: %s", s.Journal, ids)
	case s.Entry != "" && !upload.ValidPathID(string(s.Entry)):
		return fmt.Errorf("entry: found %.100q; accepted: %s", s.Entry, ids)
	case s.Code != "" && !slices.Contains(upload.Codes(), s.Code):
		return fmt.Errorf("code: found %.100q; accepted: %s", s.Code, wording.List(upload.Codes()))
	}
	return nil
}

// ByUpload says whether it asks for something that a group does not say.
func (s Selection) ByUpload() bool {
	return s.Journal != "" || s.Entry != "" || s.Name != "" || s.Code != ""
}

// Plan is what an action would do, by a snapshot alone.
type Plan struct {
	Action    Action    `json:"action"`
	Snapshot  Snapshot  `json:"snapshot,omitzero"` // of Restore it is empty
	Selection Selection `json:"selection"`
	// Chosen are the message ids of the eligible letters that the selection chose, with the causes
	// that they had.
	Chosen map[string]Cause `json:"-"`
	// NotEligible counts the letters that the selection chose and the action does not take,
	// by why: a sentence.
	NotEligible map[string]int `json:"not_eligible,omitempty"`
}

// Options of an action.
type Options struct {
	// Reason: for Discard, why, for the audit; for Reject, the words that the uploader reads.
	Reason string
	// PerSecond bounds what is redriven; 0 does not.
	PerSecond int
	// Done hears what became of each message, in no order, one at a time; nil is nobody.
	Done func(Result)
}

// What became of a message in an action.
const (
	ResultDone    = "done"
	ResultEarlier = "earlier" // it was done before, and nothing was done now: Detail says when
	ResultSkipped = "skipped" // it has changed since the listing: Detail says "was X, is Y"
	ResultMissing = "missing" // it was not met: in other hands, or gone
	ResultFailed  = "failed"  // Detail says of what; it is still in the queue, or will be again
)

// Result is what became of one message.
type Result struct {
	MessageID string    `json:"message_id"`
	UploadID  upload.ID `json:"upload_id,omitempty"`
	Upload    string    `json:"upload,omitempty"` // journal/entry/kind/id
	Result    string    `json:"result"`
	Detail    string    `json:"detail,omitempty"`
}

// Recheck is beside the actions on letters: it is about uploads.
const Recheck Action = "recheck"

// Audit is the trace of an action: a note, written when it begins and again at its end, and
// a log line. Where Counts sum up to less than Chosen, the rest was not reached.
type Audit struct {
	ID        string         `json:"id"`
	Action    Action         `json:"action"`
	Operator  string         `json:"operator"`
	Reason    string         `json:"reason,omitempty"`
	Snapshot  string         `json:"snapshot,omitempty"`
	Selection Selection      `json:"selection"`
	Began     time.Time      `json:"began"`
	Ended     time.Time      `json:"ended,omitzero"` // zero: it was interrupted, or is running
	Chosen    int            `json:"chosen"`
	Counts    map[string]int `json:"counts,omitempty"` // by Result
	Results   []Result       `json:"results,omitempty"`
	// Error says why it ended before all that was chosen was met.
	Error string `json:"error,omitempty"`
}
