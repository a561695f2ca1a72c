// Package config reads the settings of a deployment from environment variables. The table in settings.go is the only
// list of them: docs/settings.md is made from it, and nothing else in the program looks at the environment.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"hatchery/shared/policy"
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

// unsetWait stands in WaitTime until the settings are read: its default depends on the records.
const unsetWait = -1

// Load reads the configuration. Everything that is wrong with it is reported at once, as policy.Faults: first what
// stands in a setting, in the order of the table, then what is missing. No fault shows a secret.
//
// getenv is os.Getenv or stands in for it; an empty value is an unset one.
func Load(getenv func(string) string, needs ...Need) (Config, error) {
	c := Config{Layout: upload.DefaultLayout, ValidatorTime: defaultValidatorTime, ReadRate: defaultReadRate,
		QuarantineDays: 60, FormTime: 15 * time.Minute, VisibilityTime: 6 * defaultValidatorTime,
		WaitTime: unsetWait, MaxReceives: DefaultMaxReceives, SurveyTime: 7 * 24 * time.Hour, Stack: defaultStack}
	var faults policy.Faults
	for _, s := range settings {
		_, wrong := s.load(&c, getenv)
		faults = append(faults, wrong...)
	}
	broken := func(name string) bool {
		return slices.ContainsFunc(faults, func(f policy.Fault) bool { return f.Setting == name })
	}
	if c.WaitTime == unsetWait {
		c.WaitTime = defaultWait
		if c.Records == RecordsBugout {
			c.WaitTime = defaultWaitBugout
		}
	}
	if broken("HATCHERY_VALIDATOR_SECONDS") || broken("HATCHERY_READ_RATE") {
		// Their own faults stand; the policy is still looked at for its others.
		c.ValidatorTime, c.ReadRate = defaultValidatorTime, defaultReadRate
	}
	faults = append(faults, layoutFaults(c.Layout)...)
	faults = append(faults, c.loadPolicy(getenv)...)
	faults = append(faults, c.missing(broken, needs)...)
	if err := faults.Err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// LoadBugout reads the settings of Bugout and nothing else. With application its id must be set, too.
func LoadBugout(getenv func(string) string, application bool) (Bugout, error) {
	var c Config
	var faults policy.Faults
	for _, name := range []string{"HATCHERY_BUGOUT_URL", "HATCHERY_BUGOUT_APPLICATION_ID", "HATCHERY_BUGOUT_TOKEN"} {
		if !application && name == "HATCHERY_BUGOUT_APPLICATION_ID" {
			continue
		}
		s := settingNamed(name)
		isSet, wrong := s.load(&c, getenv)
		if !isSet {
			wrong = s.faults("nothing")
		}
		faults = append(faults, wrong...)
	}
	return c.Bugout, faults.Err()
}

// load reads the setting into c, under its name or an alias. The name wins; two names with different values are a
// fault, because one of them is not what its author believes.
func (s Setting) load(c *Config, getenv func(string) string) (isSet bool, faults policy.Faults) {
	value, from := "", ""
	for _, name := range append([]string{s.Name}, s.Aliases...) {
		v := getenv(name)
		switch {
		case v == "":
		case from == "":
			value, from = v, name
		case v != value:
			return true, s.faults(fmt.Sprintf("another value under %s than under %s", name, from))
		}
	}
	if value == "" {
		return false, nil
	}
	found := s.set(c, value)
	switch {
	case found == "":
		return true, nil
	case s.Secret:
		found = "a value of another form (not shown)"
	}
	return true, s.faults(found)
}

// faults is the one fault that found is instead of what the setting accepts.
func (s Setting) faults(found string) policy.Faults {
	return policy.Faults{{Setting: s.Name, Found: found, Accepted: s.Accepted}}
}

func (c *Config) loadPolicy(getenv func(string) string) policy.Faults {
	// The default is held against what can be read, too.
	text := cmp.Or(getenv("HATCHERY_POLICY"), `{"kinds":{"images":{}}}`)
	var err error
	c.Policy, err = policy.Parse([]byte(text), c.Readable())
	if faults, ok := errors.AsType[policy.Faults](err); ok || err == nil {
		return faults
	}
	return settingNamed("HATCHERY_POLICY").faults(err.Error())
}

// missing reports what must be set and is not, and what does not fit together.
func (c *Config) missing(broken func(string) bool, needs []Need) policy.Faults {
	var faults policy.Faults
	need := func(name string, isSet bool, why string) {
		if !isSet && !broken(name) {
			faults = append(faults, settingNamed(name).faults("nothing"+why)...)
		}
	}
	why := ""
	if c.Legacy.Bucket != "" {
		why = " (HATCHERY_LEGACY_BUCKET is only read: Hatchery needs a versioned bucket of its own)"
	}
	need("HATCHERY_BUCKET", c.Bucket != "", why)
	need("HATCHERY_RECORDS", c.Records != "", "")
	if slices.Contains(needs, Callers) {
		need("HATCHERY_APPLICATION_URL", c.ApplicationURL != "", "")
	}
	if slices.Contains(needs, Messages) {
		need("HATCHERY_QUEUE_URL", c.QueueURL != "", "")
	}
	if c.Spire && c.Records != RecordsBugout {
		need("HATCHERY_BUGOUT_URL", c.Bugout.URL != "", " with HATCHERY_APPLICATION=spire")
	}
	switch why := " with HATCHERY_RECORDS=" + c.Records; c.Records {
	case RecordsDynamoDB:
		need("HATCHERY_TABLE", c.Table != "", why)
	case RecordsBugout:
		need("HATCHERY_BUGOUT_URL", c.Bugout.URL != "", why)
		need("HATCHERY_BUGOUT_APPLICATION_ID", c.Bugout.ApplicationID != "", why)
		need("HATCHERY_BUGOUT_TOKEN", !c.Bugout.Token.IsZero() || c.Bugout.TokenName != "", why)
	}
	if c.Legacy.Bucket != "" && c.Legacy.Bucket == c.Bucket {
		found := fmt.Sprintf("%q, which is HATCHERY_BUCKET too", c.Bucket)
		faults = append(faults, settingNamed("HATCHERY_LEGACY_BUCKET").faults(found)...)
	}
	return faults
}

func settingNamed(name string) Setting {
	return settings[slices.IndexFunc(settings, func(s Setting) bool { return s.Name == name })]
}
