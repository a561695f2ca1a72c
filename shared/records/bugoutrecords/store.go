// Package bugoutrecords keeps records of uploads as Bugout resources, one for each
// upload, where the replaced service kept its images and in the same form: its six
// members of resource_data keep their names and formats, the others stand beside
// them. An image that it recorded is a stored record here.
//
// The wire is described by the tests of shared/local/localbugout, which
// behaves as Bugout's server (Brood) was seen to behave.
package bugoutrecords

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hatchery/shared/baseurl"
	"hatchery/shared/upload"
)

// Store is upload.Records on Bugout resources. It may be used concurrently.
//
// Brood has no uniqueness, no conditions and no locks, so this store is not Atomic, and there
// are races:
//
//   - Of two verdicts on one upload at the same time the later stands. Both are verdicts about
//     bytes that were judged; whoever reads back another one than its own gets ErrConflict.
//   - Lost updates: several processes of Brood read, merge and write without a lock, so that a
//     change may write back all that was there before another one. A verdict that was read back
//     is undone by the count of a failure or of a message that began before it: the record is
//     pending again, and the file was promoted. upload.Pipeline settles it again, with the
//     promoted copy, by whichever message comes next, and the reconciler sends one. Counts may
//     be undone alike, or two be counted as one.
//   - Two uploads at the same time may pass a bound on files, bytes or duplicates that only one
//     of them should.
//   - A creation that timed out may have happened, also twice. Creating looks before it repeats
//     itself; of several resources for one upload the one with a verdict counts, among equals
//     the one with the lowest (created_at, id). While all of them wait they are left; the
//     verdict, or the next change after it, deletes the others, each of which is read again
//     right before. One that is given a verdict between that reading and its deletion is lost
//     with it, and given again in the same way.
//   - A creation that Brood finishes only after the upload was deleted leaves a pending record
//     without bytes, which the reconciler expires after a day.
//   - Deletion removes the resource; whoever changes the record at that moment gets ErrNotFound,
//     because every change is read back. Of two deletions at once both may succeed. A tombstone
//     is left only while a form of the upload may be posted: else bytes that come later would
//     find nothing.
//
// Brood answers a bad token like an absent resource (404). Only the detail tells them apart;
// the first is a failure, never absence. A valid token of a user outside of the application's
// group is shown nothing, or the part that the user was given, without an error. So what is
// found under its id is believed; that something is absent, or a list whole, is believed only
// of a token with which something was created in the last 5 minutes, and refused nothing since.
// If nothing was, the store creates and deletes a note for that (three requests); a token that
// may not is ErrRefused.
//
// Every list reads all resources that the filter gives and cuts its page out of them, because
// Brood knows no paging: an entry's lists are short, but Scan reads much, page by page again.
// It is for the reconciler and for operators.
type Store struct {
	o      Options
	base   string
	client *http.Client
	proof  proof
}

// Options of a Store.
type Options struct {
	// URL is Brood's base URL.
	URL string
	// Application is the id of the application that owns the resources.
	Application string
	// Token gives the deployment's own token, a UUID. It is asked before every
	// request and may keep what it found out.
	Token func(context.Context) (string, error)
	// Renew, when set, is asked for another token than one that Brood has refused. What
	// it gives is tried once, in the place of the refusal.
	Renew func(ctx context.Context, refused string) (string, error)
	// Requests holds one element for each request that is under way; nil is a channel of 4
	// places. All who reach the same Brood are given the same one: it stops answering
	// anything when it gets more than about ten requests from all its clients together.
	Requests chan struct{}
	// Timeout is for one request and its answer, and before that for a place; 0 is 10 s.
	Timeout time.Duration
	// MaxBody bounds an answer in bytes; 0 is 64 MiB, the list of some 80,000 records.
	// Lists come in one piece.
	MaxBody int64
	// Attempts is how often a request is made that may be repeated; 0 is 3.
	Attempts int
	// Damaged hears of an upload's resource that cannot be read, which lists pass over;
	// nil: nobody.
	Damaged func(ctx context.Context, err error)
	// Now is the clock that idempotency keys expire by; nil is time.Now.
	Now func() time.Time

	// Tests set these: how long to wait before attempt n+1, what marks one creation's
	// resources, and what carries the requests.
	pause     func(n int) time.Duration
	nonce     func() string
	transport http.RoundTripper
}

var _ upload.Records = (*Store)(nil)

// New makes a Store. It does not connect.
func New(o Options) (*Store, error) {
	base, err := baseurl.Parse("Bugout", o.URL)
	if err != nil {
		return nil, err
	}
	if _, err := upload.ParseID(o.Application); err != nil {
		return nil, fmt.Errorf("the Bugout application: %w", err)
	}
	if o.Token == nil {
		return nil, errors.New("there is no Bugout token")
	}
	o = o.withDefaults()
	return &Store{o: o, base: base, proof: proof{turn: make(chan struct{}, 1)},
		client: &http.Client{Transport: o.transport,
			// The token goes to no other place than the one that was configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Atomic is false: see Store.
func (s *Store) Atomic() bool { return false }

// Create implements upload.Records.
func (s *Store) Create(ctx context.Context, r upload.Record, key *upload.IdempotencyKey) (_ upload.Record, err error) {
	defer func() { err = upload.Wrap(err, "create the record of %s", r.Ref()) }()
	if r.Status != upload.Pending {
		return upload.Record{}, fmt.Errorf("its status is %q, not pending", r.Status)
	}
	if key != nil {
		first, err := s.createdUnder(ctx, key)
		if !errors.Is(err, upload.ErrNotFound) {
			return first, err
		}
	}
	// The nonce tells our own resources, of which an ambiguous answer may have left several,
	// from those of somebody else.
	nonce := s.o.nonce()
	if err := s.post(ctx, r.Ref(), newData(r, key, nonce), nonce); err != nil {
		return upload.Record{}, err
	}
	if key != nil {
		// Another request under the same key may have come between.
		first, err := s.createdUnder(ctx, key)
		if err == nil && first.ID != r.ID || errors.Is(err, upload.ErrKeyReused) {
			return first, errors.Join(err, s.withdraw(ctx, r.Ref(), nonce))
		}
		if err != nil && !errors.Is(err, upload.ErrNotFound) {
			return upload.Record{}, err
		}
	}
	existing, err := s.resourcesOf(ctx, r.Ref())
	if err != nil {
		return upload.Record{}, err
	}
	if len(existing) > 0 && existing[0].nonce != nonce {
		return upload.Record{}, errors.Join(upload.ErrExists, s.withdraw(ctx, r.Ref(), nonce))
	}
	return r, nil
}

// post creates a resource of an upload. After an ambiguous answer it looks before it repeats that.
func (s *Store) post(ctx context.Context, ref upload.Ref, data map[string]string, nonce string) error {
	body := s.newResource(data)
	return s.attempts(ctx, func(n int) error {
		if n > 1 {
			existing, err := s.resourcesOf(ctx, ref)
			if err != nil || slices.ContainsFunc(existing, func(e resource) bool { return e.nonce == nonce }) {
				return err
			}
		}
		return s.do(ctx, http.MethodPost, collection, nil, body, nil)
	})
}

// withdraw deletes the resources of one creation that came too late.
func (s *Store) withdraw(ctx context.Context, ref upload.Ref, nonce string) error {
	existing, err := s.resourcesOf(ctx, ref)
	if err != nil {
		return err
	}
	for _, e := range existing {
		if e.nonce != nonce {
			continue
		}
		if err := s.remove(ctx, e.id); err != nil && !errors.Is(err, upload.ErrNotFound) {
			return err
		}
	}
	return nil
}

// createdUnder finds the record that was created first under an idempotency key.
// ErrNotFound: the key is free.
func (s *Store) createdUnder(ctx context.Context, key *upload.IdempotencyKey) (upload.Record, error) {
	hash := hashOf(key)
	found, err := s.list(ctx, filter{keyOnce: hash}, func(r resource) bool {
		return r.idempotencyKey == hash && s.o.Now().Before(r.keyExpires)
	})
	if err != nil {
		return upload.Record{}, err
	}
	if len(found) == 0 {
		return upload.Record{}, upload.ErrNotFound
	}
	// The first one made, whatever became of it.
	first := slices.MinFunc(found, resource.compareMade)
	if first.fingerprint != clean(key.Fingerprint) {
		return upload.Record{}, upload.ErrKeyReused
	}
	// As it stands now: of several resources of that upload another one may count.
	sortByRank(found)
	counts := slices.IndexFunc(found, func(r resource) bool { return r.Ref() == first.Ref() })
	return found[counts].Record, nil
}

// Get implements upload.Records.
func (s *Store) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	existing, err := s.resourcesOf(ctx, ref)
	switch {
	case err != nil:
		return upload.Record{}, upload.Wrap(err, "get the record of %s", ref)
	case len(existing) == 0:
		return upload.Record{}, upload.ErrNotFound
	}
	return existing[0].Record, nil
}

// resourcesOf gives all resources of one upload, the one that counts first.
func (s *Store) resourcesOf(ctx context.Context, ref upload.Ref) ([]resource, error) {
	// The kind is no filter: what the replaced service recorded has none.
	f := filter{keyID: string(ref.ID), keyJournal: string(ref.Journal), keyEntry: string(ref.Entry)}
	found, damaged, err := s.fetchList(ctx, f, func(r resource) bool { return r.Ref() == ref }, false)
	if err == nil && len(found) == 0 && len(damaged) > 0 {
		err = damaged[len(damaged)-1] // it exists, and nobody can say what it is
	}
	sortByRank(found)
	return found, err
}
