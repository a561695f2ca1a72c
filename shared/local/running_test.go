package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hatchery/shared/local"
)

func TestARunningStackIsFoundByItsFolder(t *testing.T) {
	const anywhere = "127.0.0.1:0"
	for name, records := range map[string]struct{ dynamoDB, bugout string }{"with neither": {},
		"with DynamoDB": {dynamoDB: anywhere}, "with Bugout": {bugout: anywhere}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := options(dir)
			o.DynamoDBListen, o.BugoutListen = records.dynamoDB, records.bugout
			stack, err := local.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			want := stack.Endpoints()
			if (want.DynamoDB != "") != (records.dynamoDB != "") || (want.Bugout != local.Bugout{}) != (records.bugout != "") {
				t.Errorf("served are DynamoDB %q and Bugout %q", want.DynamoDB, want.Bugout.URL)
			}
			want.API, want.App = "", ""
			if got, err := local.Running(t.Context(), dir); err != nil || got != want {
				t.Errorf("found %+v, %v; want %+v", got, err, want)
			}
			if err := stack.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := local.Running(t.Context(), dir); !errors.Is(err, local.ErrNotRunning) ||
				!strings.Contains(err.Error(), want.SQS) {
				t.Errorf("after its end: %v, want ErrNotRunning and where nothing answers", err)
			}
		})
	}
}

func TestAFolderOfNoStackStaysAsItIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	if _, err := local.Running(t.Context(), dir); !errors.Is(err, local.ErrNotRunning) ||
		!strings.Contains(err.Error(), dir) {
		t.Errorf("%v, want ErrNotRunning", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
