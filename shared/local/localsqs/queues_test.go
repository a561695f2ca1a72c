package localsqs_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// code is the error's code in the words of the query protocol.
func code(t testing.TB, err error) string {
	t.Helper()
	return isError[smithy.APIError](t, err).ErrorCode()
}

func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	if got := code(t, err); got != want {
		t.Fatalf("error code %q (%v), want %q", got, err, want)
	}
}

func TestCreatedQueueIsFoundByNameAndListed(t *testing.T) {
	s := open(t)
	for _, name := range []string{"c", "a1", "a2", "a3"} {
		url := s.queue(name)
		found, err := s.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
		s.ok(err)
		if *found.QueueUrl != *url || *url != s.server.QueueURL(name) {
			t.Fatalf("queue %q has URLs %q, %q, %q", name, *url, *found.QueueUrl, s.server.QueueURL(name))
		}
	}
	_, err := s.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("b")})
	isError[*types.QueueDoesNotExist](t, err)
	wantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
	_, err = s.GetQueueUrl(t.Context(),
		&sqs.GetQueueUrlInput{QueueName: aws.String("c"), QueueOwnerAWSAccountId: aws.String("111111111111")})
	isError[*types.QueueDoesNotExist](t, err)

	var names []string
	pages := sqs.NewListQueuesPaginator(s.Client,
		&sqs.ListQueuesInput{QueueNamePrefix: aws.String("a"), MaxResults: aws.Int32(2)})
	sizes := []int{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		s.ok(err)
		sizes = append(sizes, len(page.QueueUrls))
		for _, url := range page.QueueUrls {
			names = append(names, url[strings.LastIndexByte(url, '/')+1:])
		}
	}
	if !slices.Equal(names, []string{"a1", "a2", "a3"}) || !slices.Equal(sizes, []int{2, 1}) {
		t.Fatalf("listed %v in pages of %v", names, sizes)
	}
	_, err = s.ListQueues(t.Context(), &sqs.ListQueuesInput{NextToken: aws.String("*")})
	wantCode(t, err, "InvalidParameterValue")
}

func TestCreatingAQueueAgain(t *testing.T) {
	s := open(t)
	url := s.queue("work", "VisibilityTimeout", "60", "DelaySeconds", "5")
	if again := s.queue("work", "VisibilityTimeout", "60"); *again != *url {
		t.Fatalf("the same settings gave %q, then %q", *url, *again)
	}
	if again := s.queue("work", "MessageRetentionPeriod", "345600"); *again != *url {
		t.Fatal("a default, said aloud, is another value")
	}
	_, err := s.CreateQueue(t.Context(),
		&sqs.CreateQueueInput{QueueName: aws.String("work"), Attributes: map[string]string{"VisibilityTimeout": "61"}})
	isError[*types.QueueNameExists](t, err)
	wantCode(t, err, "QueueAlreadyExists")

	// From within the process the new settings win, and what was not named stays.
	s.ok(s.server.CreateQueue(t.Context(), "work", map[string]string{"VisibilityTimeout": "61"}))
	if a := s.attributes(url); a["VisibilityTimeout"] != "61" || a["DelaySeconds"] != "5" {
		t.Fatalf("attributes %v", a)
	}
}

func TestQueueAttributesAreChecked(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	s.queue("closed", "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
	s.queue("choosy", "RedriveAllowPolicy",
		`{"redrivePermission":"byQueue","sourceQueueArns":["`+s.server.QueueARN("friend")+`"]}`)
	for _, c := range []struct{ name, value, code string }{
		{"DelaySeconds", "901", "InvalidAttributeValue"},
		{"DelaySeconds", "-1", "InvalidAttributeValue"},
		{"VisibilityTimeout", "43201", "InvalidAttributeValue"},
		{"VisibilityTimeout", "", "InvalidAttributeValue"},
		{"VisibilityTimeout", "1.5", "InvalidAttributeValue"},
		{"MessageRetentionPeriod", "59", "InvalidAttributeValue"},
		{"MessageRetentionPeriod", "1209601", "InvalidAttributeValue"},
		{"MaximumMessageSize", "1023", "InvalidAttributeValue"},
		{"MaximumMessageSize", "1048577", "InvalidAttributeValue"},
		{"ReceiveMessageWaitTimeSeconds", "21", "InvalidAttributeValue"},
		{"SqsManagedSseEnabled", "yes", "InvalidAttributeValue"},
		{"Policy", "{", "InvalidAttributeValue"},
		{"Colour", "red", "InvalidAttributeName"},
		{"FifoQueue", "true", "AWS.SimpleQueueService.UnsupportedOperation"},
		{"KmsMasterKeyId", "alias/aws/sqs", "AWS.SimpleQueueService.UnsupportedOperation"},
		{"RedrivePolicy", "{", "InvalidParameterValue"},
		{"RedrivePolicy", `{"maxReceiveCount":3}`, "InvalidParameterValue"},
		{"RedrivePolicy", s.deadLetters("missing", 3), "InvalidParameterValue"},
		{"RedrivePolicy", s.deadLetters("work", 3), "InvalidParameterValue"},
		{"RedrivePolicy", s.deadLetters("closed", 3), "InvalidParameterValue"},
		{"RedrivePolicy", s.deadLetters("choosy", 3), "InvalidParameterValue"},
		{"RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:choosy","maxReceiveCount":3}`,
			"InvalidParameterValue"},
		{"RedriveAllowPolicy", `{"redrivePermission":"some"}`, "InvalidParameterValue"},
		{"RedriveAllowPolicy", `{"redrivePermission":"byQueue"}`, "InvalidParameterValue"},
	} {
		before := s.attributes(url)
		_, err := s.SetQueueAttributes(t.Context(),
			&sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{c.name: c.value}})
		if err == nil {
			t.Fatalf("%s=%q was accepted", c.name, c.value)
		}
		if got := code(t, err); got != c.code {
			t.Errorf("%s=%q: %v, want %s", c.name, c.value, err, c.code)
		}
		if after := s.attributes(url); len(after) != len(before) {
			t.Errorf("%s=%q was refused and changed the queue", c.name, c.value)
		}
	}
	for _, maximum := range []string{"0", "1001", `"x"`, "null", "1.5"} {
		policy := `{"deadLetterTargetArn":"` + s.server.QueueARN("work") + `","maxReceiveCount":` + maximum + `}`
		_, err := s.CreateQueue(t.Context(),
			&sqs.CreateQueueInput{QueueName: aws.String("new"), Attributes: map[string]string{"RedrivePolicy": policy}})
		wantCode(t, err, "InvalidParameterValue")
	}
	s.queue("friend", "RedrivePolicy", s.deadLetters("choosy", 3))
	s.queue("spelled", "RedrivePolicy", `{"deadLetterTargetArn":"`+s.server.QueueARN("work")+`","maxReceiveCount":"3"}`)
	_, err := s.GetQueueAttributes(t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"Colour"}})
	isError[*types.InvalidAttributeName](t, err)
}

func TestQueueAttributesAreGivenBack(t *testing.T) {
	s := open(t)
	s.queue("dead")
	url := s.queue("work", "VisibilityTimeout", "360", "RedrivePolicy", s.deadLetters("dead", 5), "Policy",
		`{"Version":"2012-10-17"}`)
	s.move(time.Hour)
	_, err := s.SetQueueAttributes(t.Context(),
		&sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": ""}})
	s.ok(err)
	got := s.attributes(url)
	created, changed := got["CreatedTimestamp"], got["LastModifiedTimestamp"]
	if created != "1777863721" || changed != "1777867321" {
		t.Errorf("created %s, modified %s", created, changed)
	}
	for name, want := range map[string]string{
		"QueueArn": "arn:aws:sqs:us-east-1:000000000000:work", "VisibilityTimeout": "360", "DelaySeconds": "0",
		"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"RedrivePolicy": s.deadLetters("dead", 5), "SqsManagedSseEnabled": "true", "Policy": "",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	out, err := s.GetQueueAttributes(t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	s.ok(err)
	if len(out.Attributes) != 1 {
		t.Errorf("asked for one attribute, got %v", out.Attributes)
	}
}

func TestDeletedQueueIsGoneAndItsNameRestsAMinute(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	s.send(url, "lost")
	_, err := s.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: url})
	s.ok(err)
	_, err = s.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	isError[*types.QueueDoesNotExist](t, err)
	_, err = s.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("work")})
	isError[*types.QueueDeletedRecently](t, err)
	s.move(time.Minute)
	s.queue("work")
	s.none(url)
}

func TestPurgedQueueIsEmptyAndNotPurgedAgainAtOnce(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	s.send(url, "a")
	s.send(url, "b")
	if got := len(s.receive(url)); got != 2 {
		t.Fatalf("received %d messages", got)
	}
	purge := func() error {
		_, err := s.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: url})
		return err
	}
	s.ok(purge())
	s.wantCounts(url, "0 0 0")
	isError[*types.PurgeQueueInProgress](t, purge())
	s.move(time.Minute)
	s.ok(purge())
}

func TestDeadLetterSourcesAreListed(t *testing.T) {
	s := open(t)
	dead := s.queue("dead")
	for _, name := range []string{"one", "two", "three"} {
		s.queue(name, "RedrivePolicy", s.deadLetters("dead", 3))
	}
	s.queue("other")
	var urls []string
	pages := sqs.NewListDeadLetterSourceQueuesPaginator(s.Client,
		&sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead, MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		s.ok(err)
		urls = append(urls, page.QueueUrls...)
	}
	want := []string{s.server.QueueURL("one"), s.server.QueueURL("three"), s.server.QueueURL("two")}
	if !slices.Equal(urls, want) {
		t.Fatalf("sources are %v", urls)
	}
}

func TestQueueNamesAndAddressesAreChecked(t *testing.T) {
	s := open(t)
	for _, name := range []string{"a b", "a/b", "a.fifo", "../etc", strings.Repeat("a", 81), "é"} {
		_, err := s.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		wantCode(t, err, "InvalidParameterValue")
	}
	_, err := s.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("")})
	wantCode(t, err, "MissingParameter")
	_, err = s.CreateQueue(t.Context(),
		&sqs.CreateQueueInput{QueueName: aws.String("work"), Tags: map[string]string{"a": "b"}})
	isError[*types.UnsupportedOperation](t, err)
	for _, url := range []string{"work", "http://127.0.0.1/work", "http://127.0.0.1/111111111111/work",
		"http://h/000000000000/a/b", "http://[", ":"} {
		_, err := s.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		isError[*types.InvalidAddress](t, err)
	}
	_, err = s.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: aws.String("https://elsewhere/000000000000/work")})
	isError[*types.QueueDoesNotExist](t, err)
	_, err = s.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: aws.String("")})
	wantCode(t, err, "MissingParameter")
	if err := s.server.CreateQueue(t.Context(), "a b", nil); err == nil || !strings.Contains(err.Error(), `"a b"`) {
		t.Errorf("error %v does not name the queue", err)
	}
}

func TestMaxReceiveCountOfARedrivePolicyIsKeptAsGiven(t *testing.T) {
	s := open(t)
	s.queue("dead")
	url := s.queue("work", "RedrivePolicy", s.deadLetters("dead", 7))
	var policy struct {
		MaxReceiveCount int `json:"maxReceiveCount"`
	}
	s.ok(json.Unmarshal([]byte(s.attributes(url)["RedrivePolicy"]), &policy))
	if policy.MaxReceiveCount != 7 {
		t.Fatalf("maxReceiveCount is %d", policy.MaxReceiveCount)
	}
}
