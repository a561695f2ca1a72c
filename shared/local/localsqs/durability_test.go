package localsqs_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hatchery/shared/local/localsqs"
)

func TestQueuesAndMessagesSurviveCloseAndOpen(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "a queue%20?#.db"), newClock()
	s := openAt(t, path, c)
	s.queue("dead")
	url := s.queue("work", "VisibilityTimeout", "60", "RedrivePolicy", s.deadLetters("dead", 2))
	id := s.send(url, "kept")
	handle := s.one(url)
	s.send(url, "also kept")
	s.close()

	s = openAt(t, path, c)
	url = s.queue("work", "VisibilityTimeout", "60")
	if got := s.attributes(url)["RedrivePolicy"]; got != s.deadLetters("dead", 2) {
		t.Fatalf("redrive policy is %q", got)
	}
	s.wantCounts(url, "1 1 0")
	s.delete(url, handle)
	s.wantCounts(url, "1 0 0")
	if m := s.one(url); *m.Body != "also kept" || *m.MessageId == id {
		t.Fatalf("received %q", *m.Body)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

func TestReleaseMakesHeldMessagesVisibleAndKeepsTheirCounts(t *testing.T) {
	s := open(t)
	s.queue("dead")
	url := s.queue("work", "RedrivePolicy", s.deadLetters("dead", 2), "DelaySeconds", "0")
	s.send(url, "x")
	received := s.one(url)
	s.send(s.queue("later", "DelaySeconds", "60"), "delayed, not received")
	for range 2 { // a second time there is nothing left to do
		if _, err := s.server.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.wantCounts(s.queue("later"), "0 0 1")
	s.wantCounts(url, "1 0 0")
	m := s.one(url)
	if m.Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("receive count %s", m.Attributes["ApproximateReceiveCount"])
	}
	s.delete(url, received) // the dead one's handle
	s.wantCounts(url, "0 1 0")
	if n, err := s.server.Release(t.Context()); err != nil || n != 1 {
		t.Fatalf("released %d, %v", n, err)
	}
	s.none(url)
	s.wantCounts(s.queue("dead"), "1 0 0")
}

func TestSecondServerOnTheSameFileIsRefused(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "queue.db"), newClock()
	s := openAt(t, path, c)
	_, err := localsqs.Open(t.Context(), options(t, path, c))
	if !errors.Is(err, localsqs.ErrFileInUse) || !strings.Contains(err.Error(), path) {
		t.Fatalf("opened twice: %v", err)
	}
	s.queue("work")
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	})
	o := options(t, filepath.Join(t.TempDir(), "queue.db"), newClock())
	busy := o
	busy.Listen = taken.Addr().String()
	_, err = localsqs.Open(t.Context(), busy)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), busy.Listen) {
		t.Errorf("busy port: %v", err)
	}
	if _, err := os.Stat(o.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a busy port left a file behind: %v", err)
	}
	for name, change := range map[string]func(*localsqs.Options){
		"not absolute": func(o *localsqs.Options) { o.Path = "queue.db" },
		"missing":      func(o *localsqs.Options) { o.Path = filepath.Join(t.TempDir(), "missing", "queue.db") },
		"required":     func(o *localsqs.Options) { o.SecretKey = "" },
		"database": func(o *localsqs.Options) {
			o.Path = filepath.Join(t.TempDir(), "queue.db")
			if err := os.WriteFile(o.Path, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		wrong := o
		change(&wrong)
		_, err := localsqs.Open(t.Context(), wrong)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secretKey) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

// serve makes this test binary a process that does nothing but serve a file until it is killed.
var serve = flag.String("localsqs.serve", "", "serve this queue file and send messages until killed")

func TestMain(m *testing.M) {
	flag.Parse()
	if *serve != "" {
		panic(child(*serve)) // it returns for an error only
	}
	m.Run()
}

// child serves the file and sends messages as fast as it can, printing each that was accepted.
func child(path string) error {
	ctx := context.Background()
	s, err := localsqs.Open(ctx,
		localsqs.Options{Path: path, Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey})
	if err != nil {
		return err
	}
	if err := s.CreateQueue(ctx, "work", nil); err != nil {
		return err
	}
	for i := 0; ; i++ {
		tag := fmt.Sprintf("%d-%d", os.Getpid(), i)
		if err := s.Send(ctx, "work", tag, tag); err != nil {
			return err
		}
		fmt.Println(tag) // one write, which a kill does not cut in two
	}
}

func TestKilledProcessLosesNothingItAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	var accepted []string
	for range 5 {
		command := exec.CommandContext(t.Context(), os.Args[0], "-localsqs.serve="+path)
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 200 && lines.Scan(); n++ {
			accepted = append(accepted, lines.Text())
		}
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			accepted = append(accepted, lines.Text())
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err == nil || len(accepted) == 0 {
			t.Fatalf("the child ended by itself: %v", err)
		}
	}
	c := newClock()
	c.now = time.Now()
	s := openAt(t, path, c)
	for i, tag := range accepted {
		if held, err := s.server.Holds(t.Context(), "work", tag); err != nil || !held {
			t.Errorf("message %d of %d, %q, is lost: %v", i, len(accepted), tag, err)
		}
	}
}
