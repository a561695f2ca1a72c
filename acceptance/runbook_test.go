//go:build acceptance

package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/arrival"
	"hatchery/shared/local/localsqs"
)

// runbook follows docs/operations.md with what it tells a person to type, against the embedded SQS.
type runbook struct {
	t       *testing.T
	folder  string
	env     []string
	client  *sqs.Client
	queue   string // URLs
	dead    string
	deadARN string
}

func newRunbook(t *testing.T) *runbook {
	t.Helper()
	const key, secret = "HATCHERYTEST", "a-secret-for-tests"
	server, err := localsqs.Open(t.Context(), localsqs.Options{Path: filepath.Join(t.TempDir(), "queue.db"),
		Listen: "127.0.0.1:0", Region: region, AccessKey: key, SecretKey: secret})
	check(t, err)
	t.Cleanup(func() { check(t, server.Close(context.Background())) })
	b := &runbook{t: t, folder: t.TempDir(), queue: server.QueueURL("uploads"), dead: server.QueueURL("dead"),
		deadARN: server.QueueARN("dead")}
	check(t, server.CreateQueue(t.Context(), "dead", nil))
	check(t, server.CreateQueue(t.Context(), "uploads", map[string]string{"VisibilityTimeout": "0",
		"RedrivePolicy": `{"deadLetterTargetArn":"` + b.deadARN + `","maxReceiveCount":1}`}))
	b.client = sqs.New(sqs.Options{Region: region, BaseEndpoint: aws.String(server.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
	// AWS CLI 1 needs the endpoint at each `aws sqs`, as the page says.
	cli := filepath.Join(b.folder, "bin", "aws")
	check(t, os.MkdirAll(filepath.Dir(cli), 0o700))
	script := fmt.Sprintf("#!/bin/sh\nexec %q --endpoint-url %q \"$@\"\n", tool(t, "aws"), server.URL())
	check(t, os.WriteFile(cli, []byte(script), 0o700)) //nolint:gosec // it is a program
	b.env = bareEnvironment(t, "PATH="+filepath.Dir(cli)+":"+os.Getenv("PATH"), "AWS_REGION="+region,
		"AWS_DEFAULT_REGION="+region, "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret,
		"queue="+b.queue, "dead="+b.dead, "dead_arn="+b.deadARN)
	return b
}

// dies sends a message that becomes a dead letter at its second reception.
func (b *runbook) dies(body string) {
	b.t.Helper()
	_, err := b.client.SendMessage(b.t.Context(), &sqs.SendMessageInput{QueueUrl: &b.queue, MessageBody: &body})
	check(b.t, err)
	for range 2 {
		_, err := b.client.ReceiveMessage(b.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &b.queue})
		check(b.t, err)
	}
}

// types runs what stands in a code block.
func (b *runbook) types(block string) string {
	b.t.Helper()
	return mustRun(b.t, command{args: []string{tool(b.t, "bash"), "-euo", "pipefail", "-c", block}, folder: b.folder,
		env: b.env}).stdout
}

// has says how many messages a queue has: visible and in flight.
func (b *runbook) has(queue string) string {
	b.t.Helper()
	out, err := b.client.GetQueueAttributes(b.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queue,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	check(b.t, err)
	return out.Attributes["ApproximateNumberOfMessages"] + " " +
		out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

func (b *runbook) want(uploads, dead string) {
	b.t.Helper()
	if b.has(b.queue) != uploads || b.has(b.dead) != dead {
		b.t.Errorf("the queue has %s, want %s; the dead letters are %s, want %s (visible, in flight)", b.has(b.queue),
			uploads, b.has(b.dead), dead)
	}
}

// moved types the last block, and waits for the task's end; it gives how many were moved.
func (b *runbook) moved(block string) (n int) {
	b.t.Helper()
	b.types(block)
	eventually(b.t, 20*time.Second, "the move task ends", func() (bool, string) {
		out, err := b.client.ListMessageMoveTasks(b.t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &b.deadARN})
		check(b.t, err)
		n = int(out.Results[0].ApproximateNumberOfMessagesMoved)
		return aws.ToString(out.Results[0].Status) == "COMPLETED", aws.ToString(out.Results[0].Status)
	})
	return n
}

// codeBlocks are the indented blocks of a page of the project under a heading, which is written with its "##".
func codeBlocks(t testing.TB, page, heading string) []string {
	t.Helper()
	all, err := os.ReadFile(filepath.Join(moduleRoot(t), page))
	check(t, err)
	_, text, found := strings.Cut(string(all), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no chapter %q", page, heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	text, _, _ = strings.Cut(text, "\n"+level+" ")
	var blocks []string
	inside := false
	for line := range strings.Lines(text) {
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && inside:
			blocks[len(blocks)-1] += code
		case indented:
			blocks = append(blocks, code)
		}
		inside = indented
	}
	return blocks
}

// TestTheRunbookOfDeadLettersWorksInItsOrder: four letters, of which one is poison, one is moved back alone, and the
// rest by a redrive.
func TestTheRunbookOfDeadLettersWorksInItsOrder(t *testing.T) {
	blocks := codeBlocks(t, "docs/operations.md", "### Dead letters")
	if len(blocks) != 7 {
		t.Fatalf("the chapter has %d blocks of commands, and this test knows 7: %q", len(blocks), blocks)
	}
	count, look, choose, remove, moveOne, giveBack, moveRest := blocks[0], blocks[1], blocks[2], blocks[3], blocks[4],
		blocks[5], blocks[6]
	b := newRunbook(t)
	const poison = "no notification"
	b.dies(poison)
	keys := []string{"quarantine/j/entries/e/images/1", "quarantine/j/entries/e/images/2", "quarantine/j/entries/e/images/3"}
	for n, key := range keys {
		body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Region: region,
			Bucket: "uploads", Key: key, VersionID: fmt.Sprint("v", n), Sequencer: "1", Size: 1})
		check(t, err)
		b.dies(string(body))
	}
	b.want("0 0", "4 0")

	var counted struct{ Attributes map[string]string }
	check(t, json.Unmarshal([]byte(b.types(count)), &counted))
	if counted.Attributes["ApproximateNumberOfMessages"] != "4" {
		t.Errorf("the count is %v", counted)
	}
	b.want("0 0", "4 0") // and nothing was received

	listed := map[string]string{} // what a letter is about → its message id
	for line := range strings.Lines(b.types(look)) {
		id, about, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed[about] = id
	}
	for n, key := range keys {
		if listed[fmt.Sprintf("%s v%d", key, n)] == "" {
			t.Errorf("%s is not listed: %v", key, listed)
		}
	}
	poisonID := listed["not a notification: "+poison]
	if len(listed) != 4 || poisonID == "" {
		t.Fatalf("listed are %v", listed)
	}
	b.want("0 0", "0 4")

	// Why the order is what it is.
	if n := b.moved(moveRest); n != 0 {
		t.Errorf("with all letters in flight %d were moved", n)
	}
	b.want("0 0", "0 4")

	of := func(id string) { b.types(strings.ReplaceAll(choose, "MESSAGE-ID", id)) }
	of(poisonID)
	b.types(remove)
	b.want("0 0", "0 3")
	of(listed[keys[0]+" v0"])
	b.types(moveOne)
	b.want("1 0", "0 2")
	b.types(giveBack)
	b.want("1 0", "2 0")
	if n := b.moved(moveRest); n != 2 {
		t.Errorf("%d letters were moved, want 2", n)
	}
	b.want("3 0", "0 0")
}
