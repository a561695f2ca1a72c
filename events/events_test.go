// Package events_test plays every sample event through the function that it is
// for, on the embedded stack, and holds the answer against the expected reply.
package events_test

import (
	"os"
	"testing"

	"hatchery/shared/local/samples"
)

// read reads the events and the uploads that they presume. It is done before a
// stack is opened, which changes the working directory.
func read(t *testing.T) ([]samples.Event, samples.Uploads) {
	t.Helper()
	folder := os.DirFS(".")
	all, err := samples.Events(folder)
	if err != nil {
		t.Fatal(err)
	}
	uploads, err := samples.ReadUploads(folder)
	if err != nil {
		t.Fatal(err)
	}
	return all, uploads
}

func TestEveryEventGetsItsReplyAndLeavesTheUploadsAsItShould(t *testing.T) {
	all, uploads := read(t)
	d := deploy(t, uploads)
	for _, e := range all {
		d.play(t, e)
	}
	d.wantAsPlayed(t, uploads)
	// A queue delivers at least once.
	for _, e := range all {
		if e.Function() == "validator" {
			d.play(t, e)
		}
	}
	d.wantAsPlayed(t, uploads)
}

// play hands an event to its function and compares the reply.
func (d deployment) play(t *testing.T, e samples.Event) {
	t.Helper()
	function := d.functions[e.Function()]
	if function == nil {
		t.Errorf("%s: the first word of its name is no function", e.Name)
		return
	}
	reply, err := function(t.Context(), e.Payload)
	if err != nil {
		t.Errorf("%s: %v", e.Name, err)
		return
	}
	if err := samples.Compare(e.Reply, reply); err != nil {
		t.Errorf("%s:\n%v", e.Name, err)
	}
}

// wantAsPlayed checks that each upload is what its event makes of it.
func (d deployment) wantAsPlayed(t *testing.T, uploads samples.Uploads) {
	t.Helper()
	for _, one := range uploads.Uploads {
		record, err := d.records.Get(t.Context(), uploads.Ref(one))
		if err != nil || record.Status != one.After() {
			t.Errorf("%s is %q (%v), want %s", uploads.Ref(one), record.Status, err, one.After())
		}
	}
}
