package uploadtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// storesFor gives an actor the stores, with a scheduling point before every call. For a
// nil actor, which is recovery, nothing waits and nothing fails.
func (x *execution) storesFor(a *actor) Stores {
	s := Stores{Records: &scheduledRecords{x.memory.Records, x, a}, Objects: &scheduledObjects{x.memory.Objects, x, a}}
	if x.scenario.Notified {
		s.Notifier = &scheduledNotifier{x, a}
	}
	return s
}

// scheduledNotifier is the notifier as one actor calls it.
type scheduledNotifier struct {
	execution *execution
	actor     *actor
}

func (s *scheduledNotifier) Notify(_ context.Context, r upload.Record) error {
	c := writeCall("tell of record", fmt.Sprintf("%s as %s by version %s", brief(r.ID), r.Status, r.JudgedVersion))
	_, err := perform(s.execution, s.actor, c, showDone, func() (struct{}, error) {
		s.execution.oracle.notified[verdictOn(r)] = true
		return struct{}{}, nil
	})
	return err
}

// suspend stops the actor before a call until its next step.
func (a *actor) suspend(c call) {
	if !a.yield(c) || a.fault == crashesBefore {
		panic(crash{})
	}
}

// inTurn makes two calls in the order in which they are given.
func inTurn(one, other func()) {
	one()
	other()
}

// atOnce makes two calls in either order: of two steps at the same time, one is the first. When
// both are done, the actor knows the same in both orders.
func (a *actor) atOnce(one, other func()) {
	a.suspend(call{name: "two calls at once", faults: []fault{otherFirst}})
	calls, order := []func(){one, other}, []int{0, 1}
	if a.fault == otherFirst {
		order = []int{1, 0}
	}
	before := a.memory
	var known [2][sha256.Size]byte
	for _, i := range order {
		a.memory = before
		calls[i]()
		known[i], a.aside = a.memory, a.memory
	}
	a.aside = [sha256.Size]byte{}
	a.memory = sha256.Sum256(append(known[0][:], known[1][:]...))
}

// remember adds a result to what the actor knows.
func (a *actor) remember(result string) {
	a.memory = sha256.Sum256(append(a.memory[:], result...))
}

// perform makes one call to a store, with the fault that the schedule injects.
func perform[T any](x *execution, a *actor, c call, show func(T) string, do func() (T, error)) (T, error) {
	if a == nil {
		return do()
	}
	a.suspend(c)
	how := a.fault // a step within do may set it anew
	a.within = how
	var result T
	err := errNoAnswer
	if how != fails {
		result, err = do()
	}
	switch how {
	case repeats:
		a.remember("again")
		result, err = do()
	case timesOut:
		var nothing T
		result, err = nothing, errNoAnswer
	case crashesAfter:
		panic(crash{})
	}
	a.within = noFault
	answer := show(result)
	if err != nil {
		answer = err.Error()
	}
	a.remember(c.name + answer)
	x.note("%s   = %s", a.name, answer)
	return result, err
}

func readCall(name, target string) call  { return call{name, target, readFaults} }
func writeCall(name, target string) call { return call{name, target, writeFaults} }

// showRecord is what the pipeline looks at of a record.
func showRecord(r upload.Record) string {
	switch r.Status {
	case upload.Stored:
		return fmt.Sprintf("stored by version %s, serving version %s, SHA-256 %.8s", r.JudgedVersion, r.ServedVersion,
			r.SHA256)
	case upload.Rejected:
		dropped := map[bool]string{false: ", dropped"}[r.DroppedAt.IsZero()]
		return fmt.Sprintf("rejected by version %s as %s%s", r.JudgedVersion, r.Reason.Code, dropped)
	}
	return brief(r.ID) + " " + string(r.Status)
}

func showDone(struct{}) string { return "done" }

// scheduledRecords are the records as one actor calls them.
type scheduledRecords struct {
	*Records  // the methods that no actor calls
	execution *execution
	actor     *actor
}

func (s *scheduledRecords) Create(ctx context.Context, r upload.Record,
	key *upload.IdempotencyKey) (upload.Record, error) {
	return perform(s.execution, s.actor, writeCall("create record", brief(r.ID)), showRecord,
		func() (upload.Record, error) {
			return s.Records.Create(ctx, r, key)
		})
}

func (s *scheduledRecords) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	return perform(s.execution, s.actor, readCall("get record", brief(ref.ID)), showRecord, func() (upload.Record, error) {
		return s.Records.Get(ctx, ref)
	})
}

func (s *scheduledRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	show := showRecord
	if t.Name == upload.CountFailureName { // whoever counts looks at nothing
		show = func(upload.Record) string { return showDone(struct{}{}) }
	}
	return perform(s.execution, s.actor, writeCall(t.Name+" record", brief(ref.ID)), show, func() (upload.Record, error) {
		return s.Records.Update(ctx, ref, t)
	})
}

func (s *scheduledRecords) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	show := func(page upload.Page) string {
		var all []string
		for _, r := range page.Records {
			all = append(all, showRecord(r))
		}
		return fmt.Sprint(all)
	}
	return perform(s.execution, s.actor, readCall("list records", string(q.Status)), show, func() (upload.Page, error) {
		return s.Records.List(ctx, q)
	})
}

func (s *scheduledRecords) Usage(ctx context.Context, j upload.Journal, e upload.Entry,
	k policy.KindName) (upload.Usage, error) {
	return perform(s.execution, s.actor, readCall("sum usage", string(e)), showUsage, func() (upload.Usage, error) {
		return s.Records.Usage(ctx, j, e, k)
	})
}

func showUsage(u upload.Usage) string { return fmt.Sprintf("%d files, %d bytes", u.Files, u.Bytes) }

// scheduledObjects are the objects as one actor calls them.
type scheduledObjects struct {
	*Objects  // the methods that no actor calls
	execution *execution
	actor     *actor
}

func (s *scheduledObjects) Put(ctx context.Context, key upload.Key, body io.ReadSeeker, size int64) error {
	_, err := perform(s.execution, s.actor, writeCall("put object", short(key)), showDone, func() (struct{}, error) {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.Objects.Put(ctx, key, body, size)
	})
	return err
}

func (s *scheduledObjects) Open(ctx context.Context, key upload.Key, version upload.Version) (upload.Object, error) {
	if err := ctx.Err(); err != nil {
		return upload.Object{}, err // nobody asks any more: whatever would be done is not seen
	}
	how := noFault
	c := call{"open object", short(key) + " version " + string(version), openFaults}
	object, err := perform(s.execution, s.actor, c, showObject, func() (upload.Object, error) {
		if s.actor != nil {
			how = s.actor.fault
		}
		return s.Objects.Open(ctx, key, version)
	})
	if err != nil {
		return upload.Object{}, err
	}
	data, _ := s.Objects.Bytes(key, object.Version)
	watched := &watchedBody{ReadCloser: object.Body, actor: s.actor}
	watched.whole = func() { s.execution.oracle.read[sumOf(data)] = true }
	if how != noFault {
		s.actor.remember(string(how))
		watched.left = len(data) / 2
		watched.end = map[fault]error{breaksOff: io.ErrUnexpectedEOF, endsEarly: io.EOF}[how]
	}
	if s.actor != nil {
		s.actor.open++
	}
	object.Body = watched
	return object, nil
}

func (s *scheduledObjects) ReadRange(ctx context.Context, key upload.Key, version upload.Version,
	offset, length int64) (io.ReadCloser, error) {
	what := fmt.Sprintf("%s version %s, %d bytes from %d", short(key), version, length, offset)
	return perform(s.execution, s.actor, readCall("read range of", what), showRange, func() (io.ReadCloser, error) {
		return s.Objects.ReadRange(ctx, key, version, offset, length)
	})
}

func showRange(io.ReadCloser) string { return "opened" }

func showObject(o upload.Object) string {
	return fmt.Sprintf("version %s, %d bytes", o.Version, o.Size)
}

// watchedBody tells when it has been read whole, or ends before that, and when it is closed.
type watchedBody struct {
	io.ReadCloser
	actor *actor // who opened it; nil in recovery
	whole func()
	end   error // when set, what comes after left bytes
	left  int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.end != nil {
		if b.left == 0 {
			return 0, b.end
		}
		p = p[:min(len(p), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= n
	if errors.Is(err, io.EOF) {
		b.whole()
	}
	return n, err
}

func (b *watchedBody) Close() error {
	if b.actor != nil {
		b.actor.open--
	}
	return b.ReadCloser.Close()
}

func (s *scheduledObjects) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	c := writeCall("promote object", fmt.Sprintf("%s version %s", short(p.From), p.Version))
	return perform(s.execution, s.actor, c, showCopy, func() (upload.Copy, error) { return s.Objects.Promote(ctx, p) })
}

func (s *scheduledObjects) Stat(ctx context.Context, key upload.Key) (upload.Copy, error) {
	return perform(s.execution, s.actor, readCall("stat object", short(key)), showCopy, func() (upload.Copy, error) {
		return s.Objects.Stat(ctx, key)
	})
}

func showCopy(c upload.Copy) string {
	return fmt.Sprintf("version %s, a copy of version %s, SHA-256 %.8s", c.Version, c.Source, c.SHA256)
}

func (s *scheduledObjects) Remove(ctx context.Context, key upload.Key, version upload.Version) error {
	c := writeCall("remove object", fmt.Sprintf("%s version %s", short(key), version))
	_, err := perform(s.execution, s.actor, c, showDone, func() (struct{}, error) {
		return struct{}{}, s.Objects.Remove(ctx, key, version)
	})
	return err
}

func (s *scheduledObjects) Versions(ctx context.Context, key upload.Key) ([]upload.Version, error) {
	return perform(s.execution, s.actor, readCall("list versions of", short(key)), showVersions,
		func() ([]upload.Version, error) {
			return s.Objects.Versions(ctx, key)
		})
}

func (s *scheduledObjects) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor,
	limit int) (upload.InventoryPage, error) {
	return perform(s.execution, s.actor, readCall("list", short(upload.Key(prefix))), showPage,
		func() (upload.InventoryPage, error) {
			return s.Objects.ListVersions(ctx, prefix, cursor, limit)
		})
}

func showPage(page upload.InventoryPage) string {
	var versions []upload.Version
	for _, v := range page.Versions {
		versions = append(versions, v.Version)
	}
	return showVersions(versions)
}

func showVersions(versions []upload.Version) string { return fmt.Sprint(versions) }

// brief leaves out of an id, and short of a key, what is the same in all of a
// scenario.
func brief(id upload.ID) string { return "…" + string(id[max(0, len(id)-2):]) }

func short(key upload.Key) string {
	prefix, _, _ := strings.Cut(string(key), "/")
	return prefix + "/" + brief(upload.ID(key))
}
