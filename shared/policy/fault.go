package policy

import (
	"fmt"
	"strings"
)

// Fault is one thing wrong with the configuration: the setting, what was found
// there, and what is accepted.
type Fault struct {
	Setting  string
	Found    string
	Accepted string
}

func (f Fault) Error() string {
	return fmt.Sprintf("%s: found %s; accepted: %s", f.Setting, f.Found, f.Accepted)
}

// Faults is all that is wrong with a configuration, in the order found.
type Faults []Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Err is nil when there are no faults.
func (fs Faults) Err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}
