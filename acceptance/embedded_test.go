//go:build acceptance

package acceptance

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOtherClientsUseTheEmbeddedStack: boto3 and the AWS CLI find in `hatchery dev`
// the S3 and SQS that they know, with what dev tells a person to export.
func TestOtherClientsUseTheEmbeddedStack(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "hatchery")
	mustRun(t, command{folder: moduleRoot(t), limit: 5 * time.Minute, env: bareEnvironment(t, "CGO_ENABLED=0"),
		args: []string{tool(t, "go"), "build", "-o", program, "./cmd/hatchery"}})
	dev := serve(t, "dev", nil, program, "dev", "--json", "--data", filepath.Join(folder, "data"), "--listen",
		"127.0.0.1:0")
	var ready struct {
		Msg string
		Env map[string]string
	}
	eventually(t, time.Minute, "hatchery dev is ready", func() (bool, string) {
		line, _, whole := strings.Cut(dev.tail(64<<10), "\n")
		return whole && json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready", line
	})
	var exports []string
	for name, value := range ready.Env {
		exports = append(exports, name+"="+value)
	}
	env := bareEnvironment(t, exports...)

	t.Run("boto3", func(t *testing.T) {
		mustRun(t, command{args: []string{tool(t, "python"), filepath.Join("testdata", "clients.py")}, env: env,
			limit: time.Minute})
	})
	t.Run("the AWS CLI", func(t *testing.T) {
		cli := func(args ...string) string {
			return mustRun(t, command{args: append([]string{tool(t, "aws"), "--output", "json"}, args...), env: env}).stdout
		}
		file := write(t, filepath.Join(folder, "note.txt"), "a note")
		copied := filepath.Join(folder, "copy.txt")
		at := "s3://" + ready.Env["HATCHERY_BUCKET"] + "/cli/note.txt"
		cli("s3", "cp", file, at)
		cli("s3", "cp", at, copied)
		mustRun(t, command{args: []string{"cmp", file, copied}})
		if listed := cli("s3api", "list-object-versions", "--bucket", ready.Env["HATCHERY_BUCKET"], "--prefix",
			"cli/"); strings.Count(listed, `"VersionId"`) != 1 {
			t.Errorf("the versions are %s", listed)
		}
		cli("s3", "rm", at)

		sqs := func(args ...string) string {
			return cli(append([]string{"sqs", "--endpoint-url", ready.Env["AWS_ENDPOINT_URL_SQS"]}, args...)...)
		}
		dead := ready.Env["HATCHERY_DEAD_LETTER_URL"]
		sqs("send-message", "--queue-url", dead, "--message-body", "a note")
		var got struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		check(t, json.Unmarshal([]byte(sqs("receive-message", "--queue-url", dead)), &got))
		if len(got.Messages) != 1 || got.Messages[0].Body != "a note" {
			t.Fatalf("received %+v", got)
		}
		sqs("delete-message", "--queue-url", dead, "--receipt-handle", got.Messages[0].ReceiptHandle)
		if attributes := sqs("get-queue-attributes", "--queue-url", ready.Env["HATCHERY_QUEUE_URL"], "--attribute-names",
			"All"); !strings.Contains(attributes, "RedrivePolicy") {
			t.Errorf("the queue's attributes are %s", attributes)
		}
	})
}
