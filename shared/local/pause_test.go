package local_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/local"
)

// lines is a log to read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// wait waits for a text.
func (l *lines) wait(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for again := time.Tick(time.Millisecond); ; {
		l.mu.Lock()
		found := strings.Contains(l.buf.String(), text)
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-again:
		case <-deadline:
			t.Fatalf("the log does not say %q", text)
		}
	}
}

func TestMessagesWaitInAPauseAndGoOnAfterIt(t *testing.T) {
	dir, log, arrived := t.TempDir(), &lines{}, make(chan arrival.Created, 10)
	o := options(dir)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	_, stop := runningWith(t, o, told(arrived, true), nothing)
	if err := local.Pause(dir); err != nil {
		t.Fatal(err)
	}
	log.wait(t, "paused: messages wait until hatchery dlq resume")
	log.wait(t, "data="+dir)
	stop()
	// A pause lasts over a restart.
	log = &lines{}
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	at, stop := runningWith(t, o, told(arrived, true), nothing)
	log.wait(t, "paused: messages wait until hatchery dlq resume")
	version := put(t, at)
	select {
	case c := <-arrived:
		t.Errorf("told about %+v in a pause", c)
	default:
	}
	if err := local.Resume(dir); err != nil {
		t.Fatal(err)
	}
	if c := wait(t, arrived); c.VersionID != version {
		t.Errorf("told about %+v", c)
	}
	log.wait(t, "resumed: messages go to the validator again")
	stop()
}

func TestAPauseIsBegunAndEndedTwiceWithoutAnError(t *testing.T) {
	dir := t.TempDir()
	for _, change := range []struct {
		do   func(string) error
		want bool
	}{{local.Resume, false}, {local.Pause, true}, {local.Pause, true}, {local.Resume, false}, {local.Resume, false}} {
		if err := change.do(dir); err != nil || local.Paused(dir) != change.want {
			t.Errorf("%v, paused %v, want %v", err, local.Paused(dir), change.want)
		}
	}
	if err := local.Pause(filepath.Join(dir, "missing")); err == nil {
		t.Error("a folder that is not there was paused")
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); err == nil {
		t.Error("the folder was made")
	}
}
