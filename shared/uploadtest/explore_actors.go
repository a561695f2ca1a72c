package uploadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Actor is one that does something with an upload of a scenario. Uploads are
// named by their index.
type Actor struct {
	name string
	run  func(*script)
	// accepts: it makes an upload of its own.
	accepts bool
	// deletes, rechecks and rejects tell the rules to allow for it.
	deletes, rechecks, rejects bool
	upload                     int
}

// script is what an actor works with.
type script struct {
	execution *execution
	actor     *actor
	pipeline  *upload.Pipeline
}

// Deliver is a validator that gets the event of what was posted to an upload
// first (arrival 0), second (1) and so on, before the actors started. Several
// of them are one event delivered several times; where it was handled before, it
// is a replay.
func Deliver(target, arrival int) Actor {
	return Actor{name: fmt.Sprintf("validator of upload %d, arrival %d", target, arrival), upload: target,
		run: func(s *script) {
			key := s.execution.quarantineKey(target)
			s.deliver(key, s.execution.oracle.arrivals[key][arrival].version)
		}}
}

// DeliverUnversioned is a validator that gets an event which names no version.
func DeliverUnversioned(target int) Actor {
	return Actor{name: fmt.Sprintf("validator of upload %d, no version", target), upload: target, run: func(s *script) {
		s.deliver(s.execution.quarantineKey(target), "")
	}}
}

// Post is a client that posts the form of an upload (again), then a validator
// that gets the event of it.
func Post(target int, b Body) Actor {
	return Actor{name: fmt.Sprintf("client that posts %s to upload %d", b.Name, target), upload: target,
		run: func(s *script) {
			key := s.execution.quarantineKey(target)
			s.actor.suspend(call{"post", b.Name + " to " + short(key), clientFaults})
			how := s.actor.fault
			s.execution.oracle.addBody(b)
			version := s.execution.memory.Objects.Post(key, b.Data)
			if how == crashesAfter {
				panic(crash{})
			}
			s.actor.remember("posted " + string(version))
			s.deliver(key, version)
		}}
}

// Accept is a caller of the API that sends a body with the request, then a
// validator that gets the event of it. Several with the same key (not "") are
// one request that is repeated under its idempotency key.
func Accept(b Body, d upload.Declared, key string) Actor {
	return Actor{name: "caller that sends " + b.Name, accepts: true, run: func(s *script) {
		s.execution.oracle.addBody(b)
		draft, err := s.pipeline.Draft(upload.Request{Journal: journal, Entry: entry, Kind: kind, Filename: filename,
			Declared: d})
		if err != nil {
			panic(fmt.Sprintf("scenario %s: %v", s.execution.scenario.Name, err))
		}
		var claim *upload.IdempotencyKey
		if key != "" {
			claim = &upload.IdempotencyKey{Scope: "s", Key: key, Fingerprint: sumOf(b.Data), Expires: start.Add(24 * time.Hour)}
		}
		r, err := s.pipeline.Accept(context.Background(), draft, claim, bytes.NewReader(b.Data), int64(len(b.Data)))
		if err == nil {
			s.execution.oracle.accepted[r.Ref()] = true
			s.actor.remember("accepted")
		}
		// The event comes whether or not the caller got an answer.
		for _, e := range s.execution.events {
			if e.cause == s.actor {
				s.deliver(e.key, e.version)
				return
			}
		}
	}}
}

// Delete is a caller who deletes an upload, and who repeats that in recovery
// until there is an answer.
func Delete(target int) Actor {
	return Actor{name: fmt.Sprintf("deleter of upload %d", target), upload: target, deletes: true, run: func(s *script) {
		d := &deletion{ref: s.execution.targets[target].ref}
		s.execution.deletes = append(s.execution.deletes, d)
		d.try(s.pipeline)
		s.actor.remember(fmt.Sprint("deletion answered ", d.answered))
	}}
}

// try asks for the deletion once. "Not found" is an answer, too.
func (d *deletion) try(p *upload.Pipeline) {
	_, err := p.Delete(context.Background(), d.ref)
	d.deleted = d.deleted || err == nil
	d.answered = err == nil || errors.Is(err, upload.ErrNotFound)
}

// Recheck is an operator who has a rejected upload judged again.
func Recheck(target int) Actor {
	return Actor{name: fmt.Sprintf("re-check of upload %d", target), upload: target, rechecks: true, run: func(s *script) {
		_, left, err := s.pipeline.Recheck(context.Background(), s.execution.targets[target].ref)
		if err == nil {
			s.deliver(left.Key, left.Version)
		}
	}}
}

// RejectByOperator is an operator who rejects an upload, by the version that was posted first
// (arrival 0) and so on, or by none (arrival -1); and who repeats that in recovery until there
// is an answer.
func RejectByOperator(target, arrival int) Actor {
	return Actor{name: fmt.Sprintf("operator who rejects upload %d, arrival %d", target, arrival), upload: target,
		rejects: true, run: func(s *script) {
			key := s.execution.quarantineKey(target)
			r := &rejection{key: key}
			if arrival >= 0 {
				r.version = s.execution.oracle.arrivals[key][arrival].version
			}
			s.execution.rejections = append(s.execution.rejections, r)
			s.actor.rejecting, s.actor.sawEmpty = key, s.execution.empty(key)
			outcome := r.try(s.pipeline)
			s.execution.checkUnseen(outcome, s.actor.sawEmpty)
			s.actor.rejecting, s.actor.sawEmpty = "", false
			s.actor.remember(fmt.Sprint("rejection answered ", r.answered))
		}}
}

// operatorsWords are what the operators of a scenario tell uploaders.
const operatorsWords = "We do not take this file."

// try asks for the rejection once. That it was too late is an answer, too.
func (r *rejection) try(p *upload.Pipeline) upload.Outcome {
	outcome, err := p.RejectByOperator(context.Background(), r.key, r.version, operatorsWords)
	r.answered = err == nil
	return outcome
}

// Fail is a validator that fails on an upload and counts the failure.
func Fail(target int) Actor {
	return Actor{name: fmt.Sprintf("failure of upload %d", target), upload: target, run: func(s *script) {
		err := upload.NoteFailure(context.Background(), s.pipeline.Records, s.execution.targets[target].ref,
			upload.Failure{At: start, Message: "slow"})
		s.actor.remember(fmt.Sprint(err))
	}}
}

// Resend is a reconciler that counts one more message for an upload and sends it: the
// first arrival is delivered.
func Resend(target int) Actor {
	return Actor{name: fmt.Sprintf("reconciler that sends upload %d again", target), upload: target, run: func(s *script) {
		at := s.execution.targets[target]
		r, err := s.pipeline.Records.Get(context.Background(), at.ref)
		if err != nil || r.Status != upload.Pending {
			return
		}
		if _, err := s.pipeline.Records.Update(context.Background(), at.ref,
			upload.CountResend(r.Resends, start)); err == nil {
			s.deliver(at.quarantine, s.execution.oracle.arrivals[at.quarantine][0].version)
		}
	}}
}

// Expire is a reconciler that expires an upload, although its bytes came.
func Expire(target int) Actor {
	return Actor{name: fmt.Sprintf("reconciler that gives up upload %d", target), upload: target, run: func(s *script) {
		_, err := s.pipeline.Expire(context.Background(), s.execution.targets[target].ref)
		s.actor.remember(fmt.Sprint(err))
	}}
}

// Vandal is somebody who removes from quarantine what was posted to an upload first
// (arrival 0), second (1) and so on, past Hatchery; it may be gone already.
func Vandal(target, arrival int) Actor {
	return Actor{name: fmt.Sprintf("vandal on upload %d, arrival %d", target, arrival), upload: target,
		run: func(s *script) {
			key := s.execution.quarantineKey(target)
			s.destroy(key, s.execution.oracle.arrivals[key][arrival].version)
		}}
}

// VandalOnAll is somebody who removes all that an upload has in quarantine, version by
// version, past Hatchery.
func VandalOnAll(target int) Actor {
	return Actor{name: fmt.Sprintf("vandal on all of upload %d", target), upload: target, run: func(s *script) {
		key := s.execution.quarantineKey(target)
		s.actor.suspend(call{name: "look what to destroy of", target: short(key)}) // there may be nothing yet
		for ids := s.execution.memory.Objects.ids(key); len(ids) > 0; ids = s.execution.memory.Objects.ids(key) {
			s.destroy(key, ids[0])
		}
	}}
}

// destroy is one step of a vandal.
func (s *script) destroy(key upload.Key, version upload.Version) {
	s.actor.suspend(call{name: "destroy", target: short(key) + " version " + string(version)})
	objects := s.execution.memory.Objects
	if _, there := objects.Bytes(key, version); there {
		s.execution.oracle.destroyed[version] = true
		_ = objects.Remove(context.Background(), key, version) // it fails without a version alone
	}
}

// deliver hands an event to a validator. It stays to be redelivered unless the
// validator acknowledges it.
func (s *script) deliver(key upload.Key, version upload.Version) {
	x := s.execution
	for _, e := range x.events {
		if e.key == key && e.version == version && !e.delivered {
			e.done = true // this delivery is the event from now on
		}
	}
	e := &event{key: key, version: version, delivered: true}
	x.events = append(x.events, e)
	s.actor.judging, s.actor.sawNothing = key, x.nothingLeft(key)
	outcome, err := s.pipeline.Validate(context.Background(), key, version)
	if s.actor.open != 0 {
		x.oracle.wrong = fmt.Sprintf("bodies: %d are open when the validation of version %s has ended", s.actor.open, version)
	}
	x.checkLost(outcome, s.actor.sawNothing)
	s.actor.judging, s.actor.sawNothing = "", false
	e.done = err == nil
	if err != nil {
		x.note("%s: message fails: %v", s.actor.name, err)
	}
}

// Where all uploads of a scenario belong.
const (
	journal   = upload.Journal("journal")
	entry     = upload.Entry("entry")
	kind      = policy.KindName("images")
	extension = "png"
	filename  = "cat." + extension
)

// onePicture is as large as a Picture is.
var onePicture = int64(len(Picture(0).Data))

func (x *execution) quarantineKey(target int) upload.Key { return x.targets[target].quarantine }

// pipeline makes the pipeline of one process. Its first new id is that of the
// upload with the index.
func (x *execution) pipeline(stores Stores, m Memory, atOnce func(one, other func()),
	next upload.ID) *upload.Pipeline {
	if x.scenario.Wrap != nil {
		stores = x.scenario.Wrap(stores, m)
	}
	kinds := policy.Default()
	images := kinds.Kinds[kind]
	images.MaxFiles = x.scenario.MaxFiles
	if x.scenario.OneFits {
		images.MaxBytes, images.MaxTotalBytes = onePicture, onePicture
	}
	if x.scenario.Unique {
		images.Duplicates = policy.DuplicatesRefuse
	}
	if x.scenario.Corrects {
		images.Mismatch = policy.MismatchCorrect
	}
	kinds.Kinds[kind] = images
	return &upload.Pipeline{Policy: kinds, Layout: upload.DefaultLayout, Records: stores.Records, Objects: stores.Objects,
		Notifier: stores.Notifier, AtOnce: atOnce,
		Now: func() time.Time { return start }, NewID: func() (upload.ID, error) { return next, nil },
		TombstoneLife: upload.DefaultTombstoneLife}
}

func idOf(index int) upload.ID {
	return upload.ID(fmt.Sprintf("00000000-0000-7000-8000-%012d", index))
}

// prepare makes the uploads that are there before the actors start.
func (x *execution) prepare() {
	ctx := context.Background()
	for index, u := range x.scenario.Uploads {
		x.targets = append(x.targets, targetOf(index))
		p := x.pipeline(x.storesFor(nil), x.memory, inTurn, idOf(index))
		draft, err := p.Draft(upload.Request{Journal: journal, Entry: entry, Kind: kind, Filename: filename,
			Declared: u.Declared, FormExpires: start.Add(15 * time.Minute)})
		if err == nil {
			_, err = p.Records.Create(ctx, draft, nil)
		}
		for _, b := range u.Posted {
			x.oracle.addBody(b)
			v := x.memory.Objects.Post(x.quarantineKey(index), b.Data)
			if u.Settled && err == nil {
				_, err = p.Validate(ctx, x.quarantineKey(index), v)
				x.events[len(x.events)-1].done = true
			}
			if (u.CopyAlone || u.CopyBeside) && err == nil {
				err = x.leaveCopy(index, v, u.CopyAlone)
			}
		}
		if err != nil {
			panic(fmt.Sprintf("scenario %s: prepare upload %d: %v", x.scenario.Name, index, err))
		}
	}
	for _, a := range x.scenario.Actors {
		if a.accepts {
			x.targets = append(x.targets, targetOf(len(x.targets)))
		}
	}
}

// String is the actor's name.
func (a Actor) String() string { return a.name }

// leaveCopy promotes a version, and may remove it.
func (x *execution) leaveCopy(index int, v upload.Version, alone bool) error {
	at, objects := x.targets[index], x.memory.Objects
	data, _ := objects.Bytes(at.quarantine, v)
	x.oracle.read[sumOf(data)] = true
	contentType, disposition := x.oracle.bodies[sumOf(data)].described()
	_, err := objects.Promote(context.Background(), upload.Promotion{From: at.quarantine, Version: v, To: at.files,
		ContentType: contentType, Disposition: disposition})
	if alone && err == nil {
		err = objects.Remove(context.Background(), at.quarantine, v)
	}
	return err
}
