package s3objects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"hatchery/shared/arrival"
	"hatchery/shared/local/locals3"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
)

const (
	region    = "us-east-1"
	bucket    = "uploads"
	accessKey = "HATCHERYTEST"
	secretKey = "a-secret-for-tests-that-must-not-show"
)

// endpoint is the S3 server of this test binary: there can be only one in a process.
var endpoint string

func TestMain(m *testing.M) { os.Exit(withServer(m)) }

func withServer(m *testing.M) int {
	dir, err := os.MkdirTemp("", "s3objects")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	server, err := locals3.Open(ctx,
		locals3.Options{Dir: dir, Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey,
			Bucket: bucket, QuarantinePrefix: "quarantine/", Log: slog.New(slog.DiscardHandler),
			Created: func(context.Context, arrival.Created) error { return nil }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	endpoint = server.URL()
	code := m.Run()
	if err := server.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func client(at, secret string) *s3.Client {
	return s3.New(s3.Options{Region: region, BaseEndpoint: &at, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials:                credentials.NewStaticCredentialsProvider(accessKey, secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported})
}

func open(*testing.T) *s3objects.Store {
	return s3objects.New(client(endpoint, secretKey), bucket)
}

var keys atomic.Int64

func newKey() upload.Key {
	return upload.Key(fmt.Sprintf("quarantine/j/entries/e/images/%08d-0000-7000-8000-000000000000", keys.Add(1)))
}

func put(t *testing.T, s *s3objects.Store, key upload.Key, data string) upload.Version {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
	object, err := s.Open(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := object.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return object.Version
}

func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

func TestALinkReadsOneVersionWithItsTypeAndDisposition(t *testing.T) {
	s, key := open(t), newKey()
	version := put(t, s, key, "picture")
	url, err := s.Link(t.Context(), upload.Link{Key: key, Version: version, ContentType: "image/png",
		Disposition: upload.Disposition("image/png", "größe.png"), Lifetime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	status, header, body := get(t, url)
	if status != http.StatusOK || body != "picture" || header.Get("Content-Type") != "image/png" ||
		!strings.Contains(header.Get("Content-Disposition"), "gr%C3%B6%C3%9Fe.png") {
		t.Errorf("answered %d %v %q", status, header, body)
	}
	if status, _, _ := get(t, strings.Replace(url, "image%2Fpng", "text%2Fhtml", 1)); status != http.StatusForbidden {
		t.Errorf("with another type the link is answered %d", status)
	}
}

// post sends a form as a browser does.
func post(t *testing.T, f upload.Form, fields map[string]string, data []byte) (int, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range f.Fields {
		if changed, ok := fields[name]; ok {
			value = changed
		}
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range fields {
		if _, known := f.Fields[name]; !known {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	part, err := w.CreateFormFile("file", "any.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), f.Method, f.URL, &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	status, _, answer := do(t, req)
	return status, answer
}

func TestAFormTakesExactlyWhatItWasSignedFor(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		name   string
		fields map[string]string
		size   int
		status int
	}{
		{"the least", nil, 2, http.StatusCreated},
		{"the most", nil, 10, http.StatusCreated},
		{"too few bytes", nil, 1, http.StatusBadRequest},
		{"too many bytes", nil, 11, http.StatusBadRequest},
		{"another key", map[string]string{"key": "files/j/entries/e/images/x"}, 5, http.StatusForbidden},
		{"another type", map[string]string{"content-type": "text/html"}, 5, http.StatusForbidden},
		{"a field that was not signed", map[string]string{"tagging": "<Tagging/>"}, 5, http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := newKey()
			f, err := s.Sign(t.Context(),
				upload.FormRequest{Key: key, ContentType: "image/png", MinBytes: 2, MaxBytes: 10,
					Expires: time.Now().Add(time.Minute)})
			if err != nil {
				t.Fatal(err)
			}
			status, answer := post(t, f, c.fields, bytes.Repeat([]byte("x"), c.size))
			if status != c.status {
				t.Fatalf("answered %d, want %d: %s", status, c.status, answer)
			}
			object, err := s.Open(t.Context(), key, "")
			if status == http.StatusCreated {
				if err != nil || object.Size != int64(c.size) {
					t.Errorf("the object: %v, %d bytes", err, object.Size)
				}
				if err := object.Body.Close(); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, upload.ErrGone) {
				t.Errorf("a refused form left an object behind: %v", err)
			}
		})
	}
}

func TestTroubleIsNeverTakenForAbsence(t *testing.T) {
	key := newKey()
	refused, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + refused.Addr().String()
	if err := refused.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*s3objects.Store{
		"a wrong secret":   s3objects.New(client(endpoint, "wrong"), bucket),
		"no such bucket":   s3objects.New(client(endpoint, secretKey), "another-bucket"),
		"nobody listening": s3objects.New(client(nobody, secretKey), bucket),
	} {
		t.Run(name, func(t *testing.T) {
			_, openErr := s.Open(t.Context(), key, "v")
			_, promoteErr := s.Promote(t.Context(),
				upload.Promotion{From: key, Version: "01J00000000000000000000000", To: "files/x"})
			_, versionsErr := s.Versions(t.Context(), key)
			for call, err := range map[string]error{"open": openErr, "promote": promoteErr, "versions": versionsErr,
				"put":    s.Put(t.Context(), key, strings.NewReader("x"), 1),
				"remove": s.Remove(t.Context(), key, "01J00000000000000000000000")} {
				if err == nil || errors.Is(err, upload.ErrGone) || errors.Is(err, upload.ErrExists) {
					t.Errorf("%s: %v", call, err)
				}
				if err != nil && strings.Contains(err.Error(), secretKey) {
					t.Errorf("%s shows the secret", call)
				}
			}
		})
	}
}

func TestAnUnknownAccessKeyIsRefusedAsS3RefusesIt(t *testing.T) {
	c := s3.New(s3.Options{Region: region, BaseEndpoint: &endpoint, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("NOBODY", secretKey, "")})
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("files/x")})
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "InvalidAccessKeyId" ||
		!strings.Contains(err.Error(), "403") {
		t.Errorf("%v", err)
	}
}

func TestARemovalWithoutAVersionIsRefusedBecauseItWouldOnlyHide(t *testing.T) {
	s, key := open(t), newKey()
	put(t, s, key, "x")
	if err := s.Remove(t.Context(), key, ""); err == nil {
		t.Error("it was done")
	}
	if versions, err := s.Versions(t.Context(), key); err != nil || len(versions) != 1 {
		t.Errorf("versions: %v, %v", versions, err)
	}
}

func TestAReadThatMakesNoProgressEnds(t *testing.T) {
	release := make(chan struct{})
	stalled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.Header().Set("x-amz-version-id", "v1")
		_, _ = io.WriteString(w, "half-")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer stalled.Close()
	defer close(release)
	s := s3objects.New(client(stalled.URL, secretKey), bucket)
	s.SetStallTimeout(50 * time.Millisecond)
	object, err := s.Open(t.Context(), newKey(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err == nil || string(data) != "half-" {
		t.Errorf("read %q, %v", data, err)
	}
}

// Who opened an object may have something else to wait for before it reads.
func TestAnObjectThatIsReadLaterIsWhole(t *testing.T) {
	bytes := strings.Repeat("whole ", 1<<20) // more than the connection holds
	whole := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-amz-version-id", "v1")
		_, _ = io.WriteString(w, bytes)
	}))
	defer whole.Close()
	s := s3objects.New(client(whole.URL, secretKey), bucket)
	const limit = 500 * time.Millisecond // longer than a busy machine lets the server wait
	s.SetStallTimeout(limit)
	object, err := s.Open(t.Context(), newKey(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	<-time.After(2 * limit)
	if data, err := io.ReadAll(object.Body); err != nil || string(data) != bytes {
		t.Errorf("read %d bytes of %d, %v", len(data), len(bytes), err)
	}
}

func TestPartOfAVersionIsReadAndNoMore(t *testing.T) {
	s, key := open(t), newKey()
	version := put(t, s, key, "0123456789")
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, -1, "0123456789"}, {3, -1, "3456789"}, {3, 4, "3456"}, {0, 1, "0"}, {5, 0, ""}} {
		body, err := s.ReadRange(t.Context(), key, version, c.offset, c.length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != c.want || body.Close() != nil {
			t.Errorf("from %d, %d bytes: %q, %v", c.offset, c.length, got, err)
		}
	}
	if _, err := s.ReadRange(t.Context(), newKey(), version, 0, -1); !errors.Is(err, upload.ErrGone) {
		t.Errorf("of a key that is not there: %v", err)
	}
}
