package locals3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"hatchery/shared/arrival"
	"hatchery/shared/local/locals3"
)

const (
	bucket    = "uploads"
	region    = "eu-central-1"
	accessKey = "AKIDEXAMPLE"
	secretKey = "secret-of-the-tests"
	site      = "http://localhost:5173"
	besides   = "http://[::1]:3000" // an origin that AllowOrigin allows
)

// One server for all tests: there can be only one in a process. Each test uses keys of its own, or a folder of its own
// with elsewhere.
var (
	server *locals3.Server
	client *s3.Client
	home   string
	seen   = new(recorder)
	logged = new(lockedBuffer)
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(withServer(m))
}

func withServer(m *testing.M) int {
	dir, err := os.MkdirTemp("", "locals3")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	home = filepath.Join(dir, "s3")
	if err := open(home); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shut(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func open(dir string) (err error) {
	if server, err = locals3.Open(context.Background(), options(dir)); err == nil {
		client = clientFor(server.URL(), secretKey)
	}
	return err
}

func shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Close(ctx)
}

// elsewhere runs fn with the common server closed, and opens it again.
func elsewhere(t testing.TB, fn func()) {
	t.Helper()
	if err := shut(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := open(home); err != nil {
			t.Fatal(err)
		}
	}()
	fn()
}

// during runs fn with the server open on dir.
func during(t testing.TB, dir string, fn func()) {
	t.Helper()
	if err := open(dir); err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	defer func() {
		if err := shut(); err != nil {
			t.Fatal(err)
		}
	}()
	fn()
}

func options(dir string) locals3.Options {
	return locals3.Options{
		Dir: dir, Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey,
		Bucket: bucket, QuarantinePrefix: "quarantine/", CORSOrigins: []string{site},
		AllowOrigin: func(origin string) bool { return origin == besides },
		Created:     seen.created, Log: slog.New(slog.NewTextHandler(logged, nil)),
	}
}

// recorder keeps the arrivals by key. Keys that contain "unannounced" fail.
type recorder struct {
	mu    sync.Mutex
	byKey map[string][]arrival.Created
}

var errUnannounced = errors.New("the queue is full")

func (r *recorder) created(_ context.Context, c arrival.Created) error {
	if strings.Contains(c.Key, "unannounced") {
		return errUnannounced
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil {
		r.byKey = make(map[string][]arrival.Created)
	}
	r.byKey[c.Key] = append(r.byKey[c.Key], c)
	return nil
}

func (r *recorder) of(key string) []arrival.Created {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival.Created(nil), r.byKey[key]...)
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func clientFor(url, secret string, more ...func(*s3.Options)) *s3.Client {
	return s3.NewFromConfig(aws.Config{
		Region:                     region,
		BaseEndpoint:               &url,
		Credentials:                credentials.NewStaticCredentialsProvider(accessKey, secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		RetryMaxAttempts:           1,
		HTTPClient:                 &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute},
	}, append(more, func(o *s3.Options) { o.UsePathStyle = true })...)
}

func put(t testing.TB, key, body string, more ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(body)}
	for _, change := range more {
		change(in)
	}
	out, err := client.PutObject(t.Context(), in)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

func get(t testing.TB, key, version string) (string, *s3.GetObjectOutput) {
	t.Helper()
	in := &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	out, err := client.GetObject(t.Context(), in)
	if err != nil {
		t.Fatalf("get %q version %q: %v", key, version, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("get %q version %q: %v", key, version, err)
	}
	return string(body), out
}

// code is the S3 error code of an error, or the error's text.
func code(err error) string {
	var failure smithy.APIError
	if errors.As(err, &failure) {
		return failure.ErrorCode()
	}
	return fmt.Sprint(err)
}

// gone says that neither the key nor, when given, the version can be read.
func gone(t testing.TB, key, version string) bool {
	t.Helper()
	in := &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	_, err := client.HeadObject(t.Context(), in)
	if err != nil && code(err) != "NotFound" {
		t.Fatalf("head %q: %v", key, err)
	}
	return err != nil
}

var runs atomic.Int64

// places gives a test the keys of its own, in quarantine and among the files that are served.
func places() (in, filed func(string) string) {
	run := runs.Add(1)
	return func(key string) string { return fmt.Sprintf("quarantine/%d/%s", run, key) },
		func(key string) string { return fmt.Sprintf("files/%d/%s", run, key) }
}
