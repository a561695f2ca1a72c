// Package dynamotest is what an endpoint must answer to be taken for DynamoDB: scripts of requests and answers, as they
// go over the wire. localdynamo passes it, and so does AWS's own DynamoDB Local, on which the answers were recorded.
package dynamotest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// scripts are files of steps. A step is a line "Operation {request}" and a line with what must come of it:
//
//	= {answer}          exactly this; the members of sets may be in any order
//	~ {answer}          as =, with Items and the members of Responses in any order
//	+                   success, whatever the answer
//	! Code              this error
//	! Code message      this error with this message
//
// TABLE is the script's own table, which a request is about that names none. TOKEN begins tokens of this run alone.
// {{x 5}} is xxxxx. Lines that begin with # are comments.
//
//go:embed testdata/*.txt
var scripts embed.FS

// Endpoint is what the suite asks, and the key that it signs with.
type Endpoint struct {
	URL, Region, AccessKey, SecretKey string
}

// Run asks the endpoint everything: the scripts, and then with the AWS SDK. Each test has a table of its own, which is
// removed in the end.
func Run(t *testing.T, e Endpoint) {
	t.Helper()
	t.Run("client", func(t *testing.T) { runClient(t, e) })
	files, err := scripts.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".txt")
		t.Run(name, func(t *testing.T) {
			text, err := scripts.ReadFile(path.Join("testdata", file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			table := "dynamotest-" + name + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
			defer func() {
				// The last step may have removed it.
				_, _, err := e.call(context.WithoutCancel(t.Context()), "DeleteTable", `{"TableName":"`+table+`"}`)
				if err != nil {
					t.Error(err)
				}
			}()
			names := strings.NewReplacer("TABLE", table, "TOKEN", strconv.FormatInt(time.Now().UnixNano(), 36)+"-")
			run(t, e, file.Name(), names.Replace(string(text)), table)
		})
	}
}

// run runs the steps of one script.
func run(t *testing.T, e Endpoint, file, text, table string) {
	t.Helper()
	request := ""
	for i, line := range strings.Split(text, "\n") {
		line = expand(strings.TrimSpace(line))
		switch {
		case line == "" || line[0] == '#':
		case strings.IndexByte("=~+!", line[0]) < 0:
			request = line
		default:
			operation, body, _ := strings.Cut(request, " ")
			status, answer, err := e.call(t.Context(), operation, withTable(t, operation, body, table))
			if err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
			if fault := check(line, status, answer); fault != "" {
				t.Errorf("%s:%d: %.300s\n%.1500s\ngot %d %.1500s", file, i+1, request, fault, status, answer)
			}
		}
	}
}

var repeats = regexp.MustCompile(`\{\{(\w) (\d+)\}\}`)

// expand writes out what is repeated.
func expand(line string) string {
	return repeats.ReplaceAllStringFunc(line, func(s string) string {
		parts := repeats.FindStringSubmatch(s)
		n, err := strconv.Atoi(parts[2])
		if err != nil {
			return s
		}
		return strings.Repeat(parts[1], n)
	})
}

// withTable names the script's table in a request that names none.
func withTable(t *testing.T, operation, body, table string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatalf("the request %.100q is no JSON: %v", body, err)
	}
	_, named := fields["TableName"]
	if named || strings.HasPrefix(operation, "Batch") || strings.HasPrefix(operation, "Transact") || operation == "ListTables" {
		return body
	}
	fields["TableName"] = json.RawMessage(strconv.Quote(table))
	whole, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(whole)
}

// check compares an answer with the line that says what it must be; "" is as it must be.
func check(want string, status int, answer []byte) string {
	kind, rest := want[0], strings.TrimSpace(want[1:])
	if kind == '!' {
		code, message := errorOf(answer)
		wantCode, wantMessage, withMessage := strings.Cut(rest, " ")
		if status == http.StatusOK || code != wantCode || withMessage && message != wantMessage {
			return "want the error " + rest
		}
		return ""
	}
	if status != http.StatusOK {
		return "want success"
	}
	if kind == '+' {
		return ""
	}
	var got, wanted any
	if json.Unmarshal(answer, &got) != nil || json.Unmarshal([]byte(rest), &wanted) != nil {
		return "no JSON"
	}
	if !reflect.DeepEqual(ordered("", got, kind == '~'), ordered("", wanted, kind == '~')) {
		return "want " + rest
	}
	return ""
}

// errorOf is an error's name without its namespace, and its message.
func errorOf(answer []byte) (code, message string) {
	var failure struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // also "Message": encoding/json does not mind
	}
	if json.Unmarshal(answer, &failure) != nil {
		return "", ""
	}
	return failure.Type[strings.IndexByte(failure.Type, '#')+1:], failure.Message
}

// ordered brings lists whose order means nothing into one order.
func ordered(name string, v any, items bool) any {
	switch v := v.(type) {
	case map[string]any:
		for key, field := range v {
			v[key] = ordered(key, field, items)
		}
		return v
	case []any:
		for i, member := range v {
			v[i] = ordered("", member, items)
		}
		if slices.Contains([]string{"SS", "NS", "BS"}, name) || items && name != "L" {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	return v
}

// call makes one request and checks the answer's checksum, if it has one.
func (e Endpoint) call(ctx context.Context, operation, body string) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Accept-Encoding", "identity") // the checksum is over the bytes as sent
	hash := sha256.Sum256([]byte(body))
	who := aws.Credentials{AccessKeyID: e.AccessKey, SecretAccessKey: e.SecretKey}
	if err := v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(hash[:]), "dynamodb", e.Region, time.Now()); err != nil {
		return 0, nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = closing(err, response.Body) }()
	const longest = 32 << 20
	answer, err = io.ReadAll(io.LimitReader(response.Body, longest))
	if err != nil {
		return 0, nil, err
	}
	if sum := response.Header.Get("X-Amz-Crc32"); sum != "" && sum != strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer)), 10) {
		return 0, nil, fmt.Errorf("%s: the checksum %s is not that of the answer", operation, sum)
	}
	return response.StatusCode, bytes.TrimSpace(answer), nil
}

func closing(err error, c io.Closer) error {
	if closeErr := c.Close(); err == nil {
		return closeErr
	}
	return err
}
