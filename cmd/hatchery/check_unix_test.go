//go:build unix

package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCheckDoesNotWaitForAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "waiting.png")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	code, errs := fails(t, "check", pipe)
	if code != exitUsage || !strings.Contains(errs, "not a regular file") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
