package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// Need is a part of the configuration that a program cannot do without.
type Need int

// What programs need beyond the bucket and the records, which all of them do.
const (
	// Callers: the program answers callers, so it must ask the application.
	Callers Need = iota
	// Messages: the program sends messages to the validator's queue.
	Messages
)

// Load reads the configuration. Everything that is wrong with it is reported at
// once, as upload.Faults: first what stands in a setting, in the order of the
// table, then what is missing. No fault shows a secret.
//
// getenv is os.Getenv or stands in for it; an empty value is an unset one.
func Load(getenv func(string) string, needs ...Need) (Config, error) {
	c := Config{Layout: upload.DefaultLayout, ValidatorTime: defaultValidatorTime, ReadRate: defaultReadRate,
		QuarantineDays: 60, FormTime: 15 * time.Minute, VisibilityTime: 6*defaultValidatorTime + defaultWindow, MaxReceives: 5,
		SurveyTime: 7 * 24 * time.Hour, Stack: defaultStack}
	var faults upload.Faults
	broken := map[string]bool{}
	for _, s := range settings {
		value, found := s.read(getenv)
		if found == "" && value != "" {
			found = s.set(&c, value)
		}
		if found != "" {
			broken[s.Name] = true
			faults = append(faults, upload.Fault{Setting: s.Name, Found: s.shown(found), Accepted: s.Accepted})
		}
	}
	if broken["HATCHERY_VALIDATOR_SECONDS"] || broken["HATCHERY_READ_RATE"] {
		// Their own faults stand; the policy is still looked at for its others.
		c.ValidatorTime, c.ReadRate = defaultValidatorTime, defaultReadRate
	}
	faults = append(faults, c.Layout.Check()...)
	faults = append(faults, c.loadPolicy(getenv)...)
	faults = append(faults, c.missing(broken, needs)...)
	if err := faults.Err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// read finds the value of a setting under its name or an alias. The name wins;
// two names with different values are a fault, because one of them is not what
// its author believes.
func (s Setting) read(getenv func(string) string) (value, found string) {
	under := ""
	for _, name := range append([]string{s.Name}, s.Aliases...) {
		v := getenv(name)
		switch {
		case v == "":
		case under == "":
			value, under = v, name
		case v != value:
			return "", fmt.Sprintf("another value under %s than under %s", name, under)
		}
	}
	return value, ""
}

// shown is what a fault may say of what was found.
func (s Setting) shown(found string) string {
	if s.Secret && !strings.HasPrefix(found, "another value under ") {
		return "a value of another form (not shown)"
	}
	return found
}

func (c *Config) loadPolicy(getenv func(string) string) upload.Faults {
	c.Policy = upload.DefaultPolicy()
	text := getenv("HATCHERY_POLICY")
	if text == "" {
		text = `{"kinds":{"images":{}}}` // the default, held against what can be read
	}
	policy, err := upload.ParsePolicy([]byte(text), c.Readable())
	if err != nil {
		if faults, ok := errors.AsType[upload.Faults](err); ok {
			return faults
		}
		return upload.Faults{{Setting: "HATCHERY_POLICY", Found: err.Error(), Accepted: settingNamed("HATCHERY_POLICY").Accepted}}
	}
	c.Policy = policy
	return nil
}

// missing reports what must be set and is not, and what does not fit together.
func (c *Config) missing(broken map[string]bool, needs []Need) upload.Faults {
	var faults upload.Faults
	need := func(name string, set bool, why string) {
		if set || broken[name] {
			return
		}
		s := settingNamed(name)
		faults = append(faults, upload.Fault{Setting: name, Found: "nothing" + why, Accepted: s.Accepted})
	}
	why := ""
	if c.Legacy.Bucket != "" {
		why = " (HATCHERY_LEGACY_BUCKET is only read: Hatchery needs a versioned bucket of its own)"
	}
	need("HATCHERY_BUCKET", c.Bucket != "", why)
	need("HATCHERY_RECORDS", c.Records != "", "")
	for _, n := range needs {
		switch n {
		case Callers:
			need("HATCHERY_APPLICATION_URL", c.ApplicationURL != "", "")
		case Messages:
			need("HATCHERY_QUEUE_URL", c.QueueURL != "", "")
		}
	}
	if c.Spire && c.Records != RecordsBugout {
		need("HATCHERY_BUGOUT_URL", c.Bugout.URL != "", " with HATCHERY_APPLICATION=spire")
	}
	switch c.Records {
	case RecordsDynamoDB:
		need("HATCHERY_TABLE", c.Table != "", " with HATCHERY_RECORDS=dynamodb")
	case RecordsBugout:
		need("HATCHERY_BUGOUT_URL", c.Bugout.URL != "", " with HATCHERY_RECORDS=bugout")
		need("HATCHERY_BUGOUT_APPLICATION_ID", c.Bugout.ApplicationID != "", " with HATCHERY_RECORDS=bugout")
		need("HATCHERY_BUGOUT_TOKEN", !c.Bugout.Token.IsZero() || c.Bugout.TokenName != "", " with HATCHERY_RECORDS=bugout")
	}
	if c.Legacy.Bucket != "" && c.Legacy.Bucket == c.Bucket {
		faults = append(faults, upload.Fault{Setting: "HATCHERY_LEGACY_BUCKET", Found: fmt.Sprintf("%q, which is HATCHERY_BUCKET too", c.Bucket),
			Accepted: settingNamed("HATCHERY_LEGACY_BUCKET").Accepted})
	}
	return faults
}

func settingNamed(name string) Setting {
	for _, s := range settings {
		if s.Name == name {
			return s
		}
	}
	return Setting{Name: name}
}
