package bugoutrecords_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
)

const rotated = "22222222-2222-4222-8222-222222222222"

func TestARefusedTokenIsReplacedWithoutTheCallerNoticing(t *testing.T) {
	s := brood(t, nil)
	current, renewals := token, 0
	store := storeOn(t, s, func(o *bugoutrecords.Options) {
		o.Token = func(context.Context) (string, error) { return current, nil }
		o.Renew = func(_ context.Context, refused string) (string, error) {
			if renewals++; refused != token {
				t.Errorf("renewed %s", refused)
			}
			current = rotated
			return current, nil
		}
	})
	for _, role := range []localbugout.Role{0, localbugout.Revoked} {
		s.SetRole(token, role)
		s.SetRole(rotated, localbugout.Member)
		current, renewals = token, 0
		r := pending()
		if role == localbugout.Revoked {
			r.ID = "019a0000-0000-7000-8000-000000000002"
		}
		if _, err := store.Create(t.Context(), r, nil); err != nil || renewals != 1 {
			t.Errorf("%v after %d renewals", err, renewals)
		}
		if got, err := store.Get(t.Context(), r.Ref()); err != nil || got.ID != r.ID {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestATokenThatCannotBeReplacedIsTroubleThatSaysWhy(t *testing.T) {
	s := brood(t, nil)
	s.SetRole(token, localbugout.Revoked)
	why, renewals := errors.New("the secret holds no other"), 0
	for name, renew := range map[string]func(context.Context, string) (string, error){
		"nobody knows another":     func(context.Context, string) (string, error) { renewals++; return "", why },
		"the other is refused too": func(context.Context, string) (string, error) { renewals++; return rotated, nil },
		"it is not to be renewed":  nil,
	} {
		renewals = 0
		store := storeOn(t, s, func(o *bugoutrecords.Options) { o.Renew = renew })
		_, err := store.Get(t.Context(), pending().Ref())
		if !errors.Is(err, bugoutrecords.ErrToken) || renewals > 1 || strings.Contains(err.Error(), token) ||
			strings.Contains(err.Error(), rotated) {
			t.Errorf("%s: %v, after %d renewals", name, err, renewals)
		}
		if name == "nobody knows another" && !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
