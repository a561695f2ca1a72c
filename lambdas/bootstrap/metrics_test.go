package bootstrap_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// counted gives the metrics that were written, as name{dimensions}=value.
func counted(t *testing.T, changes []string, count func(bootstrap.Metrics)) []string {
	t.Helper()
	s := run(env(changes...), func(p *bootstrap.Dependencies) (any, error) { count(p.Metrics); return nil, nil })
	if s.stderr.Len() > 0 {
		t.Errorf("logged %s", s.stderr.String())
	}
	var got []string
	for text := range strings.Lines(s.stdout.String()) {
		var root map[string]any
		var head struct {
			AWS struct {
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		if err := errors.Join(json.Unmarshal([]byte(text), &root), json.Unmarshal([]byte(text), &head)); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		for _, d := range head.AWS.CloudWatchMetrics {
			for _, m := range d.Metrics {
				for _, set := range d.Dimensions {
					of := map[string]any{}
					for _, name := range set {
						of[name] = root[name]
					}
					value, err := json.Marshal(root[m.Name])
					if err != nil {
						t.Fatal(err)
					}
					var names []string
					for _, name := range slices.Sorted(maps.Keys(of)) {
						names = append(names, name+"="+of[name].(string))
					}
					got = append(got, d.Namespace+"/"+m.Name+"{"+strings.Join(names, " ")+"} "+string(value)+" "+m.Unit)
				}
			}
		}
	}
	slices.Sort(got)
	return got
}

func TestWhatHappensIsCounted(t *testing.T) {
	settled := upload.Record{Size: 77, CreatedAt: noon, SettledAt: noon.Add(1500 * time.Millisecond)}
	refused := settled
	refused.Reason = &upload.Reason{Code: upload.Truncated}
	outcome := func(result upload.Result, r upload.Record, err error) func(bootstrap.Metrics) {
		return func(c bootstrap.Metrics) { c.Validated(upload.Outcome{Result: result, Record: r}, err) }
	}
	whole := reconcile.Total{Whole: true}
	for name, c := range map[string]struct {
		count func(bootstrap.Metrics)
		want  []string
	}{
		"accepted": {func(c bootstrap.Metrics) { c.Accepted(settled) },
			[]string{"Hatchery/Accepted{Stack=hatchery} 1 Count"}},
		"stored": {outcome(upload.ResultStored, settled, nil), []string{"Hatchery/Bytes{Stack=hatchery} 77 Bytes",
			"Hatchery/SecondsToVerdict{Stack=hatchery} 1.5 Seconds", "Hatchery/Stored{Stack=hatchery} 1 Count"}},
		"rejected": {outcome(upload.ResultRejected, refused, nil),
			[]string{"Hatchery/Rejected{Code=truncated Stack=hatchery} 1 Count",
				"Hatchery/Rejected{Stack=hatchery} 1 Count", "Hatchery/SecondsToVerdict{Stack=hatchery} 1.5 Seconds"}},
		"late":   {outcome(upload.ResultLate, settled, nil), []string{"Hatchery/Late{Stack=hatchery} 1 Count"}},
		"orphan": {outcome(upload.ResultOrphan, upload.Record{}, nil), []string{"Hatchery/Orphan{Stack=hatchery} 1 Count"}},
		"failed": {outcome("", upload.Record{}, errors.New("trouble")), []string{"Hatchery/Failed{Stack=hatchery} 1 Count"}},
		"lost":   {outcome(upload.ResultLost, upload.Record{}, nil), []string{"Hatchery/Lost{Stack=hatchery} 1 Count"}},
		"redriven": {func(c bootstrap.Metrics) { c.Redriven(1) },
			[]string{"Hatchery/Redriven{Redrives=1 Stack=hatchery} 1 Count", "Hatchery/Redriven{Stack=hatchery} 1 Count"}},
		"redriven twice": {func(c bootstrap.Metrics) { c.Redriven(2) },
			[]string{"Hatchery/Redriven{Redrives=2 Stack=hatchery} 1 Count", "Hatchery/Redriven{Stack=hatchery} 1 Count"}},
		"redriven often": {func(c bootstrap.Metrics) { c.Redriven(17) },
			[]string{"Hatchery/Redriven{Redrives=3 or more Stack=hatchery} 1 Count",
				"Hatchery/Redriven{Stack=hatchery} 1 Count"}},
		"again":   {outcome(upload.ResultAlreadySettled, settled, nil), nil},
		"deleted": {outcome(upload.ResultDeleted, settled, nil), nil},
		"gone":    {outcome(upload.ResultGone, upload.Record{}, nil), nil},
		"foreign": {outcome(upload.ResultForeign, upload.Record{}, nil), nil},
		"reconciled": {reconciled(reconcile.Report{Resent: 1, NeverArrived: 2, Walk: whole, Survey: whole}),
			[]string{"Hatchery/LostRecords{Stack=hatchery} 0 Count", "Hatchery/Lost{Stack=hatchery} 0 Count",
				"Hatchery/NeverArrived{Stack=hatchery} 2 Count", "Hatchery/OrphanObjects{Stack=hatchery} 0 Count",
				"Hatchery/PendingTooLong{Stack=hatchery} 0 Count",
				"Hatchery/Reenqueued{Stack=hatchery} 1 Count", "Hatchery/UnfinishedTooLong{Stack=hatchery} 0 Count"}},
		// The counts of one run are no gauges.
		"reconciled without a survey": {reconciled(reconcile.Report{PendingTooLong: 9, BytesLost: 9, LostRecords: 9,
			Walk: whole}),
			[]string{"Hatchery/Lost{Stack=hatchery} 0 Count", "Hatchery/NeverArrived{Stack=hatchery} 0 Count",
				"Hatchery/PendingTooLong{Stack=hatchery} 0 Count",
				"Hatchery/Reenqueued{Stack=hatchery} 0 Count"}},
		"reconciled in part, and nothing found": {reconciled(reconcile.Report{Resent: 1}),
			[]string{"Hatchery/NeverArrived{Stack=hatchery} 0 Count", "Hatchery/Reenqueued{Stack=hatchery} 1 Count"}},
		"reconciled in part, and something found": {reconciled(reconcile.Report{Walk: reconcile.Total{Stuck: 3, Lost: 7},
			Survey: reconcile.Total{Stuck: 4, Orphans: 5, Lost: 6}}),
			[]string{"Hatchery/LostRecords{Stack=hatchery} 6 Count",
				"Hatchery/Lost{Stack=hatchery} 7 Count", "Hatchery/NeverArrived{Stack=hatchery} 0 Count",
				"Hatchery/OrphanObjects{Stack=hatchery} 5 Count",
				"Hatchery/PendingTooLong{Stack=hatchery} 3 Count", "Hatchery/Reenqueued{Stack=hatchery} 0 Count",
				"Hatchery/UnfinishedTooLong{Stack=hatchery} 4 Count"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := counted(t, nil, c.count); !slices.Equal(got, c.want) {
				t.Errorf("counted\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func reconciled(r reconcile.Report) func(bootstrap.Metrics) {
	return func(c bootstrap.Metrics) { c.Reconciled(r) }
}

func TestMetricsNameTheirStack(t *testing.T) {
	got := counted(t, []string{"HATCHERY_STACK", "uploads-prod"},
		func(c bootstrap.Metrics) { c.Accepted(upload.Record{}) })
	if !slices.Equal(got, []string{"Hatchery/Accepted{Stack=uploads-prod} 1 Count"}) {
		t.Errorf("counted %v", got)
	}
}
