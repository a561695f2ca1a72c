package deadletter

import (
	"slices"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

// Letter is one dead letter, explained. Its JSON is what `hatchery dlq ls --json` prints, and
// what snapshots and discarded messages hold. Times are UTC.
type Letter struct {
	MessageID string `json:"message_id"`
	// SentAt is when S3 sent it, or an operator redrove it. ExpiresAt is when the queue
	// removes it: the dead-letter queue's retention counts from SentAt.
	SentAt    time.Time `json:"sent_at"`
	ExpiresAt time.Time `json:"expires_at"`
	// Redrives is how often an operator sent it again: by our own count, in RedriveAttribute. It
	// came back each time.
	Redrives int `json:"redrives"`
	// Resent: the reconciler had sent it.
	Resent bool `json:"resent,omitempty"`
	// Source is the ARN of the queue in which it died; "" when it was sent to the dead
	// letters by hand.
	Source     string                     `json:"source,omitempty"`
	Body       string                     `json:"body"`
	Attributes map[string]queue.Attribute `json:"attributes,omitempty"`

	// Arrivals are the S3 records of the message that can be read; normally one.
	Arrivals []Arrival `json:"arrivals"`
	// Attempts are those that were kept, oldest first. A listing reads the newest alone.
	Attempts []attempts.Attempt `json:"attempts,omitempty"`

	Diagnosis Diagnosis `json:"diagnosis"`
	// Done is what was done with it since it was listed; nil is nothing. Show alone looks.
	Done *Done `json:"done,omitempty"`
}

// Takes says whether an action takes the letter as it is.
func (l Letter) Takes(action Action) bool { return l.Done == nil && notEligible(action, l) == "" }

// Arrival is one S3 record of a message, and how its upload stands.
type Arrival struct {
	Bucket  string         `json:"bucket"`
	Key     upload.Key     `json:"key"`
	Version upload.Version `json:"version"`
	Size    int64          `json:"size"` // as the event says

	// The rest is empty for a key that quarantine does not have, or of another bucket.
	UploadID upload.ID       `json:"upload_id,omitempty"`
	Journal  upload.Journal  `json:"journal_id,omitempty"`
	Entry    upload.Entry    `json:"entry_id,omitempty"`
	Kind     policy.KindName `json:"kind,omitempty"`

	// Names are those of the file, by its record; the last is what the person called it.
	Names []string `json:"names,omitempty"`
	// Status is "" when there is no record (any more).
	Status    upload.Status  `json:"status,omitempty"`
	Reason    *upload.Reason `json:"reason,omitempty"`
	CreatedAt time.Time      `json:"created_at,omitzero"`
	SettledAt time.Time      `json:"settled_at,omitzero"`
	// Failures and the last of them are the record's.
	Failures  int       `json:"failures,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	FailedAt  time.Time `json:"failed_at,omitzero"`
	// Bytes says where the version that the message is about is.
	Bytes Bytes `json:"bytes,omitempty"`
}

// Probes says whether a probe can be made with it: whether it has a pending upload, of which a verdict comes.
func (l Letter) Probes() bool {
	return l.Takes(Redrive) && slices.ContainsFunc(l.Arrivals, func(a Arrival) bool { return a.Status == upload.Pending })
}

// Ref is of an arrival that has an upload.
func (a Arrival) Ref() upload.Ref {
	return upload.Ref{Journal: a.Journal, Entry: a.Entry, Kind: a.Kind, ID: a.UploadID}
}

// Called is what the person called the file; "" when that is not known.
func (a Arrival) Called() string {
	if len(a.Names) == 0 {
		return ""
	}
	return a.Names[len(a.Names)-1]
}

// Bytes is where the bytes of an arrival are.
type Bytes string

// Where bytes are. "" is not looked.
const (
	BytesInQuarantine Bytes = "quarantine" // this very version
	BytesInOther      Bytes = "other"      // another version of the same upload is in quarantine, or was promoted
	BytesCopied       Bytes = "copied"     // the promoted copy of this version alone
	BytesGone         Bytes = "gone"       // no version and no copy
)

// Cause says in one word why a letter is dead.
type Cause string

// The causes. Each has a section in docs/operations.md.
const (
	Obsolete    Cause = "obsolete"    // its uploads have come to their end, or have no record: nothing is left to do
	Unfinished  Cause = "unfinished"  // the verdict stands, and bytes were not removed or the application not notified
	Unreachable Cause = "unreachable" // the store, the bucket or the bus did not answer, throttled, or answered 5xx
	Denied      Cause = "denied"      // access was denied
	NoTime      Cause = "no_time"     // the file cannot be read before the function's deadline
	Checksum    Cause = "checksum"    // the copy's SHA-256 is not the one that was read
	Crashed     Cause = "crashed"     // the validator panicked, or never came to its end
	Lost        Cause = "bytes_lost"  // the upload is pending and its bytes are gone
	Poison      Cause = "poison"      // the message cannot be read
	Foreign     Cause = "foreign"     // it is about another bucket, or a key that quarantine does not have
	Unknown     Cause = "unknown"     // nothing says why, or what is said is none of these
)

// Causes gives all of them, in the order in which groups are shown.
func Causes() []Cause {
	return []Cause{Denied, Unreachable, NoTime, Crashed, Checksum, Lost, Poison, Foreign, Unknown, Unfinished, Obsolete}
}

// Diagnosis is why a letter is dead, and what to do about it.
type Diagnosis struct {
	Cause Cause `json:"cause"`
	// Group is the same for letters that died of the same: where it arose, and the error
	// without its ids. It begins with the cause.
	Group string `json:"group"`
	// Sentence says what happened, and what to mend before acting, for a person: for Denied which action
	// on what, for Poison what is wrong at which byte.
	Sentence string `json:"sentence"`
	// Suggest is the action that puts it right once that is mended.
	Suggest Action `json:"suggest"`
}

// Action is what an operator does with letters.
type Action string

// The actions.
const (
	Redrive Action = "redrive" // send it to the validator's queue again
	Reject  Action = "reject"  // give the pending upload up, with words for the uploader
	Discard Action = "discard" // delete the message, whole in the bucket first
	Restore Action = "restore" // send a discarded message to the validator's queue
)

// RedriveAttribute is the message attribute, a number, of a message that an operator sent
// again: how often. The reconciler's own mark is left out, because it would let the message
// be tried three times only.
const RedriveAttribute = arrival.RedriveAttribute
