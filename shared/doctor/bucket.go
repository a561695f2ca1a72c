package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/wording"
)

func (s *Stack) bucket() string { return "the bucket " + s.Bucket }

// notification: without it nothing is judged until the reconciler sends a message, and nothing fails.
func (s *Stack) notification(ctx context.Context) ([]Finding, error) {
	queue, err := s.queue(ctx, s.QueueURL)
	if err != nil {
		return nil, err
	}
	arn := queue["QueueArn"]
	out, err := s.S3.GetBucketNotificationConfiguration(ctx,
		&s3.GetBucketNotificationConfigurationInput{Bucket: &s.Bucket})
	if err != nil {
		return nil, failed("s3:GetBucketNotification", s.bucket(), err)
	}
	what := s.bucket() + " notifies no queue"
	for _, c := range out.QueueConfigurations {
		switch {
		case aws.ToString(c.QueueArn) != arn:
			what = s.bucket() + " notifies another queue than " + arn
		case prefixOf(c.Filter) != s.QuarantinePrefix:
			what = fmt.Sprintf("%s notifies the queue of %s, and not exactly of what is below %s", s.bucket(),
				filterText(c.Filter), s.QuarantinePrefix)
		case !ofEveryUpload(c.Events):
			what = fmt.Sprintf("%s notifies the queue of %v alone, and not of s3:ObjectCreated:*", s.bucket(), c.Events)
		default:
			return nil, nil
		}
	}
	return []Finding{wrong(what, "Uploads are accepted and stay pending: the validator never hears of them. Of those "+
		"that came meanwhile the reconciler sends messages later. The command replaces all notifications of the bucket.",
		s.aws(fmt.Sprintf("s3api put-bucket-notification-configuration --bucket %s --notification-configuration %s",
			s.Bucket, wording.ShellWord(notificationJSON(arn, s.QuarantinePrefix)))))}, nil
}

// prefixOf is the prefix of a notification; "" where there is none, or something else narrows it.
func prefixOf(f *types.NotificationConfigurationFilter) (prefix string) {
	if f == nil || f.Key == nil {
		return ""
	}
	for _, r := range f.Key.FilterRules {
		if !strings.EqualFold(string(r.Name), "prefix") {
			return ""
		}
		prefix = aws.ToString(r.Value)
	}
	return prefix
}

func filterText(f *types.NotificationConfigurationFilter) string {
	var words []string
	if f != nil && f.Key != nil {
		for _, r := range f.Key.FilterRules {
			words = append(words, strings.ToLower(string(r.Name))+" "+aws.ToString(r.Value))
		}
	}
	if len(words) == 0 {
		return "every key"
	}
	return strings.Join(words, ", ")
}

// ofEveryUpload: the API puts, and forms post.
func ofEveryUpload(events []types.Event) bool {
	return slices.Contains(events, "s3:ObjectCreated:*") ||
		slices.Contains(events, "s3:ObjectCreated:Put") && slices.Contains(events, "s3:ObjectCreated:Post")
}

// notificationJSON is the notification that the template makes.
func notificationJSON(queueARN, prefix string) string {
	// Neither an ARN nor a prefix has anything that JSON could refuse.
	text, _ := json.Marshal(map[string]any{"QueueConfigurations": []any{map[string]any{"QueueArn": queueARN,
		"Events": []string{"s3:ObjectCreated:*"}, "Filter": map[string]any{"Key": map[string]any{
			"FilterRules": []any{map[string]string{"Name": "prefix", "Value": prefix}}}}}}})
	return string(text)
}

// versioning: what is judged and served is a version.
func (s *Stack) versioning(ctx context.Context) ([]Finding, error) {
	out, err := s.S3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.Bucket})
	if err != nil {
		return nil, failed("s3:GetBucketVersioning", s.bucket(), err)
	}
	if out.Status == types.BucketVersioningStatusEnabled {
		return nil, nil
	}
	status := strings.ToLower(string(out.Status))
	if status == "" {
		status = "off"
	}
	return []Finding{wrong("versioning of "+s.bucket()+" is "+status,
		"What is judged and served is one version of an object. Without versions another upload under the same key may "+
			"take its place, and nothing that was overwritten or deleted can be brought back.",
		s.aws("s3api put-bucket-versioning --bucket "+s.Bucket+" --versioning-configuration Status=Enabled"))}, nil
}

// cors: without it forms and links work everywhere but in pages.
func (s *Stack) cors(ctx context.Context) ([]Finding, error) {
	if len(s.Origins) == 0 {
		return nil, nil // no page is meant to
	}
	out, err := s.S3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &s.Bucket})
	if answer, ok := errors.AsType[smithy.APIError](err); ok && answer.ErrorCode() == "NoSuchCORSConfiguration" {
		out, err = &s3.GetBucketCorsOutput{}, nil
	}
	if err != nil {
		return nil, failed("s3:GetBucketCORS", s.bucket(), err)
	}
	var lacking []string
	for _, origin := range s.Origins {
		if !mayPost(out.CORSRules, origin) {
			lacking = append(lacking, origin)
		}
	}
	if len(lacking) == 0 {
		return nil, nil
	}
	what := s.bucket() + " lets no page of " + strings.Join(lacking, ", ") + " post forms and read files"
	if len(out.CORSRules) == 0 {
		what = "CORS of " + s.bucket() + " is off"
	}
	return []Finding{wrong(what, "AllowedOrigins names them. In their pages uploads by form, and stored files that are "+
		"answered by a link, fail with an error that says nothing. The command replaces all CORS rules of the bucket.",
		s.aws(fmt.Sprintf("s3api put-bucket-cors --bucket %s --cors-configuration %s", s.Bucket,
			wording.ShellWord(corsJSON(s.Origins)))))}, nil
}

// mayPost says whether pages of an origin may post forms to the bucket and read from it.
func mayPost(rules []types.CORSRule, origin string) bool {
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		if !slices.ContainsFunc(rules, func(r types.CORSRule) bool {
			return slices.Contains(r.AllowedMethods, method) && slices.ContainsFunc(r.AllowedOrigins,
				func(pattern string) bool { return fits(pattern, origin) })
		}) {
			return false
		}
	}
	return true
}

// fits says whether a rule's origin, which may have one *, covers an origin.
func fits(pattern, origin string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == origin
	}
	return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
}

// corsJSON are the rules that the template makes.
func corsJSON(origins []string) string {
	text, _ := json.Marshal(map[string]any{"CORSRules": []any{map[string]any{"ID": "forms-and-signed-links",
		"AllowedOrigins": origins, "AllowedMethods": []string{http.MethodPost, http.MethodGet, http.MethodHead},
		"AllowedHeaders": []string{"*"}, "MaxAgeSeconds": 7200, "ExposeHeaders": []string{"ETag", "Location",
			"Content-Length", "Content-Range", "Accept-Ranges", "Content-Disposition"}}}}) // strings and a number
	return string(text)
}

// form: a browser follows no redirect of a preflight, and no client sends a file twice.
func (s *Stack) form(ctx context.Context) ([]Finding, error) {
	// Signing calls nobody; the URL is the one that forms have, whatever the endpoint.
	signed, err := s3.NewPresignClient(s.S3).PresignPostObject(ctx,
		&s3.PutObjectInput{Bucket: &s.Bucket, Key: aws.String(s.QuarantinePrefix + "doctor")})
	if err != nil {
		return nil, fmt.Errorf("find the URL of forms: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, signed.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("find the URL of forms: %w", err)
	}
	resp, err := s.HTTP.RoundTrip(req) // not an http.Client: it would follow
	if err != nil {
		return nil, fmt.Errorf("ask the URL of forms, %s: %w", signed.URL, err)
	}
	if err := resp.Body.Close(); err != nil {
		return nil, fmt.Errorf("ask the URL of forms, %s: %w", signed.URL, err)
	}
	if resp.StatusCode < 300 || resp.StatusCode >= 400 {
		return nil, nil // 403 is what a stranger is answered
	}
	return []Finding{wrong(fmt.Sprintf("%s answers with a redirect (%d)", signed.URL, resp.StatusCode),
		"Uploads by form fail, because no browser follows it. S3 does so for a bucket outside us-east-1 that is younger "+
			"than a day, until its name is known everywhere: wait, and look again. POST through the API works meanwhile.",
		s.Hatchery("doctor"))}, nil
}
