//go:build acceptance

package acceptance

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheAnswersOfSamconfigDeployAStack fills samconfig.toml in as the page says, with what a reviewer asks for beside the
// answers, and types `sam deploy`. The emulator checks the rights of the roles and keeps the key of a log; a function's
// network, a boundary and the other keys it passes over: they are asserted in template_reviewed_test.go.
func TestTheAnswersOfSamconfigDeployAStack(t *testing.T) {
	e := startEmulator(t)
	b := builtFunctions(t, thisMachine)
	boundary := e.boundary(t)
	if r := samDeploy(t, e, "private-network", readTemplate(t, filepath.Join(moduleRoot(t), networkTemplate)), b,
		map[string]string{"LogDays": "1", "PermissionsBoundaryArn": boundary}); r.code != 0 {
		t.Fatal(r)
	}
	network := e.outputsOf(t, "private-network")
	var made struct{ KeyMetadata struct{ Arn string } }
	e.target(t, "kms", "TrentService.CreateKey", map[string]any{}, &made)
	key := made.KeyMetadata.Arn

	answers := []string{"Architecture=" + thisMachine, "ApplicationUrl=" + application().URL, "AllowedOrigins=" + allowedOrigin,
		"AlarmEmail=ops@example.com", "KmsKeyArn=" + key, "PermissionsBoundaryArn=" + boundary,
		"SubnetIds=" + network["PrivateSubnets"], "SecurityGroupIds=" + network["FunctionSecurityGroup"]}
	r := run(t, command{args: []string{tool(t, "sam"), "deploy", "--config-file", filledIn(t, answers...),
		"--template-file", b.Template()}, folder: t.TempDir(), env: e.environment(t), input: "y\n"})
	if r.code != 0 {
		t.Fatal(r)
	}
	if asked := strings.Count(r.stdout, "[y/N]") + strings.Count(r.stdout, "[Y/n]"); asked != 1 {
		t.Errorf("sam asked %d questions: %s", asked, r.stdout)
	}
	s := describe(t, e, "hatchery")
	t.Run("it takes and serves uploads", func(t *testing.T) {
		check(t, uploadsByPost(t.Context(), s, picture(t)))
		check(t, uploadsByForm(t.Context(), s, picture(t)))
	})
	t.Run("its roles may see the network by one statement", func(t *testing.T) { needsItsNetwork(t, s) })
	t.Run("its logs are under the key", func(t *testing.T) { s.logsAreUnder(t, key) })
}

// filledIn is samconfig.toml with these answers, and a region, in the lines that are to be filled in.
func filledIn(t *testing.T, answers ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), "samconfig.toml"))
	check(t, err)
	const first, where = "\nparameter_overrides = [\n", "\n# region = \"eu-central-1\"\n"
	if strings.Count(string(text), where) != 1 {
		t.Fatal("samconfig.toml has no line for the region")
	}
	filled := strings.Replace(string(text), first, first+"  \""+strings.Join(answers, "\",\n  \"")+"\",\n", 1)
	filled = strings.Replace(filled, where, "\nregion = \""+region+"\"\n", 1)
	filled = strings.Replace(filled, "\n# tags = ", "\ntags = ", 1)
	file := filepath.Join(t.TempDir(), "samconfig.toml")
	check(t, os.WriteFile(file, []byte(filled), 0o600))
	return file
}

// boundary is a policy that bounds roles.
func (e *emulator) boundary(t *testing.T) string {
	t.Helper()
	var made struct {
		Arn string `xml:"CreatePolicyResult>Policy>Arn"`
	}
	e.form(t, "iam", "CreatePolicy", map[string]string{"PolicyName": "boundary", "PolicyDocument": `{"Version":"2012-10-17",` +
		`"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}, &made)
	return made.Arn
}

// needsItsNetwork: what Lambda does with a role to put its function into a network is that statement's to allow.
func needsItsNetwork(t *testing.T, s *stack) {
	for _, role := range s.roles(t) {
		who := s.actor(s.as(t, role))
		if err := seesSubnets(t.Context(), who); denied(err) {
			t.Errorf("%s is refused: %v", role, err)
		}
		restore := s.without(t, role, "UseNetwork")
		if err := seesSubnets(t.Context(), who); !denied(err) {
			t.Errorf("%s is not refused without the statement, but: %v", role, err)
		}
		restore()
	}
}

func seesSubnets(ctx context.Context, a actor) error {
	_, err := a.signedCall(ctx, a.who, "ec2", http.MethodPost, "/",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
		[]byte(url.Values{"Action": {"DescribeSubnets"}, "Version": {"2016-11-15"}}.Encode()))
	return err
}

func (s *stack) logsAreUnder(t *testing.T, key string) {
	var logs struct {
		LogGroups []struct{ LogGroupName, KmsKeyID string }
	}
	s.target(t, "logs", "Logs_20140328.DescribeLogGroups", map[string]any{}, &logs)
	seen := 0
	for _, group := range logs.LogGroups {
		if !strings.Contains(group.LogGroupName, "/hatchery/") {
			continue
		}
		if seen++; group.KmsKeyID != key {
			t.Errorf("%s is under %q, want %s", group.LogGroupName, group.KmsKeyID, key)
		}
	}
	if seen != 4 {
		t.Errorf("%d log groups", seen)
	}
}
