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

// stepped gives an actor's way to the stores: every call halts first. For a nil
// actor, which is recovery, nothing halts and nothing fails.
func (w *world) stepped(a *actor) Stores {
	s := Stores{Records: &steppedRecords{w.memory.Records, w, a}, Objects: &steppedObjects{w.memory.Objects, w, a}}
	if w.scenario.Told {
		s.Teller = &steppedTeller{w, a}
	}
	return s
}

// steppedTeller is one actor's way to the application.
type steppedTeller struct {
	world *world
	actor *actor
}

func (s *steppedTeller) Tell(_ context.Context, r upload.Record) error {
	c := writeCall("tell of record", fmt.Sprintf("%s as %s by version %s", brief(r.ID), r.Status, r.JudgedVersion))
	_, err := perform(s.world, s.actor, c, showDone, func() (struct{}, error) {
		s.world.ledger.told[verdictOn(r)] = true
		return struct{}{}, nil
	})
	return err
}

// halt stops the actor before a call until its next step.
func (a *actor) halt(c call) {
	if !a.yield(c) || a.fate == crashesBefore {
		panic(crash{})
	}
}

// remember adds a result to what the actor knows.
func (a *actor) remember(result string) {
	a.memory = sha256.Sum256(append(a.memory[:], result...))
}

// perform makes one call to a store go as its fate will have it.
func perform[T any](w *world, a *actor, c call, show func(T) string, do func() (T, error)) (T, error) {
	if a == nil {
		return do()
	}
	a.halt(c)
	how := a.fate // a step within do may set it anew
	a.within = how
	var result T
	err := errTrouble
	if how != fails {
		result, err = do()
	}
	switch how {
	case repeats:
		a.remember("again")
		result, err = do()
	case timesOut:
		var nothing T
		result, err = nothing, errTrouble
	case crashesAfter:
		panic(crash{})
	}
	a.within = goesWell
	answer := show(result)
	if err != nil {
		answer = err.Error()
	}
	a.remember(c.name + answer)
	w.note("%s   = %s", a.name, answer)
	return result, err
}

func readCall(name, target string) call  { return call{name, target, readFates} }
func writeCall(name, target string) call { return call{name, target, writeFates} }

// showRecord tells what of a record the pipeline looks at.
func showRecord(r upload.Record) string {
	switch r.Status {
	case upload.Stored:
		return fmt.Sprintf("stored by version %s, serving version %s, SHA-256 %.8s", r.JudgedVersion, r.ServedVersion, r.SHA256)
	case upload.Rejected:
		return fmt.Sprintf("rejected by version %s as %s", r.JudgedVersion, r.Reason.Code)
	}
	return brief(r.ID) + " " + string(r.Status)
}

func showDone(struct{}) string { return "done" }

// steppedRecords is one actor's way to the records.
type steppedRecords struct {
	*Records // the methods that no actor calls
	world    *world
	actor    *actor
}

func (s *steppedRecords) Create(ctx context.Context, r upload.Record, once *upload.Once) (upload.Record, error) {
	return perform(s.world, s.actor, writeCall("create record", brief(r.ID)), showRecord, func() (upload.Record, error) {
		return s.Records.Create(ctx, r, once)
	})
}

func (s *steppedRecords) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	return perform(s.world, s.actor, readCall("get record", brief(ref.ID)), showRecord, func() (upload.Record, error) {
		return s.Records.Get(ctx, ref)
	})
}

func (s *steppedRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	show := showRecord
	if t.Name == upload.CountFailureName { // whoever counts looks at nothing
		show = func(upload.Record) string { return showDone(struct{}{}) }
	}
	return perform(s.world, s.actor, writeCall(t.Name+" record", brief(ref.ID)), show, func() (upload.Record, error) {
		return s.Records.Update(ctx, ref, t)
	})
}

func (s *steppedRecords) Usage(ctx context.Context, j upload.Journal, e upload.Entry, k policy.KindName) (upload.Usage, error) {
	return perform(s.world, s.actor, readCall("sum usage", string(e)), showUsage, func() (upload.Usage, error) {
		return s.Records.Usage(ctx, j, e, k)
	})
}

func showUsage(u upload.Usage) string { return fmt.Sprintf("%d files, %d bytes", u.Files, u.Bytes) }

// steppedObjects is one actor's way to the objects.
type steppedObjects struct {
	*Objects // the methods that no actor calls
	world    *world
	actor    *actor
}

func (s *steppedObjects) Put(ctx context.Context, key upload.Key, body io.ReadSeeker, size int64) error {
	_, err := perform(s.world, s.actor, writeCall("put object", short(key)), showDone, func() (struct{}, error) {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.Objects.Put(ctx, key, body, size)
	})
	return err
}

func (s *steppedObjects) Open(ctx context.Context, key upload.Key, version upload.Version) (upload.Object, error) {
	how := goesWell
	c := call{"open object", short(key) + " version " + string(version), openFates}
	object, err := perform(s.world, s.actor, c, showObject, func() (upload.Object, error) {
		if s.actor != nil {
			how = s.actor.fate
		}
		return s.Objects.Open(ctx, key, version)
	})
	if err != nil {
		return upload.Object{}, err
	}
	data, _ := s.Objects.Bytes(key, object.Version)
	watched := &watchedBody{ReadCloser: object.Body, whole: func() { s.world.ledger.read[sumOf(data)] = true }}
	if how != goesWell {
		s.actor.remember(string(how))
		watched.left = len(data) / 2
		watched.end = map[fate]error{breaksOff: io.ErrUnexpectedEOF, endsEarly: io.EOF}[how]
	}
	object.Body = watched
	return object, nil
}

func showObject(o upload.Object) string {
	return fmt.Sprintf("version %s, %d bytes", o.Version, o.Size)
}

// watchedBody tells when it has been read whole, or ends before that.
type watchedBody struct {
	io.ReadCloser
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

func (s *steppedObjects) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	c := writeCall("promote object", fmt.Sprintf("%s version %s", short(p.From), p.Version))
	return perform(s.world, s.actor, c, showCopy, func() (upload.Copy, error) { return s.Objects.Promote(ctx, p) })
}

func (s *steppedObjects) Stat(ctx context.Context, key upload.Key) (upload.Copy, error) {
	return perform(s.world, s.actor, readCall("stat object", short(key)), showCopy, func() (upload.Copy, error) {
		return s.Objects.Stat(ctx, key)
	})
}

func showCopy(c upload.Copy) string {
	return fmt.Sprintf("version %s, a copy of version %s, SHA-256 %.8s", c.Version, c.Source, c.SHA256)
}

func (s *steppedObjects) Remove(ctx context.Context, key upload.Key, version upload.Version) error {
	c := writeCall("remove object", fmt.Sprintf("%s version %s", short(key), version))
	_, err := perform(s.world, s.actor, c, showDone, func() (struct{}, error) {
		return struct{}{}, s.Objects.Remove(ctx, key, version)
	})
	return err
}

func (s *steppedObjects) Versions(ctx context.Context, key upload.Key) ([]upload.Version, error) {
	return perform(s.world, s.actor, readCall("list versions of", short(key)), showVersions, func() ([]upload.Version, error) {
		return s.Objects.Versions(ctx, key)
	})
}

func showVersions(versions []upload.Version) string { return fmt.Sprint(versions) }

// brief leaves out of an id, and short of a key, what is the same in all of a
// scenario.
func brief(id upload.ID) string { return "…" + string(id[max(0, len(id)-2):]) }

func short(key upload.Key) string {
	prefix, _, _ := strings.Cut(string(key), "/")
	return prefix + "/" + brief(upload.ID(key))
}
