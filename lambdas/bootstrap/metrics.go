package bootstrap

import (
	"io"
	"log/slog"
	"strconv"
	"time"

	"hatchery/shared/emf"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

// Namespace of all metrics. Each of them has the dimension Stack, from
// HATCHERY_STACK; docs/operations.md says what to do about which.
const Namespace = "Hatchery"

// Metrics counts for the functions. Its methods may be called concurrently.
type Metrics struct {
	out *emf.Writer
	log *slog.Logger
}

func newMetrics(stdout io.Writer, stack string, log *slog.Logger) Metrics {
	return Metrics{log: log, out: emf.New(stdout, emf.Options{Namespace: Namespace,
		Dimensions: []emf.Dimension{{Name: "Stack", Value: stack}}, Now: time.Now})}
}

// count is one more of something, gauge a number of them.
func count(name string) emf.Metric { return gauge(name, 1) }

func gauge(name string, n int) emf.Metric {
	return emf.Metric{Name: name, Unit: emf.Count, Value: float64(n)}
}

// emit writes metrics. That they cannot be written is logged: nothing that a
// function does depends on them.
func (m Metrics) emit(metrics ...emf.Metric) {
	if err := m.out.Emit(metrics...); err != nil {
		m.log.Error("metrics are lost", "error", err)
	}
}

// Accepted counts a new upload; it is for api.Config.
func (m Metrics) Accepted(upload.Record) { m.emit(count("Accepted")) }

// Validated counts what became of an S3 record; it is for validator.Validator.
// Size and time are measured of verdicts alone: what is repeated was measured before.
func (m Metrics) Validated(o upload.Outcome, err error) {
	if err != nil {
		m.emit(count("Failed"))
		return
	}
	seconds := emf.Metric{Name: "SecondsToVerdict", Unit: emf.Seconds,
		Value: o.Record.SettledAt.Sub(o.Record.CreatedAt).Seconds()}
	switch o.Result {
	case upload.ResultStored:
		m.emit(count("Stored"), emf.Metric{Name: "Bytes", Unit: emf.Bytes, Value: float64(o.Record.Size)}, seconds)
	case upload.ResultRejected:
		rejected := count("Rejected")
		if o.Record.Reason != nil {
			rejected.Also = []emf.Dimension{{Name: "Code", Value: string(o.Record.Reason.Code)}}
		}
		m.emit(rejected, seconds)
	case upload.ResultLate:
		m.emit(count("Late"))
	case upload.ResultLost:
		m.emit(count("Lost"))
	case upload.ResultOrphan:
		m.emit(count("Orphan"))
	case upload.ResultAlreadySettled, upload.ResultDeleted, upload.ResultGone, upload.ResultForeign:
	}
}

// Redriven counts a message that an operator sent again, by how often; it is for
// validator.Validator.
func (m Metrics) Redriven(redrives int) {
	often := "3 or more"
	if redrives < 3 {
		often = strconv.Itoa(redrives)
	}
	redriven := count("Redriven")
	redriven.Also = []emf.Dimension{{Name: "Redrives", Value: often}}
	m.emit(redriven)
}

// Reconciled counts what one run of the reconciler did, and what the walk and the
// survey found that it is a part of.
func (m Metrics) Reconciled(r reconcile.Report) {
	metrics := []emf.Metric{gauge("Reenqueued", r.Resent), gauge("NeverArrived", r.NeverArrived)}
	// A zero ends an alarm, and only a walk or survey of everything can tell of one.
	seen := func(total reconcile.Total, name string, n int) {
		if n > 0 || total.Whole {
			metrics = append(metrics, gauge(name, n))
		}
	}
	seen(r.Walk, "PendingTooLong", r.Walk.Stuck)
	seen(r.Walk, "Lost", r.Walk.Lost) // as the validator counts them: one alarm watches both
	seen(r.Survey, "UnfinishedTooLong", r.Survey.Stuck)
	seen(r.Survey, "OrphanObjects", r.Survey.Orphans)
	seen(r.Survey, "LostRecords", r.Survey.Lost)
	m.emit(metrics...)
}
