// Command reconciler is the Lambda function on a schedule: it compares records and
// bucket, and brings to an end what got lost between them. Its settings are in
// docs/settings.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/config"
	"hatchery/shared/reconcile"
)

// operator is what the trace of a discard names.
const operator = "the reconciler"

var errPanicked = errors.New("the reconciler panicked: its log says where")

func main() { bootstrap.Main(build, config.Messages) }

func build(d *bootstrap.Dependencies) (any, error) {
	reconciler := d.Reconciler()
	return func(ctx context.Context, event json.RawMessage) (report reconcile.Report, err error) {
		defer func() { // Lambda's library writes a panic to the standard logger, which is withheld
			if p := recover(); p != nil {
				d.Log.ErrorContext(ctx, "reconcile panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				err = errPanicked
			}
		}()
		var cleared error
		if d.Settings.ClearObsolete {
			cleared = clearObsolete(ctx, d)
		}
		report, err = reconciler.Scheduled(ctx, d.Records,
			reconcile.Options{SurveyEvery: surveyEvery(event, d.Settings.SurveyTime)})
		err = errors.Join(err, cleared)
		d.Metrics.Reconciled(report)
		summary := report
		summary.Findings = nil // each has a line of its own
		d.Log.InfoContext(ctx, "reconciled", "report", summary)
		if err != nil {
			return report, fmt.Errorf("reconcile: %w", err)
		}
		return report, nil
	}, nil
}

// clearObsolete discards the dead letters with which nothing is left to do. It leaves most of the time to the run.
func clearObsolete(ctx context.Context, d *bootstrap.Dependencies) error {
	if end, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/4)
		defer cancel()
	}
	dead, err := d.Queue().DeadLetterQueue(ctx)
	if err == nil {
		_, err = d.Review(dead, operator).ClearObsolete(ctx)
	}
	if err != nil {
		d.Log.ErrorContext(ctx, "reconcile: clear obsolete dead letters failed", "error", err)
	}
	return err
}

// surveyEvery is the setting, or 0 for a person who does not want to wait so long:
// {"survey": true}. Whatever else the event says does not matter: it is time.
func surveyEvery(event json.RawMessage, setting time.Duration) time.Duration {
	var asked struct {
		Survey bool `json:"survey"`
	}
	if json.Unmarshal(event, &asked) == nil && asked.Survey {
		return 0
	}
	return setting
}
