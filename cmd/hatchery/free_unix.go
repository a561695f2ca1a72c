//go:build linux || darwin

package main

import (
	"fmt"
	"math"
	"syscall"
)

// freeBytes is how much an ordinary user may still write where a folder is.
func freeBytes(dir string) (int64, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	size := uint64(disk.Bsize) // an int64 on Linux, a uint32 on macOS
	return int64(min(disk.Bavail, math.MaxInt64/size) * size), nil
}
