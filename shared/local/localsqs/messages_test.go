package localsqs_test

import (
	"testing"
	"time"
)

func TestReceivedMessageIsHiddenUntilItsVisibilityTimeoutEnds(t *testing.T) {
	s := open(t)
	url := s.queue("work", "VisibilityTimeout", "30")
	id := s.send(url, "hello")
	m := s.one(url)
	if *m.MessageId != id || *m.Body != "hello" {
		t.Fatalf("received %q %q", *m.MessageId, *m.Body)
	}
	s.wantCounts(url, "0 1 0")
	s.move(30*time.Second - time.Millisecond)
	s.none(url)
	s.move(time.Millisecond)
	again := s.one(url)
	if *again.ReceiptHandle == *m.ReceiptHandle || again.Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("second receive: %+v", again)
	}
	s.delete(url, again)
	s.wantCounts(url, "0 0 0")
}
