package sniff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"sync"
)

// blockSize is how much is read and hashed at a time, and the longest run of bytes that can be looked at as one. A JPEG
// segment (65,535 bytes) fits; SHA-256 runs at its full speed; the block stays in the processor's cache.
const blockSize = 128 << 10

// maxEmptyReads is how often in a row a reader may return nothing and no error, as bufio has it.
const maxEmptyReads = 100

// errShort says that the input ended before what was asked for. Check turns it into a Refusal.
var errShort = errors.New("the bytes end too early")

// stream reads a reader once, block by block, hashing what it reads, and shows the block to the walker. It fills the
// block before showing it, so that a walk does not depend on how the reader cuts its bytes.
type stream struct {
	ctx      context.Context
	r        io.Reader
	sum      hash.Hash
	buf      *[blockSize]byte
	pos, end int   // buf[pos:end] is read, hashed and not yet walked
	base     int64 // where in the input buf[0] is
	err      error // why nothing more can be read: errShort at the end, or trouble
}

// blocks keeps blocks from one check for the next: for a small picture, making one takes longer than the check.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// newStream begins to read r. The caller gives the block back with close, after which nothing of it may be used.
func newStream(ctx context.Context, r io.Reader) *stream {
	return &stream{ctx: ctx, r: r, sum: sha256.New(), buf: blocks.Get().(*[blockSize]byte)}
}

func (s *stream) close() { blocks.Put(s.buf) }

// offset is where the walk is, in bytes from the start of the input.
func (s *stream) offset() int64 { return s.base + int64(s.pos) }

// fill makes n bytes (at most blockSize) available to look at. errShort: the input ends before that.
// Trouble is only told once the bytes before it have run out, so the same bytes always get the same verdict.
func (s *stream) fill(n int) error {
	if s.end-s.pos >= n {
		return nil
	}
	if s.err == nil {
		copy(s.buf[:], s.buf[s.pos:s.end])
		s.base, s.pos, s.end = s.offset(), 0, s.end-s.pos
		s.read()
	}
	if s.end-s.pos >= n {
		return nil
	}
	return s.err
}

// read fills the rest of the block, and hashes what came.
func (s *stream) read() {
	from, empty := s.end, 0
	if err := s.ctx.Err(); err != nil {
		s.err = fmt.Errorf("read the file at byte %d: %w", s.base+int64(s.end), err)
		return
	}
	for s.end < len(s.buf) && s.err == nil {
		n, err := s.r.Read(s.buf[s.end:])
		if n < 0 || n > len(s.buf)-s.end {
			n, err = 0, errors.New("the reader returned an impossible count")
		}
		s.end += n
		if n > 0 {
			empty = 0
		} else if empty++; empty >= maxEmptyReads && err == nil {
			err = io.ErrNoProgress
		}
		switch {
		case err == io.EOF: //nolint:errorlint // a wrapped EOF is not the end that io.Reader promises, but another's trouble
			s.err = errShort
		case err != nil:
			s.err = fmt.Errorf("read the file at byte %d: %w", s.base+int64(s.end), err)
		}
	}
	s.sum.Write(s.buf[from:s.end])
}

// window returns all that is in the block and not yet walked: at least one byte, or an error.
// What it, look, take and peek return stays valid until the next call that reads.
func (s *stream) window() ([]byte, error) {
	if err := s.fill(1); err != nil {
		return nil, err
	}
	return s.buf[s.pos:s.end], nil
}

func (s *stream) advance(n int) { s.pos += n }

// look returns the next n bytes (at most blockSize) without walking over them.
func (s *stream) look(n int) ([]byte, error) {
	if err := s.fill(n); err != nil {
		return nil, err
	}
	return s.buf[s.pos : s.pos+n], nil
}

// take walks over n bytes (at most blockSize) and returns them.
func (s *stream) take(n int) ([]byte, error) {
	b, err := s.look(n)
	s.advance(len(b))
	return b, err
}

// one walks over one byte and returns it.
func (s *stream) one() (byte, error) {
	b, err := s.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// peek is look, with fewer bytes at the end of the input.
func (s *stream) peek(n int) ([]byte, error) {
	if err := s.fill(n); err != nil && !errors.Is(err, errShort) {
		return nil, err
	}
	return s.buf[s.pos:min(s.end, s.pos+n)], nil
}

// skip walks over n bytes.
func (s *stream) skip(n int64) error { return s.each(n, func([]byte) {}) }

// rest walks to the end of the input.
func (s *stream) rest() error {
	if err := s.skip(math.MaxInt64); !errors.Is(err, errShort) {
		return err
	}
	return nil
}

// each walks over n bytes and shows them, piece by piece.
func (s *stream) each(n int64, show func([]byte)) error {
	for n > 0 {
		b, err := s.window()
		if err != nil {
			return err
		}
		b = b[:min(int64(len(b)), n)]
		show(b)
		s.advance(len(b))
		n -= int64(len(b))
	}
	return nil
}

// zeros walks over zero bytes, at most limit of them, and returns how many there were.
func (s *stream) zeros(limit int64) (int64, error) {
	var n int64
	for n < limit {
		b, err := s.window()
		if errors.Is(err, errShort) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		b = b[:min(int64(len(b)), limit-n)]
		zeros := len(b) - len(bytes.TrimLeft(b, "\x00"))
		s.advance(zeros)
		n += int64(zeros)
		if zeros < len(b) {
			break
		}
	}
	return n, nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// Numbers of two to eight bytes, little and big endian.

func le16(b []byte) int64 { return int64(binary.LittleEndian.Uint16(b)) }
func le24(b []byte) int64 { return le16(b) | int64(b[2])<<16 }
func le32(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) }
func le64(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) } // beyond 63 bits: negative
func be16(b []byte) int64 { return int64(binary.BigEndian.Uint16(b)) }
func be32(b []byte) int64 { return int64(binary.BigEndian.Uint32(b)) }
