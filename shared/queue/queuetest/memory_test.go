package queuetest_test

import (
	"testing"

	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
)

func TestTheQueueInMemoryKeepsTheContract(t *testing.T) {
	queuetest.RunSender(t, func(*testing.T) queuetest.SenderHarness {
		q := &queuetest.Memory{}
		return queuetest.SenderHarness{Sender: q, Take: func(*testing.T) []queue.Message { return q.Take() }}
	})
}

func TestTheQueueInMemoryTellsOfItself(t *testing.T) {
	queuetest.RunInspector(t, func(*testing.T) queuetest.InspectorHarness {
		dead := &queuetest.Memory{}
		return queuetest.InspectorHarness{Queue: &queuetest.Memory{DeadLetters: dead}, Dead: dead,
			Fill: func(t *testing.T, s queue.State) {
				for range s.Visible {
					if err := dead.Send(t.Context(), queue.Message{Body: "dead"}); err != nil {
						t.Fatal(err)
					}
				}
				dead.InFlight, dead.Delayed = s.InFlight, s.Delayed
			},
			Chain: func(*testing.T) { dead.DeadLetters = &queuetest.Memory{} }}
	})
}

func TestWhatTheQueueInMemoryHoldsIsNobodyElses(t *testing.T) {
	q := &queuetest.Memory{}
	sent := queue.Message{Body: "body", Attributes: map[string]queue.Attribute{"a": {Type: "Binary", Binary: []byte("b")}}}
	if err := q.Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	sent.Attributes["a"].Binary[0] = 'x'
	seen := q.Messages()
	seen[0].Attributes["a"].Binary[0] = 'y'
	if got := q.Take(); string(got[0].Attributes["a"].Binary) != "b" {
		t.Errorf("the queue holds %q", got[0].Attributes["a"].Binary)
	}
	if got := q.Messages(); len(got) != 0 {
		t.Errorf("after taking it still holds %+v", got)
	}
}
