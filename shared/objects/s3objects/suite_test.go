package s3objects_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestTheBucketKeepsTheContractOfObjects(t *testing.T) {
	c := client(endpoint, secretKey)
	name := aws.String(bucket)
	uploadtest.RunObjects(t, func(t *testing.T) uploadtest.ObjectsHarness {
		return uploadtest.ObjectsHarness{
			Objects:   open(t),
			Overwrite: overwriter(c),
			Mark:      markerOf(c),
			Described: func(t *testing.T, key upload.Key, version upload.Version) (string, string) {
				t.Helper()
				out, err := c.HeadObject(t.Context(),
					&s3.HeadObjectInput{Bucket: name, Key: aws.String(string(key)), VersionId: aws.String(string(version))})
				if err != nil {
					t.Fatal(err)
				}
				return aws.ToString(out.ContentType), aws.ToString(out.ContentDisposition)
			},
		}
	})
}

// overwriter adds a version under a key whatever is there.
func overwriter(c *s3.Client) func(*testing.T, upload.Key, []byte) upload.Version {
	return func(t *testing.T, key upload.Key, body []byte) upload.Version {
		t.Helper()
		out, err := c.PutObject(t.Context(),
			&s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(string(key)), Body: bytes.NewReader(body),
				ContentType: aws.String("text/html"), ContentDisposition: aws.String("inline")})
		if err != nil {
			t.Fatal(err)
		}
		return upload.Version(aws.ToString(out.VersionId))
	}
}

// markerOf puts a delete marker on a key.
func markerOf(c *s3.Client) func(*testing.T, upload.Key) {
	return func(t *testing.T, key upload.Key) {
		t.Helper()
		if _, err := c.DeleteObject(t.Context(),
			&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(string(key))}); err != nil {
			t.Fatal(err)
		}
	}
}
