package locals3

import (
	"errors"
	"io/fs"
)

// isAbsent says that a path does not exist. Windows gives the same error when a file stands in the place of a folder.
func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
