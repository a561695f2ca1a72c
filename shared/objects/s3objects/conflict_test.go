package s3objects_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
)

// TestTwoCreateOnlyWritesThatMeetAreTriedAgain: S3 answers the one that comes second
// 409 while the first is under way.
func TestTwoCreateOnlyWritesThatMeetAreTriedAgain(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if asked.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, "<Error><Code>ConditionalRequestConflict</Code><Message>try again</Message></Error>")
			return
		}
		w.Header().Set("x-amz-version-id", "v1")
		if r.Header.Get("x-amz-copy-source") != "" {
			fmt.Fprint(w, "<CopyObjectResult><ChecksumSHA256>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</ChecksumSHA256></CopyObjectResult>")
		}
	}))
	defer server.Close()
	client := s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})})
	store := s3objects.New(client, bucket)
	for name, write := range map[string]func(context.Context) error{
		"put": func(ctx context.Context) error { return store.Put(ctx, "quarantine/x", strings.NewReader("x"), 1) },
		"copy": func(ctx context.Context) error {
			_, err := store.Promote(ctx, upload.Promotion{From: "quarantine/x", Version: "v", To: "files/x"})
			return err
		},
	} {
		before := asked.Load()
		if err := write(t.Context()); err != nil || asked.Load()-before != 2 {
			t.Errorf("%s: %d requests, %v", name, asked.Load()-before, err)
		}
	}
}

func TestAFullDiskOfAStoreIsCalledThat(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusInsufficientStorage)
		fmt.Fprint(w, "<Error><Code>InsufficientStorage</Code><Message>No space left on device.</Message></Error>")
	}))
	defer server.Close()
	store := s3objects.New(s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")}), bucket)
	if err := store.Put(t.Context(), "quarantine/x", strings.NewReader("x"), 1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("put: %v", err)
	}
}

func TestAStoreThatPassesOverARangeIsTrouble(t *testing.T) {
	given := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if given != "" {
			w.Header().Set("Content-Range", given)
			w.WriteHeader(http.StatusPartialContent)
		}
		fmt.Fprint(w, "0123456789")
	}))
	defer server.Close()
	client := s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")})
	store := s3objects.New(client, bucket)
	for _, c := range []struct {
		given          string
		offset, length int64
		right          bool
	}{
		{"", 2, 3, false}, {"", 2, -1, false}, {"bytes 0-9/10", 2, 3, false}, {"bytes 2-5/10", 2, 3, false},
		{"bytes 2-45/100", 2, 3, false}, {"bytes 20-29/30", 2, -1, false},
		{"bytes 2-4/10", 2, 3, true}, {"bytes 2-9/10", 2, -1, true}, {"", 0, -1, true},
	} {
		given = c.given
		body, err := store.ReadRange(t.Context(), "files/x", "v", c.offset, c.length)
		if (err == nil) != c.right {
			t.Errorf("%d bytes from %d, given %q: %v", c.length, c.offset, c.given, err)
		}
		if err == nil {
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
