package s3objects_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestABucketOfOldImagesKeepsTheContract(t *testing.T) {
	c := client(endpoint, secretKey)
	for name, prefix := range map[string]string{"under a prefix": "dev", "under a prefix with a slash": "old/dev/", "at the root": ""} {
		t.Run(name, func(t *testing.T) {
			open(t)
			at := map[string]string{"dev": "dev/", "old/dev/": "old/dev/", "": ""}[prefix]
			uploadtest.RunLegacyImages(t, s3objects.NewLegacyImages(c, bucket, prefix), func(t *testing.T, ref upload.Ref, body []byte) {
				t.Helper()
				if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(at + ref.String()), Body: bytes.NewReader(body)}); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestALinkToAnOldImageSaysItsTypeAndDisposition(t *testing.T) {
	open(t)
	c := client(endpoint, secretKey)
	ref := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a09"}
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("dev/" + ref.String()), Body: bytes.NewReader([]byte("meow")),
		ContentType: aws.String("text/html")}); err != nil {
		t.Fatal(err)
	}
	link, err := s3objects.NewLegacyImages(c, bucket, "dev").SignLegacy(t.Context(), ref,
		upload.Link{ContentType: "application/octet-stream", Disposition: "attachment", Lifetime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "meow" || response.Header.Get("Content-Type") != "application/octet-stream" || response.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("%s %v %q, %v", response.Status, response.Header, body, err)
	}
}

func TestAnOldImageIsPromotedOnceWithItsSource(t *testing.T) {
	open(t)
	c := client(endpoint, secretKey)
	into := s3objects.New(c, bucket)
	ref := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a10"}
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("dev/" + ref.String()), Body: bytes.NewReader([]byte("meow")),
		Metadata: map[string]string{"by": "the uploader"}}); err != nil {
		t.Fatal(err)
	}
	old := s3objects.NewLegacyImages(c, bucket, "dev")
	p := upload.Promotion{To: upload.DefaultLayout.FilesKey(ref), Version: upload.LegacyVersion, ContentType: "image/png", Disposition: "inline"}
	if _, err := old.PromoteLegacy(t.Context(), ref, p); err == nil {
		t.Error("promoted without a bucket to promote into")
	}
	made, err := old.Promoting(into).PromoteLegacy(t.Context(), ref, p)
	if err != nil || made.Source != upload.LegacyVersion || made.SHA256 != "404cdd7bc109c432f8cc2443b45bcfe95980f5107215c645236e577929ac3e52" || made.Version == "" {
		t.Fatalf("%+v, %v", made, err)
	}
	if found, err := into.Stat(t.Context(), p.To); err != nil || found != made {
		t.Errorf("found is %+v, %v", found, err)
	}
	if _, err := old.Promoting(into).PromoteLegacy(t.Context(), ref, p); !errors.Is(err, upload.ErrExists) {
		t.Errorf("again: %v", err)
	}
	ref.ID = "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a11"
	p.To = upload.DefaultLayout.FilesKey(ref)
	if _, err := old.Promoting(into).PromoteLegacy(t.Context(), ref, p); !errors.Is(err, upload.ErrGone) {
		t.Errorf("what is not there: %v", err)
	}
}
