package queuetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"

	"hatchery/shared/queue"
)

// SenderHarness is a queue and what the suite needs beside queue.Sender.
type SenderHarness struct {
	Sender queue.Sender
	// Take takes all messages out of the queue, whatever their order.
	Take func(t *testing.T) []queue.Message
	// Missing is a queue of the same kind that is not there; nil where there is
	// nothing of that kind.
	Missing queue.Sender
}

// RunSender checks every sentence of the contract of queue.Sender. open gives an
// empty queue each time.
func RunSender(t *testing.T, open func(t *testing.T) SenderHarness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, SenderHarness)
	}{
		{"what is sent is what is received", sentIsReceived},
		{"the same message may be sent twice", sentTwice},
		{"many send at once", sentAtOnce},
		{"the largest message is taken", largest},
		{"a message that breaks a rule is refused and not kept", refusedMessages},
		{"an ended context sends nothing", endedContext},
		{"a queue that is not there says so", missing},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func sentIsReceived(t *testing.T, h SenderHarness) {
	want := []queue.Message{
		{Body: "a"},
		{Body: `{"Records":[{"s3":{"object":{"key":"quarantine/a+b%C3%A9"}}}]}` + "\n\t\r <&> \U0001F600 \uFFFD"},
		{Body: "with all attributes", Attributes: map[string]queue.Attribute{
			"hatchery-reenqueued": queue.Number(2),
			"a.text_of-ours":      queue.Text("grün & <b>"),
			"bytes":               {Type: "Binary", Binary: []byte{0, 1, 254, 255}},
			"labelled":            {Type: "Number.float", Text: "-1.5e3"},
		}},
	}
	for _, m := range want {
		if err := h.Sender.Send(t.Context(), m); err != nil {
			t.Fatalf("send %+v: %v", m, err)
		}
	}
	got := byBody(h.Take(t))
	if len(got) != len(want) {
		t.Fatalf("%d messages are received, want %d", len(got), len(want))
	}
	for _, m := range want {
		if !same(got[m.Body], m) {
			t.Errorf("received %+v, want %+v", got[m.Body], m)
		}
	}
}

func same(a, b queue.Message) bool {
	return a.Body == b.Body && maps.EqualFunc(a.Attributes, b.Attributes, func(x, y queue.Attribute) bool {
		return reflect.DeepEqual(x, y)
	})
}

func byBody(messages []queue.Message) map[string]queue.Message {
	out := map[string]queue.Message{}
	for _, m := range messages {
		out[m.Body] = m
	}
	return out
}

func sentTwice(t *testing.T, h SenderHarness) {
	for range 2 {
		if err := h.Sender.Send(t.Context(), queue.Message{Body: "twice"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.Take(t); len(got) != 2 {
		t.Errorf("%d messages are received, want 2", len(got))
	}
}

func sentAtOnce(t *testing.T, h SenderHarness) {
	const senders = 8
	var group sync.WaitGroup
	for n := range senders {
		group.Go(func() {
			if err := h.Sender.Send(t.Context(), queue.Message{Body: fmt.Sprint("from ", n)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := byBody(h.Take(t)); len(got) != senders {
		t.Errorf("%d different messages are received, want %d", len(got), senders)
	}
}

func largest(t *testing.T, h SenderHarness) {
	// The name, the type and the value of the attribute count.
	m := queue.Message{Attributes: map[string]queue.Attribute{"n": queue.Number(1)}}
	m.Body = strings.Repeat("x", queue.MaxBytes-len("n")-len("Number")-len("1"))
	if err := h.Sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := h.Take(t)
	if len(got) != 1 || !same(got[0], m) {
		t.Errorf("the largest message is not received as it was sent (%d messages)", len(got))
	}
	m.Body += "x"
	if err := h.Sender.Send(t.Context(), m); !errors.Is(err, queue.ErrRefused) {
		t.Errorf("one byte more: %v, want ErrRefused", err)
	}
}

func refusedMessages(t *testing.T, h SenderHarness) {
	with := func(name string, a queue.Attribute) queue.Message {
		return queue.Message{Body: "body", Attributes: map[string]queue.Attribute{name: a}}
	}
	many := queue.Message{Body: "body", Attributes: map[string]queue.Attribute{}}
	for n := range queue.MaxAttributes + 1 {
		many.Attributes[fmt.Sprint("n", n)] = queue.Number(n)
	}
	for name, m := range map[string]queue.Message{
		"no body": {}, "a NUL": {Body: "a\x00b"}, "no UTF-8": {Body: "a\xffb"},
		"no character of XML": {Body: "a\uFFFFb"},
		"too many attributes": many,
		"no name":             with("", queue.Number(1)), "a space in a name": with("a b", queue.Number(1)),
		"a long name": with(strings.Repeat("n", 257), queue.Number(1)), "two dots": with("a..b", queue.Number(1)),
		"a dot at the end": with("a.", queue.Number(1)), "SQS's own name": with("AWS.trace", queue.Number(1)),
		"no value": with("a", queue.Text("")), "no number": with("a", queue.Attribute{Type: "Number", Text: "two"}),
		"no type":          with("a", queue.Attribute{Text: "b"}),
		"an unknown type":  with("a", queue.Attribute{Type: "Boolean", Text: "true"}),
		"a NUL in a value": with("a", queue.Text("\x00")), "no bytes": with("a", queue.Attribute{Type: "Binary"}),
		"text in a Binary":  with("a", queue.Attribute{Type: "Binary", Text: "b"}),
		"text beside bytes": with("a", queue.Attribute{Type: "Binary", Text: "b", Binary: []byte("c")}),
		"bytes in a String": with("a", queue.Attribute{Type: "String", Text: "b", Binary: []byte("c")}),
		"a long type":       with("a", queue.Attribute{Type: "String." + strings.Repeat("t", 257), Text: "b"}),
	} {
		if err := h.Sender.Send(t.Context(), m); !errors.Is(err, queue.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
	}
	if got := h.Take(t); len(got) != 0 {
		t.Errorf("refused, but kept: %+v", got)
	}
}

func endedContext(t *testing.T, h SenderHarness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Sender.Send(ctx, queue.Message{Body: "late"}); !errors.Is(err, context.Canceled) {
		t.Errorf("sent with an ended context: %v, want context.Canceled", err)
	}
	if got := h.Take(t); len(got) != 0 {
		t.Errorf("kept with an ended context: %+v", got)
	}
}

func missing(t *testing.T, h SenderHarness) {
	if h.Missing == nil {
		return
	}
	if err := h.Missing.Send(t.Context(), queue.Message{Body: "lost"}); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("send to a queue that is not there: %v, want ErrNoQueue", err)
	}
}
