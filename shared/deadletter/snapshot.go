package deadletter

import "time"

// Snapshot is a listing that is kept. Its JSON is the head note, and the last line of
// `hatchery dlq ls --json`, under "snapshot".
type Snapshot struct {
	ID       string    `json:"id"`
	Operator string    `json:"operator"`
	At       time.Time `json:"at"`
	// Complete: the listing came to its end; until then Letters and Groups are those so far.
	Complete bool `json:"complete"`
	Letters  int  `json:"letters"`
	Parts    int  `json:"parts"`
	// InOtherHands counts messages that the queue counted when the listing began, visible or in flight, and that
	// it did not receive: another operator's, who lists or acts. SQS counts approximately.
	InOtherHands int     `json:"in_other_hands"`
	Groups       []Group `json:"groups"`
	// Unread says of which letters the explanation is incomplete because a store failed: how
	// many, and the first error. "" when all was read.
	Unread      int    `json:"unread,omitempty"`
	UnreadError string `json:"unread_error,omitempty"`
}

// Group is letters that died of the same.
type Group struct {
	Cause Cause `json:"cause"`
	// Group is its Diagnosis'; the letters beyond 1,000 groups are counted under their cause and a colon.
	Group    string    `json:"group"`
	Sentence string    `json:"sentence"`
	Suggest  Action    `json:"suggest"`
	Letters  int       `json:"letters"`
	Oldest   time.Time `json:"oldest"`     // SentAt
	Expires  time.Time `json:"expires_at"` // the first to go
	Bytes    int       `json:"bytes"`      // letters whose bytes are still there, in quarantine or copied
}
