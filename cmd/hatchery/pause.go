package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/local"
)

// mapping is the event source mapping between the validator's queue and the validator. While it is paused messages
// wait in the queue, and no reception of theirs is counted.
type mapping interface {
	// State is mappingEnabled, mappingDisabled, or a word of Lambda's for a change that goes on.
	State(ctx context.Context) (string, error)
	// Pause and Resume return once it is so; on one that is so already they change nothing. With an error it may
	// become so later.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
}

// States of a mapping, in Lambda's words.
const (
	mappingEnabled  = "Enabled"
	mappingDisabled = "Disabled"
)

const (
	// mappingCallWithin bounds one call, retries included.
	mappingCallWithin = 15 * time.Second
	// mappingSettlesWithin bounds a change: Lambda ends what it is receiving, which takes up to a minute or so.
	mappingSettlesWithin = 2 * time.Minute
	mappingPoll          = 2 * time.Second
)

// eventSourceMappings is what is called of Lambda.
type eventSourceMappings interface {
	GetEventSourceMapping(context.Context, *lambda.GetEventSourceMappingInput, ...func(*lambda.Options)) (
		*lambda.GetEventSourceMappingOutput, error)
	UpdateEventSourceMapping(context.Context, *lambda.UpdateEventSourceMappingInput, ...func(*lambda.Options)) (
		*lambda.UpdateEventSourceMappingOutput, error)
}

// lambdaMapping is a mapping in AWS.
type lambdaMapping struct {
	client eventSourceMappings
	uuid   string
}

// State implements mapping.
func (m lambdaMapping) State(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, mappingCallWithin)
	defer cancel()
	out, err := m.client.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.uuid})
	if err != nil {
		return "", m.failed("look at", "GetEventSourceMapping", err)
	}
	return aws.ToString(out.State), nil
}

// Pause implements mapping.
func (m lambdaMapping) Pause(ctx context.Context) error { return m.change(ctx, false, mappingDisabled) }

// Resume implements mapping.
func (m lambdaMapping) Resume(ctx context.Context) error { return m.change(ctx, true, mappingEnabled) }

// change asks until Lambda takes the change, and waits until it is made. While an earlier one goes on, it takes none.
func (m lambdaMapping) change(ctx context.Context, enabled bool, want string) error {
	within, cancel := context.WithTimeout(ctx, mappingSettlesWithin)
	defer cancel()
	tick := time.NewTicker(mappingPoll)
	defer tick.Stop()
	taken, state := false, "not known"
	for {
		var err error
		if !taken {
			taken, err = m.ask(within, enabled)
		}
		if err == nil {
			state, err = m.State(within)
		}
		switch {
		case ctx.Err() != nil:
			return system(fmt.Errorf("wait until the event source mapping %s is %s: %w", m.uuid, want, ctx.Err()))
		case within.Err() != nil:
			return system(fmt.Errorf("the event source mapping %s should become %s, and is %s after %v: "+
				"look again in a while", m.uuid, want, state, mappingSettlesWithin))
		case err != nil:
			return err
		case taken && state == want:
			return nil
		}
		select {
		case <-tick.C:
		case <-within.Done():
		}
	}
}

// ask says whether Lambda takes a change.
func (m lambdaMapping) ask(ctx context.Context, enabled bool) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, mappingCallWithin)
	defer cancel()
	_, err = m.client.UpdateEventSourceMapping(ctx,
		&lambda.UpdateEventSourceMappingInput{UUID: &m.uuid, Enabled: &enabled})
	if _, busy := errors.AsType[*types.ResourceInUseException](err); busy {
		return false, nil
	}
	if err != nil {
		return false, m.failed("change", "UpdateEventSourceMapping", err)
	}
	return true, nil
}

// failed says what would be right.
func (m lambdaMapping) failed(what, action string, err error) error {
	hint := ""
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		hint = " (the stack tells of one that is not there: deploy it again)"
	}
	if answer, ok := errors.AsType[smithy.APIError](err); ok && strings.HasPrefix(answer.ErrorCode(), "AccessDenied") {
		hint = " (the caller needs the right to lambda:" + action + ")"
	}
	return system(fmt.Errorf("%s the event source mapping %s%s: %w", what, m.uuid, hint, err))
}

// devSees is how long dev takes to see a change in its folder: it looks once a second.
const devSees = 1200 * time.Millisecond

func untilDevSees(ctx context.Context) {
	select {
	case <-time.After(devSees):
	case <-ctx.Done():
	}
}

// localMapping is the mapping of the hatchery dev that runs on a folder. It receives nothing more a second after a
// pause, and goes on within one after a resume.
type localMapping struct{ dir string }

// State implements mapping.
func (m localMapping) State(context.Context) (string, error) {
	if local.Paused(m.dir) {
		return mappingDisabled, nil
	}
	return mappingEnabled, nil
}

// Pause implements mapping. It returns when dev has seen it.
func (m localMapping) Pause(ctx context.Context) error {
	if err := local.Pause(m.dir); err != nil {
		return system(err)
	}
	untilDevSees(ctx)
	return nil
}

// Resume implements mapping.
func (m localMapping) Resume(context.Context) error { return systemOrNil(local.Resume(m.dir)) }

func systemOrNil(err error) error {
	if err == nil {
		return nil
	}
	return system(err)
}
