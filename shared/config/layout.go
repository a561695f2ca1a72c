package config

import (
	"fmt"
	"strings"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// layoutFaults are all that is wrong with a layout.
func layoutFaults(l upload.Layout) []policy.Fault {
	var faults []policy.Fault
	for _, p := range []struct{ setting, value string }{
		{"HATCHERY_QUARANTINE_PREFIX", l.Quarantine}, {"HATCHERY_FILES_PREFIX", l.Files}} {
		if prefix, closed := strings.CutSuffix(p.value, "/"); !closed || !isPrefix(prefix) ||
			len(prefix) >= 200 {
			faults = append(faults, policy.Fault{Setting: p.setting, Found: fmt.Sprintf("%q", p.value),
				Accepted: `1 to 200 characters of A-Z a-z 0-9 _ - . /, not beginning with "/" and ending in "/"`})
		} else if overlap(p.value, upload.DeadLetterPrefix) {
			faults = append(faults, policy.Fault{Setting: p.setting, Found: fmt.Sprintf("%q", p.value),
				Accepted: "a prefix that does not begin with " + upload.DeadLetterPrefix +
					", where the notes about dead letters lie"})
		}
	}
	if overlap(l.Quarantine, l.Files) {
		faults = append(faults, policy.Fault{Setting: "HATCHERY_FILES_PREFIX",
			Found:    fmt.Sprintf("%q beside quarantine %q", l.Files, l.Quarantine),
			Accepted: "two prefixes of which neither begins with the other, quarantine/ and files/ for instance"})
	}
	return faults
}

// overlap says whether one prefix begins with the other.
func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
