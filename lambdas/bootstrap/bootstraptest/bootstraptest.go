// Package bootstraptest starts a Lambda function in a test, as Lambda would, beside a
// DynamoDB of its own.
package bootstraptest

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/config"
	"hatchery/shared/local/localdynamo"
	"hatchery/shared/records/dynamorecords"
)

// What the environment of a function says. SecretKey must not be seen anywhere.
const (
	Region    = "eu-central-1"
	AccessKey = "id"
	SecretKey = "canary-7d20ab"
	Table     = "records"
	Bucket    = "bucket-1"
)

// Function is a function that was run. Its Handler is nil when it did not start.
type Function struct {
	lambda.Handler
	*bootstrap.Dependencies
	Stdout, Stderr Output
}

// Output is what a function has written. It may be read while the function writes.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// Reset forgets what was written.
func (o *Output) Reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
}

// String is what was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Env is what every function needs of its environment, without its records' store.
func Env() map[string]string {
	return map[string]string{"AWS_REGION": Region, "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey,
		"HATCHERY_BUCKET": Bucket}
}

// Run starts a function in an environment.
func Run(t *testing.T, env map[string]string, build bootstrap.Build, needs ...config.Need) *Function {
	t.Helper()
	f := &Function{}
	process := bootstrap.Process{Stdout: &f.Stdout, Stderr: &f.Stderr,
		Getenv: func(name string) string { return env[name] },
		Serve:  func(handler any) { f.Handler = lambda.NewHandler(handler) }}
	keep := func(d *bootstrap.Dependencies) (any, error) {
		f.Dependencies = d
		return build(d)
	}
	code := bootstrap.Run(process, keep, needs...)
	if (code == 0) != (f.Handler != nil) {
		t.Errorf("exit code %d, handler %v", code, f.Handler)
	}
	return f
}

// Start is Run with records in a DynamoDB that is open until the test ends. The table
// is not there yet.
func Start(t *testing.T, env map[string]string, build bootstrap.Build, needs ...config.Need) *Function {
	t.Helper()
	db, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: Region,
		AccessKey: AccessKey, SecretKey: SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) })
	env["AWS_ENDPOINT_URL_DYNAMODB"], env["HATCHERY_RECORDS"], env["HATCHERY_TABLE"] = db.URL(), "dynamodb", Table
	f := Run(t, env, build, needs...)
	if f.Handler == nil {
		t.Fatalf("the function did not start: %s", f.Stderr.String())
	}
	return f
}

// DynamoDB is a client of the one that the function's records are in.
func (f *Function) DynamoDB() *dynamodb.Client { return dynamodb.NewFromConfig(f.AWS) }

// CreateTable makes the table of the function's records.
func (f *Function) CreateTable(t *testing.T) {
	t.Helper()
	if _, err := f.DynamoDB().CreateTable(t.Context(), dynamorecords.TableInput(Table)); err != nil {
		t.Fatal(err)
	}
}
