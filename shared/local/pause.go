package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// pausedFile is in the data folder while the mapping between queue and validator is paused. It outlives a restart, as
// a disabled mapping does in AWS.
const pausedFile = "paused"

// Pause lets the stack that runs on a data folder, or will, receive no more messages for its validator.
func Pause(dir string) error {
	why := []byte("While this file is here, messages wait in the queue.\n")
	err := os.WriteFile(filepath.Join(dir, pausedFile), why, 0o600)
	if err != nil {
		return fmt.Errorf("pause the validator of %s: %w", dir, err)
	}
	return nil
}

// Resume ends a pause; without one it does nothing.
func Resume(dir string) error {
	if err := os.Remove(filepath.Join(dir, pausedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("resume the validator of %s: %w", dir, err)
	}
	return nil
}

// Paused says whether a data folder has a pause.
func Paused(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, pausedFile))
	return err == nil
}

// pauses is Paused for the stack's own folder. It logs when a pause begins, or is there at the start, and when it ends.
func (s *Stack) pauses() func() bool {
	var mu sync.Mutex
	was := false
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		now := Paused(s.folder.dir)
		switch {
		case now && !was:
			s.o.Log.Warn("paused: messages wait until hatchery dlq resume", "data", s.folder.dir)
		case was && !now:
			s.o.Log.Info("resumed: messages go to the validator again")
		}
		was = now
		return now
	}
}
