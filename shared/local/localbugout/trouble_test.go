package localbugout_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
)

func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		name    string
		trouble localbugout.Trouble
		created int
		status  int // 0: no answer
		part    string
	}{
		{"fails before", localbugout.FailsBefore, 0, 500, ""},
		{"fails after", localbugout.FailsAfter, 1, 500, ""},
		{"silent before", localbugout.SilentBefore, 0, 0, ""},
		{"silent after", localbugout.SilentAfter, 1, 0, ""},
		{"breaks off", localbugout.BreaksOff, 1, 0, ""},
		{"happens twice", localbugout.HappensTwice, 2, 200, `"id":`},
		{"token forgotten", localbugout.TokenForgotten, 0, 404, "Access token not found"},
		{"nonsense", localbugout.Nonsense, 1, 200, "<html>"},
		{"redirects", localbugout.Redirects, 0, 307, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t, func(o *localbugout.Options) {
				o.Trouble = func(call localbugout.Call) localbugout.Trouble {
					if call.Number == 1 {
						return c.trouble
					}
					return localbugout.None
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			if c.status == 0 {
				// Given up as soon as it is being handled.
				go func() {
					for b.Calls() == 0 {
						<-time.After(time.Millisecond)
					}
					cancel()
				}()
			}
			got, err := b.ask(ctx, "POST", "/resources/", `{"application_id":"`+app+`","resource_data":{}}`)
			cancel()
			if c.status == 0 && err == nil || c.status != 0 &&
				(err != nil || got.status != c.status || !strings.Contains(got.text, c.part)) {
				t.Errorf("%+v, %v", got, err)
			}
			b.Settle()
			if created := strings.Count(b.call("GET", "/resources/", "").text, `"id"`); created != c.created {
				t.Errorf("%d were created, want %d", created, c.created)
			}
		})
	}
}

// TestAPUTThatOvertakesUndoesWhatWasWrittenMeanwhile: as several processes of Bugout do.
func TestAPUTThatOvertakesUndoesWhatWasWrittenMeanwhile(t *testing.T) {
	first := true
	b := open(t, func(o *localbugout.Options) {
		o.Trouble = func(call localbugout.Call) localbugout.Trouble {
			if call.Method == "PUT" && first {
				first = false
				return localbugout.Overtakes
			}
			return localbugout.None
		}
	})
	path := "/resources/" + b.create(`{"a":"1","b":"1"}`)
	slow := make(chan answer)
	go func() {
		got, err := b.ask(b.Context(), "PUT", path, `{"update":{"a":"2"}}`)
		if err != nil {
			b.Error(err)
		}
		slow <- got
	}()
	write := <-b.Late()
	b.want(b.call("PUT", path, `{"update":{"b":"2"},"drop_keys":["a"]}`), 200, `{"b":"2"}`)
	b.want(b.call("GET", path, ""), 200, `{"b":"2"}`)
	write()
	b.want(<-slow, 200, `{"a":"2","b":"1"}`)
	b.want(b.call("GET", path, ""), 200, `{"a":"2","b":"1"}`)
	// One that was deleted meanwhile does not come back, and one whose caller is gone is
	// not written.
	first = true
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if _, err := b.ask(ctx, "PUT", path, `{"update":{"a":"3"}}`); err == nil {
			b.Error("it was answered")
		}
		close(slow)
	}()
	<-b.Late()
	cancel()
	<-slow
	b.Settle()
	b.want(b.call("GET", path, ""), 200, `{"a":"2","b":"1"}`)
	first, slow = true, make(chan answer)
	go func() {
		got, err := b.ask(b.Context(), "PUT", path, `{"update":{"a":"3"}}`)
		if err != nil {
			b.Error(err)
		}
		slow <- got
	}()
	write = <-b.Late()
	b.want(b.call("DELETE", path, ""), 200, "")
	write()
	if got := b.want(<-slow, 500, "Internal Server Error"); got.text != "Internal Server Error" ||
		!strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Errorf("a PUT that races a deletion is answered %q, %s", got.text, got.header)
	}
	b.want(b.call("GET", path, ""), 404, "Not Found")
}

// TestOfTwoDeletionsAtOnceBothGoWell: each has read the resource before the other deletes it.
func TestOfTwoDeletionsAtOnceBothGoWell(t *testing.T) {
	b := open(t, func(o *localbugout.Options) {
		o.Trouble = func(call localbugout.Call) localbugout.Trouble {
			if call.Method == "DELETE" {
				return localbugout.Overtakes
			}
			return localbugout.None
		}
	})
	path := "/resources/" + b.create(`{"a":"1"}`)
	b.create(`{"b":"1"}`)
	answers := make(chan answer)
	for range 2 {
		go func() {
			got, err := b.ask(b.Context(), "DELETE", path, "")
			if err != nil {
				b.Error(err)
			}
			answers <- got
		}()
	}
	first, second := <-b.Late(), <-b.Late()
	first()
	second()
	for range 2 {
		b.want(<-answers, 200, `{"a":"1"}`)
	}
	b.want(b.call("GET", path, ""), 404, "Not Found")
	b.want(b.call("GET", "/resources/", ""), 200, `{"b":"1"}`)
	b.want(b.call("DELETE", path, ""), 404, `{"detail":"Not Found"}`)
}

// TestMoreAtOnceThanConnectionsIsSilence: nothing is answered any more, /ping
// neither, until somebody restarts it.
func TestMoreAtOnceThanConnectionsIsSilence(t *testing.T) {
	hold := make(chan struct{})
	b := open(t, func(o *localbugout.Options) {
		o.AtOnce = 2
		o.Trouble = func(localbugout.Call) localbugout.Trouble { <-hold; return localbugout.None }
	})
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	results := make(chan error, 4)
	for range 3 {
		asking.Go(func() {
			_, err := b.ask(ctx, "GET", "/auth", "")
			results <- err
		})
	}
	for !b.Stalled() {
		<-time.After(time.Millisecond)
	}
	pinged := make(chan error, 1)
	go func() { _, err := b.ask(ctx, "GET", "/ping", ""); pinged <- err }()
	cancel()
	if err := <-pinged; !errors.Is(err, context.Canceled) {
		t.Errorf("ping was answered: %v", err)
	}
	close(hold)
	asking.Wait()
	b.Settle()
	b.Recover()
	b.want(b.call("GET", "/ping", ""), 200, "ok")
	b.want(b.call("GET", "/auth", ""), 200, "")
}
