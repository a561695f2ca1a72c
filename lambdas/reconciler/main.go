// Command reconciler is the Lambda function on a schedule: it compares records and
// bucket, and brings to an end what got lost between them. Its settings are in
// docs/settings.md.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/lambdas/door"
	"hatchery/shared/config"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/reconcile"
)

func main() { os.Exit(door.Run(door.OfLambda(), build, config.Messages)) }

func build(p *door.Parts) (any, error) {
	reconciler := &reconcile.Reconciler{Records: p.Records, Inventory: p.Objects, Pipeline: p.Pipeline,
		Queue:  sqsqueue.New(sqs.NewFromConfig(p.AWS), p.Settings.QueueURL),
		Layout: p.Settings.Layout, Bucket: p.Settings.Bucket, Region: p.AWS.Region,
		Limits: reconcile.DefaultLimits(p.Settings.MaxReceives, p.Settings.VisibilityTime),
		Now:    time.Now, Log: p.Log}
	return func(ctx context.Context, event json.RawMessage) (reconcile.Report, error) {
		report, err := reconciler.Scheduled(ctx, p.Notes, reconcile.Options{SurveyEvery: surveyEvery(event, p.Settings.SurveyTime)})
		p.Counts.Reconciled(report)
		summary := report
		summary.Findings = nil // each has a line of its own
		p.Log.InfoContext(ctx, "reconciled", "report", summary)
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
