package lambdahttp

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// decodedAlone is what decode must give, by encoding/json alone.
func decodedAlone(payload []byte) (*event, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// wantSame fails when decode departs from encoding/json. It says whether the body was cut out.
func wantSame(t *testing.T, payload []byte) (cut bool) {
	t.Helper()
	got, err := decode(payload)
	want, wantErr := decodedAlone(payload)
	if err != nil || wantErr != nil {
		if err == nil || wantErr == nil || err.Error() != wantErr.Error() || reflect.TypeOf(err) != reflect.TypeOf(wantErr) {
			t.Fatalf("%q: error %v, encoding/json has %v", payload, err, wantErr)
		}
		return false
	}
	cut = got.decoded != nil
	body, p := got.body(len(payload))
	wantBody, wantP := want.body(len(payload))
	if !reflect.DeepEqual(p, wantP) || string(body) != string(wantBody) {
		t.Fatalf("%q: body %q, %v; encoding/json has %q, %v", payload, body, p, wantBody, wantP)
	}
	got.Body, got.decoded, want.Body = "", nil, ""
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: %+v, encoding/json has %+v", payload, got, want)
	}
	return cut
}

func TestTheBodyOfEveryFrontsEventIsReadOnce(t *testing.T) {
	for _, file := range []string{"httpapi.json", "alb-multi-value.json"} {
		payload, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !wantSame(t, payload) {
			t.Errorf("%s: encoding/json read the body", file)
		}
	}
	for _, payload := range []string{
		`{"body":"","isBase64Encoded":true}`,
		`{"isBase64Encoded":true,"body":"AAAA"}`,
		" {\r\n\t\"BoDy\" \n:\t \"AAAA\" , \"isBase64Encoded\":true}",
		`{"headers":{"a\"":"\\","body":"x"},"rawPath":"\"","body":"AA==","isBase64Encoded":true}`,
		`{"path":"body","cookies":["body","a"],"body":"AAAA","isBase64Encoded":true,"x":[{"body":1}]}`,
	} {
		if !wantSame(t, []byte(payload)) {
			t.Errorf("%s: encoding/json read the body", payload)
		}
	}
}

// notCut are events that encoding/json has to read alone.
var notCut = []string{
	``, `null`, `[]`, `"body"`, `["body":"AAAA"]`, `{"body"`, `{"body":`, `{"body":"`, `{"body":"AAAA`, `{"body":"AAAA"`,
	`{"body":"AAAA"}`, `{"body":"text","isBase64Encoded":false}`,
	`{"body":null,"isBase64Encoded":true}`, `{"body":5,"isBase64Encoded":true}`, `{"body":{"body":"AAAA"}}`,
	`{"body":"AAAA","body":"BBBB","isBase64Encoded":true}`, `{"body":"AAAA","BODY":"BBBB","isBase64Encoded":true}`,
	`{"body":"AAAA","body":null,"isBase64Encoded":true}`, `{"body":null,"body":"AAAA","isBase64Encoded":true}`,
	`{"body":"","body":"AAAA","isBase64Encoded":true}`,
	`{"\u0062ody":"AAAA","body":"BBBB","isBase64Encoded":true}`, `{"body":"BBBB","bod\u0079":"AAAA","isBase64Encoded":true}`,
	`{"body":"AA\u0041A","isBase64Encoded":true}`, `{"body":"\/\/\/\/","isBase64Encoded":true}`,
	`{"body":"AAA\"","isBase64Encoded":true}`, `{"body":"AAAA\\","isBase64Encoded":true}`,
	`{"body":"!!!","isBase64Encoded":true}`, `{"body":"AAA","isBase64Encoded":true}`, "{\"body\":\"\xff\",\"isBase64Encoded\":true}",
	"{\"body\":\"AA\nAA\",\"isBase64Encoded\":true}", "{\"body\":\"AAAA\r\n\",\"isBase64Encoded\":true}",
	"{\"body\":\"AAAAAA==\n\n\n\n\",\"isBase64Encoded\":true}",
	`{"body":"AAAA","isBase64Encoded":true}}`, `{"body":"AAAA","isBase64Encoded":true,}`, `{"body" "AAAA"}`,
	`{"body"::"AAAA","isBase64Encoded":true}`, `{"body":"AAAA","isBase64Encoded":"true"}`,
	`{"body":"AAAA","headers":5,"isBase64Encoded":true}`, `x{"body":"AAAA","isBase64Encoded":true}`,
	`]{"body":"AAAA","isBase64Encoded":true}`, `{"body":"AAAA"x,"isBase64Encoded":true}`,
}

func TestUnusualEventsAreReadByEncodingJSON(t *testing.T) {
	for _, payload := range notCut {
		if wantSame(t, []byte(payload)) {
			t.Errorf("%q: the body was cut out", payload)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if !file.IsDir() {
			payload, err := os.ReadFile("testdata/" + file.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(payload)
		}
	}
	for _, payload := range notCut {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) { wantSame(t, payload) })
}

func TestAReplyIsWhatEncodingJSONMakesOfItWhole(t *testing.T) {
	header := http.Header{"Content-Type": {"image/png"}, "Body": {"="}, "body": {"="}, "X": {`","body":"="`, "a"}}
	body := []byte("\x00\xff\xfe<&>")
	text := base64.StdEncoding.EncodeToString(body)
	joined := map[string]string{"Content-Type": "image/png", "Body": "=", "body": "=", "X": `","body":"=", a`}
	for _, row := range []struct {
		event event
		want  any
	}{
		{event{front: httpAPI}, events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: joined,
			Cookies: []string{`"body":"="`}, Body: text, IsBase64Encoded: true}},
		{event{front: functionURL}, events.LambdaFunctionURLResponse{StatusCode: 200, Headers: joined,
			Cookies: []string{`"body":"="`}, Body: text, IsBase64Encoded: true}},
		{event{front: loadBalancer, multiValue: true}, events.ALBTargetGroupResponse{StatusCode: 200,
			StatusDescription: "200 OK", MultiValueHeaders: header, Body: text, IsBase64Encoded: true}},
	} {
		h := header.Clone()
		if row.event.front != loadBalancer {
			h["Set-Cookie"] = []string{`"body":"="`}
		}
		got, p := (&response{status: 200, header: h, body: body}).encode(&row.event)
		if p != nil {
			t.Fatal(p)
		}
		var want strings.Builder
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(row.want); err != nil {
			t.Fatal(err)
		}
		if string(got) != want.String() {
			t.Errorf("%s\n%s\nwant\n%s", row.event.front, got, want.String())
		}
	}
}
