package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// pendingRetry is how long a caller should wait before it asks for the bytes of a pending upload again. Waiting at the
// status route (wait=) is the better way.
const pendingRetry = 2 * time.Second

// fullNameHeader is the replaced service's, spelled in lower case as it was.
const fullNameHeader = "x-bugout-image-fullname"

// stored finds the record of a file that may be read, or says why it may not.
func (h *handler) stored(c *call) (upload.Record, error) {
	record, err := h.record(c)
	if err != nil {
		return record, err
	}
	switch record.Status {
	case upload.Stored:
		return record, nil
	case upload.Pending:
		return record, &problem{problemType: pending, record: &record, retryAfter: pendingRetry,
			detail: "The file has not been validated yet: ask again, or wait at its status address."}
	case upload.Rejected:
		detail := "The file was rejected."
		if record.Reason != nil {
			detail = record.Reason.Message
		}
		return record, &problem{problemType: rejected, detail: detail, reason: record.Reason, record: &record}
	default:
		return record, absent()
	}
}

// serve answers with the bytes of a stored file, or says why there are none.
func (h *handler) serve(c *call) error {
	record, err := h.stored(c)
	if err != nil {
		return err
	}
	if record.Legacy() {
		if record, err = h.headLegacy(c, record); err != nil {
			return err
		}
	}

	describe(c.w.Header(), record)
	offset, length, status := plan(c.w.Header(), c.r, record)
	switch {
	case status == http.StatusPreconditionFailed:
		return newProblem(preconditionFail, "The file is not the one that the request's condition names.")
	case status == http.StatusRequestedRangeNotSatisfiable:
		return newProblem(badRange, "The file has %d bytes: the range lies outside.", record.Size)
	case status == http.StatusNotModified, c.r.Method == http.MethodHead:
		c.w.WriteHeader(status)
		return nil
	case h.RedirectBytes > 0 && record.Size > min(h.RedirectBytes, c.fileRoom()):
		return h.redirect(c, record)
	}
	return h.send(c, record, status, offset, length)
}

// describe sets the headers of a file, which are safe whatever the file holds: its type is what was found in it, a
// browser may not guess another, only pictures are shown in place, and no script in it runs.
func describe(header http.Header, record upload.Record) {
	contentType, disposition := shown(record)
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", disposition)
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("Cache-Control", "private, no-cache")
	header[fullNameHeader] = []string{headerText(record.FullName())}
	if record.SHA256 != "" {
		header.Set("ETag", `"`+record.SHA256+`"`)
	}
}

// shown is how a browser is told to show a file: its type and its Content-Disposition.
func shown(record upload.Record) (contentType, disposition string) {
	contentType = cmp.Or(record.ContentType, "application/octet-stream")
	return contentType, upload.Disposition(contentType, record.DisplayName())
}

// headerText makes a name fit for a header's value. A name of printable ASCII stays as it is; in any other, all that is
// not printable ASCII, and the percent sign, are percent-encoded as UTF-8.
func headerText(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return name
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		if c < 0x20 || c > 0x7e || c == '%' {
			_, _ = fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// singleRange reads the only form of Range that is heeded: first and last byte, or how many from the end.
func singleRange(value string) (first, last string, ok bool) {
	value, bytes := strings.CutPrefix(value, "bytes=")
	first, last, ok = strings.Cut(value, "-")
	return first, last, bytes && ok && first+last != "" && policy.Consists(first, policy.Digits, 0, 18) &&
		policy.Consists(last, policy.Digits, 0, 18)
}

// plan lets net/http decide by RFC 9110 what a request for a file is answered with: conditions, range, and the headers
// that go with them. No byte is read for it. It gives which bytes to send.
func plan(header http.Header, r *http.Request, record upload.Record) (offset, length int64, status int) {
	asked := *r
	asked.Header = r.Header.Clone()
	number := func(digits string) int64 { n, _ := strconv.ParseInt(digits, 10, 64); return n }
	first, last, single := singleRange(r.Header.Get("Range"))
	switch {
	// Ranges mean nothing but for GET. An unknown unit, several ranges at once, and what is no range (RFC 9110, 14.1.1
	// and 14.2) may be ignored, and are: the whole file is the answer.
	case r.Method != http.MethodGet, !single, first != "" && last != "" && number(last) < number(first):
		asked.Header.Del("Range")
	case first == "" && number(last) == 0:
		// The last no bytes: net/http would send a 206 that has none.
		asked.Header.Set("Range", fmt.Sprintf("bytes=%d-", record.Size))
	}
	asked.Method = http.MethodHead // the bytes are sent by send
	modified := record.SettledAt
	if modified.IsZero() {
		modified = record.CreatedAt
	}
	w := &plannedResponse{header: header}
	file := &plannedFile{size: record.Size}
	http.ServeContent(w, &asked, "", modified, file)
	return file.offset, number(header.Get("Content-Length")), w.status
}

// plannedResponse takes a response without its body.
type plannedResponse struct {
	header http.Header
	status int
}

func (w *plannedResponse) Header() http.Header         { return w.header }
func (w *plannedResponse) WriteHeader(status int)      { w.status = status }
func (w *plannedResponse) Write(p []byte) (int, error) { return len(p), nil }

// plannedFile is a file of which only the size is known. It remembers where reading was to begin.
type plannedFile struct{ size, offset int64 }

func (f *plannedFile) Read([]byte) (int, error) { return 0, errors.New("the bytes are not read here") }

func (f *plannedFile) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset += f.size
	}
	f.offset = offset
	return offset, nil
}

// redirect sends the caller to a signed link of its own. Who asks for JSON gets the link as data: a client that keeps
// its Authorization header on a redirect is refused by the bucket.
func (h *handler) redirect(c *call, record upload.Record) error {
	link, err := h.sign(c, record)
	if err != nil {
		return err
	}
	header := c.w.Header()
	for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Length", "Content-Range",
		"Content-Security-Policy", "ETag", "Last-Modified", "Accept-Ranges"} {
		header.Del(name)
	}
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "Accept")
	if acceptsJSON(c.r) {
		return c.json(http.StatusOK, link)
	}
	if c.r.Header.Get("Origin") != "" {
		c.note = "a page cannot follow this redirect, because its browser sends Origin: null to the bucket: " +
			"it should ask with Accept: application/json"
	}
	header.Set("Location", link.URL)
	header.Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusFound)
	return nil
}

// link answers with a signed link to a file that browsers show in place. The link works in <img>, which sends no
// Authorization.
func (h *handler) link(c *call) error {
	record, err := h.stored(c)
	switch {
	case err != nil:
		return err
	case record.Legacy():
		// A link lives on after a look at the first bytes, and these can change: their bucket has no versions.
		return newProblem(noLink, "The service before this one stored this image, and nobody has validated it: "+
			"there is no link to it. Read the file itself, at this address without /link.")
	case !upload.Inline(record.ContentType):
		return newProblem(noLink, "Files of the type %s are not shown in place: there is no link to them. "+
			"Read the file itself, at this address without /link.", record.ContentType)
	}
	link, err := h.sign(c, record)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, link)
}

// signedLink is a link as callers get it.
type signedLink struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires_at"`
}

// sign makes a link to exactly the version that is served, with the type and disposition that GET gives it.
func (h *handler) sign(c *call, record upload.Record) (signedLink, error) {
	expires := h.Now().Add(LinkLifetime).UTC().Truncate(time.Second)
	link := upload.Link{Key: h.Pipeline.Layout.FilesKey(c.Ref), Version: record.ServedVersion, Lifetime: LinkLifetime}
	link.ContentType, link.Disposition = shown(record)
	var address string
	var err error
	if record.Legacy() {
		address, err = h.Pipeline.LegacyImages.SignLegacy(c.r.Context(), c.Ref, link)
	} else {
		address, err = h.Downloads.Link(c.r.Context(), link)
	}
	if err != nil {
		return signedLink{}, fmt.Errorf("sign a link to %s: %w", c.Ref, err)
	}
	return signedLink{address, expires}, nil
}

// acceptsJSON says whether the caller names application/json as a type it takes.
func acceptsJSON(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept") {
		for element := range strings.SplitSeq(value, ",") {
			weight, err := strconv.ParseFloat(cmp.Or(parameters(element)["q"], "1"), 64)
			if err == nil && weight > 0 && policy.MediaType(element) == "application/json" {
				return true
			}
		}
	}
	return false
}

// stillStored is an error when a deletion has come in between, which is an ordinary 404.
func (h *handler) stillStored(c *call) error {
	record, err := h.record(c)
	if err == nil && record.Status != upload.Stored {
		return absent()
	}
	return err
}

// send reads exactly the bytes that were asked for and passes them on.
func (h *handler) send(c *call, record upload.Record, status int, offset, length int64) error {
	if length == 0 {
		c.w.WriteHeader(status)
		return nil
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	// A store that falls silent is given up, as a caller is.
	silence := time.AfterFunc(h.limits.BodyIdle, cancel)
	defer silence.Stop()
	key := h.Pipeline.Layout.FilesKey(c.Ref)
	object := fmt.Sprintf("object %q version %s", key, record.ServedVersion)
	var body io.ReadCloser
	var err error
	if record.Legacy() {
		body, err = h.Pipeline.LegacyImages.Read(ctx, c.Ref, offset, length)
	} else {
		body, err = h.Downloads.ReadRange(ctx, key, record.ServedVersion, offset, length)
	}
	if err != nil {
		if err := h.stillStored(c); err != nil {
			return err
		}
		if errors.Is(err, upload.ErrGone) || !record.Legacy() && h.removed(c, key, record.ServedVersion) {
			return bytesMissing(fmt.Errorf("read %s of a stored record: %w", object, err))
		}
		return fmt.Errorf("read %s: %w", object, err)
	}
	defer body.Close() //nolint:errcheck // reading is over; there is nothing to lose
	c.w.WriteHeader(status)
	sent, err := io.CopyN(c.w, progressReader{body, silence, h.limits.BodyIdle}, length)
	if err != nil {
		return fmt.Errorf("send %s: %d of %d bytes: %w", object, sent, length, err)
	}
	return nil
}

// removed says whether a version is not there any more. An error of S3 does not tell: it says "forbidden" of what is
// not there to whoever may not list the bucket.
func (h *handler) removed(c *call, key upload.Key, version upload.Version) bool {
	versions, err := h.Pipeline.Objects.Versions(c.r.Context(), key)
	return err == nil && !slices.Contains(versions, version)
}

// progressReader puts the moment of giving up off whenever bytes come.
type progressReader struct {
	from    io.Reader
	silence *time.Timer
	idle    time.Duration
}

func (r progressReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.silence.Reset(r.idle)
	return n, err
}
