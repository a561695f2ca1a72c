package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/upload"
)

// atAWS sets the environment that the AWS SDK reads, and nothing of the machine's own: endpoints by variable.
func atAWS(t *testing.T, endpoints map[string]string) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	env := map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key",
		"AWS_SECRET_ACCESS_KEY": "secret-that-must-not-show", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_MAX_ATTEMPTS": "1",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
	maps.Copy(env, endpoints)
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// fakeStack is what a stack of the template tells.
type fakeStack struct {
	status              string
	parameters, outputs map[string]string
}

func oursStack() fakeStack {
	return fakeStack{status: "UPDATE_COMPLETE",
		parameters: map[string]string{"QuarantinePrefix": "in/", "FilesPrefix": "out/", "QuarantineDays": "61",
			"Records": "dynamodb", "Policy": "", "ValidatorSeconds": "600",
			"TellBus": "arn:aws:events:eu-central-1:111122223333:event-bus/ours", "BugoutUrl": "", "BugoutApplicationId": "",
			"BugoutTokenSecret": ""},
		outputs: map[string]string{"Bucket": "ours-bucket", "Table": "ours-table",
			"QueueUrl":           "https://sqs.eu-central-1.amazonaws.com/111122223333/ours-queue",
			"DeadLetterQueueUrl": "https://sqs.eu-central-1.amazonaws.com/111122223333/ours-dead",
			"ValidatorMapping":   "14e0db71-5d35-4eb5-b481-8945cf9d10c2"}}
}

// xmlOf writes it as CloudFormation does.
func (s fakeStack) xmlOf(name string) string {
	var b strings.Builder
	text := func(s string) string {
		var out strings.Builder
		_ = xml.EscapeText(&out, []byte(s))
		return out.String()
	}
	fmt.Fprintf(&b, `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">`+
		`<DescribeStacksResult><Stacks><member><StackName>%s</StackName><StackStatus>%s</StackStatus>`+
		`<CreationTime>2026-05-04T03:02:01Z</CreationTime><Parameters>`, name, s.status)
	for key, value := range s.parameters {
		fmt.Fprintf(&b, `<member><ParameterKey>%s</ParameterKey><ParameterValue>%s</ParameterValue></member>`, key, text(value))
	}
	b.WriteString(`</Parameters><Outputs>`)
	for key, value := range s.outputs {
		fmt.Fprintf(&b, `<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>`, key, text(value))
	}
	b.WriteString(`</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`)
	return b.String()
}

// serveStacks answers for stacks by name, and for any other as CloudFormation does for one that is not there. "denied"
// is one that the caller may not see.
func serveStacks(t *testing.T, stacks map[string]fakeStack) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.PostFormValue("StackName")
		if r.PostFormValue("Action") != "DescribeStacks" ||
			!strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/cloudformation/aws4_request") {
			t.Errorf("asked for %v with %q", r.PostForm, r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "text/xml")
		refuse := func(status int, code, message string) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>`+
				`</ErrorResponse>`, code, message)
		}
		switch s, ok := stacks[name]; {
		case ok:
			_, _ = io.WriteString(w, s.xmlOf(name))
		case name == "denied":
			refuse(http.StatusForbidden, "AccessDenied", "User arn:aws:iam::111122223333:user/eve is not authorized")
		default:
			refuse(http.StatusBadRequest, "ValidationError", "Stack with id "+name+" does not exist")
		}
	}))
	t.Cleanup(server.Close)
	atAWS(t, map[string]string{"AWS_ENDPOINT_URL_CLOUDFORMATION": server.URL})
}

func stackTerminal() terminal {
	return terminal{out: io.Discard, err: io.Discard, getenv: func(name string) string {
		return map[string]string{"HATCHERY_BUCKET": "another-bucket", "HATCHERY_FORM_SECONDS": "60",
			"FILES_S3_BUCKET_NAME": "a-legacy-bucket"}[name]
	}}
}

// TestADeploymentIsFoundByItsStack: all its settings are the stack's, and none the environment's.
func TestADeploymentIsFoundByItsStack(t *testing.T) {
	serveStacks(t, map[string]fakeStack{"ours": oursStack()})
	cloud, err := loadAWSWithCredentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := describeStack(t.Context(), cloud, "ours")
	if err != nil || found.mapping != "14e0db71-5d35-4eb5-b481-8945cf9d10c2" {
		t.Fatalf("found %+v, %v", found, err)
	}
	got, err := config.Load(found.getenv, config.Messages)
	if err != nil {
		t.Fatal(err)
	}
	if got.Bucket != "ours-bucket" || got.Table != "ours-table" || got.Records != "dynamodb" || got.Stack != "ours" ||
		got.QueueURL != "https://sqs.eu-central-1.amazonaws.com/111122223333/ours-queue" ||
		got.Layout != (upload.Layout{Quarantine: "in/", Files: "out/"}) || got.QuarantineDays != 61 ||
		got.ValidatorTime != 600*time.Second || got.VisibilityTime != 3600*time.Second || got.MaxReceives != 5 ||
		got.SurveyTime != 7*24*time.Hour || !strings.HasSuffix(got.EventBus, "/ours") || got.FormTime != 900*time.Second {
		t.Errorf("its settings are %+v", got)
	}
	term := stackTerminal()
	dep, err := openDeployment(t.Context(), deploymentFlags{stack: "ours"}, term)
	if err != nil {
		t.Fatal(err)
	}
	if layout := dep.Uploads.Layout; layout.Quarantine != "in/" || dep.Uploads.LegacyImages != nil {
		t.Errorf("composed of %+v, legacy %v", layout, dep.Uploads.LegacyImages)
	}
}

// TestTheRecordsOfAStackMayBeInBugout: then the stack names a secret, and the token comes from a file.
func TestTheRecordsOfAStackMayBeInBugout(t *testing.T) {
	ours := oursStack()
	ours.parameters["Records"], ours.parameters["BugoutUrl"] = "bugout", "https://auth.example.com"
	ours.parameters["BugoutApplicationId"], ours.parameters["BugoutTokenSecret"] = anyID, "ours/token"
	delete(ours.outputs, "Table")
	serveStacks(t, map[string]fakeStack{"ours": ours})
	_, err := openDeployment(t.Context(), deploymentFlags{stack: "ours"}, stackTerminal())
	if err == nil || !strings.Contains(err.Error(), "--token-file") {
		t.Errorf("without a token: %v", err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(broodToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := deploymentFlags{stack: "ours", bugout: bugoutFlags{tokenFile: file}}
	if _, err := openDeployment(t.Context(), f, stackTerminal()); err != nil {
		t.Errorf("with a token: %v", err)
	}
}

func TestAStackThatCannotBeUsedSaysWhatWouldBeRight(t *testing.T) {
	stacks := map[string]fakeStack{"foreign": {status: "CREATE_COMPLETE", outputs: map[string]string{"Bucket": "b"}}}
	for name, status := range map[string]string{"rolling": "UPDATE_ROLLBACK_IN_PROGRESS", "updating": "UPDATE_IN_PROGRESS",
		"stuck": "UPDATE_ROLLBACK_FAILED", "never": "ROLLBACK_COMPLETE", "going": "DELETE_IN_PROGRESS"} {
		ours := oursStack()
		ours.status = status
		stacks[name] = ours
	}
	faulty := oursStack()
	faulty.parameters["QuarantineDays"] = "1"
	stacks["faulty"] = faulty
	serveStacks(t, stacks)
	for _, c := range []struct {
		args   []string
		code   int
		inText []string
	}{
		{[]string{"--stack", "missing"}, exitUsage, []string{`found no stack "missing" in eu-central-1`, "AWS_PROFILE", "sam deploy"}},
		{[]string{"--stack", "denied"}, exitSystem, []string{"cloudformation:DescribeStacks", `"denied"`, "user/eve"}},
		{[]string{"--stack", "foreign"}, exitUsage, []string{"not one of Hatchery's", "no output QueueUrl"}},
		{[]string{"--stack", "rolling"}, exitSystem, []string{"UPDATE_ROLLBACK_IN_PROGRESS", "wait until that has ended"}},
		{[]string{"--stack", "updating"}, exitSystem, []string{"UPDATE_IN_PROGRESS", "wait until that has ended"}},
		{[]string{"--stack", "stuck"}, exitSystem, []string{"UPDATE_ROLLBACK_FAILED", "continue the rollback", "leave --stack out"}},
		{[]string{"--stack", "never"}, exitUsage, []string{"ROLLBACK_COMPLETE", "name one that is deployed"}},
		{[]string{"--stack", "going"}, exitUsage, []string{"DELETE_IN_PROGRESS", "name one that is deployed"}},
		{[]string{"--stack", "faulty"}, exitUsage, []string{`the stack "faulty"`, "HATCHERY_QUARANTINE_DAYS"}},
		{[]string{"--stack", "ours", "--data", "folder"}, exitUsage, []string{"--stack", "--data", "give one of them"}},
		{[]string{"--stack", "ours", "--records", "sqlite"}, exitUsage, []string{"--records belongs to --data"}},
	} {
		code, out, errs := typed(t, nil, append([]string{"reconcile", "--dry-run"}, c.args...)...)
		for _, text := range c.inText {
			if !strings.Contains(errs, text) {
				t.Errorf("%v: it does not say %q: %s", c.args, text, errs)
			}
		}
		if code != c.code || out != "" || strings.Contains(errs, "secret-that") {
			t.Errorf("%v: exit %d, want %d: %s %s", c.args, code, c.code, out, errs)
		}
	}
}

// TestAStacksSettingsAreThoseOfItsFunctions holds the tables against template.yaml.
func TestAStacksSettingsAreThoseOfItsFunctions(t *testing.T) {
	x := readTemplate(t)
	variables := map[string]string{}
	for _, path := range [][]string{{"Globals", "Function"}, {"Resources", "ReconcilerFunction", "Properties"}} {
		path = append(path, "Environment", "Variables")
		for line := range strings.Lines(x.at(t, path...)) {
			if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && strings.HasPrefix(name, "HATCHERY_") {
				variables[name] = x.at(t, append(path, name)...)
			}
		}
	}
	if len(variables) < 15 {
		t.Fatalf("template.yaml has the variables %v", variables)
	}
	for name, value := range variables {
		parameter, output := stackParameters[name], stackOutputs[name]
		switch {
		case name == "HATCHERY_STACK", name == "HATCHERY_VISIBILITY_SECONDS":
		case name == "HATCHERY_MAX_RECEIVES":
			if queue := x.at(t, "Resources", "UploadsQueue", "Properties", "RedrivePolicy", "maxReceiveCount"); value != queue ||
				value != strconv.Itoa(config.DefaultMaxReceives) {
				t.Errorf("%s is %s, the queue has %s, and the default is %d", name, value, queue, config.DefaultMaxReceives)
			}
		case name == "HATCHERY_TABLE":
			if resource := x.at(t, "Outputs", output, "Value"); !strings.Contains(value, resource) {
				t.Errorf("%s is %s, and the output %s", name, value, resource)
			}
		case output != "":
			if resource := x.at(t, "Outputs", output, "Value"); resource != value {
				t.Errorf("%s is %s, and the output %s", name, value, resource)
			}
		case value != "!Ref "+parameter:
			t.Errorf("%s is %s, and not the parameter %q", name, value, parameter)
		}
	}
	for _, table := range []map[string]string{stackParameters, stackOutputs} {
		for name := range table {
			if variables[name] == "" {
				t.Errorf("no function has %s", name)
			}
		}
	}
	x.at(t, "Outputs", "DeadLetterQueueUrl")
	for line := range strings.Lines(x.at(t, "Mappings", "ByValidatorSeconds")) {
		var seconds, visibility int
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "'%d': {Visibility: '%d'}", &seconds, &visibility); err == nil &&
			visibilityOf(seconds) != visibility {
			t.Errorf("the visibility of %d seconds is %d, want %d", seconds, visibilityOf(seconds), visibility)
		}
	}
	if seconds := x.number(t, "Parameters", "ValidatorSeconds", "Default"); x.at(t, "Mappings", "ByValidatorSeconds",
		fmt.Sprintf("'%d'", seconds)) != fmt.Sprintf("{Visibility: '%d'}", visibilityOf(seconds)) {
		t.Error("the visibility was not found in the template")
	}
}

func TestTheOperatorIsTheCallerInAWS(t *testing.T) {
	const arn = "arn:aws:sts::111122223333:assumed-role/on-call/ann"
	answer := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
		`<Arn>` + arn + `</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	serveStacks(t, map[string]fakeStack{"ours": oursStack()})
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	dep, err := openDeployment(t.Context(), deploymentFlags{stack: "ours"}, stackTerminal())
	if err != nil {
		t.Fatal(err)
	}
	if who, err := dep.operator(t.Context()); who != arn || err != nil {
		t.Errorf("%q, %v", who, err)
	}
	status, answer = http.StatusForbidden, `<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>`
	who, err := dep.operator(t.Context())
	if exit, ok := errors.AsType[*exitError](err); who != "" || !ok || exit.code != exitSystem ||
		!strings.Contains(err.Error(), "ExpiredToken") || strings.Contains(err.Error(), "secret-that") {
		t.Errorf("with credentials that ended: %q, %v", who, err)
	}
}

func TestTheOperatorHereIsTheUserAndIsNeverMissing(t *testing.T) {
	for _, c := range []struct {
		user *user.User
		err  error
		want string
	}{
		{&user.User{Username: "ann"}, nil, "ann"}, {&user.User{}, nil, "unknown"}, {nil, errors.New("no such user"), "unknown"},
	} {
		if got := userHere(func() (*user.User, error) { return c.user, c.err }); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
