package locals3

import (
	"bytes"
	"io"
	"mime"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// maxFormFields is S3's own bound of what comes before the file in a form, its part's header included.
const maxFormFields = 20 << 10

// guard looks at requests before versitygw does.
func (s *Server) guard(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(c *fasthttp.RequestCtx) {
		_ = c.Conn().SetReadDeadline(time.Time{}) // of patientListener; a large body takes its time
		defer drain(c)
		if host := string(c.Host()); !s.hosts.Allows(host) {
			c.Response.Header.SetConnectionClose()
			refuse(c, s3err.APIError{Code: "InvalidHostHeader", HTTPStatusCode: fasthttp.StatusMisdirectedRequest,
				Description: s.hosts.Refusal(host)})
			return
		}
		if c.IsPost() && c.Request.BodyStream() != nil && c.Request.Header.ContentLength() > 0 {
			media, parameters, err := mime.ParseMediaType(string(c.Request.Header.ContentType()))
			if err == nil && media == "multipart/form-data" && parameters["boundary"] != "" {
				boundForm(c, parameters["boundary"], next)
				return
			}
		}
		next(c)
	}
}

// boundForm refuses a form with too much before its file. versitygw holds all of that in memory, before it looks at the
// signature. A body that was read from cannot be given back to a request, so versitygw gets a request of its own.
func boundForm(c *fasthttp.RequestCtx, boundary string, next fasthttp.RequestHandler) {
	length, body := c.Request.Header.ContentLength(), c.Request.BodyStream()
	head := make([]byte, min(maxFormFields, length))
	n, err := io.ReadFull(body, head)
	if err != nil {
		refuse(c, s3err.GetAPIError(s3err.ErrMalformedPOSTRequest)) // it ended too early
		return
	}
	if n == maxFormFields && !reachesFile(head, boundary, length) {
		refuse(c, s3err.APIError{Code: "MaxPostPreDataLengthExceededError", HTTPStatusCode: fasthttp.StatusBadRequest,
			Description: "Your POST request fields preceding the upload file were too large."})
		return
	}
	var inner fasthttp.RequestCtx
	inner.Init2(c.Conn(), c.Logger(), false)
	c.Request.CopyTo(&inner.Request)
	inner.Request.SetBodyStream(io.MultiReader(bytes.NewReader(head), body), length)
	next(&inner)
	inner.Response.CopyTo(&c.Response)
}

// reachesFile says whether the file of a form begins in its head. A form that is malformed before the head's end is
// left to versitygw.
func reachesFile(head []byte, boundary string, length int) bool {
	rest := bytes.NewReader(head)
	parser, err := utils.NewMultipartParser(rest, boundary, int64(length))
	if err == nil {
		_, err = parser.Parse()
	}
	return err == nil || rest.Len() > 0
}

// refuse answers with an error of S3.
func refuse(c *fasthttp.RequestCtx, failure s3err.APIError) {
	c.SetStatusCode(failure.HTTPStatusCode)
	c.SetContentType("application/xml")
	c.SetBody(failure.XMLBody("", ""))
}
