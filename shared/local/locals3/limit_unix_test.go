//go:build !windows

package locals3_test

import (
	"strconv"
	"syscall"
)

// limitFiles bounds how many files this process may have open; "" is no bound.
func limitFiles(most string) error {
	if most == "" {
		return nil
	}
	n, err := strconv.ParseUint(most, 10, 16)
	if err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
}
