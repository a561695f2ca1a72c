//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
)

// thisMachine is the architecture of this machine, as Lambda calls it.
var thisMachine = map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]

// emulated is one function under AWS's runtime interface emulator, which starts its
// program with the first event.
type emulated struct {
	server *server
	url    string
}

// emulate makes the emulator ready. The environment is the function's whole.
func emulate(t testing.TB, program string, env []string) *emulated {
	t.Helper()
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	runtimeAPI := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	e := &emulated{url: "http://" + listen + "/2015-03-31/functions/function/invocations",
		server: serve(t, "function",
			append([]string{"PATH=/usr/bin:/bin", "TMPDIR=" + t.TempDir(), "AWS_LAMBDA_FUNCTION_NAME=function",
				"AWS_LAMBDA_FUNCTION_TIMEOUT=60", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256"}, env...),
			runtimeEmulator(t), "--runtime-interface-emulator-address", listen, "--runtime-api-address", runtimeAPI, program)}
	eventually(t, 20*time.Second, "the runtime emulator listens", func() (bool, string) {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", listen)
		if err != nil {
			return false, err.Error()
		}
		return connection.Close() == nil, "it does"
	})
	return e
}

// invoke hands the function an event and gives its reply.
func (e *emulated) invoke(t testing.TB, event []byte) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// peak is the most memory that the function's program has had, in bytes.
func (e *emulated) peak(t testing.TB) int64 {
	t.Helper()
	for _, status := range glob(t, "/proc/[0-9]*/status") {
		text, err := os.ReadFile(status)
		if err != nil {
			continue // that process has ended
		}
		of := map[string]string{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			of[name] = strings.TrimSpace(value)
		}
		if of["PPid"] != strconv.Itoa(e.server.cmd.Process.Pid) {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(of["VmHWM"], " kB"), 10, 64)
		if err != nil {
			t.Fatalf("VmHWM of %s: %v", status, err)
		}
		return kilobytes << 10
	}
	t.Fatal("the emulator has no program running")
	return 0
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// standIns are S3, SQS, DynamoDB and an application: `hatchery dev`, which leaves
// judging to the function here. They give the functions' environment.
func standIns(t testing.TB) []string {
	t.Helper()
	_, ready := startDev(t, devProgram(t), "--no-validator")
	env := []string{"HATCHERY_RECORDS=dynamodb", "HATCHERY_APPLICATION_URL=" + ready.Application,
		"HATCHERY_POST_BYTES=4400000"}
	for name, value := range ready.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// noise is a PNG of about a byte for each of its pixels, which no compression makes smaller.
func noise(t testing.TB, width, height int) []byte {
	t.Helper()
	gray := image.NewGray(image.Rect(0, 0, width, height))
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(gray.Pix) // it never fails
	var b bytes.Buffer
	if err := png.Encode(&b, gray); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sampleEvent reads a file of events/.
func sampleEvent(t testing.TB, name string) []byte {
	t.Helper()
	event, err := os.ReadFile(filepath.Join(moduleRoot(t), "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// posted is a sample POST with other bytes.
func posted(t testing.TB, sample string, body []byte) []byte {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(sampleEvent(t, sample), &e); err != nil {
		t.Fatal(err)
	}
	e["body"], e["isBase64Encoded"] = base64.StdEncoding.EncodeToString(body), true
	e["headers"].(map[string]any)["content-length"] = strconv.Itoa(len(body))
	event, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// arrivedAt is the queue's batch about uploads of one size, a message for each.
func arrivedAt(t testing.TB, bucket string, size int, records ...upload.Ref) []byte {
	t.Helper()
	var batch events.SQSEvent
	for i, record := range records {
		body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Region: region,
			Bucket: bucket, Key: string(upload.DefaultLayout.QuarantineKey(record)), Size: int64(size), Sequencer: "1"})
		if err != nil {
			t.Fatal(err)
		}
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: strconv.Itoa(i), Body: string(body),
			EventSource: "aws:sqs", Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
	}
	event, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// starts are cold starts with one kind of event.
type starts struct {
	function, event string
	took            []time.Duration
	peak            []int64
}

// measure starts the function anew and hands it one event: from the start of its
// program, which begins when the event is there, to the whole reply.
func (s *starts) measure(t testing.TB, program string, env []string, event []byte) []byte {
	t.Helper()
	e := emulate(t, program, env)
	began := time.Now()
	reply := e.invoke(t, event)
	s.took = append(s.took, time.Since(began))
	s.peak = append(s.peak, e.peak(t))
	e.server.end()
	return reply
}

func median[T int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// TestColdStarts measures and prints. It fails when a reply is wrong, and on no
// machine because it is slow.
func TestColdStarts(t *testing.T) {
	const times = 10
	built := builtFunctions(t, thisMachine)
	env := standIns(t)
	bucket := ""
	for _, setting := range env {
		if value, ok := strings.CutPrefix(setting, "HATCHERY_BUCKET="); ok {
			bucket = value
		}
	}
	file := noise(t, 1000, 1000)
	ping, post := &starts{function: "ApiFunction", event: "GET /ping"},
		&starts{function: "ApiFunction", event: "POST of 1 MB"}
	judge, schedule := &starts{function: "ValidatorFunction", event: "a picture of 1 MB"},
		&starts{function: "ReconcilerFunction", event: "the schedule"}
	for range times {
		if reply := ping.measure(t, built.Bootstrap(ping.function), env,
			sampleEvent(t, "api-http-ping.json")); !strings.Contains(string(reply), `{\"status\":\"ok\"}`) {
			t.Fatalf("ping: %s", reply)
		}
		var answer struct {
			StatusCode int
			Body       string
		}
		var record struct{ ID string }
		reply := post.measure(t, built.Bootstrap(post.function), env,
			posted(t, "api-http-post-raw.json", file))
		if err := json.Unmarshal(reply, &answer); err != nil || answer.StatusCode != http.StatusAccepted ||
			json.Unmarshal([]byte(answer.Body), &record) != nil {
			t.Fatalf("POST: %s", reply)
		}
		ref := upload.Ref{Journal: "samples", Entry: "post", Kind: "images", ID: upload.ID(record.ID)}
		if reply := judge.measure(t, built.Bootstrap(judge.function), env,
			arrivedAt(t, bucket, len(file), ref)); string(reply) != `{"batchItemFailures":[]}` {
			t.Fatalf("validator: %s", reply)
		}
		if reply := schedule.measure(t, built.Bootstrap(schedule.function), env,
			sampleEvent(t, "reconciler-schedule.json")); !strings.Contains(string(reply), `"complete":true`) {
			t.Fatalf("reconciler: %s", reply)
		}
	}

	var table strings.Builder
	fmt.Fprintf(&table, "cold starts, from the start of the program to the first reply: medians of %d, on %s\n", times,
		thisMachine)
	fmt.Fprintf(&table, "%-20s %-20s %10s %17s %14s %12s\n", "function", "event", "median", "least to most",
		"peak memory", "zip")
	for _, s := range []*starts{ping, post, judge, schedule} {
		zip, err := zippedSize(filepath.Dir(built.Bootstrap(s.function)))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&table, "%-20s %-20s %7.1f ms %4.0f to %6.0f ms %11.1f MB %9.2f MB\n", s.function, s.event,
			milliseconds(median(s.took)),
			milliseconds(slices.Min(s.took)), milliseconds(slices.Max(s.took)), float64(median(s.peak))/1e6, float64(zip)/1e6)
	}
	t.Logf("\n%s", table.String())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// TestAFunctionThatLacksASettingSaysWhich is the start that everybody meets first.
func TestAFunctionThatLacksASettingSaysWhich(t *testing.T) {
	built := builtFunctions(t, thisMachine)
	env := []string{"AWS_REGION=" + region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=secret-canary",
		"HATCHERY_RECORDS=dynamodb", "HATCHERY_TABLE=t"}
	for function, missing := range map[string][]string{
		"ApiFunction":        {"HATCHERY_BUCKET", "HATCHERY_APPLICATION_URL"},
		"ValidatorFunction":  {"HATCHERY_BUCKET"},
		"ReconcilerFunction": {"HATCHERY_BUCKET", "HATCHERY_QUEUE_URL"},
	} {
		t.Run(function, func(t *testing.T) {
			e := emulate(t, built.Bootstrap(function), env)
			var reply struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(e.invoke(t, []byte("{}")), &reply); err != nil ||
				reply.ErrorType != "Hatchery.Configuration" {
				t.Errorf("replied %+v, %v", reply, err)
			}
			log := e.server.tail(64 << 10)
			for _, setting := range missing {
				if !strings.Contains(reply.ErrorMessage, setting+": found nothing") ||
					!strings.Contains(log, setting+": found nothing") {
					t.Errorf("%s is not named in %q, or not in the log", setting, reply.ErrorMessage)
				}
			}
			if strings.Contains(reply.ErrorMessage+log, "secret-canary") {
				t.Error("a secret was shown")
			}
		})
	}
}
