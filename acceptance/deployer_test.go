//go:build acceptance

package acceptance

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWhoeverDeploysWithTheirPoliciesAlone: with the policies of deployer.yaml, and nothing else, sam deploys template.yaml
// and deletes the stack. It asks for what samAsks has. CloudFormation's own calls are nobody's rights in the emulator: they
// are held against AWS's lists in template_deployer_test.go.
func TestWhoeverDeploysWithTheirPoliciesAlone(t *testing.T) {
	e := startEmulator(t)
	b := builtFunctions(t, thisMachine)
	platform := e.givesPolicies(t)
	p := onCall{&stack{emulator: e, name: "hatchery"}, "on-call-deploys"}
	p.newPerson(t, p.role)
	for _, policy := range []string{"DeploysStacks", "DeploysFunctions", "DeploysStorage"} {
		platform.attach(t, p.role, policy)
	}
	took := gotRights{}
	for _, args := range [][]string{p.deployment(t, b, "hatchery"), p.deployment(t, b, "hatchery", "LogDays=7"), p.deletion("hatchery")} {
		r := p.typesSAM(t, args)
		took.took(t, p, "sam", r, ending{0, ""})
	}
	asked := map[string]bool{}
	for right := range took["sam"] {
		action, resource, _ := strings.Cut(right, " ")
		for part, name := range map[string]string{":stack/hatchery": "STACK", ":stack/aws-sam-cli-managed-default/": "MANAGED",
			":aws-sam-cli-managed-default-": "CODE"} {
			if strings.Contains(resource, part) {
				asked[action+" "+name] = true
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(asked)), slices.Sorted(slices.Values(samAsks)); !slices.Equal(got, want) {
		t.Errorf("sam asks for %q\nwant %q", got, want)
	}
	t.Run("a stack of another name is refused", func(t *testing.T) {
		r := p.typesSAM(t, p.deployment(t, b, "billing"))
		if r.code == 0 || !strings.Contains(r.stdout+r.stderr, "cloudformation:DescribeStacks") {
			t.Error(r.result)
		}
	})
	statements := platform.operatorRights(t, "DeploysStacks")
	for _, sid := range []string{"Stacks", "Code"} {
		t.Run("without "+sid+" it is refused", func(t *testing.T) {
			part := onCall{p.stack, "on-call-without-" + strings.ToLower(sid)}
			part.personMay(t, part.role, slices.DeleteFunc(slices.Clone(statements), func(s right) bool { return s["Sid"] == sid })...)
			if r := part.typesSAM(t, part.deployment(t, b, "hatchery")); r.code == 0 || !strings.Contains(r.stdout+r.stderr, "AccessDenied") {
				t.Error(r.result)
			}
		})
	}
}

// givesPolicies deploys deployer.yaml, as a platform team does by docs/deploy.md: without sam, whose bucket is not there yet.
func (e *emulator) givesPolicies(t testing.TB) *stack {
	t.Helper()
	const name = "platform"
	mustRun(t, command{folder: moduleRoot(t), env: e.environment(t), args: []string{tool(t, "aws"), "cloudformation", "deploy",
		"--template-file", deployerTemplate, "--stack-name", name, "--capabilities", "CAPABILITY_IAM",
		"--parameter-overrides", "StackPrefix=hatchery", "BucketPrefix=hatchery"}})
	return &stack{emulator: e, name: name, resources: e.resourcesOf(t, name)}
}

// deployment is the command that deploys template.yaml.
func (p onCall) deployment(t testing.TB, b buildFolder, name string, more ...string) []string {
	return slices.Concat([]string{"deploy", "--template-file", b.Template(), "--stack-name", name},
		overriding(parameters("hatchery")), more)
}

// deletion is the command that deletes a stack.
func (onCall) deletion(name string) []string {
	return []string{"delete", "--stack-name", name, "--no-prompts"}
}

// typesSAM runs sam as the person, in a session of its own.
func (p onCall) typesSAM(t testing.TB, args []string) typed {
	t.Helper()
	env, session := p.logIn(t)
	args = slices.Concat([]string{tool(t, "sam"), args[0], "--config-file", filepath.Join(moduleRoot(t), "samconfig.toml"),
		"--config-env", "acceptance"}, args[1:])
	return typed{run(t, command{args: args, folder: t.TempDir(), env: env, limit: 3 * time.Minute}), p.askedIn(t, session)}
}
