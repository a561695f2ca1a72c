//go:build acceptance

package acceptance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func batchGetItem(ctx context.Context, a actor) error {
	_, err := a.database.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{a.table: {Keys: []map[string]types.AttributeValue{noItem()}}}})
	return err
}

// putItem asks for what cannot be, so that nothing is put.
func putItem(ctx context.Context, a actor) error {
	_, err := a.database.PutItem(ctx, &dynamodb.PutItemInput{TableName: &a.table, Item: noItem(),
		ConditionExpression: aws.String("attribute_exists(pk)")})
	return err
}

func attributes(queue func(*stack) string) act {
	return func(ctx context.Context, a actor) error {
		_, err := a.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(queue(a.stack)),
			AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
		return err
	}
}

func findQueue(queue func(*stack) string) act {
	return func(ctx context.Context, a actor) error {
		url := queue(a.stack)
		name := url[strings.LastIndexByte(url, '/')+1:]
		_, err := a.queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		return err
	}
}

func deleteMessage(queue func(*stack) string) act {
	return func(ctx context.Context, a actor) error {
		_, err := a.queues.DeleteMessage(ctx,
			&sqs.DeleteMessageInput{QueueUrl: aws.String(queue(a.stack)), ReceiptHandle: aws.String("none")})
		return err
	}
}

func giveBack(ctx context.Context, a actor) error {
	_, err := a.queues.ChangeMessageVisibility(ctx,
		&sqs.ChangeMessageVisibilityInput{QueueUrl: &a.dead, ReceiptHandle: aws.String("none")})
	return err
}

// deadARN is the dead-letter queue's.
func (s *stack) deadARN() string {
	return "arn:aws:sqs:" + region + ":000000000000:" + s.dead[strings.LastIndexByte(s.dead, '/')+1:]
}

// The emulator has no move tasks; it refuses who may not have one all the same.

func startMove(ctx context.Context, a actor) error {
	_, err := a.queues.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(a.deadARN())})
	return err
}

func listMoves(ctx context.Context, a actor) error {
	_, err := a.queues.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: aws.String(a.deadARN())})
	return err
}

func cancelMove(ctx context.Context, a actor) error {
	handle := base64.StdEncoding.EncodeToString([]byte(`{"taskId":"none","sourceArn":"` + a.deadARN() + `"}`))
	_, err := a.queues.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
	return err
}

func describeStack(ctx context.Context, a actor) error {
	_, err := a.signedCall(ctx, a.who, "cloudformation", http.MethodGet,
		"/?Action=DescribeStacks&Version=2010-05-15&StackName="+a.name, nil, nil)
	return err
}

func (a actor) mapping(ctx context.Context, method string, body []byte) error {
	_, err := a.signedCall(ctx, a.who, "lambda", method,
		"/2015-03-31/event-source-mappings/"+a.resources["ValidatorFunctionArrived"],
		http.Header{"Content-Type": {"application/json"}}, body)
	return err
}

func seeMapping(ctx context.Context, a actor) error { return a.mapping(ctx, http.MethodGet, nil) }

// pause changes the mapping, to what it is.
func pause(ctx context.Context, a actor) error {
	return a.mapping(ctx, http.MethodPut, []byte(`{"Enabled":true}`))
}

func seeNotification(ctx context.Context, a actor) error {
	_, err := a.objects.GetBucketNotificationConfiguration(ctx,
		&s3.GetBucketNotificationConfigurationInput{Bucket: &a.bucket})
	return err
}

func seeVersioning(ctx context.Context, a actor) error {
	_, err := a.objects.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &a.bucket})
	return err
}

func seeCORS(ctx context.Context, a actor) error {
	_, err := a.objects.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &a.bucket})
	return err
}

func seeValidator(ctx context.Context, a actor) error {
	_, err := a.signedCall(ctx, a.who, "lambda", http.MethodGet,
		"/2015-03-31/functions/"+a.resources["ValidatorFunction"]+"/configuration", nil, nil)
	return err
}

func seeQuota(ctx context.Context, a actor) error {
	_, err := a.signedCall(ctx, a.who, "lambda", http.MethodGet, "/2016-08-19/account-settings", nil, nil)
	return err
}

func seeSubscriptions(ctx context.Context, a actor) error {
	_, err := a.signedCall(ctx, a.who, "sns", http.MethodGet, "/?Action=ListSubscriptionsByTopic&Version=2010-03-31&TopicArn="+
		a.resources["AlarmTopic"], nil, nil)
	return err
}

// peopleDo is what the policies for people allow: by policy and Sid what needs each action, and by policy, Sid and the
// end of the resource where there are several.
var peopleDo = map[string]map[string]act{
	"OperatorLooks/LookAtDeadLetters": {"sqs:GetQueueAttributes": attributes(deadLetters),
		"sqs:GetQueueUrl": findQueue(deadLetters), "sqs:ReceiveMessage": receive(deadLetters),
		"sqs:ChangeMessageVisibility": giveBack, "sqs:ListMessageMoveTasks": listMoves},
	"OperatorLooks/LookAtTheQueue": {"sqs:GetQueueAttributes": attributes(uploads)},
	"OperatorLooks/FindTheStack":   {"cloudformation:DescribeStacks": describeStack},
	"OperatorLooks/List":           {"s3:ListBucket": listObjects, "s3:ListBucketVersions": listVersions},
	"OperatorLooks/ReadNotes":      {"s3:GetObject": get(inAttempts, "")},
	"OperatorLooks/KeepListings":   {"s3:PutObject": put(inListings)},
	"OperatorLooks/SeeCopies":      {"s3:GetObject": get(inFiles, "")},
	"OperatorLooks/ReadRecords": {"dynamodb:GetItem": getItem, "dynamodb:BatchGetItem": batchGetItem,
		"dynamodb:Scan": scan},
	"OperatorLooks/ListRecords":      {"dynamodb:Query": query("by-status", "status_shard")},
	"OperatorLooks/ListEntries":      {"dynamodb:Query": query("by-list", "pk")},
	"OperatorLooks/ReadEntries":      {"dynamodb:Query": query("", "pk")},
	"OperatorLooks/SeeWhetherPaused": {"lambda:GetEventSourceMapping": seeMapping},

	"OperatorActs/MoveDeadLetters": {"sqs:DeleteMessage": deleteMessage(deadLetters),
		"sqs:StartMessageMoveTask": startMove, "sqs:CancelMessageMoveTask": cancelMove},
	"OperatorActs/SendMessages":           {"sqs:SendMessage": send(uploads)},
	"OperatorActs/KeepTraces/intents/*":   {"s3:PutObject": put(inIntents)},
	"OperatorActs/KeepTraces/discarded/*": {"s3:PutObject": put(inDiscarded)},
	"OperatorActs/KeepTraces/audit/*":     {"s3:PutObject": put(inAudit)},
	"OperatorActs/RemoveCopies":           {"s3:DeleteObjectVersion": remove(inFiles, noVersion)},
	"OperatorActs/ChangeRecords":          {"dynamodb:PutItem": putItem},
	"OperatorActs/Tell":                   {"events:PutEvents": tell},
	"OperatorActs/Pause":                  {"lambda:UpdateEventSourceMapping": pause},

	"OperatorRechecks/ReadQuarantine": {"s3:GetObjectVersion": get(inQuarantine, noVersion)},

	"OperatorSeesFiles/ReadStoredVersions": {"s3:GetObjectVersion": get(inFiles, noVersion)},

	"OperatorDiagnoses/FindTheStack": {"cloudformation:DescribeStacks": describeStack},
	"OperatorDiagnoses/SeeTheBucket": {"s3:GetBucketNotification": seeNotification,
		"s3:GetBucketVersioning": seeVersioning, "s3:GetBucketCORS": seeCORS},
	"OperatorDiagnoses/SeeTheQueue":      {"sqs:GetQueueAttributes": attributes(uploads)},
	"OperatorDiagnoses/CountDeadLetters": {"sqs:GetQueueAttributes": attributes(deadLetters)},
	"OperatorDiagnoses/SeeTheMapping":    {"lambda:GetEventSourceMapping": seeMapping},
	"OperatorDiagnoses/SeeTheValidator":  {"lambda:GetFunctionConfiguration": seeValidator},
	"OperatorDiagnoses/SeeTheQuota":      {"lambda:GetAccountSettings": seeQuota},
	"OperatorDiagnoses/SeeWhoHears":      {"sns:ListSubscriptionsByTopic": seeSubscriptions},
}

// peopleNeedEveryAction: to whom a policy is attached does all that it is for, and without one action of it, on one
// resource, is refused that.
func peopleNeedEveryAction(t *testing.T, s *stack) {
	s.letReadQuarantine(t, "person-OperatorRechecks", "almost-OperatorRechecks")
	seen := map[string]bool{}
	for _, policy := range s.operators(t) {
		statements := s.operatorRights(t, policy)
		whole := s.actor(s.person(t, policy))
		almost := "almost-" + policy
		part := s.actor(s.personMay(t, almost, statements...))
		for n, st := range statements {
			actions, resources := texts(st["Action"]), texts(st["Resource"])
			for _, resource := range resources {
				name := policy + "/" + st["Sid"].(string)
				if _, what, found := strings.Cut(resource, "/dead-letters/"); found && len(resources) > 1 {
					name += "/" + what
				}
				seen[name] = true
				if len(actions) != len(peopleDo[name]) {
					t.Errorf("%s allows %v; it is known what needs %d of them", name, actions, len(peopleDo[name]))
				}
				for action, act := range peopleDo[name] {
					t.Run(name+" "+action, func(t *testing.T) {
						if err := act(t.Context(), whole); denied(err) {
							t.Errorf("refused with the policy: %v", err)
						}
						without := slices.Clone(statements)
						without[n] = right{"Effect": "Allow", "Action": others(actions, action), "Resource": resources}
						if len(actions) == 1 {
							without[n] = right{"Effect": "Allow", "Action": actions, "Resource": others(resources, resource)}
						}
						s.grant(t, rolePolicy{role: almost, name: "own", Version: "2012-10-17", Statement: without})
						if err := act(t.Context(), part); !denied(err) {
							t.Errorf("not refused without %s on %s, but: %v", action, resource, err)
						}
					})
				}
			}
		}
	}
	for name := range peopleDo {
		if !seen[name] {
			t.Errorf("no policy has %s any more", name)
		}
	}
}

// others is a list without one member, or with nothing that there is where that was all.
func others(list []string, one string) []string {
	left := slices.DeleteFunc(slices.Clone(list), func(member string) bool { return member == one })
	if len(left) == 0 {
		return []string{"none:None"}
	}
	return left
}

// letReadQuarantine takes roles out of the bucket's QuarantineIsNotRead, as OperatorRoleArn does, until the test ends. It
// allows them nothing, so that their own policies decide.
func (s *stack) letReadQuarantine(t *testing.T, roles ...string) {
	t.Helper()
	before, err := s.objects.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &s.bucket})
	check(t, err)
	var policy map[string]any
	check(t, json.Unmarshal([]byte(aws.ToString(before.Policy)), &policy))
	changed := false
	for n := range policy["Statement"].([]any) {
		if at(policy, "Statement", n, "Sid") != "QuarantineIsNotRead" {
			continue
		}
		readers := at(policy, "Statement", n, "Condition", "ArnNotEquals").(map[string]any)
		all := texts(readers["aws:PrincipalArn"])
		for _, role := range roles {
			all = append(all, "arn:aws:iam::000000000000:role/"+role)
		}
		readers["aws:PrincipalArn"], changed = all, true
	}
	if !changed {
		t.Fatalf("the bucket's policy has no QuarantineIsNotRead: %v", policy)
	}
	text, err := json.Marshal(policy)
	check(t, err)
	_, err = s.objects.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &s.bucket,
		Policy: aws.String(string(text))})
	check(t, err)
	t.Cleanup(func() {
		_, err := s.objects.PutBucketPolicy(context.WithoutCancel(t.Context()),
			&s3.PutBucketPolicyInput{Bucket: &s.bucket, Policy: before.Policy})
		check(t, err)
	})
}
