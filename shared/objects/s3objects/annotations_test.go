package s3objects_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
)

// TestNoCopyTakesTheAnnotationsOfItsSource: S3 copies them by default. The header has to be
// signed, or somebody between could take it away.
func TestNoCopyTakesTheAnnotationsOfItsSource(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got = r.Header.Clone()
		w.Header().Set("x-amz-version-id", "v1")
		fmt.Fprint(w, "<CopyObjectResult><ChecksumSHA256>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</ChecksumSHA256></CopyObjectResult>")
	}))
	defer server.Close()
	client := s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")})
	store := s3objects.New(client, bucket)
	legacy := s3objects.NewLegacyImages(client, "legacy", "").Promoting(store)
	promotion := upload.Promotion{From: "quarantine/x", Version: "v", To: "files/x"}
	for name, promote := range map[string]func(context.Context) error{
		"an upload": func(ctx context.Context) error { _, err := store.Promote(ctx, promotion); return err },
		"a legacy image": func(ctx context.Context) error {
			_, err := legacy.PromoteLegacy(ctx, upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "i"}, promotion)
			return err
		},
	} {
		got = nil
		if err := promote(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		const header = "x-amz-object-annotation-directive"
		if value := got.Get(header); value != "EXCLUDE" {
			t.Errorf("%s: %s is %q", name, header, value)
		}
		_, signed, _ := strings.Cut(got.Get("Authorization"), "SignedHeaders=")
		if signed, _, _ = strings.Cut(signed, ","); !strings.Contains(";"+signed+";", ";"+header+";") {
			t.Errorf("%s: signed are %s", name, signed)
		}
	}
}
