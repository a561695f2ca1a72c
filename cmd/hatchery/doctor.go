package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"hatchery/shared/config"
	"hatchery/shared/doctor"
	"hatchery/shared/local"
	"hatchery/shared/pipeline"
)

// doctorFlags are those of `hatchery doctor`.
type doctorFlags struct {
	stack, data string
	json        bool
}

// command is another command about the same deployment.
func (f doctorFlags) command(rest string) string {
	return deploymentFlags{stack: f.stack, data: f.data}.command(rest)
}

func doctorCommand(term terminal) *cobra.Command {
	var f doctorFlags
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether a deployment is set up as it should be, and what to type",
		Long: `Doctor looks at how a deployment is set up, reads only and changes nothing: the bucket's
notification, versions and CORS, the queues' encryption, times and dead letters, whether
forms and the application answer as they should, the account's quota, the clock of this
machine, whether alarms reach somebody, and whether this program and the stack's template
go together. Of each thing that is wrong it says what it is, why it matters and what to
type. Of a hatchery dev (--data) it looks at its ports, its disk and what it has of these.

The application is asked once, as a stranger with a token that means nothing: run doctor
where the application can be reached. What the caller has not the right to look at is
said, and needs the stack's policy OperatorDiagnosesPolicy.

It exits 0 when nothing is wrong, 1 when something needs a person, 2 when it was used
wrongly, and 3 when another system failed and nothing else was found.`,
		Example: `  hatchery doctor --stack hatchery
  hatchery doctor --data .hatchery
  hatchery doctor --stack hatchery --json | jq 'select(.result != "ok")'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return examine(cmd.Context(), f, term) },
	}
	flags := command.Flags()
	flags.StringVar(&f.stack, "stack", "", "the `name` of the deployment's stack in CloudFormation")
	flags.StringVar(&f.data, "data", "", "instead of one in AWS: the data `folder` of a hatchery dev")
	flags.BoolVar(&f.json, "json", false, "print JSON, one object a check or finding and line")
	return command
}

// examine makes all checks and prints what they found.
func examine(ctx context.Context, f doctorFlags, term terminal) error {
	if (f.stack == "") == (f.data == "") {
		return usage("doctor looks at one deployment: name its stack in AWS with --stack, or the folder of a hatchery " +
			"dev with --data")
	}
	var checks []doctor.Check
	var unseen string
	if f.data != "" {
		dev, err := devToExamine(ctx, f)
		if err != nil {
			return err
		}
		checks = dev.Checks()
	} else {
		stack, policy, err := stackToExamine(ctx, f)
		if err != nil {
			return err
		}
		checks = stack.Checks()
		unseen = "aws iam attach-role-policy --role-name <ROLE> --policy-arn " + cmp.Or(policy, "<ARN>")
	}
	findings := doctor.Run(ctx, checks, unseen, f.command("doctor"))
	if err := printFindings(term.out, findings, f.json); err != nil {
		return system(err)
	}
	return verdictOf(findings)
}

// verdictOf is what the findings end the command with: a person is needed before another run is.
func verdictOf(findings []doctor.Finding) error {
	code := exitDone
	for _, found := range findings {
		switch found.Result {
		case doctor.Wrong, doctor.Unseen:
			return &exitError{code: exitNo}
		case doctor.Failed:
			code = exitSystem
		}
	}
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// stackToExamine is one in AWS, and the policy that lets its caller look.
func stackToExamine(ctx context.Context, f doctorFlags) (*doctor.Stack, string, error) {
	cloud, err := loadAWSWithCredentials(ctx)
	if err != nil {
		return nil, "", err
	}
	found, err := describeStack(ctx, cloud, f.stack)
	if err != nil {
		return nil, "", err
	}
	number := func(parameter string) int {
		n, _ := strconv.Atoi(found.parameters[parameter]) // the template takes nothing else
		return n
	}
	return &doctor.Stack{Version: found.outputs["TemplateVersion"],
		Bucket: found.outputs["Bucket"], QuarantinePrefix: found.parameters["QuarantinePrefix"],
		QueueURL: found.outputs["QueueUrl"], DeadLetterURL: found.outputs["DeadLetterQueueUrl"],
		MaxReceives: config.DefaultMaxReceives, Mapping: found.mapping, ApplicationURL: found.parameters["ApplicationUrl"],
		Spire:          found.parameters["ApplicationKind"] == "spire",
		Origins:        strings.FieldsFunc(found.parameters["AllowedOrigins"], isComma),
		ApiConcurrency: number("ApiConcurrency"),
		AlarmTopic:     found.outputs["AlarmTopicArn"], AlarmEmail: found.parameters["AlarmEmail"],
		AWS: cloud, S3: pipeline.S3Client(cloud), SQS: sqs.NewFromConfig(cloud), Lambda: lambda.NewFromConfig(cloud),
		HTTP: examining(cloud), Hatchery: f.command, Now: time.Now}, found.outputs["OperatorDiagnosesPolicy"], nil
}

func isComma(r rune) bool { return r == ',' || r == ' ' }

// examining asks what is not asked through the SDK, in the SDK's way: AWS_CA_BUNDLE and proxies count. It follows no
// redirect, and each check has its own time.
func examining(cloud aws.Config) http.RoundTripper {
	client, ok := cloud.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	transport := client.GetTransport()
	transport.MaxResponseHeaderBytes = 64 << 10
	return transport
}

// devToExamine is one on this machine, whether or not it runs.
func devToExamine(ctx context.Context, f doctorFlags) (*doctor.Dev, error) {
	start := deploymentFlags{data: f.data}.command("dev")
	dev := &doctor.Dev{Start: start, Hatchery: f.command, Paused: local.Paused(f.data),
		Free: func() (int64, error) { return freeBytes(existing(f.data)) }}
	at, err := local.Running(ctx, f.data)
	switch {
	case errors.Is(err, local.ErrNotRunning):
		dev.NotRunning = err
		dev.Ports = []doctor.Port{{Flag: "--listen", Address: defaultListen}}
		for _, p := range []doctor.Port{{Flag: "--s3-listen", Address: at.S3}, {Flag: "--sqs-listen", Address: at.SQS}} {
			if p.Address = strings.TrimPrefix(p.Address, "http://"); p.Address != "" {
				dev.Ports = append(dev.Ports, p)
			}
		}
	case err != nil:
		return nil, system(err)
	default:
		cloud := at.AWS()
		dev.Stack = &doctor.Stack{Bucket: at.Bucket, QueueURL: at.QueueURL, DeadLetterURL: at.DeadLetterURL,
			MaxReceives: at.MaxReceives, AWS: aws.Config{Region: at.Region}, S3: pipeline.S3Client(cloud),
			SQS: sqs.NewFromConfig(cloud), Hatchery: f.command, Restart: start, Now: time.Now}
	}
	breaks, err := local.Broken(f.data)
	if err != nil {
		return nil, system(err)
	}
	dev.Broken = local.FormatBreaks(breaks)
	return dev, nil
}

// existing is the folder, or the nearest above it that is there.
func existing(dir string) string {
	for {
		parent := filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil || parent == dir {
			return dir
		}
		dir = parent
	}
}

// printFindings prints a line a finding for a program, and a paragraph of what is wrong for a person.
func printFindings(out io.Writer, findings []doctor.Finding, asJSON bool) error {
	if asJSON {
		for _, found := range findings {
			if err := printJSON(out, found); err != nil {
				return err
			}
		}
		return nil
	}
	var text strings.Builder
	left := 0
	for _, found := range findings {
		fmt.Fprintf(&text, "%-7s %-13s %s\n", found.Result, found.Check, safe(found.What))
		if found.Result == doctor.OK {
			continue
		}
		left++
		writeWrapped(&text, safe(found.Why))
		fmt.Fprintf(&text, "      Type: %s\n", safe(found.Type))
	}
	switch left {
	case 0:
		text.WriteString("\nNothing is wrong.\n")
	default:
		fmt.Fprintf(&text, "\n%s to see to.\n", countOf(left, "finding"))
	}
	_, err := io.WriteString(out, text.String())
	return err
}
