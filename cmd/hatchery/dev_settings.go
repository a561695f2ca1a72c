package main

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"

	"hatchery/shared/access"
	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/policy"
)

// check looks at the flags of dev alone.
func (f devFlags) check() error {
	for _, a := range []struct {
		flag, address string
		needed        bool
	}{
		{"--listen", f.listen, true}, {"--s3-listen", f.s3Listen, true}, {"--sqs-listen", f.sqsListen, true},
		{"--dynamodb-listen", f.dynamoDBListen, false}, {"--bugout-listen", f.bugoutListen, false},
		{"--containers", f.containers, false},
	} {
		if (a.needed || a.address != "") && !isAddress(a.address) {
			return usage("%s: found %q; want HOST:PORT, as 127.0.0.1:8080", a.flag, a.address)
		}
	}
	if f.containersHost != "" && f.containers == "" {
		return usage("--containers-host: there is no address for containers: add --containers")
	}
	if f.containersHost != "" && !isHost(f.containersHost) {
		return usage("--containers-host: found %q; want a host's name or address, without a port, as %s",
			f.containersHost, local.DockersHost)
	}
	return f.checkDynamoDB()
}

// isAddress takes an empty host, which is every address of this machine.
func isAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != "" && !isHost(host) {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

func isHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || hostForm.MatchString(host)
}

// devSettings reads the settings as a Lambda would, with what the embedded stack
// provides in their places. All faults of settings are reported at once.
func devSettings(f devFlags, term terminal) (config.Config, error) {
	if f.records != config.RecordsSQLite && f.records != config.RecordsDynamoDB && f.records != config.RecordsBugout {
		return config.Config{}, usage("--records: found %q; accepted: sqlite, dynamodb, bugout", f.records)
	}
	if f.containers != "" && f.records != config.RecordsDynamoDB {
		return config.Config{}, usage("--containers: functions keep their records in DynamoDB, " +
			"so that dev must keep them there, too: add --records dynamodb")
	}
	if f.data == "" {
		return config.Config{}, usage("--data: found nothing; accepted: a folder to keep everything in")
	}
	app := f.app
	if app == "" {
		app = "http://127.0.0.1:1" // replaced by the demo application's own
	} else if _, err := access.New(app, nil); err != nil {
		return config.Config{}, usage("--app: %w", err)
	}
	bugout, err := bugoutGiven(f)
	if err != nil {
		return config.Config{}, err
	}
	// Looked at on its own, so that a fault names where it stands. The others are
	// found with the default in its place.
	_, policyText, policyErr := readPolicy(f.policy, term.getenv, policy.LargestObject)
	given := map[string]string{
		"HATCHERY_BUCKET": local.Bucket, "HATCHERY_RECORDS": f.records, "HATCHERY_TABLE": local.Table,
		"HATCHERY_APPLICATION_URL": app, "MY_APP_JOURNALS_URL": "", "HATCHERY_POLICY": policyText}
	maps.Copy(given, bugout)
	if f.likeAWS {
		given["HATCHERY_POST_BYTES"] = strconv.Itoa(awsPostBytes)
		given["HATCHERY_REDIRECT_BYTES"] = strconv.Itoa(awsRedirectBytes)
	}
	settings, err := loadDevs(given, term)
	settings.EventBus = "" // verdicts of a dev are not for a deployment's bus
	faults := append(f.named(faultsOf(err)), unusedFaults(given, term)...)
	if err := faults.Err(); err != nil {
		err = usage("the settings have faults:\n%w", err)
		if policyErr == nil {
			return config.Config{}, err
		}
		return config.Config{}, usage("%w", errors.Join(policyErr, err))
	}
	return settings, policyErr
}

// named makes faults that are about Bugout name the flag which has them, or which would mend them.
func (f devFlags) named(faults policy.Faults) policy.Faults {
	if f.bugout == "" {
		return faults
	}
	return namedAsFlags(faults, map[string]flagValue{"HATCHERY_BUGOUT_URL": {"--bugout", f.bugout},
		"HATCHERY_BUGOUT_TOKEN": {"--bugout-token-file", f.bugoutTokenFile}})
}

// loadDevs reads what is given from there and the rest from the environment.
func loadDevs(given map[string]string, term terminal) (config.Config, error) {
	load := func(seconds string) (config.Config, error) {
		return config.Load(func(name string) string {
			if name == "HATCHERY_VALIDATOR_SECONDS" {
				return seconds
			}
			if value, ok := given[name]; ok {
				return value
			}
			return term.getenv(name)
		}, config.Callers)
	}
	if seconds := term.getenv("HATCHERY_VALIDATOR_SECONDS"); seconds != "" {
		return load(seconds)
	}
	// A message that failed rests until the validator's time is over. A person waits
	// for the retry here, so that time is short, unless the policy needs the longer
	// one that is the default in AWS.
	if settings, err := load("60"); err == nil {
		return settings, nil
	}
	return load("300")
}

// unusedFaults are those of settings that the environment has, and for which dev
// takes values of its own.
func unusedFaults(given map[string]string, term terminal) policy.Faults {
	needed := []string{"HATCHERY_BUCKET", "HATCHERY_RECORDS", "HATCHERY_TABLE"}
	_, err := config.Load(func(name string) string {
		value := term.getenv(name)
		if value == "" && slices.Contains(needed, name) {
			return given[name]
		}
		return value
	})
	return slices.DeleteFunc(faultsOf(err), func(f policy.Fault) bool {
		return f.Setting != "HATCHERY_APPLICATION_URL" && !slices.Contains(needed, f.Setting)
	})
}

// faultsOf gives what config.Load found: it fails with faults alone.
func faultsOf(err error) policy.Faults {
	faults, _ := errors.AsType[policy.Faults](err)
	return faults
}
