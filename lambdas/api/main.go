// Command api is the Lambda function behind an HTTP API, a Function URL or a load
// balancer: it answers callers. Its settings are in docs/settings.md.
package main

import (
	"net/http"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/config"
	"hatchery/shared/lambdahttp"
	"hatchery/shared/pipeline"
)

func main() { bootstrap.Main(build, config.Callers) }

func build(d *bootstrap.Dependencies) (any, error) {
	handler, err := d.API(pipeline.APIOptions{Accepted: d.Metrics.Accepted,
		RequestID: func(r *http.Request) string { return lambdahttp.RequestID(r.Context()) }})
	if err != nil {
		return nil, err
	}
	return lambdahttp.New(handler, lambdahttp.Options{InvocationID: bootstrap.InvocationID, Log: d.Log}), nil
}
