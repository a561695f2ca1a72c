package s3objects

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/upload"
)

// Link signs a URL that reads one version, its type and disposition included in
// the signature.
func (s *Store) Link(ctx context.Context, l upload.Link) (string, error) {
	return s.link(ctx, aws.String(string(l.Version)), l)
}

// link signs a URL; without a version it is of whatever stands under the key.
func (s *Store) link(ctx context.Context, version *string, l upload.Link) (string, error) {
	signer := s3.NewPresignClient(s.client, s3.WithPresignClientFromClientOptions(plainly))
	signed, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: aws.String(string(l.Key)), VersionId: version,
		ResponseContentType: &l.ContentType, ResponseContentDisposition: &l.Disposition,
	}, s3.WithPresignExpires(l.Lifetime))
	if err != nil {
		return "", fmt.Errorf("sign a link to %q: %w", l.Key, err)
	}
	return signed.URL, nil
}

// plainly leaves the request for checksums out of a link, however the client was made: no browser compares them.
func plainly(o *s3.Options) {
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}

// Sign signs a POST form for one key. Every field has its condition, or S3 would
// refuse the form; nothing that is not named here can be set, tags included.
func (s *Store) Sign(ctx context.Context, f upload.FormRequest) (upload.Form, error) {
	const created = "201"
	signed, err := s3.NewPresignClient(s.client).PresignPostObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(string(f.Key)),
	}, func(o *s3.PresignPostOptions) {
		o.Expires = time.Until(f.Expires)
		o.Conditions = []any{
			[]any{"content-length-range", f.MinBytes, f.MaxBytes},
			map[string]string{"content-type": f.ContentType},
			map[string]string{"success_action_status": created},
		}
	})
	if err != nil {
		return upload.Form{}, fmt.Errorf("sign a form for %q: %w", f.Key, err)
	}
	fields := signed.Values
	fields["content-type"] = f.ContentType
	fields["success_action_status"] = created
	return upload.Form{Method: "POST", URL: signed.URL, Fields: fields, Expires: f.Expires}, nil
}
