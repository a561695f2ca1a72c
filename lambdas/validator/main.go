// Command validator is the Lambda function behind the queue: it judges what
// arrived in quarantine. Its settings are in docs/settings.md.
package main

import "hatchery/lambdas/bootstrap"

func main() { bootstrap.Main(build) }

func build(d *bootstrap.Dependencies) (any, error) {
	return d.Validator(d.Metrics.Validated).Handle, nil
}
