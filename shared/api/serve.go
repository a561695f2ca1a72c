package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// pendingRetry is how long a caller should wait before it asks for the bytes of
// a pending upload again. The status route with wait= is the better way.
const pendingRetry = 2 * time.Second

// serve answers with the bytes of a stored file, or says why there are none.
func (h *handler) serve(c *call) error {
	record, err := h.record(c)
	if err != nil {
		return err
	}
	switch record.Status {
	case upload.Stored:
	case upload.Pending:
		return &problem{code: pending, record: &record, retryAfter: pendingRetry,
			detail: "The file has not been validated yet: ask again, or wait at its status address."}
	case upload.Rejected:
		detail := "The file was rejected."
		if record.Reason != nil {
			detail = record.Reason.Message
		}
		return &problem{code: rejected, detail: detail, reason: record.Reason, record: &record}
	default:
		return nothingHere()
	}
	if record.Old() {
		if record, err = h.lookAt(c, record); err != nil {
			return err
		}
	}

	describe(c.w.Header(), record)
	offset, status := plan(c.w.Header(), c.r, record)
	switch status {
	case http.StatusNotModified:
		c.w.WriteHeader(status)
		return nil
	case http.StatusPreconditionFailed:
		return &problem{code: preconditionFail, detail: "The file is not the one that the request's condition names."}
	case http.StatusRequestedRangeNotSatisfiable:
		return &problem{code: badRange, detail: fmt.Sprintf("The file has %d bytes: the range lies outside.", record.Size)}
	}
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return nil
	}
	if h.RedirectBytes > 0 && record.Size > h.RedirectBytes {
		return h.redirect(c, record)
	}
	length := record.Size
	if status == http.StatusPartialContent {
		length = contentLength(c.w.Header())
	}
	return h.send(c, record, status, offset, length)
}

// describe sets the headers of a file, which are safe whatever the file holds:
// its type is what was found in it, a browser may not guess another, only
// pictures are shown in place, and no script in it runs.
func describe(header http.Header, record upload.Record) {
	contentType := record.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", upload.Disposition(contentType, record.FullName()))
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("Cache-Control", "private, no-cache")
	// The replaced service's header, spelled in lower case as it was.
	header["x-bugout-image-fullname"] = []string{headerText(record.FullName())}
	if record.SHA256 != "" {
		header.Set("ETag", `"`+record.SHA256+`"`)
	}
}

// headerText makes a name fit for a header's value. A name of printable ASCII
// stays as it is; in any other, all that is not printable ASCII, and the percent
// sign, are percent-encoded as UTF-8.
func headerText(name string) string {
	odd := func(c byte) bool { return c < 0x20 || c > 0x7e }
	plain := true
	for i := range len(name) {
		plain = plain && !odd(name[i])
	}
	if plain {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; odd(c) || c == '%' {
			_, _ = fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// plan lets net/http decide by RFC 9110 what a request for a file is answered
// with: conditions, range, and the headers that go with them. No byte is read
// for it. It gives where the bytes to send begin.
func plan(header http.Header, r *http.Request, record upload.Record) (offset int64, status int) {
	asked := *r
	asked.Header = r.Header.Clone()
	ranges := asked.Header.Get("Range")
	// Ranges mean nothing but for GET; a unit that is not known and several
	// ranges at once may be ignored, and are: the whole file is the answer.
	// So is one that is no range (RFC 9110, 14.1.1 and 14.2).
	if r.Method != http.MethodGet || strings.Contains(ranges, ",") || !rangeForm.MatchString(ranges) || endsBeforeItBegins(ranges) {
		asked.Header.Del("Range")
	}
	if suffixForm.MatchString(ranges) && strings.Trim(ranges, "bytes=-0") == "" && asked.Header.Get("Range") != "" {
		// The last no bytes: net/http would send a 206 that has none.
		asked.Header.Set("Range", fmt.Sprintf("bytes=%d-", record.Size))
	}
	asked.Method = http.MethodHead // the bytes are sent by send
	modified := record.SettledAt
	if modified.IsZero() {
		modified = record.CreatedAt
	}
	sketch := &sketch{header: header}
	extent := &extent{size: record.Size}
	http.ServeContent(sketch, &asked, "", modified, extent)
	return extent.offset, sketch.status
}

var (
	rangeForm  = regexp.MustCompile(`^bytes=(\d{1,18}-\d{0,18}|-\d{1,18})$`)
	suffixForm = regexp.MustCompile(`^bytes=-\d+$`)
)

func endsBeforeItBegins(ranges string) bool {
	var first, last int64
	n, _ := fmt.Sscanf(ranges, "bytes=%d-%d", &first, &last)
	return n == 2 && first >= 0 && last >= 0 && last < first
}

// sketch is a response that is only planned.
type sketch struct {
	header http.Header
	status int
}

func (s *sketch) Header() http.Header         { return s.header }
func (s *sketch) WriteHeader(status int)      { s.status = status }
func (s *sketch) Write(p []byte) (int, error) { return len(p), nil }

// extent is a file of which only the size is known. It remembers where reading
// was to begin.
type extent struct{ size, offset int64 }

func (e *extent) Read([]byte) (int, error) { return 0, errors.New("the bytes are not read here") }

func (e *extent) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset += e.size
	}
	e.offset = offset
	return offset, nil
}

func contentLength(header http.Header) int64 {
	var n int64
	_, _ = fmt.Sscan(header.Get("Content-Length"), &n)
	return n
}

// redirect sends the caller to a signed link of its own. Who asks for JSON gets
// the link as data: a client that keeps its Authorization header on a redirect
// is refused by the bucket.
func (h *handler) redirect(c *call, record upload.Record) error {
	expires := h.Now().Add(h.LinkLifetime).UTC().Truncate(time.Second)
	ask := upload.Link{Key: h.Pipeline.Layout.FilesKey(c.Ref), Version: record.ServedVersion,
		ContentType: c.w.Header().Get("Content-Type"), Disposition: c.w.Header().Get("Content-Disposition"), Lifetime: h.LinkLifetime}
	sign := func() (string, error) { return h.Downloads.Link(c.r.Context(), ask) }
	if record.Old() {
		sign = func() (string, error) { return h.Pipeline.OldImages.LinkOld(c.r.Context(), c.Ref, ask) }
	}
	link, err := sign()
	if err != nil {
		return fmt.Errorf("sign a link to %s: %w", c.Ref, err)
	}
	header := c.w.Header()
	for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Length", "Content-Range", "Content-Security-Policy", "ETag", "Last-Modified", "Accept-Ranges"} {
		header.Del(name)
	}
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "Accept")
	if acceptsJSON(c.r) {
		return c.json(http.StatusOK, struct {
			URL     string    `json:"url"`
			Expires time.Time `json:"expires_at"`
		}{link, expires})
	}
	header.Set("Location", link)
	header.Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusFound)
	return nil
}

// acceptsJSON says whether the caller names application/json as a type it takes.
func acceptsJSON(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept") {
		for element := range strings.SplitSeq(value, ",") {
			mediaType, parameters, err := mime.ParseMediaType(textproto.TrimString(element))
			if err == nil && mediaType == "application/json" && parameters["q"] != "0" {
				return true
			}
		}
	}
	return false
}

// stillStored is an error when a deletion has come in between, which is an ordinary
// 404.
func (h *handler) stillStored(c *call) error {
	again, err := h.record(c)
	if err == nil && again.Status != upload.Stored {
		return nothingHere()
	}
	return err
}

// send reads exactly the span that was asked for and passes it on.
func (h *handler) send(c *call, record upload.Record, status int, offset, length int64) error {
	if length == 0 {
		c.w.WriteHeader(status)
		return nil
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	// A store that falls silent is given up, as a caller is.
	silence := time.AfterFunc(h.BodyIdle, cancel)
	defer silence.Stop()
	key := h.Pipeline.Layout.FilesKey(c.Ref)
	read := func() (io.ReadCloser, error) {
		return h.Downloads.ReadRange(ctx, key, record.ServedVersion, offset, length)
	}
	if record.Old() {
		read = func() (io.ReadCloser, error) { return h.Pipeline.OldImages.Read(ctx, c.Ref, offset, length) }
	}
	body, err := read()
	if err != nil {
		if err := h.stillStored(c); err != nil {
			return err
		}
	}
	if errors.Is(err, upload.ErrGone) || err != nil && !record.Old() && h.removed(c, key, record.ServedVersion) {
		// Somebody removed it behind our back.
		return &problem{code: internal, detail: "The file is recorded but its bytes are not to be found. The request id names it in the log.",
			cause: fmt.Errorf("read object %q version %s of a stored record: %w", key, record.ServedVersion, err)}
	}
	if err != nil {
		return fmt.Errorf("read object %q version %s: %w", key, record.ServedVersion, err)
	}
	defer body.Close() //nolint:errcheck // reading is over; there is nothing to lose
	c.w.WriteHeader(status)
	sent, err := io.CopyN(c.w, progress{body, silence, h.BodyIdle}, length)
	if err != nil {
		return h.breakOff(c, fmt.Errorf("send object %q version %s: %d of %d bytes: %w", key, record.ServedVersion, sent, length, err))
	}
	return nil
}

// removed says whether a version is not there any more. S3 says "forbidden" of what is
// not there to whoever may not list the bucket, so that an error alone does not tell.
func (h *handler) removed(c *call, key upload.Key, version upload.Version) bool {
	versions, err := h.Pipeline.Objects.Versions(c.r.Context(), key)
	return err == nil && !slices.Contains(versions, version)
}

// progress puts the moment of giving up off whenever bytes come.
type progress struct {
	from    io.Reader
	silence *time.Timer
	idle    time.Duration
}

func (p progress) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	p.silence.Reset(p.idle)
	return n, err
}
