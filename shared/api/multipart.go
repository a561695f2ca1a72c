package api

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
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

// part is what the header of a file's part says of it.
type part struct{ filename, contentType string }

// browserEscapes undoes what browsers write into a filename, by the HTML standard: these three and nothing else.
var browserEscapes = strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n")

func partOf(p *multipart.Part) part {
	// Of filename and filename* the latter counts. FileName would drop what looks like a path.
	_, parameters, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	return part{browserEscapes.Replace(parameters["filename"]), p.Header.Get("Content-Type")}
}

// spoolPart finds the one part named "file" and spools it. Other fields are ignored.
func spoolPart(body io.Reader, boundary string, into *spool, limit int64) (file part, err error) {
	limited := &limitedReader{from: body, left: maxFraming}
	reader := multipart.NewReader(limited, boundary)
	found := false
	for parts := 0; ; parts++ {
		// Raw: what was sent is what is stored, with no transfer encoding undone.
		next, err := reader.NextRawPart()
		// Only the bare io.EOF is the last boundary; errors.Is would take a body that was cut off for it.
		if err == io.EOF {
			break
		}
		if err != nil {
			return file, multipartProblem(err)
		}
		if parts == maxParts {
			return file, newProblem(badMultipart, "The multipart body has too many parts: at most 32.")
		}
		if next.FormName() != "file" {
			if _, err := io.Copy(io.Discard, next); err != nil {
				return file, multipartProblem(err)
			}
			continue
		}
		if found {
			return file, newProblem(severalFiles, `The body has several parts named "file": send each file in its own request.`)
		}
		found, file = true, partOf(next)
		framing := limited.left
		limited.left = limit + readAhead
		if err := into.fill(partReader{next}, limit); err != nil {
			return file, err
		}
		limited.left = framing
	}
	if !found {
		return file, newProblem(badMultipart, `The body has no part named "file".`)
	}
	// What follows the last boundary means nothing, but it must end.
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return file, multipartProblem(err)
	}
	return file, nil
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
