package bugoutrecords_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
)

const group = "7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10"

func options(s *localbugout.Server) bugoutrecords.Options {
	return bugoutrecords.Options{URL: s.URL(), Application: application,
		Token: func(context.Context) (string, error) { return token, nil }}
}

func TestAnApplicationIsRegisteredAndCanBeUsed(t *testing.T) {
	s := brood(t, nil)
	made, err := bugoutrecords.Register(t.Context(), options(s), group, "our files", "of the notes")
	if err != nil || made.Name != "our files" || made.GroupID != group || made.Description != "of the notes" {
		t.Fatalf("%+v, %v", made, err)
	}
	store := storeOn(t, s, func(o *bugoutrecords.Options) { o.Application = made.ID })
	if _, err := store.Create(t.Context(), pending(), nil); err != nil {
		t.Error(err)
	}
}

func TestARegistrationIsRefusedOrTriedOnce(t *testing.T) {
	plan := &script{method: http.MethodPost, troubles: []localbugout.Trouble{localbugout.FailsAfter}}
	s := brood(t, plan.trouble)
	for name, c := range map[string][2]string{"no group": {"", "n"}, "a group that is no UUID": {"mine", "n"},
		"no name": {group, ""}} {
		if _, err := bugoutrecords.Register(t.Context(), options(s), c[0], c[1], ""); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := bugoutrecords.Register(t.Context(), options(s), group, "n", ""); err == nil || plan.asked() != 1 {
		t.Errorf("after an ambiguous answer: %v, %d calls", err, plan.asked())
	}
	for name, c := range map[string]struct {
		role  localbugout.Role
		group string
	}{"no such group": {localbugout.Member, application}, "not in it": {localbugout.Stranger, group}} {
		s.SetRole(token, c.role)
		if _, err := bugoutrecords.Register(t.Context(), options(s), c.group, "n", ""); !errors.Is(err,
			bugoutrecords.ErrRefused) || !strings.Contains(err.Error(), "one of the user's own groups") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.SetRole(token, localbugout.Revoked)
	if _, err := bugoutrecords.Register(t.Context(), options(s), group, "n", ""); !errors.Is(err, bugoutrecords.ErrToken) {
		t.Errorf("with a bad token: %v", err)
	}
}

func TestACheckSaysWhatWorks(t *testing.T) {
	all := []string{"reach Bugout", "be known by the token", "create a resource of the application", "read it",
		"find it by what it holds", "update it", "delete it"}
	for name, c := range map[string]struct {
		trouble func(localbugout.Call) localbugout.Trouble
		role    localbugout.Role
		change  func(*bugoutrecords.Options)
		works   int    // how many steps, before the one that does not
		says    string // what that one says
		tried   int    // 0: as many as work, and one
	}{
		"all is well": {works: 7, tried: 7},
		"nobody is there": {change: func(o *bugoutrecords.Options) { o.URL = "http://127.0.0.1:1" },
			says: "no answer"},
		"a bad token": {role: localbugout.Revoked, works: 1, says: "HATCHERY_BUGOUT_TOKEN"},
		"an unknown application": {change: func(o *bugoutrecords.Options) { o.Application = group }, works: 2,
			says: "HATCHERY_BUGOUT_APPLICATION_ID"},
		"outside of the group": {role: localbugout.Stranger, works: 2, says: "is not in the application's group"},
		"something between takes no PUT": {change: func(o *bugoutrecords.Options) {
			o.SetTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPut {
					r = r.Clone(r.Context())
					r.Method = http.MethodPatch // which Brood takes no more than a proxy takes a PUT
				}
				return http.DefaultTransport.RoundTrip(r)
			}))
		}, works: 5, says: "takes no PUT of", tried: 7},
		"updates fail": {trouble: func(c localbugout.Call) localbugout.Trouble {
			if c.Method == http.MethodPut {
				return localbugout.FailsBefore
			}
			return localbugout.None
		}, works: 5, says: "500", tried: 7},
	} {
		t.Run(name, func(t *testing.T) {
			s := brood(t, c.trouble)
			if c.role != 0 {
				s.SetRole(token, c.role)
			}
			steps := storeOn(t, s, c.change).Check(t.Context())
			tried := c.tried
			if tried == 0 {
				tried = c.works + 1
			}
			if len(steps) != tried {
				t.Fatalf("tried %+v, want %d steps", steps, tried)
			}
			for i, step := range steps {
				if step.Name != all[i] && c.works != 5 {
					t.Errorf("step %d is %q, want %q", i, step.Name, all[i])
				}
				switch {
				case i == c.works && i < len(all) && c.says != "":
					if step.Err == nil || !strings.Contains(step.Err.Error(), c.says) {
						t.Errorf("%s: %v, want %q", step.Name, step.Err, c.says)
					}
				case step.Err != nil:
					t.Errorf("%s: %v", step.Name, step.Err)
				}
			}
			if s.Stalled() {
				t.Error("it stalled")
			}
			s.SetRole(token, localbugout.Member)
			if left := raw(t, s, "GET", "/resources/", nil); strings.TrimSpace(left) != `{"resources":[]}` {
				t.Errorf("left is %s", left)
			}
		})
	}
}
