package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/local"
	"hatchery/shared/policy"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// containersEnv reads what dev wrote for functions in containers.
func containersEnv(t *testing.T, data string) map[string]string {
	t.Helper()
	var file struct{ Parameters map[string]string }
	if err := json.Unmarshal(readFile(t, filepath.Join(data, containersFile)), &file); err != nil {
		t.Fatal(err)
	}
	return file.Parameters
}

func TestFunctionsInContainersAreToldAllThatTheyNeedAndNoSecret(t *testing.T) {
	data := t.TempDir()
	h := startHatchery(t, data, "--records", "dynamodb", "--containers", "127.0.0.1:0")
	stored := h.mustSettle(images, h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID)
	env := containersEnv(t, data)
	keys := credentials.NewStaticCredentialsProvider(h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"], "")
	region, endpoint, bucket, queue := h.env["AWS_REGION"], env["AWS_ENDPOINT_URL"], env["HATCHERY_BUCKET"],
		env["HATCHERY_QUEUE_URL"]

	// The record that dev keeps is the one that a function finds.
	records := dynamorecords.New(dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: &endpoint,
		Credentials: keys}),
		env["HATCHERY_TABLE"], dynamorecords.Options{})
	record, err := records.Get(t.Context(), upload.Ref{Journal: "j1", Entry: "e1", Kind: "images",
		ID: upload.ID(stored.ID)})
	if err != nil || record.Status != upload.Stored {
		t.Errorf("%v, %+v", err, record)
	}
	if _, err := s3.New(s3.Options{Region: region, BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: keys}).
		HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
		t.Error(err)
	}
	if _, err := sqs.New(sqs.Options{Region: region, BaseEndpoint: &endpoint, Credentials: keys}).
		SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue,
			MessageBody: aws.String(`{"Event":"s3:TestEvent"}`)}); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(queue, endpoint+"/") || env["HATCHERY_APPLICATION_URL"] != endpoint ||
		env["HATCHERY_RECORDS"] != "dynamodb" {
		t.Errorf("%v", env)
	}
	kinds, err := policy.Parse([]byte(env["HATCHERY_POLICY"]), policy.LargestObject)
	if err != nil || kinds.Kinds["images"].MaxBytes != 5_500_000 {
		t.Errorf("%v, %+v", err, kinds)
	}
	file := string(readFile(t, filepath.Join(data, containersFile)))
	for _, secret := range []string{h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"]} {
		if strings.Contains(file, secret) {
			t.Errorf("%s is in %s", secret, file)
		}
	}
}

func TestAnotherHostIsRefusedInTheFormOfTheAPIsOwnRefusals(t *testing.T) {
	h := startHatchery(t, t.TempDir())
	problem := func(host string) (problem map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+images, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		a, err := h.send(r)
		if err != nil || a.header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%s: %d %v, %v", host, a.status, a.header, err)
		}
		if err := json.Unmarshal(a.body, &problem); err != nil || problem["status"] != float64(a.status) {
			t.Fatalf("%s: %d %s, %v", host, a.status, a.body, err)
		}
		return problem
	}
	other, own := problem("rebind.example"), problem("localhost")
	if other["code"] != "wrong_host" || other["status"] != float64(http.StatusMisdirectedRequest) || own["code"] != "unauthorized" {
		t.Errorf("refused with %v, and by the API with %v", other, own)
	}
	for member, value := range own {
		if other[member] == nil || other[member] == value {
			t.Errorf("the member %s is %v", member, other[member])
		}
	}
	if detail, _ := other["detail"].(string); !strings.Contains(detail, `"rebind.example"`) || !strings.Contains(detail, "Call it by one of") {
		t.Errorf("it is told %q", detail)
	}
}

func TestWhatCanBeReachedFromBeyondThisMachineIsSaid(t *testing.T) {
	h := startHatchery(t, t.TempDir(), "--records", "dynamodb", "--containers", "0.0.0.0:0", "--containers-host",
		"host.containers.internal")
	if !strings.HasPrefix(h.containers, "http://host.containers.internal:") {
		t.Errorf("containers are told to call %q", h.containers)
	}
	for _, address := range []string{h.base, h.env["AWS_ENDPOINT_URL_S3"], h.env["AWS_ENDPOINT_URL_SQS"],
		h.env["AWS_ENDPOINT_URL_DYNAMODB"]} {
		if !strings.HasPrefix(address, "http://127.0.0.1:") {
			t.Errorf("%s is not on the loopback", address)
		}
	}
	var text bytes.Buffer
	if err := announceText(terminal{out: &text}, devFlags{},
		announcement{data: "/a folder", at: local.Endpoints{Containers: "http://c:9000",
			ContainersListen: "0.0.0.0:9000"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"WARNING: 0.0.0.0:9000 can be reached from beyond this machine",
		"sam local start-api --config-env dev --env-vars '/a folder/" + containersFile + "'"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not said: %s", want, text.String())
		}
	}
}

func TestSamplesAreThereForFunctionsToWorkOn(t *testing.T) {
	data := t.TempDir()
	folder, err := filepath.Rel(workingFolder(t), sourceFile(t, "events"))
	if err != nil {
		t.Fatal(err)
	}
	const samples = "/files/samples/entries/"
	for range 2 { // the second time they are there
		h := startHatchery(t, data, "--records", "dynamodb", "--samples", folder, "--no-validator")
		for path, want := range map[string]string{
			"get/images/0199d1c4-5a00-7000-8000-000000000003":    "stored",
			"status/images/0199d1c4-5a00-7000-8000-000000000004": "rejected",
			"queue/images/0199d1c4-5a00-7000-8000-000000000021":  "pending",
		} {
			if r := h.do(http.MethodGet, samples+path+"/status", "", nil).record(t); r.Status != want {
				t.Errorf("%s is %q, want %s", path, r.Status, want)
			}
		}
		if code := h.interrupt(); code != exitDone {
			t.Errorf("exit code %d: %s", code, h.errors)
		}
	}
	// With a validator what was pending is judged.
	h := startHatchery(t, data, "--records", "dynamodb")
	if r := h.mustSettle(samples+"queue/images", "0199d1c4-5a00-7000-8000-000000000021"); r.Status != "stored" {
		t.Errorf("%+v", r)
	}
}

func workingFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// noOne is an address that nobody listens on.
func noOne(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// withOldTables is a data folder in which an earlier release kept a DynamoDB table.
func withOldTables(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "tables.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return data
}

// fails runs the command to its end and gives exit code and standard error.
func fails(t *testing.T, args ...string) (int, string) {
	t.Helper()
	// What should fail and does not would run for ever.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	code := run(ctx, args, terminal{out: &out, err: &errs, getenv: func(string) string { return "" }})
	return code, errs.String()
}

func TestStartsThatCannotWorkSayWhyAndWhatToDo(t *testing.T) {
	data := t.TempDir()
	h := startHatchery(t, data)
	address := strings.TrimPrefix(h.base, "http://")

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(broken, []byte(`{"kinds":{"images":{"extensions":["exe"],"max_bytes":-1}}}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"no folder", []string{"dev", "--data", ""}, exitUsage, []string{"--data", "accepted"}},
		{"records that are not kept here", []string{"dev", "--records", "postgres"}, exitUsage,
			[]string{"--records", "accepted: sqlite, dynamodb, bugout"}},
		{"another Bugout for other records", []string{"dev", "--bugout", "https://auth.example.com"}, exitUsage,
			[]string{"--bugout", "--records bugout"}},
		{"Bugout without a token", []string{"dev", "--records", "bugout", "--bugout", "https://auth.example.com"},
			exitUsage, []string{"HATCHERY_BUGOUT_TOKEN", "HATCHERY_BUGOUT_APPLICATION_ID"}},
		{"a token for the stand-in", []string{"dev", "--records", "bugout", "--bugout-token-file", file}, exitUsage,
			[]string{"--bugout-token-file", "--bugout"}},
		{"a busy address for Bugout", []string{"dev", "--data", t.TempDir(), "--listen", "127.0.0.1:0",
			"--bugout-listen", address}, exitSystem, []string{address, "--bugout-listen"}},
		{"containers without a table", []string{"dev", "--containers", "127.0.0.1:0"}, exitUsage,
			[]string{"--containers", "add --records dynamodb"}},
		{"a busy address for containers", []string{"dev", "--listen", "127.0.0.1:0", "--records", "dynamodb",
			"--containers", address}, exitSystem, []string{address, "--containers"}},
		{"a busy address for DynamoDB", []string{"dev", "--data", t.TempDir(), "--listen", "127.0.0.1:0",
			"--dynamodb-listen", address}, exitSystem, []string{address, "--dynamodb-listen"}},
		{"a folder for one run", []string{"dev", "--data", t.TempDir(), "--records", "dynamodb"}, exitUsage,
			[]string{"--data", "keeps nothing", "--dynamodb"}},
		{"a DynamoDB for other records", []string{"dev", "--dynamodb", "http://127.0.0.1:8000"}, exitUsage,
			[]string{"--dynamodb", "--records dynamodb"}},
		{"a DynamoDB here and another", []string{"dev", "--records", "dynamodb", "--dynamodb", "http://127.0.0.1:8000",
			"--dynamodb-listen", "127.0.0.1:0"}, exitUsage, []string{"--dynamodb-listen", "leave one of them out"}},
		{"a DynamoDB that is no URL", []string{"dev", "--records", "dynamodb", "--dynamodb", "127.0.0.1:8000"}, exitUsage,
			[]string{`--dynamodb: found "127.0.0.1:8000"`, "http://127.0.0.1:8000"}},
		{"a DynamoDB that is not there", []string{"dev", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--records",
			"dynamodb", "--dynamodb", "http://" + noOne(t), "--containers", "127.0.0.1:0"},
			exitSystem, []string{"keep records in DynamoDB at http://", "refused"}},
		{"a table of an earlier version", []string{"dev", "--data", withOldTables(t), "--listen", "127.0.0.1:0"}, exitSystem,
			[]string{"tables.db", "--data", "earlier version",
				"hatchery migrate --from dynamodb:hatchery-records --to sqlite:"}},
		{"samples that are not there", []string{"dev", "--samples", file}, exitUsage,
			[]string{"--samples " + file, "uploads.json"}},
		{"an address without a host", []string{"dev", "--listen", "8080"}, exitUsage,
			[]string{`--listen: found "8080"; want HOST:PORT, as 127.0.0.1:8080`}},
		{"an address without a port", []string{"dev", "--s3-listen", "127.0.0.1"}, exitUsage,
			[]string{"--s3-listen", "want HOST:PORT"}},
		{"an address with too high a port", []string{"dev", "--sqs-listen", "127.0.0.1:65536"}, exitUsage,
			[]string{"--sqs-listen", "want HOST:PORT"}},
		{"an empty address", []string{"dev", "--listen", ""}, exitUsage, []string{"--listen", "want HOST:PORT"}},
		{"an address for DynamoDB with a strange host", []string{"dev", "--dynamodb-listen", "a b:1"}, exitUsage,
			[]string{"--dynamodb-listen", "want HOST:PORT"}},
		{"an address for Bugout without a host", []string{"dev", "--bugout-listen", "1"}, exitUsage,
			[]string{"--bugout-listen", "want HOST:PORT"}},
		{"an address for containers without a host", []string{"dev", "--records", "dynamodb", "--containers", "9000"},
			exitUsage, []string{`--containers: found "9000"; want HOST:PORT, as 127.0.0.1:8080`}},
		{"what containers call without containers", []string{"dev", "--containers-host", "foo"}, exitUsage,
			[]string{"--containers-host", "add --containers"}},
		{"a strange host for containers", []string{"dev", "--records", "dynamodb", "--containers", "127.0.0.1:0",
			"--containers-host", "a b"}, exitUsage, []string{`--containers-host: found "a b"`}},
		{"a second instance on the same folder", []string{"dev", "--data", data, "--listen", "127.0.0.1:0"}, exitSystem,
			[]string{"another hatchery is running", "--data"}},
		{"a busy port", []string{"dev", "--data", t.TempDir(), "--listen", address}, exitSystem,
			[]string{address, "address already in use", "--listen"}},
		{"a folder that cannot be made", []string{"dev", "--data", filepath.Join(file, "below"), "--listen",
			"127.0.0.1:0"}, exitSystem, []string{"not a directory", "--data"}},
		{"a policy with faults", []string{"dev", "--policy", broken}, exitUsage, []string{`"exe"`, "max_bytes", "accepted"}},
		{"an application that is no URL", []string{"dev", "--app", "journals"}, exitUsage, []string{"--app"}},
		{"an unknown flag", []string{"dev", "--lisen", "x"}, exitUsage, []string{"--lisen", "--help"}},
		{"an argument", []string{"dev", "now"}, exitUsage, []string{`"now"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, errs := fails(t, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, errs)
			}
			for _, want := range c.want {
				if !strings.Contains(errs, want) {
					t.Errorf("the error does not say %q: %s", want, errs)
				}
			}
		})
	}
	if r := h.mustSettle(images, h.mustPost(images, "still.png", pngOf(t, 4, 3)).ID); r.Status != "stored" {
		t.Errorf("the first instance was disturbed: %+v", r)
	}
}
