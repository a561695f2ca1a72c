package validator_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
)

// redriven is a message that an operator sent again so often, by what stands in its attribute.
func redriven(t testing.TB, id, redrives, receptions string) events.SQSMessage {
	t.Helper()
	m := received(message(t, id, arrived(1)), receptions)
	m.MessageAttributes = map[string]events.SQSMessageAttribute{
		arrival.RedriveAttribute: {DataType: "Number", StringValue: &redrives}}
	return m
}

// countingRedriven keeps what the validator's observer hears of messages that were sent again.
func (b *fixture) countingRedriven() func() []int {
	var mu sync.Mutex
	var heard []int
	b.ObserveRedriven = func(redrives int) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, redrives)
	}
	return func() []int { slices.Sort(heard); return heard }
}

func TestARedrivenMessageIsCountedOnce(t *testing.T) {
	for name, result := range map[string]pipelineFunc{"it is judged": all(upload.ResultStored, nil),
		"it fails again": all("", errTrouble)} {
		t.Run(name, func(t *testing.T) {
			b := newFixture(result)
			heard := b.countingRedriven()
			for _, receptions := range []string{"1", "2", "3", "4", "5", "many"} {
				if _, err := b.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
					redriven(t, "m", "2", receptions)}}); err != nil {
					t.Fatal(err)
				}
			}
			if got := heard(); !slices.Equal(got, []int{2}) {
				t.Errorf("counted %v", got)
			}
		})
	}
}

func TestAMessageOfNoOperatorIsNotCountedAsRedriven(t *testing.T) {
	b := newFixture(all(upload.ResultStored, nil))
	heard := b.countingRedriven()
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "1"), resent(t, "1")})
	if got := heard(); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
}

func TestARedrivenMessageIsLoggedWithHowOften(t *testing.T) {
	b := newFixture(all("", errTrouble))
	b.wantFailed(t, t.Context(), []events.SQSMessage{redriven(t, "m", "2", "5")}, "m")
	for _, said := range []string{"validation failed", lastOfFive} {
		if line := b.line(t, said); line["redriven"] != 2. || line["reenqueued"] != nil {
			t.Errorf("logged as %v", line)
		}
	}
}

func TestACountThatIsNoneIsOne(t *testing.T) {
	b := newFixture(all(upload.ResultStored, nil))
	heard := b.countingRedriven()
	binary := redriven(t, "d", "", "1")
	binary.MessageAttributes[arrival.RedriveAttribute] = events.SQSMessageAttribute{DataType: "Binary",
		BinaryValue: []byte{7}}
	b.wantFailed(t, t.Context(), []events.SQSMessage{redriven(t, "a", "often", "1"), redriven(t, "b", "0", "1"),
		redriven(t, "c", "-3", "1"), binary, redriven(t, "e", "3", "1")})
	if got := heard(); !slices.Equal(got, []int{1, 1, 1, 1, 3}) {
		t.Errorf("counted %v", got)
	}
}
