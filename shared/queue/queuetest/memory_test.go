package queuetest_test

import (
	"testing"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/uploadtest"
)

func TestTheQueueInMemoryKeepsTheContract(t *testing.T) {
	queuetest.RunSender(t, func(*testing.T) queuetest.SenderHarness {
		q := &queuetest.Memory{}
		return queuetest.SenderHarness{Sender: q, Take: func(*testing.T) []queue.Message { return q.Take() }}
	})
}

func TestTheQueueInMemoryTellsOfItself(t *testing.T) {
	queuetest.RunInspector(t, func(*testing.T) queuetest.InspectorHarness {
		dead := &queuetest.Memory{ARN: "dead", Retention: 14 * 24 * time.Hour, Visibility: 30 * time.Second}
		is := queue.State{ARN: "queue", Retention: 4 * 24 * time.Hour, Visibility: time.Minute}
		live := &queuetest.Memory{DeadLetters: dead, ARN: is.ARN, Retention: is.Retention, Visibility: is.Visibility}
		return queuetest.InspectorHarness{Queue: live, Dead: dead, QueueIs: is,
			DeadIs: queue.State{ARN: dead.ARN, Retention: dead.Retention, Visibility: dead.Visibility},
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

func TestTheQueueInMemoryHandsOut(t *testing.T) {
	queuetest.RunReceiver(t, func(*testing.T) queuetest.ReceiverHarness {
		clock := uploadtest.NewClock(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC))
		q := &queuetest.Memory{Now: clock.Now}
		return queuetest.ReceiverHarness{Queue: q, Now: clock.Now, Pass: clock.Pass,
			Bury: func(_ *testing.T, m queue.Message) queue.Received {
				r := queue.Received{Message: m, ID: "the id that it had", SentAt: clock.Now(), Receives: 5, Source: "its source"}
				clock.Pass(time.Minute)
				q.Put(r)
				return r
			}}
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
