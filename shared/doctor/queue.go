package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/wording"
)

// getQueue asks for all attributes of a queue.
func (s *Stack) getQueue(ctx context.Context, url string) (*sqs.GetQueueAttributesOutput, error) {
	out, err := s.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url,
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
	return out, failed("sqs:GetQueueAttributes", "the queue "+url, err)
}

func (s *Stack) queue(ctx context.Context, url string) (map[string]string, error) {
	out, err := s.getQueue(ctx, url)
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// number reads an attribute. One that is missing or no number is 0.
func number(attributes map[string]string, name string) int {
	n, _ := strconv.Atoi(attributes[name]) // 0 is then said to be wrong
	return n
}

// setQueue is the command that sets attributes of a queue.
func (s *Stack) setQueue(url, attributes string) string {
	return s.aws("sqs set-queue-attributes --queue-url " + wording.ShellWord(url) + " --attributes " +
		wording.ShellWord(attributes))
}

// encryption: the template's queue has SQS's own. The policy of a key that AWS manages cannot be changed, and lets no
// bucket in; with any other the roles of the template may not receive and send.
func (s *Stack) encryption(ctx context.Context) ([]Finding, error) {
	attributes, err := s.queue(ctx, s.QueueURL)
	if err != nil {
		return nil, err
	}
	key := attributes["KmsMasterKeyId"]
	if key == "" {
		return nil, nil
	}
	why := "The functions may not use that key, and messages are neither received nor sent again"
	if strings.Contains(key, "alias/aws/") {
		why = "S3 may not use that key, and its notifications are lost without a word"
	}
	return []Finding{wrong("the queue is encrypted under "+key+", and not by SQS itself",
		why+": uploads stay pending. KmsKeyArn encrypts what holds names and bytes; the queue keeps SQS's own encryption.",
		s.setQueue(s.QueueURL, `{"KmsMasterKeyId":"","SqsManagedSseEnabled":"true"}`))}, nil
}

const (
	// leastReceives: fewer tries lose messages to throttling alone.
	leastReceives = 5
	// longestRetention is the most that SQS offers.
	longestRetention = 14 * 24 * time.Hour
)

// redrive looks at what becomes of a message that fails for good.
func (s *Stack) redrive(ctx context.Context) ([]Finding, error) {
	source, err := s.queue(ctx, s.QueueURL)
	if err != nil {
		return nil, err
	}
	dead, err := s.queue(ctx, s.DeadLetterURL)
	if err != nil {
		return nil, err
	}
	var policy struct {
		Target   string      `json:"deadLetterTargetArn"`
		Receives json.Number `json:"maxReceiveCount"` // a number, or one as text
	}
	_ = json.Unmarshal([]byte(source["RedrivePolicy"]), &policy) // what cannot be read has no target
	receives, _ := strconv.Atoi(policy.Receives.String())
	most := max(s.MaxReceives, leastReceives)
	fix := s.setQueue(s.QueueURL, fmt.Sprintf(
		`{"RedrivePolicy":"{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":\"%d\"}"}`, dead["QueueArn"], most))
	var found []Finding
	switch {
	case policy.Target == "":
		found = append(found, wrong("the queue has no redrive policy",
			"A message that fails is tried until it expires, and then nobody hears of it.", fix))
	case policy.Target != dead["QueueArn"]:
		found = append(found, wrong("the queue gives dead letters to "+policy.Target+", and not to "+dead["QueueArn"],
			"Neither the alarm nor hatchery dlq sees them there.", fix))
	case receives < leastReceives:
		found = append(found, wrong(fmt.Sprintf("the queue gives a message up after %s",
			wording.Count(receives, "reception")),
			"A throttled validator uses receptions up, too: below 5 good uploads become dead letters.", fix))
	case receives != s.MaxReceives:
		found = append(found, wrong(fmt.Sprintf("the queue gives a message up after %d receptions, and the functions "+
			"count on %d", receives, s.MaxReceives),
			"Why a message died is not kept, or a lost one is sent again too early.",
			fix))
	}
	kept, life := seconds(dead, retention), seconds(source, retention)
	if kept < longestRetention || kept <= life {
		found = append(found, wrong(fmt.Sprintf("dead letters are kept for %v, and messages in the queue for %v",
			wording.Age(kept), wording.Age(life)),
			"A dead letter's age counts from its first queue. What waited there long is removed before anybody saw it.",
			s.setQueue(s.DeadLetterURL, fmt.Sprintf("%s=%d", retention, int(longestRetention.Seconds())))))
	}
	return found, nil
}

const retention = "MessageRetentionPeriod"

func seconds(attributes map[string]string, name string) time.Duration {
	return time.Duration(number(attributes, name)) * time.Second
}

// getMapping asks for the event source mapping between queue and validator.
func (s *Stack) getMapping(ctx context.Context) (*lambda.GetEventSourceMappingOutput, error) {
	out, err := s.Lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &s.Mapping})
	return out, failed("lambda:GetEventSourceMapping", "the event source mapping "+s.Mapping, err)
}

// visibility: a message that is visible too early is judged twice at once, and uses up its tries.
func (s *Stack) visibility(ctx context.Context) ([]Finding, error) {
	attributes, err := s.queue(ctx, s.QueueURL)
	if err != nil {
		return nil, err
	}
	source, err := s.getMapping(ctx)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(source.FunctionArn)
	function, err := s.Lambda.GetFunctionConfiguration(ctx,
		&lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return nil, failed("lambda:GetFunctionConfiguration", "the function "+name, err)
	}
	// AWS's own advice: six tries of the poller, and the window in which a batch is gathered.
	want := 6*int(aws.ToInt32(function.Timeout)) + int(aws.ToInt32(source.MaximumBatchingWindowInSeconds))
	if have := number(attributes, "VisibilityTimeout"); have < want {
		return []Finding{wrong(fmt.Sprintf("the queue hides a received message for %d s, and the validator's time-out is "+
			"%d s", have, aws.ToInt32(function.Timeout)),
			fmt.Sprintf("Another validator is given the message while the first is at work, and good uploads become dead "+
				"letters. It should be six time-outs and the batching window: %d s.", want),
			s.setQueue(s.QueueURL, fmt.Sprintf("VisibilityTimeout=%d", want)))}, nil
	}
	return nil, nil
}

// mapping: hatchery dlq pause turns it off, and somebody has to turn it on again.
func (s *Stack) mapping(ctx context.Context) ([]Finding, error) {
	source, err := s.getMapping(ctx)
	if err != nil {
		return nil, err
	}
	switch state := aws.ToString(source.State); state {
	case "Disabled", "Disabling":
		return []Finding{wrong("the event source mapping "+s.Mapping+" is "+state, pausedWhy, s.Hatchery("dlq resume"))}, nil
	}
	return nil, nil
}

const pausedWhy = "Uploads are accepted, wait in the queue and get no verdict; after four days their messages expire."

// quota: functions share what the account may run at once.
func (s *Stack) quota(ctx context.Context) ([]Finding, error) {
	account, err := s.Lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return nil, failed("lambda:GetAccountSettings", "*", err)
	}
	source, err := s.getMapping(ctx)
	if err != nil {
		return nil, err
	}
	if source.ScalingConfig == nil || source.ScalingConfig.MaximumConcurrency == nil {
		return []Finding{wrong("the event source mapping "+s.Mapping+" has no maximum concurrency",
			"A flood of uploads takes all that the account may run at once, and callers are answered 503.",
			s.aws("lambda update-event-source-mapping --uuid "+s.Mapping+" --scaling-config MaximumConcurrency=10"))}, nil
	}
	limit := account.AccountLimit
	if limit == nil {
		limit = &types.AccountLimit{}
	}
	validators := int(*source.ScalingConfig.MaximumConcurrency)
	left := int(aws.ToInt32(limit.UnreservedConcurrentExecutions))
	need := validators + 1 // the reconciler
	if s.ApiConcurrency == 0 {
		need++ // what answers callers runs on what is left, too
	}
	if left >= need {
		return nil, nil
	}
	return []Finding{wrong(fmt.Sprintf("the account may run %d functions at once, %d of them unreserved, and up to %d "+
		"validators take them", limit.ConcurrentExecutions, left, validators),
		fmt.Sprintf("While many uploads are judged, callers are answered 503 and messages use up their tries. At least %d "+
			"have to be unreserved. Until more are granted, deploy with a smaller ValidatorConcurrency (2 at least).", need),
		s.aws("service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "+
			"--desired-value 1000"))}, nil
}

// deadLetters counts without receiving.
func (s *Stack) deadLetters(ctx context.Context) ([]Finding, error) {
	attributes, err := s.queue(ctx, s.DeadLetterURL)
	if err != nil {
		return nil, err
	}
	n := number(attributes, "ApproximateNumberOfMessages") + number(attributes, "ApproximateNumberOfMessagesNotVisible") +
		number(attributes, "ApproximateNumberOfMessagesDelayed")
	if n == 0 {
		return nil, nil
	}
	return []Finding{wrong(wording.Count(n, "dead letter")+" waiting",
		"Uploads stay pending, with their bytes in quarantine, until somebody puts right what their messages died of.",
		s.Hatchery("dlq ls"))}, nil
}

// mostSkew is less than the five minutes by which AWS lets a signature be wrong.
const mostSkew = time.Minute

// clock compares the Date of an answer with the clock here.
func (s *Stack) clock(ctx context.Context) ([]Finding, error) {
	out, err := s.getQueue(ctx, s.QueueURL)
	if err != nil {
		return nil, err
	}
	there, told := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !told {
		return nil, fmt.Errorf("the answer of %s has no date", s.QueueURL)
	}
	skew := s.Now().Sub(there)
	if skew.Abs() < mostSkew {
		return nil, nil
	}
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	return []Finding{wrong(fmt.Sprintf("the clock of this machine is %v %s AWS's", skew.Abs().Round(time.Second), way),
		"AWS refuses what is signed more than five minutes too early or too late, and the commands print wrong ages.",
		"sudo timedatectl set-ntp true")}, nil
}
