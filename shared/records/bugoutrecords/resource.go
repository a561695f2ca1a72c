package bugoutrecords

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// The keys of resource_data. The first six are the replaced service's. All values
// are strings, so that Brood's filters, which compare text, match them.
const (
	keyID        = "id"
	keyJournal   = "journal_id"
	keyEntry     = "entry_id"
	keyName      = "name"
	keyExtension = "extension"
	keyCreatedAt = "created_at"

	keyKind            = "kind"
	keyStatus          = "status"
	keySize            = "size"
	keyContentType     = "content_type"
	keySHA256          = "sha256"
	keyFilename        = "filename"
	keyReasonCode      = "reason_code"
	keyReasonMessage   = "reason_message"
	keySettledAt       = "settled_at"
	keyDeclaredSize    = "declared_size"
	keyDeclaredType    = "declared_type"
	keyDeclaredSHA256  = "declared_sha256"
	keyFormExpires     = "form_expires"
	keyJudgedVersion   = "judged_version"
	keyServedVersion   = "served_version"
	keyFailures        = "failures"
	keyFailedAt        = "failed_at"
	keyFailure         = "failure"
	keyReenqueued      = "reenqueued"
	keyReenqueuedAt    = "reenqueued_at"
	keyNonce           = "creation"
	keyOnce            = "once"
	keyOnceFingerprint = "once_fingerprint"
	keyOnceExpires     = "once_expires"
)

// The keys that one kind of change writes.
var (
	verdictKeys = []string{keyExtension, keyFilename, keyStatus, keyKind, keySize, keyContentType, keySHA256,
		keyReasonCode, keyReasonMessage, keySettledAt, keyJudgedVersion, keyServedVersion}
	failureKeys = []string{keyFailures, keyFailedAt, keyFailure}
	resendKeys  = []string{keyReenqueued, keyReenqueuedAt}
)

// legacyKind is the kind of what the replaced service recorded.
const legacyKind = policy.KindName("images")

// createdForm is how the replaced service wrote created_at: Python's str of a
// datetime, which leaves the fraction out when it is zero.
const (
	createdForm     = "2006-01-02 15:04:05.000000"
	createdFormRead = "2006-01-02 15:04:05.999999"
)

// wireResource is a resource in an answer.
type wireResource struct {
	ID        string                     `json:"id"`
	Data      map[string]json.RawMessage `json:"resource_data"`
	CreatedAt time.Time                  `json:"created_at"`
}

// text gives a member as text, "" when it is not there.
func (w wireResource) text(key string) string {
	var s string
	if json.Unmarshal(w.Data[key], &s) == nil {
		return s
	}
	return strings.Trim(string(w.Data[key]), `"`) // a number that somebody wrote as one
}

// resource is a record and how it is kept.
type resource struct {
	upload.Record
	id    string    // the resource's, not the upload's
	made  time.Time // by Brood's clock
	nonce string

	idempotencyKey string // as hashOf gives it
	fingerprint    string
	keyExpires     time.Time
}

// compareMade orders resources by when Brood made them.
func (r resource) compareMade(other resource) int {
	return cmp.Or(r.made.Compare(other.made), strings.Compare(r.id, other.id))
}

// sortByRank puts the resource that counts first: one with a verdict before one
// without, which a late repetition of the creation may have left.
func sortByRank(all []resource) {
	slices.SortFunc(all, func(a, b resource) int {
		if aWaits := a.Status == upload.Pending; aWaits != (b.Status == upload.Pending) {
			if aWaits {
				return 1
			}
			return -1
		}
		return a.compareMade(b)
	})
}

// hashOf makes one plain text of an idempotency key, whatever its scope and key hold.
func hashOf(key *upload.IdempotencyKey) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", key.Scope, key.Key))
	return hex.EncodeToString(sum[:])
}

// newData is resource_data of a new record.
func newData(r upload.Record, key *upload.IdempotencyKey, nonce string) map[string]string {
	data := dataOf(r)
	data[keyNonce] = nonce
	if key != nil {
		data[keyOnce] = hashOf(key)
		data[keyOnceFingerprint] = clean(key.Fingerprint)
		data[keyOnceExpires] = timeText(key.Expires)
	}
	return data
}

// dataOf writes a record. What is not known is left out.
func dataOf(r upload.Record) map[string]string {
	data := map[string]string{
		keyID: string(r.ID), keyJournal: string(r.Journal), keyEntry: string(r.Entry), keyName: r.Name,
		keyExtension: r.Extension, keyFilename: r.Filename,
		keyCreatedAt: r.CreatedAt.UTC().Format(createdForm), keyKind: string(r.Kind), keyStatus: string(r.Status),
		keyContentType: r.ContentType, keySHA256: r.SHA256, keySettledAt: timeText(r.SettledAt),
		keyDeclaredType: r.Declared.Type, keyDeclaredSHA256: r.Declared.SHA256, keyFormExpires: timeText(r.FormExpires),
		keyJudgedVersion: string(r.JudgedVersion), keyServedVersion: string(r.ServedVersion),
		keyReenqueuedAt: timeText(r.ResentAt),
	}
	for key, n := range map[string]int64{keySize: r.Size, keyDeclaredSize: r.Declared.Size,
		keyFailures: int64(r.Failures), keyReenqueued: int64(r.Resends)} {
		if n != 0 {
			data[key] = strconv.FormatInt(n, 10)
		}
	}
	if r.Reason != nil {
		data[keyReasonCode], data[keyReasonMessage] = string(r.Reason.Code), r.Reason.Message
	}
	if r.LastFailure != nil {
		data[keyFailedAt], data[keyFailure] = timeText(r.LastFailure.At), r.LastFailure.Message
	}
	for key, value := range data {
		if value = clean(value); value == "" && key != keyReasonMessage && key != keyFailure {
			delete(data, key)
		} else {
			data[key] = value
		}
	}
	return data
}

// bodyOfChange is the request that writes some keys of a record: those that have a
// value, and that the others have none.
func bodyOfChange(after upload.Record, keys []string) map[string]any {
	data, update, drop := dataOf(after), map[string]string{}, []string{}
	for _, key := range keys {
		if value, found := data[key]; found {
			update[key] = value
		} else {
			drop = append(drop, key)
		}
	}
	return bodyOfUpdate(update, drop)
}

func bodyOfUpdate(update map[string]string, drop []string) map[string]any {
	return map[string]any{"update": update, "drop_keys": drop}
}

// resource reads what Brood answered. It is false for what is no upload's: others may keep
// resources under the same application. An upload's (it has an id, a journal and an entry)
// that cannot be read is ErrDamaged.
func (w wireResource) resource() (resource, bool, error) {
	id, err := upload.ParseID(w.text(keyID))
	if err != nil || w.text(keyJournal) == "" || w.text(keyEntry) == "" || w.ID == "" {
		return resource{}, false, nil //nolint:nilerr // somebody else's resource is no fault
	}
	d := reading{wireResource: w}
	if string(id) != w.text(keyID) {
		// Brood finds an id in its own letters alone, and every id is asked for in these.
		d.wrong(keyID, "; ids are of lower-case letters")
	}
	r := resource{id: w.ID, made: w.CreatedAt, nonce: d.text(keyNonce), idempotencyKey: d.text(keyOnce),
		fingerprint: d.text(keyOnceFingerprint), keyExpires: d.time(keyOnceExpires)}
	r.Record = upload.Record{ID: id, Journal: upload.Journal(d.text(keyJournal)), Entry: upload.Entry(d.text(keyEntry)),
		Kind: policy.KindName(cmp.Or(d.text(keyKind), string(legacyKind))), Name: d.text(keyName),
		Extension: d.text(keyExtension), Filename: d.text(keyFilename), CreatedAt: d.created(), Status: d.status(),
		Size: d.number(keySize), ContentType: d.text(keyContentType), SHA256: d.text(keySHA256),
		SettledAt: d.time(keySettledAt),
		Declared: upload.Declared{Size: d.number(keyDeclaredSize), Type: d.text(keyDeclaredType),
			SHA256: d.text(keyDeclaredSHA256)},
		FormExpires:   d.time(keyFormExpires),
		JudgedVersion: upload.Version(d.text(keyJudgedVersion)), ServedVersion: upload.Version(d.text(keyServedVersion)),
		Failures: int(d.number(keyFailures)), Resends: int(d.number(keyReenqueued)), ResentAt: d.time(keyReenqueuedAt)}
	if code := d.text(keyReasonCode); code != "" {
		r.Reason = &upload.Reason{Code: upload.Code(code), Message: d.text(keyReasonMessage)}
	}
	if at := d.time(keyFailedAt); !at.IsZero() {
		r.LastFailure = &upload.Failure{At: at, Message: d.text(keyFailure)}
	}
	if d.fault != "" {
		return resource{}, false, fmt.Errorf("resource %s of upload %s: %w: %s", w.ID, id, ErrDamaged, d.fault)
	}
	return r, true, nil
}

// reading takes an upload's resource apart and keeps the first thing that is wrong
// with it.
type reading struct {
	wireResource
	fault string
}

func (d *reading) wrong(key, why string) {
	if d.fault == "" {
		d.fault = fmt.Sprintf("%s is %.60q%s", key, d.text(key), why)
	}
}

// number is one that is not there or not negative.
func (d *reading) number(key string) int64 {
	text := d.text(key)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		d.wrong(key, "")
	}
	return n
}

func (d *reading) time(key string) time.Time {
	text := d.text(key)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		d.wrong(key, "")
	}
	return t.UTC()
}

func (d *reading) created() time.Time {
	t, err := time.Parse(createdFormRead, d.text(keyCreatedAt))
	if err != nil {
		d.wrong(keyCreatedAt, "")
	}
	return t.UTC()
}

// status: what the replaced service recorded has none, and is stored. A record of ours
// that lost it, or one that has it without a value, says nothing.
func (d *reading) status() upload.Status {
	if _, found := d.Data[keyStatus]; !found && d.text(keyNonce) == "" {
		return upload.Stored
	}
	status, err := upload.ParseStatus(d.text(keyStatus))
	if err != nil {
		d.wrong(keyStatus, "")
	}
	return status
}

// same says whether two records are kept alike.
func same(a, b upload.Record) bool { return maps.Equal(dataOf(a), dataOf(b)) }

// timeText writes a time in UTC and whole microseconds, the zero time as "".
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// clean leaves out what PostgreSQL's jsonb cannot hold.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
