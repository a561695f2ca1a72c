package eventbridgenotifier_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
)

// event is what a bus keeps of one entry.
type event struct {
	EventBusName, Source, DetailType, Detail string
	Time                                     float64
	Resources                                []string
}

// bus is an EventBridge that knows PutEvents. It keeps what it takes in, under the
// rules of the PutEvents reference.
type bus struct {
	t    *testing.T
	url  string
	name string

	mu    sync.Mutex
	taken []event
	calls int
	// respond, when set, answers a call in the bus's place; kept says whether the
	// bus has taken the event in all the same.
	respond func(call int, w http.ResponseWriter) (answered, kept bool)
}

func newBus(t *testing.T, name string) *bus {
	b := &bus{t: t, name: name}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *bus) client() *eventbridge.Client {
	return eventbridge.New(eventbridge.Options{Region: "eu-central-1", BaseEndpoint: &b.url, RetryMaxAttempts: 2,
		Retryer:     aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
}

func (b *bus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	var in struct{ Entries []event }
	body, err := io.ReadAll(io.LimitReader(r.Body, 2<<20))
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || r.Method != http.MethodPost || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		b.t.Errorf("no PutEvents: %s %v, %v, %q", r.Method, r.Header, err, body)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if b.respond != nil {
		answered, kept := b.respond(b.calls, w)
		if kept {
			b.taken = append(b.taken, in.Entries...)
		}
		if answered {
			return
		}
	}
	out := struct {
		FailedEntryCount int
		Entries          []map[string]string
	}{}
	for i, e := range in.Entries {
		if code := b.refuses(e); code != "" {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, map[string]string{"ErrorCode": code, "ErrorMessage": "refused"})
			continue
		}
		b.taken = append(b.taken, e)
		out.Entries = append(out.Entries, map[string]string{"EventId": fmt.Sprintf("event-%d-%d", b.calls, i)})
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		b.t.Error(err)
	}
}

// refuses gives the code with which EventBridge refuses an entry.
func (b *bus) refuses(e event) string {
	var object map[string]any
	size := len(e.Source) + len(e.DetailType) + len(e.Detail) + 14 // the time counts 14
	switch {
	case e.Source == "" || strings.HasPrefix(e.Source, "aws.") || e.DetailType == "" || len(e.DetailType) > 128 || size > 256<<10:
		return "InvalidArgument"
	case json.Unmarshal([]byte(e.Detail), &object) != nil:
		return "MalformedDetail"
	case e.EventBusName != b.name:
		return "InvalidArgument"
	}
	return ""
}

// seen gives how often the bus was called and what it has taken in.
func (b *bus) seen() (calls int, taken []event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls, slices.Clone(b.taken)
}

func (e event) at() time.Time { return time.UnixMilli(int64(e.Time * 1000)).UTC() }
