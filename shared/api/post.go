package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// post accepts one file: multipart/form-data with a part "file", or the bytes alone under any other content type.
func (h *handler) post(c *call) error {
	request := upload.Request{Journal: c.Journal, Entry: c.Entry, Kind: c.Kind, Type: c.r.Header.Get("Content-Type")}
	var err error
	if request.Filename, err = nameInQuery(c.r.URL); err != nil {
		return err
	}
	// Whatever can be refused is refused before the body is read. But only the file's part says a name that the query
	// does not have, or the type of a name without an extension.
	inPart := policy.MediaType(request.Type) == multipartForm &&
		(request.Filename == "" || policy.LacksExtension(request.Filename))
	var draft upload.Record
	if !inPart {
		if draft, err = h.draft(request); err != nil {
			return err
		}
	}
	key, err := readIdempotencyKey(c.r)
	if err != nil {
		return err
	}
	format, err := h.bodyFormatOf(c, draft.Extension)
	if err != nil {
		return err
	}
	if err := h.slots.acquire(c.r.Context()); err != nil {
		return err
	}
	from := h.receive(c)
	h.slots.enter(from)
	defer h.slots.leave(from)
	body := newSpool(h.SpoolDir, c.r.Body, len(format.boundaries) == 0)
	defer body.Close()
	sent, err := h.spoolFile(c, from, format, body)
	if err != nil {
		return err
	}
	if err := c.kind.CheckSize(body.size); err != nil {
		return err
	}
	if inPart {
		request.Filename, request.Type = cmp.Or(request.Filename, sent.filename), sent.contentType
		if draft, err = h.draft(request); err != nil {
			return err
		}
	}

	// The measured size and SHA-256 stand as declared: what the validator reads must be what was received. The upload
	// begins now, however long its body took to arrive.
	draft.Declared = upload.Declared{Size: body.size, SHA256: body.sha256()}
	draft.CreatedAt = h.Pipeline.Now().UTC().Truncate(time.Microsecond)
	ctx, cancel := finishing(c.r.Context(), storeTime+time.Duration(body.size)*time.Second/storeRate)
	defer cancel()
	record, err := h.Pipeline.Accept(ctx, draft,
		h.idempotencyKey(c, key, "post", draft.FullName(), body.size, body.sha256()), body.reader(), body.size)
	if err != nil {
		return err
	}
	h.accepted(c, draft, record)
	return c.json(http.StatusAccepted, record)
}

// accepted counts an upload when it is new, and tells the caller where its status is.
func (h *handler) accepted(c *call, draft, record upload.Record) {
	c.uploadID = record.ID
	if h.Accepted != nil && record.ID == draft.ID {
		h.Accepted(record)
	}
	c.w.Header().Set("Location", path(pathStatus, record.Ref()))
}

// How long storing may take: storeTime, and a second per storeRate bytes.
const (
	storeTime = time.Minute
	storeRate = 1 << 20
)

// finishing gives a context in which work that has begun is finished although the caller hangs up: half an upload or
// half a deletion would be left for others to clear. A deadline of the caller's (a Lambda's own) stays.
func finishing(ctx context.Context, within time.Duration) (context.Context, context.CancelFunc) {
	until := time.Now().Add(within)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}

// draft makes the pending record of a request that names its file.
func (h *handler) draft(request upload.Request) (upload.Record, error) {
	if request.Filename == "" {
		return upload.Record{}, newProblem(badName, "Neither the query nor the file's part of a multipart body has a name: "+
			"send ?image_name=cat.png for instance.")
	}
	return h.Pipeline.Draft(request)
}

// nameInQuery reads the name of an upload from the query: image_name, or name. It is "" when there is neither.
func nameInQuery(u *url.URL) (string, error) {
	query, err := parseQuery(u)
	if err != nil {
		return "", err
	}
	names := append(query["image_name"], query["name"]...)
	switch {
	case len(names) == 0:
		return "", nil
	case slices.ContainsFunc(names, func(n string) bool { return n != names[0] }):
		return "", newProblem(badName, "The query names the file twice, differently: send image_name once.")
	case names[0] == "":
		return "", newProblem(badName, "The name in the query is empty: name the file, ?image_name=cat.png for instance.")
	}
	return names[0], nil
}

// parseQuery reads a query. A semicolon is part of a value, as it was to the replaced service.
func parseQuery(u *url.URL) (url.Values, error) {
	query, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, ";", "%3B"))
	if err != nil {
		return nil, newProblem(badRequest, "The query is not percent-encoded as it should be: "+
			"a percent sign is written %%25, for instance.")
	}
	return query, nil
}

// multipartForm is the type of a body that the file is a part of.
const multipartForm = "multipart/form-data"

// bodyFormat is how the file of a POST comes.
type bodyFormat struct {
	// boundaries are the readings of the boundary of the multipart body that the file is a part of, the first one
	// preferred. Without one the body is the file.
	boundaries []string
	// digest is the announced SHA-256 of the whole body in hex, or "".
	digest string
	// limit is the largest file that is taken.
	limit int64
	// text: the body is the file and has a type of text, so that it comes as UTF-8 whatever was sent.
	text bool
}

// bodyFormatOf reads from the headers how the file comes, and refuses what is known to be refused before the body is
// read. An HTTP API and a load balancer hand a body of a text type to a function as UTF-8, and so change any other
// bytes: it is refused everywhere, so that no client works until it is deployed.
func (h *handler) bodyFormatOf(c *call, extension string) (f bodyFormat, err error) {
	f.limit = c.kind.MaxBytes
	if h.PostBytes > 0 {
		f.limit = min(f.limit, h.PostBytes)
	}
	f.limit = min(f.limit, c.fileRoom())
	header := c.r.Header
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return f, newProblem(wrongMedia, "A body with a Content-Encoding is not taken: send the file's own bytes.")
	}
	framing := int64(0)
	switch mediaType := policy.MediaType(header.Get("Content-Type")); {
	case mediaType == multipartForm:
		framing = maxFraming
		f.boundaries, err = boundariesOf(header.Get("Content-Type"))
	case policy.IsText(mediaType) && !policy.IsText(policy.ExpectedType(extension)):
		err = newProblem(wrongMedia, "A body of the type %.100q is passed on as text, which damages a file that is none: "+
			"send it as %s, application/octet-stream or multipart/form-data.", mediaType, policy.ExpectedType(extension))
	default:
		f.text = policy.IsText(mediaType)
		f.digest, err = announcedDigest(header)
	}
	if err != nil {
		return f, err
	}
	if size := c.r.ContentLength - framing; size > f.limit {
		return f, tooLong(c, size, f.limit)
	}
	return f, nil
}

// spoolFile receives the file of a POST and gives what its part of a multipart body says of it.
func (h *handler) spoolFile(c *call, from *incoming, f bodyFormat, into *spool) (sent sentFile, err error) {
	if len(f.boundaries) > 0 {
		sent, err = spoolPart(from, f.boundaries, into, f.limit)
	} else {
		err = into.fill(from, f.limit)
	}
	if from.failure != nil {
		return sent, from.failure
	}
	if errors.Is(err, errTooLong) {
		return sent, tooLong(c, f.limit+1, f.limit)
	}
	if err == nil && f.digest != "" && f.digest != into.sha256() {
		err = newProblem(badDigest, "The body does not have the SHA-256 that Content-Digest announces: send it again.")
	}
	if err == nil && f.text {
		err = wantUTF8(into.reader())
	}
	return sent, err
}

// textBlock is how much of a text is looked at at once.
const textBlock = 32 << 10

// wantUTF8 refuses a body of a type of text that was sent in another charset: it has the character that the front puts
// in the place of what is no UTF-8, or here that itself.
func wantUTF8(body io.Reader) error {
	for b := bufio.NewReaderSize(body, textBlock); ; {
		block, err := b.Peek(textBlock)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return fmt.Errorf("%w: %w", errSpool, err)
		}
		if !last { // the last character may be cut: it comes again with the next block
			end := textBlock - 1
			for end > textBlock-utf8.UTFMax && !utf8.RuneStart(block[end]) {
				end--
			}
			block = block[:end]
		}
		if !utf8.Valid(block) || bytes.Contains(block, []byte("\uFFFD")) {
			return newProblem(wrongMedia, "A body of a type of text is passed on as UTF-8, and this one was not in UTF-8: "+
				"send it as application/octet-stream or multipart/form-data.")
		}
		if last {
			return nil
		}
		_, _ = b.Discard(len(block)) // it is buffered
	}
}

// tooLong says what to do with a file that has at least so many bytes: no way in takes it, or the form does. POST takes
// files up to limit.
func tooLong(c *call, atLeast, limit int64) error {
	if atLeast > c.kind.MaxBytes {
		return newProblem(badSize, "The file has more than %d bytes, and no more are accepted: make it smaller and "+
			"upload it again.", c.kind.MaxBytes)
	}
	form := path(pathForms, c.Ref)
	p := newProblem(useForm, "POST takes files up to %d bytes here: ask POST %s for a form and send the file with it.",
		limit, form)
	p.form = form
	return p
}

// announcedDigest reads a Content-Digest (RFC 9530). Only its sha-256 is compared; without one the answer is "".
func announcedDigest(header http.Header) (string, error) {
	for _, value := range header.Values("Content-Digest") {
		for member := range strings.SplitSeq(value, ",") {
			encoded, ok := strings.CutPrefix(strings.TrimSpace(member), "sha-256=")
			if !ok {
				continue
			}
			sum, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, ":"))
			if err != nil || len(sum) != 32 || !strings.HasPrefix(encoded, ":") || !strings.HasSuffix(encoded, ":") {
				return "", newProblem(badDigest, "Content-Digest is malformed: sha-256=:base64: is meant.")
			}
			return hex.EncodeToString(sum), nil
		}
	}
	return "", nil
}
