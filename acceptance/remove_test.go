//go:build acceptance

package acceptance

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// takesDown deletes the stack as docs say: bucket and table outlive it, and are
// emptied and removed by hand.
func takesDown(t *testing.T, s *stack) {
	ctx := t.Context()
	check(t, s.drained(ctx, s.queue)) // a validator at work would write into a log that is gone, and so make one
	for kind, names := range s.belongings(t) {
		if len(names) == 0 {
			t.Errorf("before it is deleted the stack has no %s: so nothing is known of them afterwards", kind)
		}
	}
	mustRun(t, command{args: []string{tool(t, "sam"), "delete", "--config-file",
		filepath.Join(moduleRoot(t), "samconfig.toml"), "--config-env", "acceptance",
		"--stack-name", s.name, "--no-prompts"}, env: s.environment(t), limit: 2 * time.Minute})

	buckets, err := s.objects.ListBuckets(ctx, &s3.ListBucketsInput{})
	check(t, err)
	if !slices.ContainsFunc(buckets.Buckets, func(b types.Bucket) bool { return aws.ToString(b.Name) == s.bucket }) {
		t.Error("the bucket went with the stack: files may be in it")
	}
	if _, err := s.database.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.table}); err != nil {
		t.Errorf("the table went with the stack: %v", err)
	}

	// From the beginning each time: the emulator's next page is found by a version that may be gone.
	for left := true; left; {
		page, err := s.objects.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &s.bucket})
		check(t, err)
		left = aws.ToBool(page.IsTruncated)
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
	for kind, names := range s.belongings(t) {
		if len(names) > 0 {
			t.Errorf("after all that these %s are left: %v", kind, names)
		}
	}
}

// belongings are the names of all that the account has of the stack, by kind.
func (s *stack) belongings(t testing.TB) map[string][]string {
	t.Helper()
	ctx, found := t.Context(), map[string][]string{}
	add := func(kind string, names ...string) {
		found[kind] = slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(name, s.name) })
	}

	var lambdas struct {
		Functions []struct{ FunctionName string }
	}
	s.rest(t, "lambda", http.MethodGet, "/2015-03-31/functions/", nil, &lambdas)
	add("functions", each(lambdas.Functions, func(f struct{ FunctionName string }) string { return f.FunctionName })...)

	type api struct{ Name string }
	var apis struct{ Items []api }
	s.rest(t, "apigateway", http.MethodGet, "/v2/apis", nil, &apis)
	add("APIs", each(apis.Items, func(a api) string { return a.Name })...)

	var groups struct {
		LogGroups []struct{ LogGroupName string }
	}
	s.target(t, "logs", "Logs_20140328.DescribeLogGroups", map[string]any{}, &groups)
	add("logs", each(groups.LogGroups, func(g struct{ LogGroupName string }) string { return g.LogGroupName })...)

	var rules struct{ Rules []api }
	s.target(t, "events", "AWSEvents.ListRules", map[string]any{}, &rules)
	add("rules", each(rules.Rules, func(r api) string { return r.Name })...)

	for kind, list := range map[string]struct{ service, action, member string }{
		"roles":    {"iam", "ListRoles", "RoleName"},
		"policies": {"iam", "ListPolicies", "PolicyName"},
		"topics":   {"sns", "ListTopics", "TopicArn"},
		"alarms":   {"monitoring", "DescribeAlarms", "AlarmName"},
	} {
		add(kind, s.listed(t, list.service, list.action, list.member)...)
	}

	queues, err := s.queues.ListQueues(ctx, &sqs.ListQueuesInput{})
	check(t, err)
	add("queues", queues.QueueUrls...)
	tables, err := s.database.ListTables(ctx, &dynamodb.ListTablesInput{})
	check(t, err)
	add("tables", tables.TableNames...)
	buckets, err := s.objects.ListBuckets(ctx, &s3.ListBucketsInput{})
	check(t, err)
	add("buckets", each(buckets.Buckets, func(b types.Bucket) string { return aws.ToString(b.Name) })...)
	return found
}

// listed gives the texts of all elements of one name in an answer; fields of the call
// are pairs.
func (s *stack) listed(t testing.TB, service, action, member string, fields ...string) []string {
	t.Helper()
	asked := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		asked[fields[i]] = fields[i+1]
	}
	var answer struct {
		Inner []byte `xml:",innerxml"`
	}
	s.form(t, service, action, asked, &answer)
	var names []string
	for _, part := range strings.Split(string(answer.Inner), "<"+member+">")[1:] {
		name, _, _ := strings.Cut(part, "<")
		names = append(names, name)
	}
	return names
}

func each[T any](list []T, name func(T) string) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = name(list[i])
	}
	return names
}
