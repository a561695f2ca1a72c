//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// command is one program that is run to its end.
type command struct {
	// args are the program and its arguments.
	args []string
	// folder to run in; "" is this package's.
	folder string
	// env is the whole environment; nil is bareEnvironment.
	env []string
	// input is what it reads; "" is nothing.
	input string
	// limit is how long it may take; 0 is two minutes.
	limit time.Duration
}

// result is how a command ended.
type result struct {
	command string
	stdout  string
	stderr  string
	code    int
	took    time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%s\nended with %d after %s\n%s\n%s", r.command, r.code, r.took.Round(time.Millisecond), r.stdout,
		r.stderr)
}

// run runs a command. Only one that could not be run, or took longer than its
// limit, fails the test.
func run(t testing.TB, c command) result {
	t.Helper()
	if c.limit == 0 {
		c.limit = 2 * time.Minute
	}
	if c.env == nil {
		c.env = bareEnvironment(t)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), c.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.folder, c.env
	cmd.Stdin = strings.NewReader(c.input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ownGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	started := time.Now()
	err := cmd.Run()
	r := result{command: "+ " + strings.Join(c.args, " "), stdout: stdout.String(), stderr: stderr.String(),
		code: cmd.ProcessState.ExitCode(), took: time.Since(started)}
	if ctx.Err() != nil {
		t.Fatalf("longer than %s: %s", c.limit, r)
	}
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("%v: %s", err, r)
	}
	return r
}

// mustRun runs a command that has to end well.
func mustRun(t testing.TB, c command) result {
	t.Helper()
	r := run(t, c)
	if r.code != 0 {
		t.Fatal(r)
	}
	return r
}

// ownGroup gives a command a process group of its own, that ends with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// server is a program that goes on until the test ends.
type server struct {
	name string
	cmd  *exec.Cmd
	log  string        // the file with what it printed
	done chan struct{} // closed when it ended
	stop sync.Once
}

// serve starts a program; its process group is ended with the test, and what it
// printed is shown when the test failed. A nil env is bareEnvironment.
func serve(t testing.TB, name string, env []string, args ...string) *server {
	t.Helper()
	if env == nil {
		env = bareEnvironment(t)
	}
	logFile := filepath.Join(t.TempDir(), name+".log")
	out, err := os.Create(logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = t.TempDir(), env
	cmd.Stdout, cmd.Stderr = out, out
	// Should this process be killed, the kernel ends the program, too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s := &server{name: name, cmd: cmd, log: logFile, done: make(chan struct{})}
	if err := keeper.start(cmd); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(s.done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		s.end()
		if t.Failed() {
			t.Logf("the end of what %s printed:\n%s", name, s.tail(5000))
		}
	})
	return s
}

// end asks the program to end and kills its group when it does not.
func (s *server) end() {
	s.stop.Do(func() {
		_ = syscall.Kill(s.cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-s.done:
		case <-time.After(5 * time.Second):
		}
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
	})
}

// ended says whether the program has ended by itself.
func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// tail is the end of what the program printed, at most n bytes of it.
func (s *server) tail(n int64) string {
	file, err := os.Open(s.log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > n {
		_, _ = file.Seek(-n, io.SeekEnd)
	}
	text, err := io.ReadAll(io.LimitReader(file, n))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// eventually waits until done, and fails the test when the bound is over; state
// says what was seen last.
func eventually(t testing.TB, bound time.Duration, what string, check func() (done bool, state string)) {
	t.Helper()
	if err := waitFor(t.Context(), bound, what, check); err != nil {
		t.Fatal(err)
	}
}

// waitFor is eventually for those who want the error.
func waitFor(ctx context.Context, bound time.Duration, what string, check func() (done bool, state string)) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, state := check()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s; last seen: %s", what, bound, state)
		case <-tick.C:
		}
	}
}
