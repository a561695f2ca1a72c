package localsqs_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestReceivedMessageIsHiddenUntilItsVisibilityTimeoutEnds(t *testing.T) {
	s := open(t)
	url := s.queue("work", "VisibilityTimeout", "30")
	id := s.send(url, "hello")
	m := s.one(url)
	if *m.MessageId != id || *m.Body != "hello" {
		t.Fatalf("received %q %q", *m.MessageId, *m.Body)
	}
	s.wantCounts(url, "0 1 0")
	s.move(30*time.Second - time.Millisecond)
	s.none(url)
	s.move(time.Millisecond)
	again := s.one(url)
	if *again.ReceiptHandle == *m.ReceiptHandle || again.Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("second receive: %+v", again)
	}
	s.delete(url, again)
	s.wantCounts(url, "0 0 0")
}

func TestReceiveCanChooseTheVisibilityTimeout(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	s.send(url, "x")
	out, err := s.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, VisibilityTimeout: 90})
	s.ok(err)
	if len(out.Messages) != 1 || out.Messages[0].Attributes != nil {
		t.Fatalf("received %+v", out.Messages)
	}
	s.move(89 * time.Second)
	s.none(url)
	s.move(time.Second)
	s.one(url)
}

func TestOneReceiveGivesNoMessageTwice(t *testing.T) {
	s := open(t)
	dead := s.queue("dead")
	url := s.queue("work", "RedrivePolicy", s.deadLetters("dead", 2), "VisibilityTimeout", "0")
	receive := func() map[string]int {
		t.Helper()
		out, err := s.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		s.ok(err)
		got := map[string]int{}
		for _, m := range out.Messages {
			got[*m.Body]++
		}
		return got
	}
	want := map[string]int{}
	for _, body := range []string{"a", "b", "c", "d"} {
		s.send(url, body)
		want[body] = 1
	}
	for range 2 {
		if got := receive(); !maps.Equal(got, want) {
			t.Errorf("one receive without hiding gave %v, want %v", got, want)
		}
	}
	// The first four go to the dead letters in between.
	s.send(url, "e")
	if got := receive(); !maps.Equal(got, map[string]int{"e": 1}) {
		t.Errorf("beside messages that went to the dead letters: %v, want e once", got)
	}
	s.wantCounts(dead, "4 0 0")
}

func TestSystemAttributesTellTimesAndReceives(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	sent := s.clock.Now()
	s.send(url, "x")
	s.move(5 * time.Second)
	first := s.clock.Now()
	s.one(url)
	s.move(31 * time.Second)
	want := map[string]string{
		"SenderId": "000000000000", "ApproximateReceiveCount": "2",
		"SentTimestamp":                    fmt.Sprint(sent.UnixMilli()),
		"ApproximateFirstReceiveTimestamp": fmt.Sprint(first.UnixMilli()),
	}
	if got := s.one(url).Attributes; !maps.Equal(got, want) {
		t.Fatalf("attributes %v, want %v", got, want)
	}
	s.move(31 * time.Second)
	// The name of the parameter in older clients.
	got := s.call(call{op: "ReceiveMessage", body: `{"QueueUrl":"` + *url + `","AttributeNames":["SentTimestamp"]}`})
	if !strings.Contains(got.text, `"Attributes":{"SentTimestamp":"`+want["SentTimestamp"]+`"}`) {
		t.Fatalf("asked in the old way for SentTimestamp, got %s", got.text)
	}
}

func TestDelayedMessageComesWhenItsDelayEnds(t *testing.T) {
	s := open(t)
	url := s.queue("work", "DelaySeconds", "10")
	s.send(url, "queue's delay")
	_, err := s.SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("own delay"), DelaySeconds: 20})
	s.ok(err)
	s.wantCounts(url, "0 0 2")
	s.none(url)
	s.move(10 * time.Second)
	if m := s.one(url); *m.Body != "queue's delay" {
		t.Fatalf("received %q", *m.Body)
	}
	s.move(10 * time.Second)
	if m := s.one(url); *m.Body != "own delay" {
		t.Fatalf("received %q", *m.Body)
	}
	_, err = s.SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), DelaySeconds: 901})
	wantCode(t, err, "InvalidParameterValue")
}

func TestMessageBeyondRetentionIsGone(t *testing.T) {
	s := open(t)
	url := s.queue("work", "MessageRetentionPeriod", "60")
	s.ok(s.server.Send(t.Context(), "work", "x", "tag"))
	s.move(time.Minute - time.Millisecond)
	m := s.one(url)
	s.wantCounts(url, "0 1 0")
	s.move(time.Millisecond)
	s.wantCounts(url, "0 0 0")
	if found, err := s.server.Holds(t.Context(), "work", "tag"); err != nil || found {
		t.Fatalf("holds %v, %v", found, err)
	}
	_, err := s.ChangeMessageVisibility(t.Context(),
		&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
	isError[*types.MessageNotInflight](t, err)
	s.move(time.Minute)
	s.none(url)
}

// An old handle must never act on a message that somebody else holds since.
func TestStaleReceiptHandleDeletesAndHidesNothing(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	s.send(url, "x")
	old := s.one(url)
	s.move(31 * time.Second)
	// Nobody received it since: SQS lets the newest handle delete a visible message, but not hide it.
	_, err := s.ChangeMessageVisibility(t.Context(),
		&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: old.ReceiptHandle, VisibilityTimeout: 60})
	isError[*types.MessageNotInflight](t, err)
	now := s.one(url)
	s.delete(url, old)
	s.wantCounts(url, "0 1 0")
	_, err = s.ChangeMessageVisibility(t.Context(),
		&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: old.ReceiptHandle})
	isError[*types.MessageNotInflight](t, err)
	wantCode(t, err, "AWS.SimpleQueueService.MessageNotInflight")
	s.wantCounts(url, "0 1 0")
	s.move(31 * time.Second)
	s.delete(url, now)
	s.wantCounts(url, "0 0 0")
	s.delete(url, now)
	_, err = s.ChangeMessageVisibility(t.Context(),
		&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: now.ReceiptHandle})
	isError[*types.MessageNotInflight](t, err)
}

func TestReceiptHandleOfNothingIsRefused(t *testing.T) {
	s := open(t)
	url, other := s.queue("work"), s.queue("other")
	s.send(other, "x")
	foreign := *s.one(other).ReceiptHandle
	for _, handle := range []string{"x", "AAAA", strings.Repeat("A", 200), "*", foreign, foreign + "AAAA"} {
		_, err := s.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: &handle})
		isError[*types.ReceiptHandleIsInvalid](t, err)
	}
	_, err := s.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("")})
	wantCode(t, err, "MissingParameter")
	s.wantCounts(other, "0 1 0")
}

func TestVisibilityOfAHeldMessageCanBeChanged(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	s.send(url, "x")
	m := s.one(url)
	change := func(seconds int32) error {
		_, err := s.ChangeMessageVisibility(t.Context(),
			&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
		return err
	}
	s.ok(change(100))
	s.move(99 * time.Second)
	s.none(url)
	wantCode(t, change(43200), "InvalidParameterValue") // beyond twelve hours from the receive
	wantCode(t, change(43201), "InvalidParameterValue")
	wantCode(t, change(-1), "InvalidParameterValue")
	s.ok(change(0))
	s.wantCounts(url, "1 0 0")
	s.one(url)
}

func TestBodyLimitsAndCharacters(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	for _, body := range []string{"a\tb\r\nc", "\ufffd", "\U0010ffff", `<&>" \ ` + "\u2028", strings.Repeat("x", 1<<20),
		"\U0001F4A9"} {
		s.send(url, body)
		m := s.one(url)
		if *m.Body != body {
			t.Fatalf("a body of %d bytes came back as one of %d", len(body), len(*m.Body))
		}
		s.delete(url, m)
	}
	for _, body := range []string{"\x00", "\x1f", "\ufffe", "\uffff", "a\bb"} {
		_, err := s.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
		isError[*types.InvalidMessageContents](t, err)
	}
	_, err := s.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("")})
	wantCode(t, err, "MissingParameter")
	_, err = s.SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
	wantCode(t, err, "InvalidParameterValue")
	small := s.queue("small", "MaximumMessageSize", "1024")
	_, err = s.SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: small, MessageBody: aws.String(strings.Repeat("x", 1020)),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": text("String", "b")}})
	wantCode(t, err, "InvalidParameterValue") // the attributes count
	if err := s.server.Send(t.Context(), "small", strings.Repeat("x", 1025), ""); err == nil {
		t.Error("a message sent in process escaped the limit")
	}
	if err := s.server.Send(t.Context(), "none", "x", ""); err == nil || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("sending to a queue that is not there: %v", err)
	}
}

func text(kind, value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
}

func TestMessageAttributesAreStoredAndDigested(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	attributes := map[string]types.MessageAttributeValue{
		"name":      text("String", "Käfer"),
		"bar.count": text("Number.int", "-12.5e3"),
		"bar.bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
	}
	sent, err := s.SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), MessageAttributes: attributes,
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
				"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1")}}})
	s.ok(err)
	// The digest is over the attributes by name; each number is a length in four bytes, big end first.
	var all bytes.Buffer
	for _, part := range []string{
		"\x00\x00\x00\x09bar.bytes\x00\x00\x00\x06Binary\x02\x00\x00\x00\x02\x00\xff",
		"\x00\x00\x00\x09bar.count\x00\x00\x00\x0aNumber.int\x01\x00\x00\x00\x07-12.5e3",
		"\x00\x00\x00\x04name\x00\x00\x00\x06String\x01\x00\x00\x00\x06Käfer",
	} {
		all.WriteString(part)
	}
	sum := md5.Sum(all.Bytes())
	want := hex.EncodeToString(sum[:])
	if *sent.MD5OfMessageAttributes != want || sent.MD5OfMessageSystemAttributes == nil {
		t.Fatalf("digest on send %q, want %q", *sent.MD5OfMessageAttributes, want)
	}
	m := s.one(url)
	if len(m.MessageAttributes) != 3 || *m.MD5OfMessageAttributes != want ||
		*m.MessageAttributes["name"].StringValue != "Käfer" ||
		*m.MessageAttributes["bar.count"].DataType != "Number.int" ||
		!bytes.Equal(m.MessageAttributes["bar.bytes"].BinaryValue, []byte{0, 255}) {
		t.Fatalf("received %+v", m.MessageAttributes)
	}
	if m.Attributes["AWSTraceHeader"] != "Root=1" {
		t.Errorf("system attributes %v", m.Attributes)
	}
	for _, c := range []struct{ asked, want []string }{
		{[]string{"name"}, []string{"name"}},
		{[]string{"bar.*"}, []string{"bar.bytes", "bar.count"}},
		{[]string{".*"}, []string{"bar.bytes", "bar.count", "name"}},
		{[]string{"ba.*", "other"}, nil},
		{nil, nil},
	} {
		s.move(31 * time.Second)
		out, err := s.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MessageAttributeNames: c.asked})
		s.ok(err)
		got := slices.Sorted(maps.Keys(out.Messages[0].MessageAttributes))
		if !slices.Equal(got, c.want) || (out.Messages[0].MD5OfMessageAttributes == nil) != (len(c.want) == 0) {
			t.Errorf("asked for %v, got %v", c.asked, got)
		}
	}
}

func TestMessageAttributesAreChecked(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	eleven := map[string]types.MessageAttributeValue{}
	for i := range 11 {
		eleven[fmt.Sprint("a", i)] = text("String", "x")
	}
	one := func(name string, v types.MessageAttributeValue) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: v}
	}
	for i, bad := range []map[string]types.MessageAttributeValue{
		eleven,
		one("", text("String", "x")), one("a b", text("String", "x")), one(".a", text("String", "x")),
		one("a.", text("String", "x")),
		one("a..b", text("String", "x")), one("AWS.a", text("String", "x")), one("amazon.a", text("String", "x")),
		one(strings.Repeat("a", 257), text("String", "x")),
		one("a", text("Text", "x")), one("a", text("String", "")), one("a", text("Number", "one")),
		one("a", text("String."+strings.Repeat("a", 256), "x")),
		one("a", types.MessageAttributeValue{DataType: aws.String("Binary"), StringValue: aws.String("x")}),
		one("a", types.MessageAttributeValue{DataType: aws.String("String"), BinaryValue: []byte("x")}),
	} {
		_, err := s.SendMessage(t.Context(),
			&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), MessageAttributes: bad})
		if err == nil {
			t.Fatalf("attributes %d were accepted", i)
		}
		wantCode(t, err, "InvalidParameterValue")
	}
	_, err := s.SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"),
			MessageAttributes: one("a", text("String", "\x00"))})
	isError[*types.InvalidMessageContents](t, err)
	_, err = s.SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
	wantCode(t, err, "InvalidParameterValue")
	_, err = s.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"),
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"Other": {DataType: aws.String("String"), StringValue: aws.String("x")}}})
	wantCode(t, err, "InvalidParameterValue")
	s.wantCounts(url, "0 0 0")
}

func TestReceiveParametersAreChecked(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	for _, in := range []sqs.ReceiveMessageInput{{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1},
		{WaitTimeSeconds: 21}, {WaitTimeSeconds: -1}, {VisibilityTimeout: 43201}} {
		in.QueueUrl = url
		_, err := s.ReceiveMessage(t.Context(), &in)
		wantCode(t, err, "InvalidParameterValue")
	}
}

func TestHoldsFindsWhatAClientSentByItsBody(t *testing.T) {
	o := options(t, filepath.Join(t.TempDir(), "queue.db"), newClock())
	o.Tag = func(body string) string { return "about " + body }
	s := serveWith(t, o)
	url := s.queue("work")
	_, err := s.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	s.ok(err)
	_, err = s.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: url,
		Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("1"), MessageBody: aws.String("y")}}})
	s.ok(err)
	s.ok(s.server.Send(t.Context(), "work", "z", "its own"))
	for tag, want := range map[string]bool{"about x": true, "about y": true, "about z": false, "its own": true} {
		if found, err := s.server.Holds(t.Context(), "work", tag); err != nil || found != want {
			t.Errorf("%s: held %t, %v", tag, found, err)
		}
	}
}

func TestHoldsFindsATaggedMessageWhereverItIs(t *testing.T) {
	s := open(t)
	s.queue("dead")
	url := s.queue("work", "RedrivePolicy", s.deadLetters("dead", 1))
	holds := func(tag string) bool {
		t.Helper()
		found, err := s.server.Holds(t.Context(), "work", tag)
		s.ok(err)
		return found
	}
	s.ok(s.server.Send(t.Context(), "work", "x", "key v1"))
	s.ok(s.server.Send(t.Context(), "dead", "other", "key v2"))
	s.ok(s.server.Send(t.Context(), "dead", "untagged", ""))
	if !holds("key v1") || !holds("key v2") || holds("key v3") || holds("") {
		t.Fatal("visible messages are not found by their tags")
	}
	m := s.one(url)
	if !holds("key v1") {
		t.Fatal("a message in flight is not found")
	}
	s.move(31 * time.Second)
	s.none(url)
	if !holds("key v1") {
		t.Fatal("a message in the dead letters is not found")
	}
	s.delete(url, m) // its handle is older than the move
	if !holds("key v1") {
		t.Fatal("a handle from before the move deleted a dead letter")
	}
	for _, m := range s.receive(aws.String(s.server.QueueURL("dead"))) {
		s.delete(aws.String(s.server.QueueURL("dead")), m)
	}
	if holds("key v1") {
		t.Fatal("a deleted message is found")
	}
	if _, err := s.server.Holds(t.Context(), "none", "x"); err == nil {
		t.Fatal("a queue that is not there holds nothing, without an error")
	}
}
