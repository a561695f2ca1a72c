package locals3

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
)

// requestKey is the key under which a request's facts that versitygw does not hand to its backend are kept.
type requestKey struct{}

// requestFacts are strings of their own: those of the framework are reused for the next request.
type requestFacts struct {
	form      bool   // a signed form, not a PUT
	origin    string // of the page, where Options.AllowOrigin allows it
	match     *string
	noneMatch *string
}

// noteRequest is the middleware around versitygw's routes.
func (s *Server) noteRequest(c fiber.Ctx) error {
	facts := requestFacts{form: c.Method() == fiber.MethodPost}
	if value := c.Get(fiber.HeaderIfMatch); value != "" {
		facts.match = new(strings.Clone(value))
	}
	if value := c.Get(fiber.HeaderIfNoneMatch); value != "" {
		facts.noneMatch = new(strings.Clone(value))
	}
	if value := c.Get(fiber.HeaderOrigin); value != "" && s.opts.AllowOrigin != nil && s.opts.AllowOrigin(value) {
		facts.origin = strings.Clone(value)
	}
	c.RequestCtx().SetUserValue(requestKey{}, facts)
	err := c.Next()
	if err != nil || c.Response().StatusCode() >= fiber.StatusBadRequest {
		asS3Says(c.Response())
	}
	if c.Method() == fiber.MethodOptions && c.Response().StatusCode() == fiber.StatusForbidden {
		s.opts.Log.Info("the bucket refused a preflight: HATCHERY_CORS_ORIGINS does not name the origin of the page, " +
			"or the method is none of POST, GET and HEAD")
	}
	return err
}

// asS3Says mends the one refusal that has another status and code here than in S3: a client would take an unknown
// access key for an object that does not exist.
func asS3Says(r *fasthttp.Response) {
	if r.StatusCode() != fiber.StatusNotFound || !bytes.Contains(r.Body(), []byte("<Code>XAdminUserNotFound</Code>")) {
		return
	}
	body := bytes.Replace(r.Body(), []byte("XAdminUserNotFound"), []byte("InvalidAccessKeyId"), 1)
	r.SetStatusCode(fiber.StatusForbidden)
	r.SetBody(body)
}

func origin(ctx context.Context) string {
	if facts, _ := ctx.Value(requestKey{}).(requestFacts); facts.form {
		return "Post"
	}
	return "Put"
}

// writeConditions are the conditions on the target of a copy.
func writeConditions(ctx context.Context) (match, noneMatch *string) {
	facts, _ := ctx.Value(requestKey{}).(requestFacts)
	return facts.match, facts.noneMatch
}

// Bounds of what is read of a body that nobody has read to its end.
const (
	drainBytes = 64 << 20
	drainTime  = 10 * time.Second
)

// drain reads what is left of a body, or has the connection closed: the web server would take it for the next request.
// It reads because many clients send all they have before they look for an answer, and would see a reset connection
// instead of the reason.
func drain(c *fasthttp.RequestCtx) {
	body, length := c.Request.BodyStream(), c.Request.Header.ContentLength()
	if body == nil || length == 0 {
		return
	}
	if length < 0 || length > drainBytes { // without a length, nothing tells whether its end was read
		c.Response.Header.SetConnectionClose()
		return
	}
	conn := c.Conn()
	_ = conn.SetReadDeadline(time.Now().Add(drainTime))
	if _, err := io.Copy(io.Discard, body); err != nil {
		c.Response.Header.SetConnectionClose()
	}
	_ = conn.SetReadDeadline(time.Time{})
}
