//go:build acceptance

package acceptance

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/upload"
)

// containersHost is what podman's containers call the machine they run on.
const containersHost = "host.containers.internal"

// localDev is a running `hatchery dev` that containers can reach, without a
// validator, and with the uploads that the sample events are about.
type localDev struct {
	api  string // dev's own
	data string // its folder
	env  map[string]string
	// client reaches this machine by the name that containers call it.
	client *http.Client
}

// devReady is what `hatchery dev --json` prints when it is ready.
type devReady struct {
	Msg, API, Application string
	Env                   map[string]string
}

// devProgram builds the command.
func devProgram(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "hatchery")
	mustRun(t, command{folder: moduleRoot(t), limit: 5 * time.Minute, env: bareEnvironment(t, "CGO_ENABLED=0"),
		args: []string{tool(t, "go"), "build", "-o", program, "./cmd/hatchery"}})
	return program
}

// startDev starts `hatchery dev` with records in DynamoDB and waits until it is ready.
func startDev(t testing.TB, program string, args ...string) (dev *server, ready devReady) {
	t.Helper()
	args = append([]string{program, "dev", "--json", "--listen", "127.0.0.1:0", "--records", "dynamodb"}, args...)
	dev = serve(t, "dev", nil, args...)
	eventually(t, time.Minute, "hatchery dev is ready", func() (bool, string) {
		if dev.ended() {
			t.Fatalf("dev ended:\n%s", dev.tail(4000))
		}
		line, _, whole := strings.Cut(dev.tail(64<<10), "\n")
		return whole && json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready", line
	})
	return dev, ready
}

func startLocalDev(t testing.TB) localDev {
	t.Helper()
	d := localDev{data: filepath.Join(t.TempDir(), "data")}
	_, ready := startDev(t, devProgram(t), "--no-validator", "--data", d.data,
		"--dynamodb", *serveDynamoDBLocal(t).Options().BaseEndpoint,
		"--containers", "0.0.0.0:0", "--containers-host", containersHost, "--samples", filepath.Join(moduleRoot(t), "events"))
	d.api, d.env = ready.API, ready.Env
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	d.client = &http.Client{Timeout: time.Minute, Transport: transport}
	return d
}

// envVars is the file for `sam local --env-vars`.
func (d localDev) envVars() string { return filepath.Join(d.data, "sam-local.json") }

// caller is who keeps files in an entry, asking an API that dev is behind.
func (d localDev) caller(api string, journal upload.Journal, id upload.Entry) entry {
	return entry{stack: &stack{emulator: &emulator{http: d.client}, api: api}, journal: string(journal), id: string(id),
		token: "demo"}
}

// record is what dev finds of an upload.
func (d localDev) record(t testing.TB, ref upload.Ref) record {
	t.Helper()
	var got record
	e := d.caller(d.api, ref.Journal, ref.Entry)
	_, err := e.want(t.Context(), http.StatusOK, &got, http.MethodGet, e.path(string(ref.Kind), string(ref.ID), "status"),
		nil)
	check(t, err)
	return got
}

// batch is the queue's message about one upload, as Lambda would hand it over.
func (d localDev) batch(t testing.TB, id string) []byte {
	t.Helper()
	queue := sqs.New(sqs.Options{Region: region, BaseEndpoint: aws.String(d.env["AWS_ENDPOINT_URL_SQS"]),
		Credentials: credentials.NewStaticCredentialsProvider(d.env["AWS_ACCESS_KEY_ID"], d.env["AWS_SECRET_ACCESS_KEY"],
			"")})
	var batch events.SQSEvent
	eventually(t, 30*time.Second, "the message about "+id, func() (bool, string) {
		got, err := queue.ReceiveMessage(t.Context(),
			&sqs.ReceiveMessageInput{QueueUrl: aws.String(d.env["HATCHERY_QUEUE_URL"]), MaxNumberOfMessages: 10,
				WaitTimeSeconds: 1})
		if err != nil {
			return false, err.Error()
		}
		for _, m := range got.Messages {
			if strings.Contains(*m.Body, id) {
				batch.Records = append(batch.Records,
					events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body,
						EventSource: "aws:sqs", AWSRegion: region, Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
			}
		}
		return len(batch.Records) > 0, "other messages"
	})
	text, err := json.Marshal(batch)
	check(t, err)
	return text
}
