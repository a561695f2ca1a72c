//go:build !windows

package locals3

import (
	"errors"
	"io/fs"
	"syscall"
)

// isAbsent says that a path does not exist, also when a file stands where the path has a folder.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
