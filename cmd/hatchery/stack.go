package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// stack is a deployment of the template, as CloudFormation tells of it.
type stack struct {
	// settings are those that its functions have, by name.
	settings map[string]string
	// mapping is the UUID of the event source mapping between queue and validator; "" when the stack does not tell it.
	mapping string
	// parameters and outputs are all that it tells, by name.
	parameters, outputs map[string]string
}

// stackParameters says which parameter of template.yaml each setting of the functions is, and stackOutputs which
// output. HATCHERY_VISIBILITY_SECONDS follows from a parameter, HATCHERY_STACK is the name, and the template gives
// HATCHERY_MAX_RECEIVES its default.
var stackParameters = map[string]string{
	"HATCHERY_QUARANTINE_PREFIX":     "QuarantinePrefix",
	"HATCHERY_FILES_PREFIX":          "FilesPrefix",
	"HATCHERY_QUARANTINE_DAYS":       "QuarantineDays",
	"HATCHERY_RECORDS":               "Records",
	"HATCHERY_BUGOUT_URL":            "BugoutUrl",
	"HATCHERY_BUGOUT_APPLICATION_ID": "BugoutApplicationId",
	"HATCHERY_BUGOUT_TOKEN":          "BugoutTokenSecret", // the name of a secret: --token-file has the token
	"HATCHERY_POLICY":                "Policy",
	"HATCHERY_VALIDATOR_SECONDS":     "ValidatorSeconds",
	"HATCHERY_EVENT_BUS":             "TellBus",
	"HATCHERY_CLEAR_OBSOLETE":        "ClearObsolete",
}

var stackOutputs = map[string]string{
	"HATCHERY_BUCKET":    "Bucket",
	"HATCHERY_TABLE":     "Table",
	"HATCHERY_QUEUE_URL": "QueueUrl",
}

// outputMapping is the output that tells the UUID of the event source mapping.
const outputMapping = "ValidatorMapping"

// getenv gives a setting: it stands in for the environment of the functions.
func (s stack) getenv(name string) string { return s.settings[name] }

// describeWithin bounds the question for a stack, retries included.
const describeWithin = 20 * time.Second

// describeStack asks CloudFormation for a stack, by its name or ARN.
func describeStack(ctx context.Context, cloud aws.Config, name string) (stack, error) {
	ctx, cancel := context.WithTimeout(ctx, describeWithin)
	defer cancel()
	out, err := cloudformation.NewFromConfig(cloud).DescribeStacks(ctx,
		&cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		return stack{}, describeError(name, cloud.Region, err)
	}
	if len(out.Stacks) != 1 {
		return stack{}, system(fmt.Errorf("--stack: CloudFormation tells of %d stacks %q, want 1", len(out.Stacks), name))
	}
	if err := readable(name, out.Stacks[0].StackStatus); err != nil {
		return stack{}, err
	}
	return readStack(name, out.Stacks[0])
}

// describeError says what would be right.
func describeError(name, region string, err error) error {
	answer, ok := errors.AsType[smithy.APIError](err)
	switch {
	case ok && answer.ErrorCode() == "ValidationError": // CloudFormation has no other code for a stack that is not there
		return usage("--stack: found no stack %q in %s: name the one that sam deploy made; AWS_REGION and AWS_PROFILE "+
			"choose the region and the account: %w", name, region, err)
	case ok && strings.HasPrefix(answer.ErrorCode(), "AccessDenied"):
		return system(fmt.Errorf("--stack: look at the stack %q in %s: the caller needs the right to "+
			"cloudformation:DescribeStacks: %w", name, region, err))
	}
	return system(fmt.Errorf("--stack: look at the stack %q in %s: %w", name, region, err))
}

// readable refuses a stack whose parameters and outputs may not be those of its functions.
func readable(name string, status types.StackStatus) error {
	instead := "or leave --stack out, and set what the functions have in their environment"
	switch status {
	case types.StackStatusCreateComplete, types.StackStatusUpdateComplete,
		types.StackStatusUpdateCompleteCleanupInProgress, types.StackStatusUpdateRollbackComplete,
		types.StackStatusUpdateRollbackCompleteCleanupInProgress, types.StackStatusImportComplete,
		types.StackStatusImportRollbackComplete:
		return nil
	case types.StackStatusDeleteComplete, types.StackStatusDeleteInProgress, types.StackStatusRollbackComplete:
		return usage("--stack: the stack %q is %s: nothing of it can be relied on; name one that is deployed", name, status)
	}
	if strings.HasSuffix(string(status), "_IN_PROGRESS") {
		return system(fmt.Errorf("--stack: the stack %q is %s, so that what it tells may not be what its functions have: "+
			"wait until that has ended, %s", name, status, instead))
	}
	return system(fmt.Errorf("--stack: the stack %q is %s, so that what it tells may not be what its functions have: "+
		"bring it to an end in CloudFormation (continue the rollback, or deploy again), %s", name, status, instead))
}

// readStack reads the settings out of a stack.
func readStack(name string, s types.Stack) (stack, error) {
	parameters, outputs := map[string]string{}, map[string]string{}
	for _, p := range s.Parameters {
		parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, o := range s.Outputs {
		outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, needed := range []string{"Bucket", "QueueUrl", "DeadLetterQueueUrl"} {
		if outputs[needed] == "" {
			return stack{}, usage("--stack: the stack %q is not one of Hatchery's: it has no output %s; "+
				"name the one that was deployed from Hatchery's template.yaml", name, needed)
		}
	}
	read := stack{settings: map[string]string{"HATCHERY_STACK": aws.ToString(s.StackName)},
		mapping: outputs[outputMapping], parameters: parameters, outputs: outputs}
	for setting, parameter := range stackParameters {
		read.settings[setting] = parameters[parameter]
	}
	for setting, output := range stackOutputs {
		read.settings[setting] = outputs[output]
	}
	if seconds, err := strconv.Atoi(parameters["ValidatorSeconds"]); err == nil {
		read.settings["HATCHERY_VISIBILITY_SECONDS"] = strconv.Itoa(visibilityOf(seconds))
	}
	return read, nil
}

// visibilityOf is what the template gives the queue.
func visibilityOf(validatorSeconds int) int { return 6 * validatorSeconds }
