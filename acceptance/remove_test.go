//go:build acceptance

package acceptance

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// takesDown deletes the stack as docs say: bucket and table outlive it, and are
// emptied and removed by hand.
func takesDown(t *testing.T, s *stack) {
	ctx := t.Context()
	mustRun(t, command{args: []string{tool(t, "sam"), "delete", "--config-file", filepath.Join(moduleRoot(t), "samconfig.toml"), "--config-env", "acceptance",
		"--stack-name", s.name, "--no-prompts"}, env: s.environment(t), limit: 2 * time.Minute})

	buckets, err := s.objects.ListBuckets(ctx, &s3.ListBucketsInput{})
	check(t, err)
	if !slices.ContainsFunc(buckets.Buckets, func(b types.Bucket) bool { return aws.ToString(b.Name) == s.bucket }) {
		t.Error("the bucket went with the stack: files may be in it")
	}
	if _, err := s.database.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.table}); err != nil {
		t.Errorf("the table went with the stack: %v", err)
	}

	pages := s3.NewListObjectVersionsPaginator(s.objects, &s3.ListObjectVersionsInput{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		check(t, err)
		for _, v := range page.Versions {
			check(t, remove(aws.ToString(v.Key), aws.ToString(v.VersionId))(ctx, s.actor(root())))
		}
		for _, m := range page.DeleteMarkers {
			check(t, remove(aws.ToString(m.Key), aws.ToString(m.VersionId))(ctx, s.actor(root())))
		}
	}
	_, err = s.objects.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &s.bucket})
	check(t, err)
	_, err = s.database.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &s.table})
	check(t, err)
	if left := s.left(t); len(left) > 0 {
		t.Errorf("after all that there are still %v", left)
	}
}

// left is what the account has that belongs to the stack, by its names.
func (s *stack) left(t testing.TB) []string {
	t.Helper()
	var found struct {
		Resources []struct{ ResourceARN string } `json:"ResourceTagMappingList"`
	}
	s.target(t, "tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", map[string]any{}, &found)
	var left []string
	for _, r := range found.Resources {
		if strings.Contains(r.ResourceARN, s.name+"-") || strings.Contains(r.ResourceARN, "/"+s.name+"/") {
			left = append(left, r.ResourceARN)
		}
	}
	return left
}
