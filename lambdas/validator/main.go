// Command validator is the Lambda function behind the queue: it judges what
// arrived in quarantine. Its settings are in docs/settings.md.
package main

import (
	"os"
	"time"

	"hatchery/lambdas/door"
	"hatchery/shared/config"
	"hatchery/shared/validator"
)

func main() { os.Exit(door.Run(door.OfLambda(), build)) }

func build(p *door.Parts) (any, error) {
	judge := &validator.Validator{Pipeline: p.Pipeline, Records: p.Records, Layout: p.Settings.Layout, Bucket: p.Settings.Bucket,
		Concurrency: 4, Margin: validator.DefaultMargin, ReadRate: p.Settings.ReadRate,
		Observe: p.Counts.Validated, Now: time.Now, Log: p.Log}
	if p.Settings.Records == config.RecordsBugout {
		judge.Concurrency = 1 // Brood does not bear more
	}
	return judge.Handle, nil
}
