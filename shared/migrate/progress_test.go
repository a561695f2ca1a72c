package migrate_test

import (
	"context"
	"slices"
	"testing"

	"hatchery/shared/migrate"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// counted is a store that knows how many records it has.
type counted struct {
	upload.Records
	n     int
	err   error
	asked int
}

func (c *counted) Count(context.Context) (int, error) {
	c.asked++
	return c.n, c.err
}

func TestEveryRecordIsAStepOfWhatThereIs(t *testing.T) {
	source := &counted{Records: uploadtest.NewRecords(uploadtest.RecordsOptions{}), n: 12} // as Bugout: no tombstones
	fill(t, source)
	target := stores["memory"](t)
	run := func(from migrate.Place) (forward, back []migrate.Progress) {
		m := &migrate.Migration{From: source, To: target, Progress: func(p migrate.Progress) {
			if p.Back {
				back = append(back, p)
			} else {
				forward = append(forward, p)
			}
		}}
		if _, err := m.WithPageSize(5).Run(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		return forward, back
	}
	forward, back := run(migrate.Place{})
	if len(forward) != 12 || forward[0] != (migrate.Progress{Done: 1, Total: 12}) || forward[11].Done != 12 {
		t.Errorf("the copying: %+v", forward)
	}
	if len(back) != 12 || back[11] != (migrate.Progress{Back: true, Done: 12}) {
		t.Errorf("the looking back: %+v", back)
	}
	// A run that goes on begins where the other ended.
	if forward, _ = run(migrate.Place{Report: migrate.Report{Read: 100}}); forward[0].Done != 101 {
		t.Errorf("gone on: %+v", forward)
	}
	source.err = errTrouble
	if forward, _ = run(migrate.Place{}); len(forward) != 12 ||
		slices.ContainsFunc(forward, func(p migrate.Progress) bool { return p.Total != 0 }) {
		t.Errorf("when counting fails: %+v", forward)
	}
}

func TestNothingIsCountedForNobody(t *testing.T) {
	source := &counted{Records: stores["memory"](t), n: 12}
	if _, err := (&migrate.Migration{From: source, To: stores["memory"](t)}).Run(t.Context(),
		migrate.Place{}); err != nil || source.asked != 0 {
		t.Errorf("asked %d times, %v", source.asked, err)
	}
}
