package config_test

import (
	"fmt"
	"strings"
	"testing"

	"hatchery/shared/config"
)

func TestBugoutAloneNeedsItsOwnSettings(t *testing.T) {
	whole := env{"HATCHERY_BUGOUT_URL": "https://auth.example.com", "HATCHERY_BUGOUT_APPLICATION_ID": uuid,
		"HATCHERY_BUGOUT_TOKEN": uuid}
	got, err := config.LoadBugout(whole.get, true)
	if err != nil || got.URL != "https://auth.example.com" || got.ApplicationID != uuid || got.Token.Reveal() != uuid {
		t.Errorf("%+v, %v", got, err)
	}
	named, err := config.LoadBugout(env{"BUGOUT_AUTH_URL": "https://auth.example.com",
		"HATCHERY_BUGOUT_TOKEN": "prod/bugout"}.get, false)
	if err != nil || named.TokenName != "prod/bugout" || !named.Token.IsZero() {
		t.Errorf("%+v, %v", named, err)
	}
	_, err = config.LoadBugout(env{"HATCHERY_BUGOUT_TOKEN": "sec ret"}.get, true)
	text := fmt.Sprint(err)
	for _, name := range []string{"HATCHERY_BUGOUT_URL", "HATCHERY_BUGOUT_APPLICATION_ID", "HATCHERY_BUGOUT_TOKEN"} {
		if !strings.Contains(text, name) {
			t.Errorf("%s is not named in %s", name, text)
		}
	}
	if strings.Contains(text, "sec ret") {
		t.Errorf("the token is shown: %s", text)
	}
}
