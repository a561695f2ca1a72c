package config

import (
	"hatchery/shared/upload"
)

// LoadBugout reads what a program needs that speaks with Bugout alone: the settings
// of Bugout and nothing else. With application its id must be set, too.
func LoadBugout(getenv func(string) string, application bool) (Bugout, error) {
	var c Config
	var faults upload.Faults
	for _, name := range []string{"HATCHERY_BUGOUT_URL", "HATCHERY_BUGOUT_APPLICATION_ID", "HATCHERY_BUGOUT_TOKEN"} {
		if !application && name == "HATCHERY_BUGOUT_APPLICATION_ID" {
			continue
		}
		s := settingNamed(name)
		value, found := s.read(getenv)
		switch {
		case found == "" && value == "":
			found = "nothing"
		case found == "":
			if found = s.set(&c, value); found != "" {
				found = s.shown(found)
			}
		}
		if found != "" {
			faults = append(faults, upload.Fault{Setting: name, Found: found, Accepted: s.Accepted})
		}
	}
	return c.Bugout, faults.Err()
}
