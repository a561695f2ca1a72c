package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// spoolMemory is how much of a body that comes over a connection is kept in memory before it goes to a file.
const spoolMemory = 256 << 10

// spool keeps a body until it is stored. What is small is kept in memory. So is what was in memory already: in a
// function, where the event bounds it. Anything else is in a file that has no name any more, so that nothing is left
// behind however the process ends.
type spool struct {
	dir    string
	held   io.ReaderAt // the body itself, if it needs no copy
	limit  int         // of memory
	memory bytes.Buffer
	file   *os.File
	size   int64
	sum    hash.Hash
}

// SpoolPattern matches the files that wait in Config.SpoolDir. They lose their names at once, but a process can be
// killed before that.
const SpoolPattern = "hatchery-upload-*"

// newSpool makes a spool for body, of which all is spooled (whole) or a part.
func newSpool(dir string, body io.Reader, whole bool) *spool {
	s := &spool{dir: dir, limit: spoolMemory, sum: sha256.New()}
	held, ok := body.(interface {
		io.ReaderAt
		Len() int
	})
	switch {
	case ok && whole:
		s.held = held
	case ok:
		s.limit = held.Len()
		s.memory.Grow(s.limit)
	}
	return s
}

var (
	// errTooLong: the body is longer than it may be.
	errTooLong = errors.New("body is longer than it may be")
	// errSpool: the spool itself failed, which is no fault of the body.
	errSpool = errors.New("spool a body")
)

// fill reads all of body, at most limit bytes.
func (s *spool) fill(body io.Reader, limit int64) error {
	n, err := io.Copy(s, io.LimitReader(body, limit+1))
	if err == nil && n > limit {
		err = errTooLong
	}
	return err
}

// Write adds to the spool.
func (s *spool) Write(p []byte) (int, error) {
	s.sum.Write(p)
	s.size += int64(len(p))
	if s.held != nil {
		return len(p), nil
	}
	if s.file == nil && s.memory.Len()+len(p) <= s.limit {
		return s.memory.Write(p)
	}
	if err := s.writeFile(p); err != nil {
		return 0, fmt.Errorf("%w: %w", errSpool, err)
	}
	return len(p), nil
}

// writeFile adds to the file, which it makes of what is in memory.
func (s *spool) writeFile(p []byte) (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp(s.dir, SpoolPattern); err != nil {
			return err
		}
		// Where an open file cannot be removed, Close does it.
		_ = os.Remove(s.file.Name())
		if _, err := s.memory.WriteTo(s.file); err != nil {
			return err
		}
		s.memory = bytes.Buffer{}
	}
	_, err = s.file.Write(p)
	return err
}

// reader reads the spool from its beginning, and can neither close nor write it.
func (s *spool) reader() io.ReadSeeker {
	switch {
	case s.held != nil:
		return io.NewSectionReader(s.held, 0, s.size)
	case s.file != nil:
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return bytes.NewReader(s.memory.Bytes())
}

// sha256 is the lower-case hex of what was written.
func (s *spool) sha256() string { return hex.EncodeToString(s.sum.Sum(nil)) }

// Close forgets the body. It may be called at any time, once.
func (s *spool) Close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
