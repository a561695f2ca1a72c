package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a reviewer of the deployment asks for: keys, rights, the network.

// --- The key ------------------------------------------------------------------------

// encrypted are the resources that hold data at rest, but for the queues, with where each names a key.
var encrypted = map[string][]any{
	"UploadsBucket": {"BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault",
		"KMSMasterKeyID"},
	"RecordsTable": {"SSESpecification", "KMSMasterKeyId"},
	"AlarmTopic":   {"KmsMasterKeyId"},
	"ApiLogs":      {"KmsKeyId"}, "ValidatorLogs": {"KmsKeyId"}, "ReconcilerLogs": {"KmsKeyId"}, "AccessLogs": {"KmsKeyId"},
}

func TestOneKeyEncryptsAllThatHoldsData(t *testing.T) {
	plain, with := deploy(t), deploy(t, "KmsKeyArn="+someKey)
	for id, place := range encrypted {
		if got := at(plain.properties(id), place...); got != nil {
			t.Errorf("%s is under %v without a key", id, got)
		}
		if got := at(with.properties(id), place...); got != someKey {
			t.Errorf("%s is under %v, want %s", id, got, someKey)
		}
	}
	if sse := with.properties("RecordsTable")["SSESpecification"]; at(sse, "SSEEnabled") != true || at(sse, "SSEType") != "KMS" {
		t.Errorf("the table is encrypted by %v", sse)
	}
	for _, kind := range []string{"AWS::Logs::LogGroup", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SNS::Topic"} {
		for _, id := range with.ofType(kind) {
			if encrypted[id] == nil {
				t.Errorf("of %s it is not known where it names its key", id)
			}
		}
	}
	// A notification that S3 may not encrypt is lost without a word: the queues keep SQS's own keys.
	for _, id := range with.ofType("AWS::SQS::Queue") {
		if p := with.properties(id); p["SqsManagedSseEnabled"] != true || p["KmsMasterKeyId"] != nil {
			t.Errorf("%s: %v", id, p)
		}
	}
}

// keyPolicy is the one that docs/operations.md shows, of the account and region of these tests.
func keyPolicy(t *testing.T) map[string]policyStatement {
	t.Helper()
	all := map[string]policyStatement{}
	for _, s := range policyIn(t, keysAndSecrets(t)) {
		all[s.sid] = s
	}
	return all
}

// policyIn are the statements of the first policy that a text of the pages shows.
func policyIn(t *testing.T, text string) []policyStatement {
	t.Helper()
	_, text, found := strings.Cut(text, `{"Version"`)
	text, _, ended := strings.Cut(text, "\n\n")
	var document any
	if err := json.Unmarshal([]byte(`{"Version"`+text), &document); !found || !ended || err != nil {
		t.Fatalf("the text shows no policy in JSON: %v", err)
	}
	return policyStatements(document)
}

// TestTheStatementsOfKeysInTheDocsAreJSON: they are to be copied.
func TestTheStatementsOfKeysInTheDocsAreJSON(t *testing.T) {
	seen := 0
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(keysAndSecrets(t), -1) {
		if block = strings.TrimSpace(block); strings.HasPrefix(block, "{") {
			if seen++; !json.Valid([]byte(block)) {
				t.Errorf("no JSON: %s", block)
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d statements were looked at", seen)
	}
}

// keysAndSecrets is the section of docs/operations.md.
func keysAndSecrets(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Keys and secrets\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// TestTheKeyPolicyInTheDocsLetsInWhatHasToUseTheKey: the log groups by their names, the alarms by theirs.
func TestTheKeyPolicyInTheDocsLetsInWhatHasToUseTheKey(t *testing.T) {
	policy := keyPolicy(t)
	if names := slices.Sorted(maps.Keys(policy)); !slices.Equal(names, []string{"AlarmsArePublished", "IAMDecides",
		"LogsAreEncrypted"}) {
		t.Fatalf("its statements are %v", names)
	}
	for sid, s := range policy {
		if s.effect != "Allow" || !slices.Equal(s.resources, []string{"*"}) {
			t.Errorf("%s: %+v", sid, s)
		}
	}
	if iam := policy["IAMDecides"]; at(iam.principal, "AWS") != "arn:aws:iam::123456789012:root" ||
		!slices.Equal(iam.actions, []string{"kms:*"}) || iam.condition != nil {
		t.Errorf("%+v", iam)
	}
	logs := policy["LogsAreEncrypted"]
	if at(logs.principal, "Service") != "logs.eu-central-1.amazonaws.com" || !slices.Equal(logs.actions,
		[]string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"}) {
		t.Errorf("%+v", logs)
	}
	d := deploy(t)
	for _, id := range d.ofType("AWS::Logs::LogGroup") {
		// The page's stack is called hatchery, that of these tests prod.
		name := strings.Replace(d.properties(id)["LogGroupName"].(string), "/prod/", "/hatchery/", 1)
		if arn := "arn:aws:logs:eu-central-1:123456789012:log-group:" + name; !slices.ContainsFunc(
			texts(at(logs.condition, "ArnLike", "kms:EncryptionContext:aws:logs:arn")), func(pattern string) bool { return like(pattern, arn) }) {
			t.Errorf("%s may not be encrypted", arn)
		}
	}
	alarms, topic := policy["AlarmsArePublished"], policyOf(d, "AlarmTopicPolicy")["AlarmsPublish"]
	if !slices.Equal(alarms.actions, []string{"kms:Decrypt", "kms:GenerateDataKey*"}) ||
		!reflect.DeepEqual(alarms.principal, topic.principal) || !reflect.DeepEqual(alarms.condition, topic.condition) {
		t.Errorf("alarms may use the key by %+v, and the topic by %+v", alarms, topic)
	}
}

// --- The boundary -------------------------------------------------------------------

func TestEveryRoleHasTheBoundaryThatIsGiven(t *testing.T) {
	for name := range goldenFiles {
		of, _ := goldenOf(t, name)
		for id, r := range of.Resources {
			if r.Type != "AWS::IAM::Role" {
				continue
			}
			for given, want := range map[string]any{"": nil, someBoundary: someBoundary} {
				d := deployOf(t, name, "PermissionsBoundaryArn="+given)
				if got := d.properties(id)["PermissionsBoundary"]; got != want {
					t.Errorf("%s: with the boundary %q %s has %v", name, given, id, got)
				}
			}
		}
	}
}

// TestTheBoundaryInThePageAllowsWhatTheRolesDo: every action of every role, and beyond the first line nothing more.
func TestTheBoundaryInThePageAllowsWhatTheRolesDo(t *testing.T) {
	page, err := os.ReadFile(path.Join("..", "docs", "deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	statements := policyIn(t, string(page))
	if len(statements) != 1 || statements[0].effect != "Allow" || !slices.Equal(statements[0].resources, []string{"*"}) {
		t.Fatalf("the boundary is %v", statements)
	}
	flow := at(deployOf(t, "network.yaml").properties("FlowLogRole"), "Policies", 0, "PolicyDocument")
	needed := policyStatements(flow)
	bugout := append(slices.Clone(everything), "Records=bugout", "BugoutTokenSecret=hatchery/bugout-token")
	for function := range functions {
		needed = slices.Concat(needed, deploy(t, everything...).role(function), deploy(t, bugout...).role(function))
	}
	used := map[string]bool{}
	for _, s := range needed {
		for _, action := range s.actions {
			i := slices.IndexFunc(statements[0].actions, func(pattern string) bool { return like(pattern, action) })
			if i < 0 {
				t.Errorf("the boundary does not allow %s", action)
				continue
			}
			used[statements[0].actions[i]] = true
		}
	}
	for _, pattern := range statements[0].actions {
		if !used[pattern] {
			t.Errorf("no role does %s", pattern)
		}
	}
}

// --- The network --------------------------------------------------------------------

func TestTheFunctionsRunInTheNetworkThatIsGiven(t *testing.T) {
	plain, private := deploy(t), deploy(t, someSubnets, someGroup)
	want := map[string]any{"SubnetIds": []any{"subnet-0123456789abcdef0", "subnet-0fedcba9876543210"},
		"SecurityGroupIds": []any{"sg-0123456789abcdef0"}}
	for function := range functions {
		if got := plain.properties(function)["VpcConfig"]; got != nil {
			t.Errorf("without a network %s is in %v", function, got)
		}
		if got := private.properties(function)["VpcConfig"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is in %v, want %v", function, got, want)
		}
	}
}

// TestTheRightsOnTheNetworkAreLambdasAlone: a call of the function itself has lambda:SourceFunctionArn.
func TestTheRightsOnTheNetworkAreLambdasAlone(t *testing.T) {
	d := deploy(t, someSubnets, someGroup)
	for function := range functions {
		found := false
		for _, s := range d.role(function) {
			if strings.HasPrefix(s.actions[0], "ec2:") {
				found = true
				if fmt.Sprint(s.condition) != "map[Null:map[lambda:SourceFunctionArn:true]]" {
					t.Errorf("%s may do that itself: %+v", function, s)
				}
			}
		}
		if !found {
			t.Errorf("%s cannot be put into a network", function)
		}
	}
}

// TestTheNetworkGivesWhatTheFunctionsAreGiven: the outputs of network.yaml are values of the parameters.
func TestTheNetworkGivesWhatTheFunctionsAreGiven(t *testing.T) {
	deployOf(t, networkTemplate).wantOutputs(map[string]string{"VpcId": "<Vpc>",
		"PublicSubnets": "<PublicSubnet1>,<PublicSubnet2>", "PrivateSubnets": "<PrivateSubnet1>,<PrivateSubnet2>",
		"FunctionSecurityGroup": "<FunctionSecurityGroup.GroupId>"})
}
