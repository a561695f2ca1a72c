package uploadtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Records keeps records in memory. It may be used concurrently.
type Records struct {
	options RecordsOptions

	mu      sync.Mutex
	records map[upload.Ref]upload.Record
	keys    map[scopedKey]keyOwner
	// removed are the records that a deletion removed (only without Swap): what was
	// removed never comes back, not by a late retry of its creation either.
	removed map[upload.Ref]bool
	// tombstones, without Swap, are apart from the records, and count before them.
	tombstones map[upload.Ref]upload.Record
	// writes are counted with Swap: each gives the record another revision.
	writes int
}

var _ upload.Records = (*Records)(nil)

// RecordsOptions says how a Records behaves.
type RecordsOptions struct {
	// Swap makes Create and Update compare-and-swap, with tombstones. Without it the
	// store behaves as upload.Records allows where Atomic is false: a verdict is read in
	// one step and written in another, Create writes its idempotency key in a step of its
	// own, a deletion removes the record, in a step after the tombstone if it leaves one.
	Swap bool
	// WritesBack makes every other Update but a deletion, without Swap, read in one step
	// and write all that it read in another, as a store may whose update is a read, a
	// merge and a write: a verdict that came between is undone.
	WritesBack bool
	// Now is the clock that idempotency keys expire by. When it is nil the time
	// is the CreatedAt of the record that is being created.
	Now func() time.Time
	// Between, when set, is called between the steps of a method that has several
	// (only without Swap), holding no lock. The explorer switches actors there.
	Between func(ctx context.Context, step string)
}

type scopedKey struct{ scope, key string }

type keyOwner struct {
	fingerprint string
	expires     time.Time
	owner       upload.Ref
}

// NewRecords makes an empty store.
func NewRecords(o RecordsOptions) *Records {
	if o.Between == nil {
		o.Between = func(context.Context, string) {}
	}
	return &Records{options: o, records: map[upload.Ref]upload.Record{},
		keys: map[scopedKey]keyOwner{}, removed: map[upload.Ref]bool{}, tombstones: map[upload.Ref]upload.Record{}}
}

// Clone copies the store with all it holds.
func (s *Records) Clone() *Records {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Stored records are never changed in place, so a shallow copy is enough.
	return &Records{options: s.options, records: maps.Clone(s.records),
		keys: maps.Clone(s.keys), removed: maps.Clone(s.removed), tombstones: maps.Clone(s.tombstones), writes: s.writes}
}

// Atomic is what RecordsOptions.Swap says.
func (s *Records) Atomic() bool { return s.options.Swap }

// Create implements upload.Records.
func (s *Records) Create(ctx context.Context, r upload.Record, key *upload.IdempotencyKey) (upload.Record, error) {
	if err := ctx.Err(); err != nil {
		return upload.Record{}, err
	}
	earlier, found, err := s.createUnlessRepeated(r, key)
	if err != nil || found {
		return earlier, err
	}
	if key != nil && !s.options.Swap {
		s.options.Between(ctx, "write the idempotency key")
		s.mu.Lock()
		defer s.mu.Unlock()
		s.keep(r.Ref(), key)
	}
	return r, nil
}

// createUnlessRepeated looks for an earlier use of the key. Without one it creates r and,
// if that is one step, keeps the key.
func (s *Records) createUnlessRepeated(r upload.Record,
	key *upload.IdempotencyKey) (_ upload.Record, found bool, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key != nil {
		now := r.CreatedAt
		if s.options.Now != nil {
			now = s.options.Now()
		}
		c, used := s.keys[scopedKey{key.Scope, key.Key}]
		if used && now.Before(c.expires) {
			if c.fingerprint != key.Fingerprint {
				return upload.Record{}, false, upload.ErrKeyReused
			}
			// The owner is missing only where a deletion leaves no tombstone: then
			// there is nothing to repeat.
			if owner, err := s.get(c.owner); err == nil {
				return owner, true, nil
			}
		}
	}
	if _, exists := s.records[r.Ref()]; exists || s.removed[r.Ref()] {
		return upload.Record{}, false, upload.ErrExists
	}
	s.records[r.Ref()] = s.revised(r)
	if key != nil && s.options.Swap {
		s.keep(r.Ref(), key)
	}
	return upload.Record{}, false, nil
}

func (s *Records) keep(owner upload.Ref, key *upload.IdempotencyKey) {
	s.keys[scopedKey{key.Scope, key.Key}] = keyOwner{key.Fingerprint, key.Expires, owner}
}

// Get implements upload.Records.
func (s *Records) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	if err := ctx.Err(); err != nil {
		return upload.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(ref)
}

func (s *Records) get(ref upload.Ref) (upload.Record, error) {
	r, ok := s.counts(ref)
	if !ok {
		return upload.Record{}, upload.ErrNotFound
	}
	if r.Status != upload.Pending {
		r.Revision = "" // no transition of another record is asked for twice in a row
	}
	return detach(r), nil
}

func (s *Records) counts(ref upload.Ref) (upload.Record, bool) {
	r, found := s.tombstones[ref]
	if !found {
		r, found = s.records[ref]
	}
	return r, found
}

// Update implements upload.Records.
//
// Without compare-and-swap a verdict is read in one step and written in another, and so
// is every other change of a store that writes back.
func (s *Records) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	if err := ctx.Err(); err != nil {
		return upload.Record{}, err
	}
	switch {
	case s.options.Swap:
	case t.Name == upload.DeleteName:
		return s.remove(ctx, ref, t)
	case t.Name == upload.SettleName:
		after, err := s.ask(ref, t)
		if err != nil {
			return upload.Record{}, err
		}
		s.options.Between(ctx, "write the verdict")
		// Whatever verdict came in between is overwritten.
		t = upload.Transition{To: func(upload.Record) (upload.Record, error) { return after, nil }}
	case s.options.WritesBack:
		read, err := s.Get(ctx, ref)
		if err != nil {
			return upload.Record{}, err
		}
		s.options.Between(ctx, "write back")
		to := t.To
		t.To = func(upload.Record) (upload.Record, error) { return to(read) }
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	after, err := s.transit(ref, t) // a record that was removed in between does not come back
	if err != nil {
		return upload.Record{}, err
	}
	into := s.records
	if after.Status == upload.Deleted && !s.options.Swap {
		into = s.tombstones
	}
	if _, ok := into[ref]; !ok { // what was read as a record has become a tombstone
		return upload.Record{}, upload.ErrNotFound
	}
	into[ref] = s.revised(after)
	after.Revision = ""
	return detach(after), nil
}

// revised is a record to be stored, with a revision where the store gives them.
func (s *Records) revised(r upload.Record) upload.Record {
	r = detach(r)
	r.Revision = ""
	if s.options.Swap {
		s.writes++
		r.Revision = upload.Revision(strconv.Itoa(s.writes))
	}
	return r
}

// counting are the records, each tombstone in the place of what it deletes.
func (s *Records) counting() map[upload.Ref]upload.Record {
	if len(s.tombstones) == 0 {
		return s.records
	}
	all := maps.Clone(s.records)
	maps.Copy(all, s.tombstones)
	return all
}

// remove is a deletion without compare-and-swap: the tombstone, if there is to be one, then the
// removal of the record.
func (s *Records) remove(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	after, err := s.ask(ref, t)
	if err != nil && !errors.Is(err, upload.ErrNotFound) {
		return upload.Record{}, err
	}
	if err == nil && after.FormOpen(after.DeletedAt) {
		s.mu.Lock()
		s.tombstones[ref] = detach(after)
		s.mu.Unlock()
		s.options.Between(ctx, "remove the record")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.records[ref]; there { // also what an earlier deletion left
		delete(s.records, ref)
		s.removed[ref] = true
	}
	return after, err
}

// ask gives what a transition would make of a record.
func (s *Records) ask(ref upload.Ref, t upload.Transition) (upload.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transit(ref, t)
}

func (s *Records) transit(ref upload.Ref, t upload.Transition) (upload.Record, error) {
	before, err := s.get(ref)
	if err != nil {
		return upload.Record{}, err
	}
	if before.Revision != "" && before.Revision == t.Seen.Revision {
		before = t.Seen
	}
	after, err := t.To(before)
	if err == nil && before.Status == upload.Pending && after.Status == upload.Stored {
		err = s.admit(after, t.Admit)
	}
	return after, err
}

// admit says whether the entry may hold one more stored file.
func (s *Records) admit(r upload.Record, a upload.Admission) error {
	var owner *upload.Record
	var stored upload.Usage
	for _, other := range s.counting() {
		if other.Status != upload.Stored || !sameEntry(other, r.Journal, r.Entry, r.Kind) {
			continue
		}
		stored.Files, stored.Bytes = stored.Files+1, stored.Bytes+other.Size
		if other.SHA256 == r.SHA256 && (owner == nil || older(other, *owner)) {
			owner = &other
		}
	}
	return a.Check(r.Size, func() (upload.ID, error) {
		if owner == nil {
			return "", nil
		}
		return owner.ID, nil
	}, func() (upload.Usage, error) { return stored, nil })
}

// older orders records by creation.
func older(a, b upload.Record) bool {
	return position{At: a.CreatedAt, Ref: a.Ref()}.compare(position{At: b.CreatedAt, Ref: b.Ref()}) < 0
}

func sameEntry(r upload.Record, j upload.Journal, e upload.Entry, k policy.KindName) bool {
	return r.Journal == j && r.Entry == e && r.Kind == k
}

// Overwrite puts a record in place whatever is there: for a test that begins
// with records nobody could create now, or that plants a fault.
func (s *Records) Overwrite(r upload.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[r.Ref()] = s.revised(r)
}

// peek looks at a record without going through the store's methods. What it
// points to must not be changed.
func (s *Records) peek(ref upload.Ref) (upload.Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts(ref)
}

// Digest is equal for two stores that hold the same.
func (s *Records) Digest() [sha256.Size]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := make([]string, 0, len(s.records)+len(s.keys))
	for ref, r := range s.records {
		lines = append(lines, "record "+ref.String()+" "+factsOf(r))
	}
	for k, c := range s.keys {
		lines = append(lines, fmt.Sprintf("key %q %q %q %s %d", k.scope, k.key, c.fingerprint, c.owner, c.expires.UnixNano()))
	}
	for ref, r := range s.tombstones {
		lines = append(lines, "tombstone "+ref.String()+" "+factsOf(r))
	}
	for ref := range s.removed {
		lines = append(lines, "removed "+ref.String())
	}
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(lines, "\n")))
}

// factsOf writes what can change about a record in one line.
func factsOf(r upload.Record) string {
	var reason, failure string
	if r.Reason != nil {
		reason = string(r.Reason.Code) + ":" + r.Reason.Message
	}
	if r.LastFailure != nil {
		failure = strconv.Itoa(r.Failures) + ":" + r.LastFailure.Message
	}
	again := strconv.Itoa(r.Resends) + "@" + r.ResentAt.Format(time.RFC3339Nano)
	return strings.Join([]string{r.Extension, r.Filename, string(r.Status), string(r.JudgedVersion),
		string(r.ServedVersion), strconv.FormatInt(r.Size, 10), r.ContentType, r.SHA256, reason, failure, again,
		r.CreatedAt.Format(time.RFC3339Nano), r.SettledAt.Format(time.RFC3339Nano), r.DroppedAt.Format(time.RFC3339Nano),
		r.DeletedAt.Format(time.RFC3339Nano)}, " ")
}

// detach copies what a record points to, so that nobody shares memory with the
// store.
func detach(r upload.Record) upload.Record {
	if r.Reason != nil {
		reason := *r.Reason
		r.Reason = &reason
	}
	if r.LastFailure != nil {
		failure := *r.LastFailure
		r.LastFailure = &failure
	}
	return r
}
