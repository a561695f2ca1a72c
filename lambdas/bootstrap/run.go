package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"hatchery/shared/config"
	"hatchery/shared/policy"
	"hatchery/shared/stdlog"
)

// Process is what a function's process has around it.
type Process struct {
	Getenv         func(string) string
	Stdout, Stderr io.Writer
	// Serve hands events to the handler until the process ends.
	Serve func(handler any)
}

// Build makes a function's handler, in any form that lambda.Start takes.
type Build func(*Dependencies) (handler any, err error)

// Main is the main function of a Lambda function: it runs what build gives.
func Main(build Build, needs ...config.Need) {
	lambdaProcess := Process{Getenv: os.Getenv, Stdout: os.Stdout, Stderr: os.Stderr, Serve: lambda.Start}
	os.Exit(Run(lambdaProcess, build, needs...))
}

// Run builds a function and serves events with it. It gives the process's exit
// code: 1 when the function cannot start, which is then said in one line of the
// log and to Lambda, with all faults of the settings.
func Run(p Process, build Build, needs ...config.Need) (exitCode int) {
	log := newLog(p.Stderr, p.Getenv("AWS_LAMBDA_LOG_LEVEL"))
	stdlog.Withhold(func(sentence string) { log.Warn(sentence) })
	handler, err := p.handler(log, build, needs)
	if err != nil {
		p.reportFailure(log, err)
		return 1
	}
	p.Serve(handler)
	return 0
}

func (p Process) handler(log *slog.Logger, build Build, needs []config.Need) (any, error) {
	settings, err := load(p.Getenv, needs)
	if err != nil {
		return nil, err
	}
	d, err := newDependencies(settings, p.Getenv, p.Stdout, log, slices.Contains(needs, config.Callers))
	if err != nil {
		return nil, err
	}
	return build(d)
}

// load reads the settings, and adds what only a function demands of them.
func load(getenv func(string) string, needs []config.Need) (config.Config, error) {
	settings, err := config.Load(getenv, needs...)
	faults, ok := errors.AsType[policy.Faults](err)
	if err != nil && !ok {
		return config.Config{}, fmt.Errorf("read the settings: %w", err)
	}
	if store := getenv("HATCHERY_RECORDS"); store == config.RecordsSQLite {
		faults = append(faults, policy.Fault{Setting: "HATCHERY_RECORDS", Found: fmt.Sprintf("%q", store),
			Accepted: config.RecordsDynamoDB + " or " + config.RecordsBugout + " in a function"})
	}
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if getenv(name) == "" {
			faults = append(faults, policy.Fault{Setting: name, Found: "nothing", Accepted: "what Lambda sets it to"})
		}
	}
	return settings, faults.Err()
}

// reportFailure says why the function cannot start. No fault shows a secret.
func (p Process) reportFailure(log *slog.Logger, cause error) {
	log.Error("the function cannot start", "faults", strings.Split(cause.Error(), "\n"))
	runtime := p.Getenv("AWS_LAMBDA_RUNTIME_API")
	if runtime == "" {
		return // it was not Lambda that started the process
	}
	if err := reportInitError(runtime, cause); err != nil {
		log.Warn("Lambda could not be told", "error", err)
	}
}

// reportInitError tells Lambda why the function cannot start, so that whoever invokes
// it reads that and not "exit status 1".
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror
func reportInitError(runtime string, cause error) error {
	const kind = "Hatchery.Configuration"
	body, err := json.Marshal(map[string]any{"errorType": kind, "stackTrace": []string{},
		"errorMessage": "the function cannot start: " + cause.Error()})
	if err != nil {
		return fmt.Errorf("write an init error: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	url := "http://" + runtime + "/2018-06-01/runtime/init/error"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("report an init error: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	// A transport of its own uses no proxy: the runtime is on this machine.
	response, err := (&http.Transport{}).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("report an init error: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // the process ends
	if response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("report an init error: the runtime answered %s", response.Status)
	}
	return nil
}
