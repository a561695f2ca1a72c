package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"

	"hatchery/shared/wording"
)

// Dev is a hatchery dev on this machine.
type Dev struct {
	// Stack is what it has of a deployment, where it runs.
	Stack *Stack
	// NotRunning says why it does not run; nil: it does.
	NotRunning error
	// Ports are where it will listen, where it does not run: by the flag that chooses another.
	Ports []Port
	// Free is how many bytes may still be written into its folder; errors.ErrUnsupported where the system does not tell.
	Free func() (int64, error)
	// Paused says that it hands no message to its validator, and Broken what it breaks on purpose.
	Paused bool
	Broken string
	// Start is the command that starts it.
	Start string
	// Hatchery is a command of this program about it.
	Hatchery func(command string) string
}

// Port is an address and the flag of hatchery dev that chooses it.
type Port struct{ Flag, Address string }

// Checks are all that are made of a hatchery dev.
func (d *Dev) Checks() []Check {
	checks := []Check{
		{"running", "hatchery dev runs on the folder", d.running},
		{"ports", "its ports are free, or its own", d.ports},
		{"disk", "the disk has room", d.disk},
		{"mapping", "the validator is given messages", d.mapping},
		{"broken", "nothing is broken on purpose", d.broken},
	}
	if d.NotRunning != nil {
		return checks
	}
	return append(checks, Check{"redrive", "what fails for good goes to the dead letters, and is kept there",
		d.Stack.redrive}, Check{"versioning", "the bucket keeps versions", d.Stack.versioning},
		Check{"dead letters", "no dead letter waits", d.Stack.deadLetters})
}

func (d *Dev) running(context.Context) ([]Finding, error) {
	if d.NotRunning == nil {
		return nil, nil
	}
	return []Finding{wrong(d.NotRunning.Error(), "Nothing is accepted or judged, and its bucket and queue cannot be "+
		"looked at.", d.Start)}, nil
}

// ports tries the addresses that a start needs.
func (d *Dev) ports(ctx context.Context) ([]Finding, error) {
	var found []Finding
	for _, p := range d.Ports {
		taken, err := new(net.ListenConfig).Listen(ctx, "tcp", p.Address)
		if err == nil {
			err = taken.Close()
		}
		if err != nil {
			found = append(found, wrong(fmt.Sprintf("%s cannot be listened on: %v", p.Address, err),
				"hatchery dev does not start while another program has it.",
				fmt.Sprintf("%s %s <HOST:PORT>", d.Start, p.Flag)))
		}
	}
	return found, nil
}

// leastFree is room for some hundred uploads, quarantine and files, and for the build of a program.
const leastFree = 1 << 30

func (d *Dev) disk(context.Context) ([]Finding, error) {
	free, err := d.Free()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return []Finding{{Result: Unseen, What: "could not look: this system does not tell how much room a disk has",
			Why: "What this check would find stays unknown.", Type: "df -h ."}}, nil
	case err != nil:
		return nil, fmt.Errorf("ask how much room the disk has: %w", err)
	case free >= leastFree:
		return nil, nil
	}
	return []Finding{wrong("the disk has room for "+wording.Grouped(free)+" bytes",
		"When it is full, uploads are answered 503 (disk_full), and verdicts cannot be kept.", "df -h .")}, nil
}

func (d *Dev) mapping(context.Context) ([]Finding, error) {
	if !d.Paused {
		return nil, nil
	}
	return []Finding{wrong("the validator is paused", pausedWhy, d.Hatchery("dlq resume"))}, nil
}

func (d *Dev) broken(context.Context) ([]Finding, error) {
	if d.Broken == "" {
		return nil, nil
	}
	return []Finding{wrong("broken on purpose: "+d.Broken, "Uploads fail until it is mended.", d.Hatchery("mend"))}, nil
}
