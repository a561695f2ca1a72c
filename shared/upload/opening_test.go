package upload_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestTheObjectIsOpenedWhileTheRecordIsRead(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.AtOnce = nil
	begun := map[string]chan struct{}{"Get": make(chan struct{}), "Open": make(chan struct{})}
	meet := func(mine, others string) func() error {
		return func() error {
			close(begun[mine])
			select {
			case <-begun[others]:
				return nil
			case <-time.After(10 * time.Second):
				return errors.New(mine + " waits for " + others + ", which has not begun")
			}
		}
	}
	d.before["Get"], d.before["Open"] = meet("Get", "Open"), meet("Open", "Get")
	d.validate(t, r, v, upload.ResultStored)
}

func TestABodyThatNobodyNeedsIsClosedUnread(t *testing.T) {
	for name, order := range map[string]func(one, other func()){
		"the record first": inTurn, "the object first": func(one, other func()) { inTurn(other, one) }, "at once": nil} {
		t.Run(name, func(t *testing.T) {
			for what, setup := range map[string]func(d *desk, r upload.Record, v upload.Version) upload.Result{
				"late": func(d *desk, r upload.Record, v upload.Version) upload.Result {
					d.validate(t, r, d.objects.Post(d.quarantine(r), picture(t, "png", 2)), upload.ResultStored)
					return upload.ResultLate
				},
				"rejected by it": func(d *desk, r upload.Record, v upload.Version) upload.Result {
					_, err := d.records.Update(t.Context(), r.Ref(), upload.Settle(upload.Verdict{Status: upload.Rejected,
						Version: v, At: noon, Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}}))
					if err != nil {
						t.Fatal(err)
					}
					return upload.ResultAlreadySettled
				},
				"deleted": func(d *desk, r upload.Record, _ upload.Version) upload.Result {
					_, err := d.records.Update(t.Context(), r.Ref(), upload.Delete(noon, noon.Add(time.Hour)))
					if err != nil {
						t.Fatal(err)
					}
					return upload.ResultDeleted
				},
				"without a record": func(d *desk, _ upload.Record, _ upload.Version) upload.Result {
					empty := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
					d.Records = watchedRecords{empty, d.watch}
					return upload.ResultOrphan
				},
			} {
				for _, versioned := range []bool{true, false} {
					d := newDesk()
					r, v := d.accept(t, "cat.png", picture(t, "png", 1))
					want := setup(d, r, v)
					d.forget()
					d.AtOnce = order
					named := v
					if !versioned {
						named = ""
					}
					outcome, err := d.Validate(t.Context(), d.quarantine(r), named)
					if err != nil || versioned && outcome.Result != want || d.open != 0 || d.read != 0 {
						t.Errorf("%s, versioned %t: %s, %v; %d bodies are open, %d bytes were read", what, versioned,
							outcome.Result, err, d.open, d.read)
					}
				}
			}
			d := newDesk()
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			d.fail("Get")
			d.AtOnce = order
			if _, err := d.Validate(t.Context(), d.quarantine(r), v); !errors.Is(err, errTrouble) || d.open != 0 {
				t.Errorf("the records do not answer: %v, %d bodies are open", err, d.open)
			}
		})
	}
}

// hangs opens nothing until its caller gives up.
type hangs struct{ upload.Objects }

func (hangs) Open(ctx context.Context, _ upload.Key, _ upload.Version) (upload.Object, error) {
	<-ctx.Done()
	return upload.Object{}, ctx.Err()
}

func TestAnObjectThatNobodyNeedsIsNotWaitedFor(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	if _, err := d.records.Update(t.Context(), r.Ref(), upload.Delete(noon, noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	d.AtOnce, d.Objects = nil, hangs{d.Objects}
	d.validate(t, r, v, upload.ResultDeleted)
	d.fail("Get")
	if _, err := d.Validate(t.Context(), d.quarantine(r), v); !errors.Is(err, errTrouble) {
		t.Errorf("the records do not answer: %v", err)
	}
}

// panics is a bucket with a mistake in it.
type panics struct{ upload.Objects }

func (panics) Open(context.Context, upload.Key, upload.Version) (upload.Object, error) {
	panic("a mistake")
}

func TestAPanicWhileOpeningIsTheCallers(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.AtOnce, d.Objects = nil, panics{d.Objects}
	defer func() {
		if got := recover(); got != "a mistake" {
			t.Errorf("recovered %v", got)
		}
	}()
	_, err := d.Validate(t.Context(), d.quarantine(r), v)
	t.Errorf("it gave %v", err)
}

// What stands in the way of a verdict is a conflict, but not what was merely counted meanwhile.
func TestAFailureThatIsCountedMeanwhileDelaysNoVerdict(t *testing.T) {
	for _, body := range [][]byte{picture(t, "png", 1), []byte("<script>")} {
		d := newDesk()
		r, v := d.accept(t, "cat.png", body)
		d.before[upload.SettleName] = func() error {
			return upload.NoteFailure(t.Context(), d.records, r.Ref(), upload.Failure{At: noon, Message: "slow"})
		}
		d.forget()
		outcome, err := d.Validate(t.Context(), d.quarantine(r), v)
		if err != nil || outcome.Record.Failures != 1 || outcome.Record.Status == upload.Pending {
			t.Errorf("it gave %s, %v, with %d failures", outcome.Result, err, outcome.Record.Failures)
		}
		if n := len(slices.DeleteFunc(d.seen(), func(call string) bool { return call != upload.SettleName })); n != 1 {
			t.Errorf("it was settled %d times", n)
		}
	}
}

func TestAVerdictIsSettledOnTheRecordThatWasRead(t *testing.T) {
	for _, body := range [][]byte{picture(t, "png", 1), []byte("<script>")} {
		d := newDesk()
		r, v := d.accept(t, "cat.png", body)
		seen := &seenRecords{Records: d.Records}
		d.Records = seen
		if _, err := d.Validate(t.Context(), d.quarantine(r), v); err != nil {
			t.Fatal(err)
		}
		if len(seen.settled) != 1 || seen.settled[0].Revision == "" || !seen.settled[0].Equal(r) {
			t.Errorf("it was settled having seen %+v", seen.settled)
		}
	}
}

// seenRecords notes what those who settle have seen.
type seenRecords struct {
	upload.Records
	settled []upload.Record
}

func (s *seenRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	if t.Name == upload.SettleName {
		s.settled = append(s.settled, t.Seen)
	}
	return s.Records.Update(ctx, ref, t)
}
