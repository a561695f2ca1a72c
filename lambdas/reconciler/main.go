// Command reconciler is the Lambda function on a schedule: it compares records and
// bucket, and brings to an end what got lost between them. Its settings are in
// docs/settings.md.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/config"
	"hatchery/shared/reconcile"
)

func main() { bootstrap.Main(build, config.Messages) }

func build(d *bootstrap.Dependencies) (any, error) {
	reconciler := d.Reconciler()
	return func(ctx context.Context, event json.RawMessage) (reconcile.Report, error) {
		report, err := reconciler.Scheduled(ctx, d.Records,
			reconcile.Options{SurveyEvery: surveyEvery(event, d.Settings.SurveyTime)})
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
