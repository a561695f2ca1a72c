// Package samples reads the folder of sample events: what functions are called with, the replies that are expected, and
// the uploads that must exist before.
//
// The folder holds NAME.json, an event; replies/NAME.json, what the function answers; and uploads/uploads.json with the
// files that it names. README.md there is for people.
package samples

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Event is one sample: what a function is called with, and what it answers.
type Event struct {
	// Name is the file's, without its extension. Its first word is the function: api, validator or reconciler.
	Name string
	// Payload is the event's file as it stands.
	Payload []byte
	// Reply is what is expected, with placeholders; see [Compare].
	Reply []byte
}

// Function is the first word of the name.
func (e Event) Function() string {
	function, _, _ := strings.Cut(e.Name, "-")
	return function
}

const (
	replies   = "replies"
	extension = ".json"
)

// Events reads all events of the folder, in the order of their names. The error names every event without a reply,
// every reply without an event, and every folder without events.
func Events(folder fs.FS) ([]Event, error) {
	names, err := jsonFiles(folder, ".")
	if err != nil {
		return nil, err
	}
	expected, err := jsonFiles(folder, replies)
	if err != nil {
		return nil, err
	}
	var problems []error
	var events []Event
	for _, name := range names {
		if !slices.Contains(expected, name) {
			problems = append(problems, fmt.Errorf("%s has no reply: put it into %s", name, path.Join(replies, name)))
			continue
		}
		payload, err := fs.ReadFile(folder, name)
		problems = append(problems, err)
		reply, err := fs.ReadFile(folder, path.Join(replies, name))
		problems = append(problems, err)
		events = append(events, Event{Name: strings.TrimSuffix(name, extension), Payload: payload, Reply: reply})
	}
	for _, name := range expected {
		if !slices.Contains(names, name) {
			problems = append(problems, fmt.Errorf("%s is the reply to no event", path.Join(replies, name)))
		}
	}
	if len(names) == 0 {
		problems = append(problems, errors.New("the folder has no events"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return events, nil
}

func jsonFiles(folder fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(folder, dir)
	if err != nil {
		return nil, fmt.Errorf("read the folder of events: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && path.Ext(e.Name()) == extension {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
