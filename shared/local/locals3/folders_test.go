package locals3

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestTheNamesInALargeFolderAreThoseOfNow(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for n := range largeFolder {
		want = append(want, fmt.Sprintf("%04d", n))
		write(want[n])
	}
	var f folders
	look := func(remembered bool) {
		t.Helper()
		got, err := f.names(dir)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d names, want %d, %v", len(got), len(want), err)
		}
		if _, ok := f.known[dir]; ok != remembered {
			t.Errorf("remembered: %t, want %t", ok, remembered)
		}
	}
	look(false) // it changed a moment ago, and may change again within the same tick
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dir, long, long); err != nil {
		t.Fatal(err)
	}
	look(true)
	look(true)
	write("9999")
	want = append(want, "9999")
	look(false)
	if err := os.Remove(filepath.Join(dir, "0000")); err != nil {
		t.Fatal(err)
	}
	want = want[1:]
	look(false)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := f.names(dir); !isAbsent(err) {
		t.Errorf("of a folder that was removed: %v", err)
	}
}
