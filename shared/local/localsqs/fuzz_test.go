package localsqs

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// FuzzOperations gives every action hostile JSON: it must answer, or refuse in SQS's words, and never panic, fail
// inside or answer with something that is no JSON.
func FuzzOperations(f *testing.F) {
	names := []string{}
	for name := range operations() {
		names = append(names, name)
	}
	slices.Sort(names)
	url := `"QueueUrl":"http://127.0.0.1:9/000000000000/work"`
	for i := range names {
		for _, body := range []string{`{}`, `{` + url + `}`,
			`{` + url + `,"MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":"b"}}}`,
			`{` + url + `,"Entries":[{"Id":"a","MessageBody":"x","ReceiptHandle":"AAAA","VisibilityTimeout":1}]}`,
			`{` + url + `,"MaxNumberOfMessages":10,"VisibilityTimeout":0,"AttributeNames":["All"],"MessageAttributeNames":["a.*"]}`,
			`{` + url + `,"Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"x\",\"maxReceiveCount\":1}"},"QueueName":"q"}`,
			`{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:work","TaskHandle":"e30","QueueName":"work"}`,
		} {
			f.Add(uint8(i), []byte(body))
		}
	}
	s, err := start(f.Context(),
		Options{Path: filepath.Join(f.TempDir(), "queue.db"), Region: "us-east-1", Now: time.Now}, nowhere)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.finish(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, operation uint8, body []byte) {
		if len(body) > maxRequestBytes {
			return
		}
		if err := s.CreateQueue(t.Context(), "work", nil); err != nil &&
			!strings.Contains(err.Error(), "QueueDeletedRecently") {
			t.Fatal(err)
		}
		// A receive may wait up to twenty seconds; here it hangs up.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		answer, err := s.ops[names[int(operation)%len(names)]](ctx, s, &request{host: "127.0.0.1:9"}, body)
		var refusal *apiError
		if err != nil && !errors.As(err, &refusal) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%q failed inside: %v", body, err)
		}
		if err == nil {
			if _, err := json.Marshal(answer); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzReceipt(f *testing.F) {
	f.Add(receipt{1, 2, 3, uuid.MustParse("c2a1b0de-0f1e-4d3c-8b5a-697887766554")}.String())
	f.Add("AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, handle string) {
		r, err := parseReceipt(handle)
		if err != nil {
			return
		}
		again, err := parseReceipt(r.String())
		if err != nil || again != r {
			t.Fatalf("%q became %+v, then %+v, %v", handle, r, again, err)
		}
	})
}

// FuzzSettings gives the attribute parsers hostile values; what they accept they must accept again when it is read
// from the file.
func FuzzSettings(f *testing.F) {
	for _, name := range settingNames {
		f.Add(name, "30")
		f.Add(name, `{"deadLetterTargetArn":"arn","maxReceiveCount":"5"}`)
		f.Add(name, `{"redrivePermission":"byQueue","sourceQueueArns":["a"]}`)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		set, err := parseSettings(map[string]string{name: value})
		if err != nil {
			return
		}
		if set.visibility < 0 || set.retention < time.Minute || set.maxBytes < 1024 || set.redrive != nil &&
			set.redrive.maxReceives < 1 {
			t.Fatalf("%s=%q was accepted as %+v", name, value, set)
		}
		if _, err := parseSettings(set.raw); err != nil {
			t.Fatalf("%s=%q was accepted once, and then: %v", name, value, err)
		}
	})
}
