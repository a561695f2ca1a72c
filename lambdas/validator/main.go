// Command validator is the Lambda function behind the queue: it judges what
// arrived in quarantine. Its settings are in docs/settings.md.
package main

import (
	"hatchery/lambdas/bootstrap"
	"hatchery/shared/pipeline"
)

func main() { bootstrap.Main(build) }

func build(d *bootstrap.Dependencies) (any, error) {
	return d.Validator(pipeline.ValidatorOptions{Observe: d.Metrics.Validated,
		ObserveRedriven: d.Metrics.Redriven}).Handle, nil
}
