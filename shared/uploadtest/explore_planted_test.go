package uploadtest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// planted is a fault that stands between a pipeline that is right and stores
// that are right, and makes them wrong together.
type planted struct {
	upload.Records
	upload.Objects
	memory uploadtest.Memory
}

// files and quarantine are where an upload is.
func (p planted) files(key upload.Key) upload.Key {
	ref, _ := upload.DefaultLayout.ParseQuarantineKey(key)
	return upload.DefaultLayout.FilesKey(ref)
}

// promotesBeforeJudging copies what it opens before anybody has read it.
type promotesBeforeJudging struct{ planted }

func (p promotesBeforeJudging) Open(ctx context.Context, key upload.Key,
	version upload.Version) (upload.Object, error) {
	object, err := p.Objects.Open(ctx, key, version)
	if err != nil {
		return object, err
	}
	_, err = p.Objects.Promote(ctx,
		upload.Promotion{From: key, Version: object.Version, To: p.files(key), ContentType: "image/png"})
	if errors.Is(err, upload.ErrExists) || errors.Is(err, upload.ErrGone) {
		err = nil
	}
	return object, err
}

// pinsTheETag copies whatever is newest if it has the ETag of what was judged.
type pinsTheETag struct{ planted }

func (p pinsTheETag) Promote(ctx context.Context, c upload.Promotion) (upload.Copy, error) {
	judged, _ := p.memory.Objects.ETag(c.From, c.Version)
	if newest, ok := p.memory.Objects.ETag(c.From, ""); ok && newest == judged {
		versions, err := p.Objects.Versions(ctx, c.From)
		if err != nil {
			return upload.Copy{}, err
		}
		c.Version = versions[len(versions)-1]
	}
	return p.Objects.Promote(ctx, c)
}

// settlesWithoutSwap writes its verdict over whatever is there.
type settlesWithoutSwap struct{ planted }

func (p settlesWithoutSwap) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	settled, err := p.Records.Update(ctx, ref, t)
	if t.Name != upload.SettleName || !errors.Is(err, upload.ErrConflict) {
		return settled, err
	}
	existing, err := p.Records.Get(ctx, ref)
	if err != nil {
		return existing, err
	}
	existing.Status, existing.SettledAt = upload.Pending, time.Time{}
	settled = uploadtest.After(t, existing)
	p.memory.Records.Overwrite(settled)
	return settled, nil
}

// settlesWhatWasSeen takes every record for what it was when it was read.
type settlesWhatWasSeen struct{ planted }

func (p settlesWhatWasSeen) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	settled, err := p.Records.Update(ctx, ref, t)
	if t.Seen.Revision == "" || !errors.Is(err, upload.ErrConflict) {
		return settled, err
	}
	settled = uploadtest.After(t, t.Seen)
	p.memory.Records.Overwrite(settled)
	return settled, nil
}

// leavesBodiesOpen hides from the pipeline that an object was opened.
type leavesBodiesOpen struct{ planted }

func (p leavesBodiesOpen) Open(ctx context.Context, key upload.Key, version upload.Version) (upload.Object, error) {
	object, err := p.Objects.Open(ctx, key, version)
	object.Body = io.NopCloser(object.Body)
	return object, err
}

// deletesBeforeSettling removes what it promoted before the verdict stands.
type deletesBeforeSettling struct{ planted }

func (p deletesBeforeSettling) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	if t.Name == upload.SettleName {
		v := uploadtest.After(t, upload.Record{Status: upload.Pending})
		if v.Status == upload.Stored {
			if err := p.Objects.Remove(ctx, upload.DefaultLayout.QuarantineKey(ref), v.JudgedVersion); err != nil {
				return upload.Record{}, err
			}
		}
	}
	return p.Records.Update(ctx, ref, t)
}

// takes412AsSuccess answers for a copy that is there as if it had just made it.
type takes412AsSuccess struct{ planted }

func (p takes412AsSuccess) Promote(ctx context.Context, c upload.Promotion) (upload.Copy, error) {
	copied, err := p.Objects.Promote(ctx, c)
	if !errors.Is(err, upload.ErrExists) {
		return copied, err
	}
	existing, err := p.Objects.Stat(ctx, c.To)
	if err != nil {
		return existing, err
	}
	opened, err := p.Objects.Open(ctx, c.From, c.Version)
	if err != nil {
		return upload.Copy{}, err
	}
	data, err := io.ReadAll(opened.Body)
	if err != nil {
		return upload.Copy{}, err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	existing.Source, existing.SHA256 = c.Version, sum
	return existing, opened.Body.Close()
}

// seesNoObject finds no object in quarantine, in a look at it or in a list.
type seesNoObject struct{ planted }

func (p seesNoObject) Open(ctx context.Context, key upload.Key, version upload.Version) (upload.Object, error) {
	object, err := p.Objects.Open(ctx, key, version)
	if err != nil {
		return upload.Object{}, err
	}
	return upload.Object{}, errors.Join(upload.ErrGone, object.Body.Close())
}

func (p seesNoObject) Versions(context.Context, upload.Key) ([]upload.Version, error) {
	return nil, nil
}

func (p seesNoObject) ListVersions(context.Context, string, upload.Cursor, int) (upload.InventoryPage, error) {
	return upload.InventoryPage{}, nil
}

// seesNoCopy finds no copy.
type seesNoCopy struct{ planted }

func (p seesNoCopy) Stat(context.Context, upload.Key) (upload.Copy, error) {
	return upload.Copy{}, upload.ErrGone
}

// seesNoOtherVersion lists nothing.
type seesNoOtherVersion struct{ planted }

func (p seesNoOtherVersion) Versions(context.Context, upload.Key) ([]upload.Version, error) {
	return nil, nil
}

// looksForACopyOnce takes the first answer about a copy for every later one.
type looksForACopyOnce struct {
	planted
	none *bool
}

func (p looksForACopyOnce) Stat(ctx context.Context, key upload.Key) (upload.Copy, error) {
	if *p.none {
		return upload.Copy{}, upload.ErrGone
	}
	copied, err := p.Objects.Stat(ctx, key)
	*p.none = errors.Is(err, upload.ErrGone)
	return copied, err
}

// notesNothing forgets the failures that are counted.
type notesNothing struct{ planted }

func (p notesNothing) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	if t.Name == upload.CountFailureName {
		return p.Records.Get(ctx, ref)
	}
	return p.Records.Update(ctx, ref, t)
}

// expiresAsLost says of everything that is expired that it was lost.
type expiresAsLost struct{ planted }

func (p expiresAsLost) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	to := t.To
	t.To = func(r upload.Record) (upload.Record, error) {
		r, err := to(r)
		if err == nil && r.Status == upload.Rejected && r.JudgedVersion == "" {
			r.Reason = &upload.Reason{Code: upload.BytesLost, Message: "It was lost."}
		}
		return r, err
	}
	return p.Records.Update(ctx, ref, t)
}

// removesWhatOperatorsReject keeps no bytes of an upload that an operator rejected.
type removesWhatOperatorsReject struct{ planted }

func (p removesWhatOperatorsReject) Update(ctx context.Context, ref upload.Ref,
	t upload.Transition) (upload.Record, error) {
	settled, err := p.Records.Update(ctx, ref, t)
	if err == nil && settled.Status == upload.Rejected && settled.Reason.Code == upload.ByOperator {
		err = p.Objects.Remove(ctx, upload.DefaultLayout.QuarantineKey(ref), settled.JudgedVersion)
	}
	return settled, err
}

// forgetsRounds takes a copy from before a re-check for one from after it.
type forgetsRounds struct{ planted }

func (p forgetsRounds) Stat(ctx context.Context, key upload.Key) (upload.Copy, error) {
	copied, err := p.Objects.Stat(ctx, key)
	ref, _ := upload.Layout{Quarantine: upload.DefaultLayout.Files}.ParseQuarantineKey(key)
	if r, getErr := p.memory.Records.Get(ctx, ref); getErr == nil && r.Status == upload.Pending {
		copied.Round = r.Round()
	}
	return copied, err
}

// settlesInAnyRound settles with a verdict that was begun before a re-check.
type settlesInAnyRound struct{ planted }

func (p settlesInAnyRound) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	to := t.To
	t.To = func(r upload.Record) (upload.Record, error) {
		settled, err := to(r)
		if t.Name == upload.SettleName && r.Status == upload.Pending && errors.Is(err, upload.ErrConflict) {
			was := r.SettledAt
			r.SettledAt = time.Time{}
			settled, err = to(r)
			settled.SettledAt = was.Add(time.Microsecond)
		}
		return settled, err
	}
	return p.Records.Update(ctx, ref, t)
}

// keepsTheExtension lets no verdict change it.
type keepsTheExtension struct{ planted }

func (p keepsTheExtension) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	to := t.To
	t.To = func(r upload.Record) (upload.Record, error) {
		after, err := to(r)
		after.Extension = r.Extension
		return after, err
	}
	return p.Records.Update(ctx, ref, t)
}

// promotesAsNamed describes a copy by the extension that the upload was named with.
type promotesAsNamed struct{ planted }

func (p promotesAsNamed) Promote(ctx context.Context, c upload.Promotion) (upload.Copy, error) {
	c.ContentType = "image/png"
	return p.Objects.Promote(ctx, c)
}

// ignoresNotifyErrors takes a notification that failed for one that arrived.
type ignoresNotifyErrors struct{ upload.Notifier }

func (f ignoresNotifyErrors) Notify(ctx context.Context, r upload.Record) error {
	_ = f.Notifier.Notify(ctx, r)
	return nil
}

func TestAVerdictThatIsNotToldIsFound(t *testing.T) {
	t.Parallel()
	for _, start := range []uploadtest.Upload{posted(first), posted(broken)} {
		report := uploadtest.Explore(uploadtest.Scenario{Name: "an error of notifying is taken for an answer", Swap: true,
			Notified: true,
			Uploads:  []uploadtest.Upload{start}, Actors: []uploadtest.Actor{uploadtest.Deliver(0, 0)},
			Bound: uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded},
			Wrap: func(s uploadtest.Stores, _ uploadtest.Memory) uploadtest.Stores {
				s.Notifier = ignoresNotifyErrors{s.Notifier}
				return s
			}})
		t.Log(report)
		if report.Violation == nil || !strings.HasPrefix(report.Violation.Rule, "notification") || report.Violation.Cost != 1 {
			t.Error("it was not found")
		}
	}
}

// dropsInSilence removes bytes of a rejected upload, and its record does not say so.
type dropsInSilence struct{ planted }

func (p dropsInSilence) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	if t.Name == upload.DropName {
		return p.Records.Get(ctx, ref)
	}
	return p.Records.Update(ctx, ref, t)
}

// reopensWhatWasDropped lets an operator have an upload judged again whose bytes go.
type reopensWhatWasDropped struct{ planted }

func (p reopensWhatWasDropped) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	to := t.To
	t.To = func(r upload.Record) (upload.Record, error) {
		if t.Name == upload.ReopenName {
			r.DroppedAt = time.Time{}
		}
		return to(r)
	}
	return p.Records.Update(ctx, ref, t)
}

// dropsNothing keeps all that is rejected.
type dropsNothing struct{ planted }

func (p dropsNothing) List(context.Context, upload.Query) (upload.Page, error) {
	return upload.Page{}, nil
}

// countsTooMuch finds files in quarantine to be larger than they are.
type countsTooMuch struct{ planted }

func (p countsTooMuch) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor,
	limit int) (upload.InventoryPage, error) {
	page, err := p.Objects.ListVersions(ctx, prefix, cursor, limit)
	for i := range page.Versions {
		page.Versions[i].Size *= 2
	}
	return page, err
}

func TestAFaultWithRejectedBytesIsFound(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name, rule string
		plant      func(planted) uploadtest.Stores
		uploads    []uploadtest.Upload
		actors     []uploadtest.Actor
	}{
		{"bytes go in silence", "are not kept", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: dropsInSilence{p}, Objects: p.Objects}
		}, []uploadtest.Upload{settled(broken), posted(broken)}, []uploadtest.Actor{uploadtest.Deliver(1, 0)}},
		{"bytes go of what is judged again", "were dropped, and it became pending", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: reopensWhatWasDropped{p}, Objects: p.Objects}
		}, []uploadtest.Upload{settled(broken), posted(broken)},
			[]uploadtest.Actor{uploadtest.Deliver(1, 0), uploadtest.Recheck(0)}},
		{"no bytes go", "at most 75 are kept", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: dropsNothing{p}, Objects: p.Objects}
		}, []uploadtest.Upload{settled(broken), posted(broken)}, []uploadtest.Actor{uploadtest.Deliver(1, 0)}},
		{"bytes go that fit", "although they fit", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: countsTooMuch{p}}
		}, []uploadtest.Upload{posted(broken)}, []uploadtest.Actor{uploadtest.Deliver(0, 0)}},
	} {
		report := uploadtest.Explore(uploadtest.Scenario{Name: fault.name, Swap: true, OneFits: true, Uploads: fault.uploads,
			Actors: fault.actors, Bound: uploadtest.Bound{Preemptions: uploadtest.Unbounded},
			Wrap: func(s uploadtest.Stores, m uploadtest.Memory) uploadtest.Stores {
				return fault.plant(planted{s.Records, s.Objects, m})
			}})
		if report.Violation == nil || !strings.Contains(report.Violation.Rule, fault.rule) {
			t.Errorf("it was not found: %v", report)
		}
	}
}

// leavesNoTombstone removes a record whose form may still be posted.
type leavesNoTombstone struct{ upload.Records }

func (p leavesNoTombstone) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	to := t.To
	t.To = func(r upload.Record) (upload.Record, error) {
		if t.Name == upload.DeleteName {
			r.FormExpires = time.Time{}
		}
		return to(r)
	}
	return p.Records.Update(ctx, ref, t)
}

func TestADeletionThatAFormOutlivesIsFound(t *testing.T) {
	t.Parallel()
	report := uploadtest.Explore(uploadtest.Scenario{Name: "a form is posted after the deletion",
		Uploads: []uploadtest.Upload{posted(first)},
		Actors:  []uploadtest.Actor{uploadtest.Delete(0), uploadtest.Post(0, second)},
		Bound:   uploadtest.Bound{Preemptions: uploadtest.Unbounded},
		Wrap: func(s uploadtest.Stores, _ uploadtest.Memory) uploadtest.Stores {
			s.Records = leavesNoTombstone{s.Records}
			return s
		}})
	t.Log(report)
	if report.Violation == nil || !strings.Contains(report.Violation.Rule, "by its form stays") || report.Violation.Cost != 0 {
		t.Error("it was not found")
	}
}

func TestEveryPlantedFaultIsFound(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name  string
		rule  string // how the report begins
		plant func(planted) uploadtest.Stores
		// start and actors are among whom it must be found.
		start  uploadtest.Upload
		actors []uploadtest.Actor
		// cost is how few faults and preemptions break a rule.
		cost int
	}{
		{"promote before judging", "rule 1", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: promotesBeforeJudging{p}}
		},
			posted(broken), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 0},
		{"ETag instead of version", "rule 1", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: pinsTheETag{p}}
		},
			posted(first), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Post(0, broken)}, 1},
		{"settle without swap", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: settlesWithoutSwap{p}, Objects: p.Objects}
		},
			posted(first), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 1},
		{"settle what was seen", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: settlesWhatWasSeen{p}, Objects: p.Objects}
		},
			posted(first), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 1},
		{"a body is left open", "bodies", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: leavesBodiesOpen{p}}
		},
			posted(first), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 0},
		{"delete before settle", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: deletesBeforeSettling{p}, Objects: p.Objects}
		},
			posted(first), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 0},
		{"412 taken as success", "rule 1", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: takes412AsSuccess{p}}
		},
			posted(first, second), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Deliver(0, 1)}, 1},
		{"lost although the bytes are there", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: seesNoObject{p}}
		},
			posted(first), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 0},
		{"lost although a copy is there", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: seesNoCopy{p}}
		},
			uploadtest.Upload{Posted: []uploadtest.Body{first}, CopyAlone: true},
			[]uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 0},
		{"lost although another version waits", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: seesNoOtherVersion{p}}
		},
			posted(first, second), []uploadtest.Actor{uploadtest.Vandal(0, 0), uploadtest.Deliver(0, 0)}, 0},
		{"lost although another version was promoted meanwhile", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: looksForACopyOnce{p, new(bool)}}
		},
			posted(first, second),
			[]uploadtest.Actor{uploadtest.VandalOnAll(0), uploadtest.Deliver(0, 0), uploadtest.Deliver(0, 1)}, 3},
		{"a loss is not noted", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: notesNothing{p}, Objects: p.Objects}
		},
			posted(first), []uploadtest.Actor{uploadtest.Vandal(0, 0), uploadtest.Deliver(0, 0)}, 0},
		{"lost although nobody heard of the bytes", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: expiresAsLost{p}, Objects: p.Objects}
		},
			posted(first), []uploadtest.Actor{uploadtest.Vandal(0, 0), uploadtest.Expire(0)}, 0},
		{"an operator rejects by no bytes although they are there", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: seesNoObject{p}}
		},
			posted(first), []uploadtest.Actor{uploadtest.RejectByOperator(0, 0), uploadtest.Delete(0)}, 0},
		{"what an operator rejects is removed", "rule 2", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: removesWhatOperatorsReject{p}, Objects: p.Objects}
		},
			posted(first), []uploadtest.Actor{uploadtest.RejectByOperator(0, -1), uploadtest.Deliver(0, 0)}, 0},
		{"a copy from before a re-check is served", "rule 1", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: forgetsRounds{p}}
		},
			uploadtest.Upload{Posted: []uploadtest.Body{first}, CopyBeside: true},
			[]uploadtest.Actor{uploadtest.RejectByOperator(0, 0), uploadtest.Recheck(0)}, 1},
		{"a verdict from before a re-check is settled", "rule 1", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: settlesInAnyRound{p}, Objects: p.Objects}
		},
			posted(first), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.RejectByOperator(0, 0),
				uploadtest.Recheck(0)}, 3},
		{"a corrected upload keeps its extension", "rule 4", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: keepsTheExtension{p}, Objects: p.Objects}
		},
			posted(other), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 0},
		{"a corrected upload is promoted as the type that was named", "rule 1", func(p planted) uploadtest.Stores {
			return uploadtest.Stores{Records: p.Records, Objects: promotesAsNamed{p}}
		},
			posted(other), []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0)}, 0},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			s := uploadtest.Scenario{Name: fault.name, Swap: true, Corrects: true, Uploads: []uploadtest.Upload{fault.start},
				Actors: fault.actors,
				Bound:  uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded},
				Wrap: func(s uploadtest.Stores, m uploadtest.Memory) uploadtest.Stores {
					return fault.plant(planted{s.Records, s.Objects, m})
				}}
			report := uploadtest.Explore(s)
			t.Log(report)
			if report.Violation == nil {
				t.Fatal("it was not found")
			}
			if !strings.HasPrefix(report.Violation.Rule, fault.rule) {
				t.Errorf("it was found as %q, want %s", report.Violation.Rule, fault.rule)
			}
			if report.Violation.Cost > fault.cost {
				t.Errorf("the schedule has %d faults and preemptions, one with %d breaks the rule", report.Violation.Cost,
					fault.cost)
			}
			sound := s
			sound.Wrap = nil
			if report := uploadtest.Explore(sound); report.Violation != nil {
				t.Errorf("without the fault: %v", report)
			}
			// By chance, too, and again by the same seed.
			once, again := uploadtest.RandomWalk(s, 7, 5000), uploadtest.RandomWalk(s, 7, 5000)
			if once.Violation == nil || again.Violation == nil || once.String() != again.String() {
				t.Errorf("by chance: %v\nby the same seed: %v", once, again)
			}
		})
	}
}
