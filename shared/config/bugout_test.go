package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hatchery/shared/config"
)

// TestAWaitIsShortWithBugout: it bears few functions, and each caller who waits holds one.
func TestAWaitIsShortWithBugout(t *testing.T) {
	bugout := []string{"HATCHERY_RECORDS", "bugout", "HATCHERY_BUGOUT_URL", "https://auth.example.com",
		"HATCHERY_BUGOUT_APPLICATION_ID", uuid, "HATCHERY_BUGOUT_TOKEN", uuid}
	for _, c := range []struct {
		changes []string
		want    time.Duration
	}{
		{nil, 20 * time.Second},
		{bugout, 5 * time.Second},
		{append([]string{"HATCHERY_WAIT_SECONDS", "20"}, bugout...), 20 * time.Second},
		{append([]string{"HATCHERY_WAIT_SECONDS", "0"}, bugout...), 0},
	} {
		got, err := config.Load(with(c.changes...).get, config.Callers)
		if err != nil || got.WaitTime != c.want {
			t.Errorf("with %q: %s, %v, want %s", c.changes, got.WaitTime, err, c.want)
		}
	}
}

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
