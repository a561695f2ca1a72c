package api

import (
	"errors"
	"io"
	"mime/multipart"
)

// Bounds of what a multipart body may hold beside the file.
const (
	maxFraming = 64 << 10
	maxParts   = 32
	// readAhead is how far the multipart reader reads beyond what it gives out.
	readAhead = 16 << 10
)

// limitedReader lets so many bytes through and then fails. Its user sets left anew for what the next step may read:
// the framing and small fields of a body share one allowance, the file has another. A header section of megabytes is
// stopped by it like any other excess.
type limitedReader struct {
	from io.Reader
	left int64
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, newProblem(badMultipart, "The multipart body holds too much beside the file: "+
			"at most 64 KiB of headers and other fields.")
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// spoolPart finds the one part named "file" and spools it. Other fields are ignored, and so are the part's own headers,
// its filename among them.
func spoolPart(body io.Reader, boundary string, into *spool, limit int64) error {
	limited := &limitedReader{from: body, left: maxFraming}
	reader := multipart.NewReader(limited, boundary)
	found := false
	for parts := 0; ; parts++ {
		// Raw: what was sent is what is stored, with no transfer encoding undone.
		part, err := reader.NextRawPart()
		// Only the bare io.EOF is the last boundary; errors.Is would take a body that was cut off for it.
		if err == io.EOF {
			break
		}
		if err != nil {
			return multipartProblem(err)
		}
		if parts == maxParts {
			return newProblem(badMultipart, "The multipart body has too many parts: at most 32.")
		}
		if part.FormName() != "file" {
			if _, err := io.Copy(io.Discard, part); err != nil {
				return multipartProblem(err)
			}
			continue
		}
		if found {
			return newProblem(severalFiles, `The body has several parts named "file": send each file in its own request.`)
		}
		found = true
		framing := limited.left
		limited.left = limit + readAhead
		if err := into.fill(partReader{part}, limit); err != nil {
			return err
		}
		limited.left = framing
	}
	if !found {
		return newProblem(badMultipart, `The body has no part named "file".`)
	}
	// What follows the last boundary means nothing, but it must end.
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return multipartProblem(err)
	}
	return nil
}

// partReader gives a part's bytes, with errors in a caller's words.
type partReader struct{ part io.Reader }

func (r partReader) Read(p []byte) (int, error) {
	n, err := r.part.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = multipartProblem(err)
	}
	return n, err
}

// multipartProblem keeps a problem of the body's reader, and replaces any error of the multipart reader.
func multipartProblem(err error) error {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	return newProblem(badMultipart, "The multipart body is malformed or ends before its last boundary.")
}
