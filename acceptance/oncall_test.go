//go:build acceptance

package acceptance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hatchery/shared/deadletter"
)

// program is the hatchery command, built once for all tests.
var program struct {
	sync.Mutex
	folder string
}

// hatcheryProgram gives the path of the hatchery command.
func hatcheryProgram(t testing.TB) string {
	t.Helper()
	program.Lock()
	defer program.Unlock()
	if program.folder == "" {
		folder, err := os.MkdirTemp("", "hatchery-program-")
		check(t, err)
		program.folder = folder
		mustRun(t, command{folder: moduleRoot(t), limit: 5 * time.Minute, env: bareEnvironment(t, "CGO_ENABLED=0"),
			args: []string{tool(t, "go"), "build", "-o", filepath.Join(folder, "hatchery"), "./cmd/hatchery"}})
	}
	return filepath.Join(program.folder, "hatchery")
}

func removeProgram() {
	program.Lock()
	defer program.Unlock()
	if program.folder != "" {
		_ = os.RemoveAll(program.folder)
	}
}

// readsQuarantine is the role in OperatorRoleArn.
const readsQuarantine = "on-call-rechecks"

// onCall is a person at a terminal, in a role of their own. The emulator writes down what roles on-call-… ask for.
type onCall struct {
	*stack
	role string
}

// onCall makes a role with policies for people attached, until the test ends.
func (s *stack) onCall(t testing.TB, role string, policies ...string) onCall {
	t.Helper()
	s.newPerson(t, role)
	for _, policy := range policies {
		s.attach(t, role, policy)
	}
	return onCall{s, role}
}

// sessions numbers the sessions of people, so that what a command asked for is told apart.
var sessions atomic.Int64

// logIn gives the environment of a new session of the person, and the session's name.
func (p onCall) logIn(t testing.TB) (env []string, session string) {
	t.Helper()
	session = fmt.Sprintf("command-%d", sessions.Add(1))
	who := p.assumeAs(t, p.role, session)
	return p.environment(t, "AWS_ACCESS_KEY_ID="+who.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+who.SecretAccessKey,
		"AWS_SESSION_TOKEN="+who.SessionToken), session
}

// typed is how a command ended that a person typed, and what it asked for.
type typed struct {
	result
	asked []asked
}

// types runs the hatchery command as the person, in a session of its own.
func (p onCall) types(t testing.TB, args ...string) typed {
	t.Helper()
	env, session := p.logIn(t)
	r := run(t, command{args: append([]string{hatcheryProgram(t)}, p.at(args)...), limit: 90 * time.Second, env: env})
	return typed{r, p.askedIn(t, session)}
}

// at names the stack.
func (p onCall) at(args []string) []string { return append(slices.Clone(args), "--stack", p.name) }

// lists gives what `dlq ls` shows, once nothing is among it that is still at work: here a message dies a second after
// its last reception began.
func (p onCall) lists(t testing.TB) []deadletter.Letter {
	t.Helper()
	var letters []deadletter.Letter
	eventually(t, time.Minute, "no letter looks as if its validator had crashed", func() (bool, string) {
		letters = letters[:0]
		r := p.types(t, "dlq", "ls", "--json")
		if r.code > 1 {
			t.Fatal(r)
		}
		crashed := 0
		for line := range strings.Lines(r.stdout) {
			var l deadletter.Letter
			check(t, json.Unmarshal([]byte(line), &l))
			if l.MessageID == "" {
				continue // the listing itself, which comes last
			}
			letters = append(letters, l)
			if l.Diagnosis.Cause == deadletter.Crashed {
				crashed++
			}
		}
		return crashed == 0, fmt.Sprint(crashed)
	})
	return letters
}

// watches runs `dlq watch` until it has printed a line, and ends it as Ctrl-C does.
func (p onCall) watches(t testing.TB) typed {
	t.Helper()
	env, session := p.logIn(t)
	started := time.Now()
	args := append([]string{hatcheryProgram(t)}, p.at([]string{"dlq", "watch"})...)
	watch := serve(t, "watch", env, args...)
	eventually(t, 20*time.Second, "a line of dlq watch", func() (bool, string) {
		printed := watch.tail(2000)
		return strings.Contains(printed, "\n") || watch.ended(), printed
	})
	check(t, syscall.Kill(watch.cmd.Process.Pid, syscall.SIGINT))
	select {
	case <-watch.done:
	case <-time.After(10 * time.Second):
		t.Fatal("dlq watch goes on after SIGINT")
	}
	return typed{result{command: strings.Join(args, " "), stdout: watch.tail(2000),
		code: watch.cmd.ProcessState.ExitCode(), took: time.Since(started)}, p.askedIn(t, session)}
}

// asked is a right that somebody asked for.
type asked struct {
	Session, Action, Resource string
	Allowed                   bool
}

// askedIn gives what a session has asked for.
func (e *emulator) askedIn(t testing.TB, session string) []asked {
	t.Helper()
	file, err := os.Open(e.askedLog)
	check(t, err)
	defer file.Close()
	var found []asked
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var a asked
		check(t, json.Unmarshal(lines.Bytes(), &a))
		// Everybody may ask who they are.
		if a.Session == session && a.Action != "sts:GetCallerIdentity" {
			found = append(found, a)
		}
	}
	check(t, lines.Err())
	return found
}
