package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"hatchery/shared/migrate"
)

// migrationState is what --state keeps: which migration it is, and how far it came.
type migrationState struct {
	From         string        `json:"from"`
	To           string        `json:"to"`
	Validate     bool          `json:"validate"`
	CheckObjects bool          `json:"check_objects"`
	Place        migrate.Place `json:"place"`
}

// maxStateFile is far more than a state has with all its findings.
const maxStateFile = 1 << 20

// loadState reads the state of an earlier run of the same migration; without one it
// is the start. It writes the state, so that a file that cannot be written is found now.
func loadState(f migrateFlags, from, to string) (*migrationState, error) {
	state := &migrationState{From: from, To: to, Validate: f.validate, CheckObjects: f.checkObjects}
	if !f.keeps() {
		return state, nil
	}
	kept, err := readState(f.state)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, usage("--state: %w", err)
	case kept.From != state.From || kept.To != state.To:
		return nil, usage("--state: %s is of a migration from %s to %s: name another file", shown(f.state),
			shown(kept.From), shown(kept.To))
	case kept.Validate != state.Validate || kept.CheckObjects != state.CheckObjects:
		return nil, usage("--state: %s is of a migration with --validate=%t and --check-objects=%t: "+
			"say the same, or name another file", shown(f.state), kept.Validate, kept.CheckObjects)
	default:
		if path, file := strings.CutPrefix(to, "sqlite:"); file && kept.Place.Cursor != "" {
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				return nil, usage("--state: %s says that records were copied to %s, which is not there: "+
					"put it back, or name another file to begin anew", shown(f.state), shown(path))
			}
		}
		state = kept
	}
	if err := state.save(f.state); err != nil {
		return nil, usage("--state: %w", err)
	}
	return state, nil
}

func readState(path string) (*migrationState, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxStateFile))
	if err != nil {
		return nil, err
	}
	var kept migrationState
	if err = json.Unmarshal(text, &kept); err == nil && (kept.From == "" || kept.To == "") {
		err = errors.New("it names no stores")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not what an earlier run wrote: %w", shown(path), err)
	}
	return &kept, nil
}

// save writes the state so that it is whole wherever the process ends.
func (s *migrationState) save(path string) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path+".new", append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("keep how far it came: %w", err)
	}
	return nil
}
