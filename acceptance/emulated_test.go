//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
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
