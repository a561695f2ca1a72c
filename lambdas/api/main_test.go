package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/config"
	"hatchery/shared/local/demoapp"
	"hatchery/shared/upload"
)

// function is a started api function.
type function struct{ *bootstraptest.Function }

// start starts the function in an environment of a DynamoDB and an application of
// this process, changed by name, value, ….
func start(t *testing.T, changes ...string) function {
	t.Helper()
	application, err := demoapp.Open(t.Context(), "127.0.0.1:0", demoapp.Handler())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = application.Close() })
	env := bootstraptest.Env()
	env["HATCHERY_APPLICATION_URL"] = application.URL()
	for i := 0; i < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
	}
	f := function{bootstraptest.Start(t, env, build, config.Callers)}
	f.CreateTable(t)
	return f
}

// answer is what the function answered, as every front understands it.
type answer struct {
	StatusCode        int
	Headers           map[string]string
	MultiValueHeaders map[string][]string
	Body              string
	IsBase64Encoded   bool
}

// invoke hands the function an event of events/, with members of its own.
func (f function) invoke(t *testing.T, event string, change func(e map[string]any)) answer {
	t.Helper()
	payload, err := os.ReadFile(filepath.Join("..", "..", "events", event))
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	if err := json.Unmarshal(payload, &e); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(e)
	}
	if payload, err = json.Marshal(e); err != nil {
		t.Fatal(err)
	}
	reply, err := f.Invoke(lambdacontext.NewContext(t.Context(),
		&lambdacontext.LambdaContext{AwsRequestID: "invocation-1"}), payload)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(reply, &a); err != nil {
		t.Fatalf("%v in %s", err, reply)
	}
	if a.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.Body = string(body)
	}
	if strings.Contains(string(reply)+f.Stdout.String()+f.Stderr.String(), bootstraptest.SecretKey) {
		t.Error("a secret was shown")
	}
	return a
}

func TestTheFunctionTellsByItselfWhoStandsInFront(t *testing.T) {
	f := start(t)
	for _, front := range []string{"http", "url", "alb"} {
		got := f.invoke(t, "api-"+front+"-ping.json", nil)
		if got.StatusCode != 200 || strings.TrimSpace(got.Body) != `{"status":"ok"}` {
			t.Errorf("%s: %+v", front, got)
		}
	}
	// What only one of them has in its answer.
	if got := f.invoke(t, "api-alb-ping.json", nil); got.Headers["X-Request-Id"] != "invocation-1" {
		t.Errorf("a load balancer gives no request id, the invocation's is not taken: %+v", got)
	}
	if got := f.invoke(t, "api-http-ping.json", nil); got.Headers["X-Request-Id"] != "JKJaXmPLvH01ESHA=" {
		t.Errorf("the event's request id is not taken: %+v", got)
	}
}

func TestAnEventOfNobodyIsAnError(t *testing.T) {
	if _, err := start(t).Invoke(t.Context(), []byte(`{"source":"aws.events"}`)); err == nil {
		t.Error("no error")
	}
}

func TestAFormIsSignedForItsTimeAndCounted(t *testing.T) {
	f := start(t, "HATCHERY_FORM_SECONDS", "120", "HATCHERY_STACK", "trial")
	got := f.invoke(t, "api-http-form.json", nil)
	var form struct {
		Record struct{ ID, Status string }
		Form   struct {
			URL     string    `json:"url"`
			Expires time.Time `json:"expires_at"`
		}
	}
	if err := json.Unmarshal([]byte(got.Body), &form); err != nil || got.StatusCode != 201 {
		t.Fatalf("%v, %+v", err, got)
	}
	if left := time.Until(form.Form.Expires); left <= 60*time.Second || left > 120*time.Second {
		t.Errorf("the form lives %s", left)
	}
	if form.Form.URL != "https://bucket-1.s3.eu-central-1.amazonaws.com/" &&
		form.Form.URL != "https://bucket-1.s3.eu-central-1.amazonaws.com" {
		t.Errorf("the form goes to %s", form.Form.URL)
	}
	record, err := f.Records.Get(t.Context(), upload.Ref{Journal: "samples", Entry: "post", Kind: "images",
		ID: upload.ID(form.Record.ID)})
	if err != nil || record.Status != upload.Pending {
		t.Errorf("the table has %+v, %v", record, err)
	}
	if counted := f.Stdout.String(); strings.Count(counted, "\n") != 1 ||
		!strings.Contains(counted, `"Accepted":1,"Stack":"trial"`) {
		t.Errorf("counted %s", counted)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(f.Stderr.String()), &line); err != nil || line["upload_id"] != form.Record.ID ||
		line["request_id"] != "JKJaXmPLvH04ESHA=" || line["invocation_id"] != "invocation-1" {
		t.Errorf("logged %v, %v", line, err)
	}
}

func TestTheSettingsReachTheHandler(t *testing.T) {
	f := start(t, "HATCHERY_POST_BYTES", "3", "HATCHERY_REDIRECT_BYTES", "5", "HATCHERY_CORS_ORIGINS",
		"https://notes.example.com",
		"HATCHERY_POLICY", `{"kinds":{"images":{"extensions":["gif"]}}}`)
	ref := upload.Ref{Journal: "samples", Entry: "post", Kind: "images", ID: "0195600d-0000-7000-8000-000000000001"}
	_, err := f.Records.Create(t.Context(), upload.Record{ID: ref.ID, Journal: ref.Journal, Entry: ref.Entry,
		Kind: ref.Kind, Name: "cat", Extension: "gif",
		CreatedAt: time.Now(), Status: upload.Pending}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.Records.Update(t.Context(), ref,
		upload.Settle(upload.Verdict{Status: upload.Stored, Version: "v", Served: "s",
			At: time.Now(), Size: 6, ContentType: "image/gif",
			SHA256: strings.Repeat("ab", 32)})); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, path, query, body string
		headers                   map[string]any
		status                    int
		holds                     string
	}{
		"POST of more than it may":       {"POST", "", "name=cat.gif", "GIF8", nil, 413, "up to 3 bytes"},
		"a name that the policy has not": {"POST", "", "name=cat.png", "GI", nil, 406, "gif"},
		"a file larger than is sent": {"GET", "/" + string(ref.ID), "", "", map[string]any{"accept": "image/*"},
			302, ""},
		"a page of the origin that may ask": {"OPTIONS", "", "", "",
			map[string]any{"origin": "https://notes.example.com", "access-control-request-method": "POST"}, 204, ""},
		"a caller whom nobody knows": {"GET", "", "", "", map[string]any{"authorization": "Bearer other"}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.invoke(t, "api-http-list.json", func(e map[string]any) {
				http := e["requestContext"].(map[string]any)["http"].(map[string]any)
				http["method"], e["rawPath"], e["rawQueryString"], e["body"] = c.method,
					"/files/samples/entries/post/images"+c.path, c.query, c.body
				maps.Copy(e["headers"].(map[string]any), c.headers)
			})
			if got.StatusCode != c.status || !strings.Contains(got.Body, c.holds) {
				t.Errorf("%+v, want %d", got, c.status)
			}
			switch c.status {
			case 302:
				if !strings.HasPrefix(got.Headers["Location"], "https://bucket-1.s3.eu-central-1.amazonaws.com/files/samples/") {
					t.Errorf("to %s", got.Headers["Location"])
				}
			case 204:
				if got.Headers["Access-Control-Allow-Origin"] != "https://notes.example.com" {
					t.Errorf("headers %v", got.Headers)
				}
			}
		})
	}
}

func TestWhoComesPastTheFrontIsRefusedWhereItsSecretIsSet(t *testing.T) {
	const secret = "a-secret-of-the-front"
	for set, want := range map[string]map[string]int{
		"": {"": 200, secret: 200},
		fmt.Sprintf("%x", sha256.Sum256([]byte(secret))): {"": 403, "guessed": 403, secret: 200},
	} {
		f := start(t, "HATCHERY_FRONT_SECRET_SHA256", set)
		for said, status := range want {
			got := f.invoke(t, "api-http-ping.json", func(e map[string]any) {
				e["headers"].(map[string]any)["x-hatchery-front"] = said
			})
			if got.StatusCode != status {
				t.Errorf("set to %q, and %q is said: %+v, want %d", set, said, got, status)
			}
		}
		if told := f.Stdout.String() + f.Stderr.String(); strings.Contains(told, secret) || strings.Contains(told, "guessed") {
			t.Errorf("the log has what was said: %s", told)
		}
	}
}

func TestAnApplicationThatTokensMustNotBeSentToEndsTheStart(t *testing.T) {
	env := bootstraptest.Env()
	env["HATCHERY_RECORDS"], env["HATCHERY_TABLE"] = "dynamodb", bootstraptest.Table
	env["HATCHERY_APPLICATION_URL"] = "http://notes.example.com"
	f := bootstraptest.Run(t, env, build, config.Callers)
	if f.Handler != nil || !strings.Contains(f.Stderr.String(), "HATCHERY_APPLICATION_URL") {
		t.Errorf("logged %s", f.Stderr.String())
	}
	delete(env, "HATCHERY_APPLICATION_URL")
	if f := bootstraptest.Run(t, env, build, config.Callers); f.Handler != nil ||
		!strings.Contains(f.Stderr.String(), "HATCHERY_APPLICATION_URL: found nothing") {
		t.Errorf("without it: %s", f.Stderr.String())
	}
}
