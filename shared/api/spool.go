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

// spoolMemory is how much of a body is kept in memory before it goes to a file.
const spoolMemory = 256 << 10

// spool keeps a body until it is stored: small ones in memory, others in a file that has no name any more, so that
// nothing is left behind however the process ends.
type spool struct {
	dir    string
	memory bytes.Buffer
	file   *os.File
	size   int64
	sum    hash.Hash
}

// SpoolPattern matches the files that wait in Config.SpoolDir. They lose their names at once, but a process can be
// killed before that.
const SpoolPattern = "hatchery-upload-*"

func newSpool(dir string) *spool { return &spool{dir: dir, sum: sha256.New()} }

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
	if s.file == nil && s.memory.Len()+len(p) <= spoolMemory {
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
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes())
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

// sha256 is the lower-case hex of what was written.
func (s *spool) sha256() string { return hex.EncodeToString(s.sum.Sum(nil)) }

// reset forgets the body, so that another can be written.
func (s *spool) reset() {
	s.Close()
	*s = *newSpool(s.dir)
}

// Close forgets the body. It may be called at any time, once.
func (s *spool) Close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
