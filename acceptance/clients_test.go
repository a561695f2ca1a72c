//go:build acceptance

package acceptance

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// otherClients: what people use beside Go. boto3 and requests upload by a form and
// read by a signed link; the AWS CLI looks at what there is, as an operator does.
func otherClients(t *testing.T, s *stack) {
	e, picture := s.newEntry(), picture(t)
	f, err := e.form(t.Context(), "images", map[string]any{"name": "cat.gif", "size": len(picture)})
	check(t, err)
	form, err := json.Marshal(f.Form)
	check(t, err)
	file := write(t, filepath.Join(t.TempDir(), "cat.gif"), string(picture))
	env := s.environment(t)

	t.Run("requests fills a form", func(t *testing.T) {
		const script = `
import json, sys, requests
form = json.loads(sys.argv[1])
with open(sys.argv[2], "rb") as file:
    answer = requests.post(form["url"], data=form["fields"], files={"file": ("cat.gif", file)}, timeout=20)
print(answer.status_code, answer.text)
answer.raise_for_status()`
		mustRun(t, command{args: []string{tool(t, "python"), "-c", script, string(form), file}, env: env})
		_, err := e.stored(t.Context(), f.Record)
		check(t, err)
	})
	t.Run("boto3 reads what is stored, and cannot overwrite it by the form", func(t *testing.T) {
		const script = `
import sys, boto3, requests
bucket, key, file = sys.argv[1:]
s3 = boto3.client("s3")
want = open(file, "rb").read()
got = s3.get_object(Bucket=bucket, Key=key)
assert got["Body"].read() == want and got["ContentType"] == "image/gif", got
link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key, "VersionId": got["VersionId"]}, ExpiresIn=60)
assert requests.get(link, timeout=20).content == want
assert [v["VersionId"] for v in s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]] == [got["VersionId"]]`
		mustRun(t, command{args: []string{tool(t, "python"), "-c", script, s.bucket, e.filesKey(f.Record), file}, env: env})
	})
	t.Run("the AWS CLI lists, reads and looks at dead letters", func(t *testing.T) {
		cli := func(args ...string) string {
			return mustRun(t, command{args: append([]string{tool(t, "aws")}, args...), env: env}).stdout
		}
		copied := filepath.Join(t.TempDir(), "copy.gif")
		cli("s3", "cp", "s3://"+s.bucket+"/"+e.filesKey(f.Record), copied)
		mustRun(t, command{args: []string{"cmp", file, copied}})

		note := "looked at " + entryID()
		_, err := s.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.dead, MessageBody: aws.String(note)})
		check(t, err)
		var got struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		check(t, json.Unmarshal([]byte(cli("sqs", "receive-message", "--endpoint-url", s.endpoint, "--queue-url", s.dead,
			"--output", "json")), &got))
		if len(got.Messages) != 1 || got.Messages[0].Body != note {
			t.Fatalf("the dead letters are %+v, want %q", got, note)
		}
		cli("sqs", "delete-message", "--endpoint-url", s.endpoint, "--queue-url", s.dead, "--receipt-handle",
			got.Messages[0].ReceiptHandle)
	})
	t.Run("the SAM CLI invokes a function, and shows logs and endpoints", func(t *testing.T) {
		sam := func(args ...string) string {
			return mustRun(t, command{
				args: append([]string{tool(t, "sam")}, append(args, "--stack-name", s.name, "--region", region)...), env: env,
				limit: time.Minute}).stdout
		}
		var answer struct {
			StatusCode int    `json:"statusCode"`
			Body       string `json:"body"`
		}
		check(t, json.Unmarshal([]byte(sam("remote", "invoke", "ApiFunction", "--event-file",
			filepath.Join(moduleRoot(t), "events", "api-http-ping.json"))), &answer))
		if answer.StatusCode != 200 {
			t.Errorf("/ping is answered %+v", answer)
		}
		if logs := sam("logs", "-n", "ApiFunction"); len(logs) == 0 {
			t.Error("there are no logs")
		}
		sam("list", "endpoints", "--output", "json", "--template-file", filepath.Join(moduleRoot(t), "template.yaml"))
	})
}
