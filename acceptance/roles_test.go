//go:build acceptance

package acceptance

import (
	"encoding/json"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// right is one statement of a role's policy.
type right map[string]any

// rolePolicy is a role's inline policy as it is deployed.
type rolePolicy struct {
	role, name string // physical
	Version    string
	Statement  []right
}

// roles are the logical names of all roles that the deployed template makes.
func (s *stack) roles(t testing.TB) []string {
	t.Helper()
	return s.logical(t, "AWS::IAM::Role")
}

// logical are the logical names of all resources of a type, in order.
func (s *stack) logical(t testing.TB, kind string) []string {
	t.Helper()
	var found []string
	resources, _ := s.template["Resources"].(map[string]any)
	for name, r := range resources {
		if at(r, "Type") == kind {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		t.Fatalf("the deployed template has no %s", kind)
	}
	slices.Sort(found)
	return found
}

// rights gives a role's one inline policy; it has no other.
func (s *stack) rights(t testing.TB, logical string) rolePolicy {
	t.Helper()
	role := s.physical(t, logical)
	var listed struct {
		Names []string `xml:"ListRolePoliciesResult>PolicyNames>member"`
	}
	s.form(t, "iam", "ListRolePolicies", map[string]string{"RoleName": role}, &listed)
	if len(listed.Names) != 1 {
		t.Fatalf("%s has the policies %v, want one", logical, listed.Names)
	}
	if attached := s.listed(t, "iam", "ListAttachedRolePolicies", "PolicyArn", "RoleName", role); len(attached) > 0 {
		t.Fatalf("%s has also the policies %v: take each away here, too", logical, attached)
	}
	var found struct {
		Document string `xml:"GetRolePolicyResult>PolicyDocument"`
	}
	s.form(t, "iam", "GetRolePolicy", map[string]string{"RoleName": role, "PolicyName": listed.Names[0]}, &found)
	text, err := url.QueryUnescape(found.Document)
	check(t, err)
	p := rolePolicy{role: role, name: listed.Names[0]}
	check(t, json.Unmarshal([]byte(text), &p))
	return p
}

// grant puts a role's policy in place.
func (s *stack) grant(t testing.TB, p rolePolicy) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"Version": p.Version, "Statement": p.Statement})
	check(t, err)
	s.form(t, "iam", "PutRolePolicy",
		map[string]string{"RoleName": p.role, "PolicyName": p.name, "PolicyDocument": string(text)}, nil)
}

// without takes a statement away from a role until restore is called, or the test
// ends.
func (s *stack) without(t testing.TB, logical, sid string) (restore func()) {
	t.Helper()
	p := s.rights(t, logical)
	whole := p.Statement
	p.Statement = slices.DeleteFunc(slices.Clone(whole), func(st right) bool { return st["Sid"] == sid })
	if len(p.Statement) != len(whole)-1 {
		t.Fatalf("%s has %d statements %s", logical, len(whole)-len(p.Statement), sid)
	}
	s.grant(t, p)
	p.Statement = whole
	restore = sync.OnceFunc(func() { s.grant(t, p) })
	t.Cleanup(restore)
	return restore
}

// trustsTheAccount lets the account's root assume a role.
const trustsTheAccount = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}`

// as gives credentials of a function's role. It trusts Lambda alone, and for this moment the account.
func (s *stack) as(t testing.TB, logical string) aws.Credentials {
	t.Helper()
	role := s.physical(t, logical)
	var found struct {
		Document string `xml:"GetRoleResult>Role>AssumeRolePolicyDocument"`
	}
	s.form(t, "iam", "GetRole", map[string]string{"RoleName": role}, &found)
	trust, err := url.QueryUnescape(found.Document)
	check(t, err)
	set := func(document string) {
		s.form(t, "iam", "UpdateAssumeRolePolicy", map[string]string{"RoleName": role, "PolicyDocument": document}, nil)
	}
	set(trustsTheAccount)
	defer set(trust)
	return s.assume(t, role)
}

// administrator gives credentials of a role that may do everything: what it is
// refused, a resource's own policy refuses. The emulator passes those policies over
// for the account's root.
func (s *stack) administrator(t testing.TB) aws.Credentials {
	t.Helper()
	return s.personMay(t, "administrator", right{"Effect": "Allow", "Action": "*", "Resource": "*"})
}

// personMay makes a role of a person, with these statements, until the test ends.
func (s *stack) personMay(t testing.TB, role string, statements ...right) aws.Credentials {
	t.Helper()
	s.newPerson(t, role)
	p := rolePolicy{role: role, name: "own", Version: "2012-10-17", Statement: statements}
	s.grant(t, p)
	t.Cleanup(func() {
		s.form(t, "iam", "DeleteRolePolicy", map[string]string{"RoleName": role, "PolicyName": p.name}, nil)
	})
	return s.assume(t, role)
}

// newPerson makes a role that may do nothing, until the test ends.
func (s *stack) newPerson(t testing.TB, role string) {
	t.Helper()
	s.form(t, "iam", "CreateRole", map[string]string{"RoleName": role, "AssumeRolePolicyDocument": trustsTheAccount}, nil)
	t.Cleanup(func() { s.form(t, "iam", "DeleteRole", map[string]string{"RoleName": role}, nil) })
}

// operators are the logical names of the policies for people.
func (s *stack) operators(t testing.TB) []string {
	t.Helper()
	return s.logical(t, "AWS::IAM::ManagedPolicy")
}

// person gives credentials of a role to which one of the policies for people is attached, as an account would do it.
func (s *stack) person(t testing.TB, policy string) aws.Credentials {
	t.Helper()
	role := "person-" + policy
	s.newPerson(t, role)
	s.attach(t, role, policy)
	return s.assume(t, role)
}

// attach attaches a policy for people to a role, until the test ends.
func (s *stack) attach(t testing.TB, role, policy string) {
	t.Helper()
	attached := map[string]string{"RoleName": role, "PolicyArn": s.physical(t, policy)}
	s.form(t, "iam", "AttachRolePolicy", attached, nil)
	t.Cleanup(func() { s.form(t, "iam", "DetachRolePolicy", attached, nil) })
}

// operatorRights gives the statements of one of the policies for people, as it is deployed.
func (s *stack) operatorRights(t testing.TB, policy string) []right {
	t.Helper()
	var found struct {
		Document string `xml:"GetPolicyVersionResult>PolicyVersion>Document"`
	}
	s.form(t, "iam", "GetPolicyVersion", map[string]string{"PolicyArn": s.physical(t, policy), "VersionId": "v1"}, &found)
	text, err := url.QueryUnescape(found.Document)
	check(t, err)
	var p rolePolicy
	check(t, json.Unmarshal([]byte(text), &p))
	return p.Statement
}

func (s *stack) assume(t testing.TB, role string) aws.Credentials {
	t.Helper()
	return s.assumeAs(t, role, "acceptance")
}

// assumeAs names the session, so that what is done in it can be told apart.
func (s *stack) assumeAs(t testing.TB, role, session string) aws.Credentials {
	t.Helper()
	var answer struct {
		Key     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret  string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Session string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	s.form(t, "sts", "AssumeRole",
		map[string]string{"RoleArn": "arn:aws:iam::000000000000:role/" + role, "RoleSessionName": session}, &answer)
	return aws.Credentials{AccessKeyID: answer.Key, SecretAccessKey: answer.Secret, SessionToken: answer.Session}
}
