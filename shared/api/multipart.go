package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"

	"hatchery/shared/policy"
)

// Bounds of what a multipart body may hold beside the file.
const (
	maxFraming = 64 << 10
	maxParts   = 32
	// readAhead is how far the readers of a multipart body read beyond what they give out.
	readAhead = 16 << 10
)

// sentFile is what the part of a multipart body says of its file. Nothing in it is believed.
type sentFile struct {
	// filename is the name as the client meant it, its own escaping undone; "" is none.
	filename string
	// contentType is the declared media type without parameters; "" is none.
	contentType string
}

// errFraming: a multipart body holds more beside the file than it may.
var errFraming = errors.New("too much beside the file")

// limitedReader lets so many bytes through and then fails. Its user sets left anew for what the next step may read:
// the framing and small fields of a body share one allowance, the file has another. A header section of megabytes is
// stopped by it like any other excess.
type limitedReader struct {
	from io.Reader
	left int64
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errFraming
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// multipartBody reads a multipart body and spools its one file: the part that is named "file" or has a filename.
//
// A part without a byte is no file: browsers send one for a field in which no file was chosen. But one that is named
// "file" and has a filename was chosen, so that no other is stored in its place. JSON that a page sends as a Blob is a
// field: FormData gives it the filename "blob".
type multipartBody struct {
	limited *limitedReader
	into    *spool
	limit   int64 // of the file

	file       sentFile
	seen       bool // a part that is named "file" or has a filename
	found      bool // the file among these
	unreadable bool // a part says neither its name nor its filename
}

// spoolPart finds the file of a multipart body and spools it. The first boundary is taken, another only if the body
// begins with it.
func spoolPart(body io.Reader, boundaries []string, into *spool, limit int64) (sentFile, error) {
	b := &multipartBody{limited: &limitedReader{from: body, left: maxFraming}, into: into, limit: limit}
	buffered := bufio.NewReader(b.limited)
	if err := b.read(multipart.NewReader(buffered, boundaryOf(buffered, boundaries))); err != nil {
		return sentFile{}, multipartProblem(err)
	}
	switch {
	case b.seen: // one without a byte is refused by its size
		return b.file, nil
	case b.unreadable:
		return sentFile{}, unreadableHeader()
	}
	return sentFile{}, newProblem(badMultipart,
		`The body has no file part: send the file as a part named "file", or as one with a filename.`)
}

// boundaryOf chooses the boundary that the body begins with, else the first.
func boundaryOf(body *bufio.Reader, boundaries []string) string {
	for _, boundary := range boundaries {
		start, _ := body.Peek(len("\r\n--") + len(boundary)) // an error comes again when the body is read
		if bytes.HasPrefix(bytes.TrimLeft(start, "\r\n"), []byte("--"+boundary)) {
			return boundary
		}
	}
	return boundaries[0]
}

func (b *multipartBody) read(reader *multipart.Reader) error {
	for parts := 0; ; parts++ {
		// Raw: what was sent is what is stored, with no transfer encoding undone.
		part, err := reader.NextRawPart()
		// Only the bare io.EOF is the last boundary; errors.Is would take a body that was cut off for it.
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if parts == maxParts {
			return newProblem(badMultipart, "The multipart body has too many parts: at most %d.", maxParts)
		}
		if err := b.take(part); err != nil {
			return err
		}
	}
	// What follows the last boundary means nothing, but it must end.
	_, err := io.Copy(io.Discard, b.limited)
	return err
}

// take spools a part, or passes it over.
func (b *multipartBody) take(part *multipart.Part) error {
	said := parameters(part.Header.Get("Content-Disposition"))
	name, filename := unquoted(said["name"]), filenameOfPart(said)
	b.unreadable = b.unreadable || name == "" && filename == ""
	declared := policy.MediaType(part.Header.Get("Content-Type"))
	chosen := name == "file" && filename != ""
	switch {
	case name != "file" && (filename == "" || filename == "blob" && declared == "application/json"):
		_, err := io.Copy(io.Discard, part)
		return err
	case b.found && chosen:
		return severalFilesProblem()
	case b.found:
		_, err := io.ReadFull(part, make([]byte, 1))
		switch {
		case err == nil:
			return severalFilesProblem()
		case errors.Is(err, io.EOF):
			return nil
		}
		return err
	}
	b.file = sentFile{filename: filename, contentType: declared}
	framing := b.limited.left
	b.limited.left = b.limit + readAhead
	err := b.into.fill(part, b.limit)
	b.limited.left = framing
	b.seen, b.found = true, chosen || b.into.size > 0
	return err
}

// multipartProblem says in a caller's words why a body could not be read. What is known already stays: the problem of
// the body's own reader, a file that is too long, a spool that failed.
func multipartProblem(err error) error {
	known, isProblem := errors.AsType[*problem](err)
	_, isHeader := errors.AsType[textproto.ProtocolError](err)
	switch {
	case isProblem:
		return known
	case errors.Is(err, errTooLong), errors.Is(err, errSpool):
		return err
	case errors.Is(err, errFraming):
		return newProblem(badMultipart,
			"The multipart body holds too much beside the file: at most 64 KiB of headers and other fields.")
	case isHeader:
		return unreadableHeader()
	}
	return newProblem(badMultipart, "The multipart body is malformed or ends before its last boundary.")
}

func severalFilesProblem() error {
	return newProblem(severalFiles,
		`The body has several files: send each file in its own request, in a part named "file".`)
}

func unreadableHeader() error {
	return newProblem(badMultipart, "The header of a part cannot be read: "+
		`Content-Disposition: form-data; name="file"; filename="cat.png" is meant.`)
}

// maxBoundary bounds a boundary. RFC 2046 allows 70 characters.
const maxBoundary = 200

// boundariesOf reads the boundary of a Content-Type, the proper reading first. Some clients quote the boundary in the
// body too, and others quote it with apostrophes in the header alone.
func boundariesOf(contentType string) ([]string, error) {
	raw := parameters(contentType)["boundary"]
	trimmed := strings.Trim(raw, `"'`)
	if trimmed == "" || len(raw) > maxBoundary {
		return nil, newProblem(badMultipart, "The Content-Type has no boundary, or one of more than %d characters: "+
			"multipart/form-data; boundary=… is meant. Most clients set it themselves when the header is left out.",
			maxBoundary)
	}
	return []string{unquoted(raw), raw, trimmed}, nil
}
