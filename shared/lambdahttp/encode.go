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
	body, encoded := r.text()
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
	if b.Len() > e.front.maxReply() {
		return nil, tooLarge(e.front, int64(len(r.body)))
	}
	return b.Bytes(), nil
}

// text is the body as a JSON string can hold it. Base64 is always right; text is left readable, and a third smaller.
func (r *response) text() (body string, encoded bool) {
	if len(r.body) == 0 || isText(r.header.Get("Content-Type")) && utf8.Valid(r.body) {
		return string(r.body), false
	}
	return base64.StdEncoding.EncodeToString(r.body), true
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
