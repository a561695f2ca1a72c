//go:build acceptance

package acceptance

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/local/demoapp"
)

// allowedOrigin is the one origin whose pages may read answers.
const allowedOrigin = "https://notes.example.com"

// stack is a deployed template.
type stack struct {
	*emulator
	name      string
	template  document          // as it was deployed, the transform done
	resources map[string]string // logical name -> physical
	api       string            // the API's URL
	bucket    string
	table     string
	queue     string // URLs
	dead      string

	objects  *s3.Client
	queues   *sqs.Client
	database *dynamodb.Client

	// patience is how long a check waits for what ought to come.
	patience time.Duration
}

// document is a CloudFormation template as JSON.
type document map[string]any

// clone is a copy that shares nothing.
func (d document) clone(t testing.TB) document {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var copied document
	if err := json.Unmarshal(text, &copied); err != nil {
		t.Fatal(err)
	}
	return copied
}

// application is a stand-in for the application that keeps the journals. It is
// one for all tests.
var application = sync.OnceValue(func() *httptest.Server {
	journals := demoapp.Handler()
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What the demo application never says.
		switch r.Header.Get("Authorization") {
		case "Bearer unknown":
			http.Error(w, "who?", http.StatusUnauthorized)
		case "Bearer lost":
			http.Error(w, "no such entry", http.StatusNotFound)
		case "Bearer broken":
			http.Error(w, "broken", http.StatusInternalServerError)
		default:
			journals.ServeHTTP(w, r)
		}
	}))
})

// builtTemplate is the template that `sam build` made, as JSON.
func builtTemplate(t testing.TB, b buildFolder) document {
	t.Helper()
	return readTemplate(t, b.Template())
}

// readTemplate is a template as JSON.
func readTemplate(t testing.TB, path string) document {
	t.Helper()
	const script = `
import json, sys
from samcli.yamlhelper import yaml_parse
print(json.dumps(yaml_parse(open(sys.argv[1]).read()), default=str))`
	r := mustRun(t, command{args: []string{tool(t, "python"), "-c", script, path}})
	var built document
	if err := json.Unmarshal([]byte(r.stdout), &built); err != nil {
		t.Fatalf("%v: %s", err, r)
	}
	return built
}

// policy is the default's images, and pairs: small files, no two of them alike.
const policyJSON = `{"kinds":{"images":{"extensions":["png","jpg","jpeg","bmp","gif"],"max_bytes":5500000},` +
	`"pairs":{"extensions":["gif","png"],"min_bytes":100,"max_bytes":2000,"duplicates":"refuse","max_files":2}}}`

// parameters are what the acceptance deployment sets beside samconfig.toml.
func parameters(name string) map[string]string {
	return map[string]string{"Architecture": thisMachine, "ApplicationUrl": application().URL,
		"AllowedOrigins": allowedOrigin, "BucketPrefix": name, "DeletionProtection": "false",
		"OperatorRoleArn": "arn:aws:iam::000000000000:role/" + readsQuarantine,
		"Policy":          policyJSON, "ValidatorSeconds": "60", "ClearObsolete": "true",
		"TellBus": "arn:aws:events:" + region + ":000000000000:event-bus/default"}
}

// samDeploy deploys a template as a person would.
func samDeploy(t testing.TB, e *emulator, name string, built document, b buildFolder,
	parameters map[string]string) result {
	t.Helper()
	file := filepath.Join(b.folder, name+".json")
	text, err := json.Marshal(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{tool(t, "sam"), "deploy", "--config-file", filepath.Join(moduleRoot(t), "samconfig.toml"),
		"--config-env", "acceptance", "--template-file", file, "--stack-name", name}
	return run(t, command{args: append(args, overriding(parameters)...), folder: t.TempDir(), env: e.environment(t), limit: 3 * time.Minute})
}

// overriding are the arguments by which sam is given parameters.
func overriding(parameters map[string]string) []string {
	args := []string{"--parameter-overrides"}
	for _, parameter := range slices.Sorted(maps.Keys(parameters)) {
		// The SAM CLI reads a value in quotes as a shell would.
		args = append(args, parameter+`="`+strings.ReplaceAll(parameters[parameter], `"`, `\"`)+`"`)
	}
	return args
}

// deployStack deploys a template and finds what is in it.
func deployStack(t testing.TB, e *emulator, name string, built document, b buildFolder,
	parameters map[string]string) *stack {
	t.Helper()
	r := samDeploy(t, e, name, built, b, parameters)
	if r.code != 0 {
		t.Fatal(r)
	}
	t.Logf("sam deploy of %s took %s", name, r.took.Round(100*time.Millisecond))
	return describe(t, e, name)
}

// describe finds what a deployed stack has.
func describe(t testing.TB, e *emulator, name string) *stack {
	t.Helper()
	s := &stack{emulator: e, name: name, patience: 10 * time.Second, resources: e.resourcesOf(t, name)}
	var body struct {
		Text string `xml:"GetTemplateResult>TemplateBody"`
	}
	e.form(t, "cloudformation", "GetTemplate", map[string]string{"StackName": name, "TemplateStage": "Processed"}, &body)
	if err := json.Unmarshal([]byte(body.Text), &s.template); err != nil {
		t.Fatalf("the deployed template: %v\n%.500s", err, body.Text)
	}
	s.bucket, s.table = s.physical(t, "UploadsBucket"), s.resources["RecordsTable"] // "" where Bugout keeps the records
	s.queue, s.dead = s.physical(t, "UploadsQueue"), s.physical(t, "DeadLetterQueue")
	config := e.config(root())
	s.objects, s.queues, s.database = s3Client(config), sqs.NewFromConfig(config), dynamodb.NewFromConfig(config)
	s.api = "https://" + s.physical(t, "HttpApi") + ".execute-api.localhost"
	return s
}

// resourcesOf are the physical names of what a stack has, by their logical names.
func (e *emulator) resourcesOf(t testing.TB, name string) map[string]string {
	t.Helper()
	var listed struct {
		Resources []struct {
			LogicalResourceId,
			PhysicalResourceId string
		} `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	e.form(t, "cloudformation", "DescribeStackResources", map[string]string{"StackName": name}, &listed)
	found := map[string]string{}
	for _, r := range listed.Resources {
		found[r.LogicalResourceId] = r.PhysicalResourceId
	}
	return found
}

// outputsOf are the outputs of a stack.
func (e *emulator) outputsOf(t testing.TB, name string) map[string]string {
	t.Helper()
	var described struct {
		Outputs []struct{ OutputKey, OutputValue string } `xml:"DescribeStacksResult>Stacks>member>Outputs>member"`
	}
	e.form(t, "cloudformation", "DescribeStacks", map[string]string{"StackName": name}, &described)
	found := map[string]string{}
	for _, o := range described.Outputs {
		found[o.OutputKey] = o.OutputValue
	}
	return found
}

// s3Client is a client that finds the bucket by path.
func s3Client(config aws.Config) *s3.Client {
	return s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
}

// physical is the name that a resource got.
func (s *stack) physical(t testing.TB, logical string) string {
	t.Helper()
	name := s.resources[logical]
	if name == "" {
		t.Fatalf("the stack %s has no %s; it has %v", s.name, logical, slices.Sorted(maps.Keys(s.resources)))
	}
	return name
}
