package validator_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
)

// observing keeps what the validator's observer hears, in order of the text.
func (b *fixture) observing() func() []string {
	var mu sync.Mutex
	var heard []string
	b.Observe = func(o upload.Outcome, err error) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, fmt.Sprintf("%s %s %v", o.Result, o.Version, err != nil))
	}
	return func() []string { slices.Sort(heard); return heard }
}

func TestTheObserverHearsOfEachRecordOnce(t *testing.T) {
	b := newFixture(pipelineFunc(func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		ref, _ := upload.DefaultLayout.ParseQuarantineKey(key)
		o := upload.Outcome{Result: upload.ResultStored, Ref: ref, Version: v}
		switch v {
		case "v2":
			o.Result = upload.ResultRejected
		case "v3":
			return upload.Outcome{Ref: ref, Version: v}, errTrouble
		case "v4":
			panic("odd")
		}
		return o, nil
	}))
	heard := b.observing()
	elsewhere := arrived(5)
	elsewhere.Bucket = "another"
	b.wantFailed(t, t.Context(),
		[]events.SQSMessage{message(t, "a", arrived(1), arrived(2)), message(t, "b", arrived(3)), message(t, "c", arrived(4)),
			message(t, "d", elsewhere), withBody("e", "no JSON"), withBody("f", recorded(t, "test-event.json"))}, "b", "c", "d",
		"e")
	want := []string{"  true", "  true", "  true", " v3 true", "rejected v2 false", "stored v1 false"}
	if got := heard(); !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func TestTheObserverHearsOfARecordThatCannotBeRead(t *testing.T) {
	b := newFixture(all(upload.ResultStored, nil))
	heard := b.observing()
	body, err := arrival.Format(arrived(1), arrived(2))
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(body), string(upload.DefaultLayout.QuarantineKey(refNumber(1))), "%zz", 1)
	b.wantFailed(t, t.Context(), []events.SQSMessage{withBody("m", broken)}, "m")
	if got, want := heard(), []string{"  true", "stored v2 false"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func TestLostBytesAreAnErrorOfSomebodyAndTheMessageIsDone(t *testing.T) {
	b := newFixture(all(upload.ResultLost, nil))
	heard := b.observing()
	b.wantFailed(t, t.Context(), []events.SQSMessage{message(t, "m", arrived(1))})
	if got := heard(); !slices.Equal(got, []string{"lost v1 false"}) {
		t.Errorf("heard %q", got)
	}
	if line := b.line(t, "validated"); line["level"] != "ERROR" || line["result"] != "lost" ||
		line["upload_id"] != string(refNumber(1).ID) {
		t.Errorf("logged %v", line)
	}
}
