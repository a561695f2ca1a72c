//go:build acceptance

package acceptance

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// region is where everything is deployed.
const region = "us-east-1"

// TestMain runs the tests and removes what they share: what was built.
func TestMain(m *testing.M) {
	code := m.Run()
	removeBuilds()
	removeProgram()
	os.Exit(code)
}

// keeper starts the servers.
var keeper = newStarter()

// starter starts programs from one thread that lives as long as this process:
// what ends a program together with its parent goes by the thread that started
// it, and Go ends idle threads as it likes.
type starter struct{ requests chan func() }

func newStarter() *starter {
	s := &starter{requests: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked
		for request := range s.requests {
			request()
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) error {
	answer := make(chan error)
	s.requests <- func() { answer <- cmd.Start() }
	return <-answer
}
