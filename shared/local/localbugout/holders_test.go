package localbugout_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"hatchery/shared/local/localbugout"
)

// userOf asks who a token belongs to.
func (b *brood) userOf(token string) string {
	b.Helper()
	var user struct {
		ID string `json:"user_id"`
	}
	if err := json.Unmarshal([]byte(b.want(b.call("GET", "/auth", "", "Authorization", "Bearer "+token), 200, "").text), &user); err != nil {
		b.Fatal(err)
	}
	return user.ID
}

// grant is the body that adds or removes permissions of a user.
func grant(user, permissions string) string {
	return `{"holder_id":"` + user + `","holder_type":"user","permissions":` + permissions + `}`
}

// groupsHold is what an application's group holds of each resource.
const groupsHold = `{"id":"7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10","holder_type":"group","permissions":["admin"]}`

func TestTheCreatorAndTheGroupHoldAResource(t *testing.T) {
	b := open(t, nil)
	id := b.create(`{}`)
	path := "/resources/" + id + "/holders"
	all := `{"holders":[{"id":"` + b.userOf(member) + `","holder_type":"user","permissions":["admin"]},` + groupsHold + `],"resource_id":"` + id + `"}`
	b.want(b.call("GET", path, ""), 200, all)
	// Either is enough.
	b.want(b.call("DELETE", path, grant(b.userOf(member), `["admin","read"]`)), 200, `{"holders":[`+groupsHold+`]`)
	b.want(b.call("PUT", "/resources/"+id, `{"update":{}}`), 200, "")
}

// TestAPermissionShowsAResourceAndAdminAloneChangesIt: of a user outside of the group.
func TestAPermissionShowsAResourceAndAdminAloneChangesIt(t *testing.T) {
	b := open(t, nil)
	b.create(`{"other":1}`)
	path := "/resources/" + b.create(`{"a":1}`)
	outside := []string{"Authorization", "Bearer " + stranger}
	his := b.userOf(stranger)
	b.want(b.call("GET", path+"/holders", "", outside...), 404, `{"detail":"Not Found"}`)
	b.want(b.call("POST", path+"/holders", grant(his, `["read","update","delete"]`)), 200, `"permissions":["read","update","delete"]`)
	b.want(b.call("GET", path, "", outside...), 200, `{"a":1}`)
	if got := b.call("GET", "/resources/", "", outside...); got.text != `{"resources":[`+b.call("GET", path, "").text+`]}` {
		t.Errorf("the list is %s", got.text)
	}
	b.want(b.call("GET", path+"/holders", "", outside...), 200, his)
	b.want(b.call("PUT", path, `{"update":{"a":2}}`, outside...), 404, `{"detail":"Not Found"}`)
	b.want(b.call("DELETE", path, "", outside...), 404, `{"detail":"Not Found"}`)
	b.want(b.call("POST", path+"/holders", grant(his, `["admin"]`), outside...), 404, `{"detail":"Not Found"}`)

	b.want(b.call("POST", path+"/holders", grant(his, `["admin"]`)), 200, `"permissions":["read","update","delete","admin"]`)
	b.want(b.call("PUT", path, `{"update":{"a":2}}`, outside...), 200, `{"a":2}`)
	b.want(b.call("DELETE", path+"/holders", grant(his, `["admin","update","delete","read"]`)), 200, `{"holders":[`)
	b.want(b.call("GET", path, "", outside...), 404, `{"detail":"Not Found"}`)
}

func TestRefusalsOfHolders(t *testing.T) {
	b := open(t, nil)
	path := "/resources/" + b.create(`{}`) + "/holders"
	mine := b.userOf(member)
	for body, want := range map[string]struct {
		status int
		part   string
	}{
		grant(unknown, `["read"]`): {500, "Internal Server Error"},
		`{"holder_id":"` + mine + `","holder_type":"group","permissions":[]}`: {500, "Internal Server Error"},
		grant("x", `["read"]`): {422, `"holder_id"`},
		grant(mine, `["own"]`): {422, `"permissions"`},
		grant(mine, `"read"`):  {422, `"permissions"`},
		`{"holder_id":"` + mine + `","holder_type":"robot","permissions":[]}`: {422, `"holder_type"`},
		`[]`: {422, `"detail":[`},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			b.want(b.call(method, path, body), want.status, want.part)
		}
	}
	b.want(b.call("GET", "/resources/"+unknown+"/holders", ""), 404, `{"detail":"Not Found"}`)
	b.want(b.call("GET", "/resources/x/holders", ""), 422, `"detail":[`)
}

func TestHoldersOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "brood.jsonl")
	keep := func(o *localbugout.Options) { o.Path = path }
	first := open(t, keep)
	kept, given := first.create(`{}`), first.create(`{}`)
	his := first.userOf(stranger)
	first.want(first.call("POST", "/resources/"+given+"/holders", grant(his, `["read"]`)), 200, his)
	first.want(first.call("DELETE", "/resources/"+kept+"/holders", grant(first.userOf(member), `["admin"]`)), 200, "")
	first.want(first.call("DELETE", "/resources/"+kept+"/holders", `{"holder_id":"7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10","holder_type":"group","permissions":["admin"]}`), 200, `{"holders":[]`)
	second := open(t, keep)
	second.want(second.call("GET", "/resources/"+given, "", "Authorization", "Bearer "+stranger), 200, "")
	second.want(second.call("GET", "/resources/"+kept, ""), 404, "")
}

// TestAJournalWithoutHoldersIsRead: its resources belong to the group.
func TestAJournalWithoutHoldersIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "brood.jsonl")
	line := `{"resource":{"id":"` + unknown + `","application_id":"` + app + `","resource_data":{"a":1},"created_at":"2026-01-02T03:04:05+00:00","updated_at":"2026-01-02T03:04:05+00:00"}}`
	if err := os.WriteFile(path, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, func(o *localbugout.Options) { o.Path = path })
	b.want(b.call("PUT", "/resources/"+unknown, `{"update":{"a":2}}`), 200, `{"a":2}`)
	b.want(b.call("GET", "/resources/"+unknown+"/holders", ""), 200, `"holders":[`+groupsHold+`]`)
}
