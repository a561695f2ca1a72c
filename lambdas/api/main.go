// Command api is the Lambda function behind an HTTP API, a Function URL or a load
// balancer: it answers callers. Its settings are in docs/settings.md.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"hatchery/lambdas/door"
	"hatchery/shared/access"
	"hatchery/shared/api"
	"hatchery/shared/config"
	"hatchery/shared/lambdahttp"
)

func main() { os.Exit(door.Run(door.OfLambda(), build, config.Callers)) }

func build(p *door.Parts) (any, error) {
	options := &access.Options{GrantLife: p.Settings.GrantLife, BroodAtOnce: door.BugoutAtOnce}
	if p.Settings.Spire {
		options.Brood = p.Settings.Bugout.URL
	}
	application, err := access.New(p.Settings.ApplicationURL, options)
	if err != nil {
		return nil, fmt.Errorf("HATCHERY_APPLICATION_URL: %w", err)
	}
	handler, err := api.New(api.Config{Pipeline: p.Pipeline, Downloads: p.Objects, Forms: p.Objects, Gate: application,
		CORSOrigins: p.Settings.CORSOrigins, PostBytes: p.Settings.PostBytes, RedirectBytes: p.Settings.RedirectBytes,
		FormLifetime: p.Settings.FormTime, SpoolDir: os.TempDir(), Accepted: p.Counts.Accepted,
		RequestID: func(r *http.Request) string { return lambdahttp.RequestID(r.Context()) },
		Now:       time.Now, Log: p.Log})
	if err != nil {
		return nil, fmt.Errorf("build the API: %w", err)
	}
	return lambdahttp.New(handler, lambdahttp.Options{InvocationID: door.InvocationID, Log: p.Log}), nil
}
