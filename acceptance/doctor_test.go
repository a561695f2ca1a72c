//go:build acceptance

package acceptance

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/doctor"
)

// examines runs hatchery doctor as a person, and gives what is not in order.
func (p onCall) examines(t testing.TB) []doctor.Finding {
	t.Helper()
	r := p.types(t, "doctor", "--json")
	var found []doctor.Finding
	for line := range strings.Lines(r.stdout) {
		var f doctor.Finding
		check(t, json.Unmarshal([]byte(line), &f))
		if f.Result != doctor.OK {
			found = append(found, f)
		}
	}
	if want := min(len(found), 1); r.code != want {
		t.Errorf("exit code %d, want %d: %s", r.code, want, r)
	}
	return found
}

// doctorFindsFaults plants one fault after another, in what can be changed behind the template's back. Of each the
// doctor, with the rights of its policy alone, finds that and nothing else. What it says to type mends it.
func doctorFindsFaults(t *testing.T, s *stack) {
	p := s.onCall(t, "on-call-examines", "OperatorDiagnoses")
	s.wellSetUp(t)
	if found := p.examines(t); len(found) > 0 {
		t.Fatalf("in a healthy stack are %+v", found)
	}
	for _, c := range []struct {
		name, check string
		plant       func(*testing.T, *stack)
		// mend is for what is not mended by an AWS command.
		mend func(*testing.T, *stack)
	}{
		{"no notification", "notification", func(t *testing.T, s *stack) { s.notified(t, nil) }, nil},
		{"another prefix", "notification", func(t *testing.T, s *stack) {
			queue := "arn:aws:sqs:" + region + ":000000000000:" + s.name + "-uploads"
			s.notified(t, []types.QueueConfiguration{{QueueArn: &queue, Events: []types.Event{"s3:ObjectCreated:*"},
				Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{
					{Name: types.FilterRuleNamePrefix, Value: aws.String("elsewhere/")}}}}}})
		}, nil},
		{"a key that AWS manages", "encryption", queueHas(uploads, "KmsMasterKeyId", "alias/aws/sqs"), nil},
		{"no redrive policy", "redrive", queueHas(uploads, "RedrivePolicy", ""), nil},
		{"one reception", "redrive", func(t *testing.T, s *stack) {
			queueHas(uploads, "RedrivePolicy", `{"deadLetterTargetArn":"`+s.deadARN()+`","maxReceiveCount":"1"}`)(t, s)
		}, nil},
		{"dead letters are kept for a day", "redrive", queueHas(deadLetters, "MessageRetentionPeriod", "86400"), nil},
		{"visible while it is judged", "visibility", queueHas(uploads, "VisibilityTimeout", "60"), nil},
		{"paused", "mapping", func(t *testing.T, s *stack) { s.mapping(t, false) },
			func(t *testing.T, s *stack) { s.mapping(t, true) }},
		{"versioning suspended", "versioning", func(t *testing.T, s *stack) {
			_, err := s.objects.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &s.bucket,
				VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
			check(t, err)
		}, nil},
		{"CORS off", "cors", func(t *testing.T, s *stack) {
			_, err := s.objects.DeleteBucketCors(t.Context(), &s3.DeleteBucketCorsInput{Bucket: &s.bucket})
			check(t, err)
		}, nil},
		{"another origin", "cors", func(t *testing.T, s *stack) {
			_, err := s.objects.PutBucketCors(t.Context(), &s3.PutBucketCorsInput{Bucket: &s.bucket,
				CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{AllowedMethods: []string{"POST", "GET"},
					AllowedOrigins: []string{"https://other.example.com"}}}}})
			check(t, err)
		}, nil},
		{"functions of others", "quota", func(t *testing.T, s *stack) { s.reserve(t, http.MethodPut) },
			func(t *testing.T, s *stack) { s.reserve(t, http.MethodDelete) }},
		{"a dead letter", "dead letters", func(t *testing.T, s *stack) {
			_, err := s.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.dead, MessageBody: aws.String("x")})
			check(t, err)
		}, func(t *testing.T, s *stack) {
			_, err := s.queues.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &s.dead})
			check(t, err)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.plant(t, s)
			found := p.examines(t)
			if len(found) != 1 || found[0].Check != c.check || found[0].Result != doctor.Wrong {
				t.Fatalf("found %+v, want one of %s", found, c.check)
			}
			if c.mend != nil {
				c.mend(t, s)
				return
			}
			// The AWS CLI finds no SQS by AWS_ENDPOINT_URL.
			typed := strings.Replace(found[0].Type, "aws ", "aws --endpoint-url "+s.endpoint+" ", 1)
			mustRun(t, command{args: []string{"/bin/bash", "-c", typed},
				env: s.environment(t, "PATH="+filepath.Dir(tool(t, "aws"))+":/usr/bin:/bin")})
		})
		if t.Failed() {
			t.FailNow() // what is not mended is found again
		}
	}
	if found := p.examines(t); len(found) > 0 {
		t.Errorf("after all was mended are %+v", found)
	}
	check(t, s.hurry(t.Context()))
}

// wellSetUp is what the template makes, where these tests have it otherwise, and somebody who hears of alarms.
func (s *stack) wellSetUp(t *testing.T) {
	t.Helper()
	queueHas(uploads, "VisibilityTimeout", "360")(t, s)
	s.form(t, "sns", "Subscribe", map[string]string{"TopicArn": s.physical(t, "AlarmTopic"), "Protocol": "email",
		"Endpoint": "ops@example.com"}, nil)
}

// queueHas sets an attribute of a queue.
func queueHas(queue func(*stack) string, name, value string) func(*testing.T, *stack) {
	return func(t *testing.T, s *stack) {
		t.Helper()
		_, err := s.queues.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: aws.String(queue(s)),
			Attributes: map[string]string{name: value}})
		check(t, err)
	}
}

// notified has the bucket notify these queues.
func (s *stack) notified(t *testing.T, queues []types.QueueConfiguration) {
	t.Helper()
	_, err := s.objects.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: &s.bucket, NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: queues}})
	check(t, err)
}

// reserve takes nearly all that the account may run at once, or gives it back.
func (s *stack) reserve(t *testing.T, method string) {
	t.Helper()
	var in any
	if method == http.MethodPut {
		in = map[string]int{"ReservedConcurrentExecutions": 995}
	}
	s.rest(t, "lambda", method, "/2017-10-31/functions/"+s.physical(t, "ReconcilerFunction")+"/concurrency", in, nil)
}
