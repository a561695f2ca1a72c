package upload

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"hatchery/shared/policy"
	"hatchery/shared/sniff"
)

// Facts is what was found in the bytes.
type Facts struct {
	Size          int64
	ContentType   string
	Extension     string // of that type; where a mismatch is corrected, perhaps not the one that was given
	Width, Height int64
	SHA256        string // lower-case hex
}

// Body is the bytes of one file: all of them once as a stream, and parts by their place, which some types need (see
// sniff.Ranges). A read by place is bounded by the checker, and by whoever opened the file in time.
type Body interface {
	io.Reader
	io.ReaderAt
}

// Inspect judges bytes as the validator does: a file of the given extension and
// size, under one kind's policy, against what was declared of it. It reads body
// once, to its end unless it refuses, and parts of it before that where its type needs them.
//
// The reason is nil when the bytes are allowed. The error is trouble with
// reading: it says nothing about the bytes.
func Inspect(ctx context.Context, k policy.Kind, body Body, extension string, size int64,
	d Declared) (Facts, *Reason, error) {
	known := Facts{Size: size}
	switch {
	case !k.AllowsExtension(extension):
		return known, newReason(NotAllowed, "Files ending in .%s are not accepted here: use one of %s.",
			extension, strings.Join(k.Extensions, ", ")), nil
	case size > k.MaxBytes:
		return known, &Reason{TooLarge, k.CheckSize(size).Error()}, nil
	case size < k.MinBytes:
		return known, &Reason{TooSmall, k.CheckSize(size).Error()}, nil
	case d.Size != 0 && d.Size != size:
		return known, newReason(ChecksumMismatch, "The file has %d bytes, and %d were announced: "+
			"upload it again as a whole.", size, d.Size), nil
	}
	found, err := sniff.Check(ctx, &measured{body, size, size}, extension, k.Limits())
	if refusal, ok := errors.AsType[*sniff.Refusal](err); ok {
		return known, &Reason{Code(refusal.Code), refusal.Message}, nil
	}
	if err != nil {
		return known, nil, err
	}
	facts := Facts{Size: found.Size, ContentType: found.ContentType, Extension: found.Extension,
		Width: found.Width, Height: found.Height, SHA256: hex.EncodeToString(found.SHA256[:])}
	if d.SHA256 != "" && d.SHA256 != facts.SHA256 {
		return facts, newReason(ChecksumMismatch,
			"The bytes that arrived do not have the announced SHA-256: upload the file again."), nil
	}
	return facts, nil, nil
}

// measured reads a body that has to have exactly size bytes. A store that sends
// another length than it announced is in trouble: without this, a picture that
// was cut short on its way from the store would be refused as if the uploader
// had cut it.
type measured struct {
	Body
	size, left int64
}

// Size says how many bytes there are, as sniff.Ranges has it.
func (m *measured) Size() int64 { return m.size }

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.Body.Read(p)
	if int64(n) > m.left {
		return int(m.left), fmt.Errorf("read more than the %d bytes that were announced", m.size)
	}
	m.left -= int64(n)
	if errors.Is(err, io.EOF) && m.left > 0 {
		err = fmt.Errorf("read %d bytes of %d: %w", m.size-m.left, m.size, io.ErrUnexpectedEOF)
	}
	return n, err
}

// stored is a Body of what a store keeps.
type stored struct {
	io.Reader
	ranged
}

// ranged reads parts of a file by a function that opens so many bytes from a place.
type ranged func(offset, length int64) (io.ReadCloser, error)

// ReadAt implements io.ReaderAt.
func (open ranged) ReadAt(p []byte, offset int64) (int, error) {
	part, err := open(offset, int64(len(p)))
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(part, p)
	return n, errors.Join(err, part.Close())
}
