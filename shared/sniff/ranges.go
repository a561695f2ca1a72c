package sniff

import (
	"errors"
	"fmt"
	"io"
)

// Ranges is what the reader of a check has beside Read for the types whose Reads says so: parts of the same bytes.
type Ranges interface {
	io.ReaderAt
	// Size is how many bytes there are.
	Size() int64
}

const (
	// pieceSize is the most that is read by its place at a time.
	pieceSize = 1 << 20
	// maxPieces is how often a walk reads by place: one read of a store takes tens of milliseconds.
	maxPieces = 64
)

// size is how many bytes the input has, by what its reader says.
func (w *walker) size() (int64, error) {
	if w.ranges == nil {
		return 0, fmt.Errorf("check a %s: its reader reads no ranges", w.called())
	}
	return w.ranges.Size(), nil
}

// ending gives the last block of the input, by its place, and where it begins.
func (w *walker) ending() (b []byte, at int64, _ error) {
	size, err := w.size()
	if err != nil {
		return nil, 0, err
	}
	at = max(0, size-blockSize)
	b, err = w.piece(at, int(size-at))
	return b, at, err
}

// piece reads n bytes (at most pieceSize) from a place within the input. What is in the block costs no further read.
func (w *walker) piece(at int64, n int) ([]byte, error) {
	b := make([]byte, n)
	if at >= w.base && at+int64(n) <= w.base+int64(w.end) {
		copy(b, w.buf[at-w.base:])
		return b, nil
	}
	if w.pieces++; w.pieces > maxPieces {
		return nil, w.refuse(Corrupt, "is in more than %d pieces that lead from one to the next", maxPieces)
	}
	got, err := w.ranges.ReadAt(b, at)
	if got == n {
		return b, nil // at the end of the input an io.EOF may come with the last bytes
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // it has fewer bytes than its reader said
	}
	return nil, fmt.Errorf("read %d bytes of the %s from byte %d: %w", n, w.Noun, at, err)
}
