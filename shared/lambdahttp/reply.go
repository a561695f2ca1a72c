package lambdahttp

import (
	"bytes"
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

// encode writes the answer as the front of an event wants it.
func (a *answer) encode(e *event, f front) ([]byte, *fault) {
	body, encoded := a.text()
	var reply any
	switch {
	case f == loadBalancer && e.multiValue():
		reply = events.ALBTargetGroupResponse{StatusCode: a.status, StatusDescription: description(a.status),
			MultiValueHeaders: a.header, Body: body, IsBase64Encoded: encoded}
	case f == loadBalancer:
		header, cookies := a.joined()
		switch len(cookies) {
		case 0:
		case 1:
			header["Set-Cookie"] = cookies[0]
		default: // joined they would be one, and broken
			return nil, broken(errors.New("an answer has several Set-Cookie headers: the load balancer's target group needs lambda.multi_value_headers.enabled"))
		}
		reply = events.ALBTargetGroupResponse{StatusCode: a.status, StatusDescription: description(a.status),
			Headers: header, Body: body, IsBase64Encoded: encoded}
	case f == functionURL:
		header, cookies := a.joined()
		reply = events.LambdaFunctionURLResponse{StatusCode: a.status, Headers: header, Cookies: cookies, Body: body, IsBase64Encoded: encoded}
	default:
		header, cookies := a.joined()
		reply = events.APIGatewayV2HTTPResponse{StatusCode: a.status, Headers: header, Cookies: cookies, Body: body, IsBase64Encoded: encoded}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // six bytes for every "<" would count
	if err := encoder.Encode(reply); err != nil {
		return nil, broken(fmt.Errorf("encode an answer: %w", err))
	}
	if b.Len() > f.maxReply() {
		return nil, tooLarge(f, int64(len(a.body)))
	}
	return b.Bytes(), nil
}

// text is the body as a JSON string can hold it. Base64 is always right; text is
// left readable, and a third smaller.
func (a *answer) text() (body string, encoded bool) {
	if len(a.body) == 0 || isText(a.header.Get("Content-Type")) && utf8.Valid(a.body) {
		return string(a.body), false
	}
	return base64.StdEncoding.EncodeToString(a.body), true
}

func isText(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return false
	case strings.HasPrefix(mediaType, "text/"), strings.HasSuffix(mediaType, "+json"), strings.HasSuffix(mediaType, "+xml"):
		return true
	}
	return mediaType == "application/json" || mediaType == "application/xml" || mediaType == "application/javascript"
}

// joined gives one value for each header, and the cookies, which cannot be
// joined (RFC 9110, 5.3), apart from them.
func (a *answer) joined() (header map[string]string, cookies []string) {
	header = make(map[string]string, len(a.header))
	for name, values := range a.header {
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
	text := http.StatusText(status)
	if text == "" {
		text = "Status"
	}
	return fmt.Sprintf("%d %s", status, text)
}
