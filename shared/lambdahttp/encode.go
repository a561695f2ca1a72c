package lambdahttp

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// encode writes the response as the front of its event wants it.
func (r *response) encode(e *event) ([]byte, *problem) {
	body, encoded := placeholder, !r.isText()
	if !encoded {
		body = string(r.body)
	}
	header, cookies := r.joined()
	var reply any
	switch e.front {
	case loadBalancer:
		alb := events.ALBTargetGroupResponse{StatusCode: r.status, StatusDescription: description(r.status),
			Body: body, IsBase64Encoded: encoded}
		switch {
		case e.multiValue:
			alb.MultiValueHeaders = r.header
		case len(cookies) > 1: // joined they would be one, and broken
			return nil, broken(errors.New("an answer has several Set-Cookie headers: " +
				"the load balancer's target group needs lambda.multi_value_headers.enabled"))
		default:
			if len(cookies) == 1 {
				header["Set-Cookie"] = cookies[0]
			}
			alb.Headers = header
		}
		reply = alb
	case functionURL:
		reply = events.LambdaFunctionURLResponse{StatusCode: r.status, Headers: header, Cookies: cookies,
			Body: body, IsBase64Encoded: encoded}
	default:
		reply = events.APIGatewayV2HTTPResponse{StatusCode: r.status, Headers: header, Cookies: cookies,
			Body: body, IsBase64Encoded: encoded}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // six bytes for every "<" would count
	if err := encoder.Encode(reply); err != nil {
		return nil, broken(fmt.Errorf("encode an answer: %w", err))
	}
	text := b.Bytes()
	if encoded {
		text = withBody(text, r.body)
	}
	if len(text) > e.front.maxReply() {
		return nil, tooLarge(e.front, int64(len(r.body)))
	}
	return text, nil
}

// placeholder stands for a body in base64 until the rest is JSON: nothing in base64 needs to be escaped.
const placeholder = "="

// withBody puts a body in base64 where the placeholder is. That is the last such member: a header can have the name and
// the value, too, and headers come before the body.
func withBody(reply, body []byte) []byte {
	const member = `"body":"`
	at := bytes.LastIndex(reply, []byte(member+placeholder+`"`)) + len(member)
	text := make([]byte, 0, len(reply)+base64.StdEncoding.EncodedLen(len(body)))
	text = base64.StdEncoding.AppendEncode(append(text, reply[:at]...), body)
	return append(text, reply[at+len(placeholder):]...)
}

// isText tells whether a JSON string can hold the body as it is: readable, and a third smaller than base64, which is
// always right.
func (r *response) isText() bool {
	return len(r.body) == 0 || isText(r.header.Get("Content-Type")) && utf8.Valid(r.body)
}

func isText(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch mediaType {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "+json") ||
		strings.HasSuffix(mediaType, "+xml")
}

// joined gives one value for each header, and the cookies, which cannot be joined (RFC 9110, 5.3), apart from them.
func (r *response) joined() (header map[string]string, cookies []string) {
	header = make(map[string]string, len(r.header))
	for name, values := range r.header {
		if http.CanonicalHeaderKey(name) == "Set-Cookie" {
			cookies = append(cookies, values...)
			continue
		}
		header[name] = strings.Join(values, ", ")
	}
	return header, cookies
}

// description is a status as a load balancer wants it besides its number.
func description(status int) string {
	return fmt.Sprintf("%d %s", status, cmp.Or(http.StatusText(status), "Status"))
}
