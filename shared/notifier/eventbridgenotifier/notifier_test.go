package eventbridgenotifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"hatchery/shared/notifier/eventbridgenotifier"
	"hatchery/shared/upload"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123_000_000, time.UTC)

const busName = "arn:aws:events:eu-central-1:123456789012:event-bus/verdicts"

func stored() upload.Record {
	return upload.Record{ID: "0195600d-0000-7000-8000-000000000001", Journal: "j1", Entry: "e1", Kind: "images",
		Name: "cat", Extension: "png",
		CreatedAt: noon.Add(-time.Second), Status: upload.Stored, SettledAt: noon, Size: 7, ContentType: "image/png",
		SHA256:        strings.Repeat("ab", 32),
		JudgedVersion: "judged.v1", ServedVersion: "served.v1"}
}

func rejected() upload.Record {
	r := stored()
	r.Status, r.ServedVersion = upload.Rejected, ""
	r.Reason = &upload.Reason{Code: upload.Truncated, Message: "The picture ends too early: upload it again."}
	return r
}

// notifierOf makes a notifier that does not wait between two attempts.
func notifierOf(b *bus) *eventbridgenotifier.Notifier {
	notifier := eventbridgenotifier.New(b.client, b.name, "bucket-1", upload.DefaultLayout)
	notifier.SetSleep(func(context.Context, time.Duration) error { return nil })
	return notifier
}

func TestTheClientIsMadeForTheFirstEvent(t *testing.T) {
	b, made := newBus(t, busName), 0
	notifier := eventbridgenotifier.New(func() *eventbridge.Client { made++; return b.client() }, b.name, "bucket-1",
		upload.DefaultLayout)
	if made != 0 {
		t.Error("it is made although there is no event")
	}
	for range 2 {
		if err := notifier.Notify(t.Context(), stored()); err != nil || made != 1 {
			t.Errorf("%d clients, %v", made, err)
		}
	}
}

// one is the one event that the bus has.
func (b *bus) one(t *testing.T) (event, map[string]any) {
	t.Helper()
	_, taken := b.seen()
	if len(taken) != 1 {
		t.Fatalf("the bus has %d events, want 1", len(taken))
	}
	var detail map[string]any
	if err := json.Unmarshal([]byte(taken[0].Detail), &detail); err != nil {
		t.Fatal(err)
	}
	return taken[0], detail
}

// public is a record as callers see it.
func public(t *testing.T, r upload.Record) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAStoredUploadIsNotifiedWithItsRecordAndFile(t *testing.T) {
	b := newBus(t, busName)
	if err := notifierOf(b).Notify(t.Context(), stored()); err != nil {
		t.Fatal(err)
	}
	e, _ := b.one(t)
	if e.Source != "hatchery" || e.DetailType != "Upload Stored" || e.EventBusName != busName || !e.at().Equal(noon) {
		t.Errorf("event %+v at %s", e, e.at())
	}
	want := `{"id":"0195600d-0000-7000-8000-000000000001:judged.v1","record":` + public(t, stored()) +
		`,"file":{"bucket":"bucket-1","key":"files/j1/entries/e1/images/0195600d-0000-7000-8000-000000000001","version_id":"served.v1"}}`
	if e.Detail != want {
		t.Errorf("got  %s\nwant %s", e.Detail, want)
	}
}

func TestARejectedUploadIsNotifiedWithItsReasonAndWithoutAFile(t *testing.T) {
	b := newBus(t, "default")
	if err := notifierOf(b).Notify(t.Context(), rejected()); err != nil {
		t.Fatal(err)
	}
	e, _ := b.one(t)
	if want := `{"id":"0195600d-0000-7000-8000-000000000001:judged.v1","record":` + public(t, rejected()) +
		`}`; e.DetailType != "Upload Rejected" || e.Detail != want {
		t.Errorf("got  %s %s\nwant %s", e.DetailType, e.Detail, want)
	}
}

func TestAnUploadThatNeverArrivedHasAnIDOfItsOwn(t *testing.T) {
	b := newBus(t, "default")
	r := rejected()
	r.JudgedVersion, r.Reason.Code = "", upload.NeverArrived
	if err := notifierOf(b).Notify(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, detail := b.one(t); detail["id"] != string(r.ID)+":" {
		t.Errorf("id %v", detail["id"])
	}
}

func TestARepetitionIsTheSameEvent(t *testing.T) {
	b := newBus(t, "default")
	for range 2 {
		if err := notifierOf(b).Notify(t.Context(), stored()); err != nil {
			t.Fatal(err)
		}
	}
	if _, taken := b.seen(); len(taken) != 2 || fmt.Sprint(taken[0]) != fmt.Sprint(taken[1]) {
		t.Errorf("events %v", taken)
	}
}

func TestWhatIsNoVerdictIsNotNotified(t *testing.T) {
	for _, status := range []upload.Status{upload.Pending, upload.Deleted, ""} {
		b := newBus(t, "default")
		r := stored()
		r.Status = status
		err := notifierOf(b).Notify(t.Context(), r)
		if calls, _ := b.seen(); err == nil || calls > 0 {
			t.Errorf("%q: %v after %d calls", status, err, calls)
		}
	}
}

func TestAHostileRecordFitsAnEvent(t *testing.T) {
	b := newBus(t, "default")
	r := rejected()
	r.Name = strings.Repeat("\u2028", 84)
	r.Reason = &upload.Reason{Code: upload.ByOperator, Message: strings.Repeat("\"\x00<é\xff", 100_000)}
	if err := notifierOf(b).Notify(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	e, detail := b.one(t)
	reason := detail["record"].(map[string]any)["reason"].(map[string]any)["message"].(string)
	if len(e.Detail) > 64<<10 || !utf8.ValidString(reason) || !strings.HasSuffix(reason, "…") ||
		!strings.HasPrefix(reason, "\"\x00<é") {
		t.Errorf("a detail of %d bytes, whose reason ends in %q", len(e.Detail), reason[max(0, len(reason)-20):])
	}
	if r.Reason.Message[:5] != "\"\x00<é" || len(r.Reason.Message) != 600_000 {
		t.Error("the caller's record was changed")
	}
}

// answers gives one text for each call; the last one for all further ones.
func answers(status int, texts ...string) func(int, http.ResponseWriter) (bool, bool) {
	return func(call int, w http.ResponseWriter) (bool, bool) {
		text := texts[min(call, len(texts))-1]
		if text == "" {
			return false, false
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
		return true, false
	}
}

func failed(code string) string {
	return fmt.Sprintf(`{"FailedEntryCount":1,"Entries":[{"ErrorCode":%q,"ErrorMessage":"why"}]}`, code)
}

func TestAnEventThatWasNotTakenIsTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		respond func(int, http.ResponseWriter) (bool, bool)
		calls   int
		says    string // "" when notifying works in the end
	}{
		"throttled within a 200": {answers(200, failed("ThrottlingException")), 3, "ThrottlingException"},
		"throttled once":         {answers(200, failed("ThrottlingException"), ""), 2, ""},
		"a failure once":         {answers(200, failed("InternalFailure"), failed("InternalException"), ""), 3, ""},
		"refused within a 200": {answers(200, failed("NotAuthorizedForSourceException")), 1,
			"NotAuthorizedForSourceException"},
		"malformed":              {answers(200, failed("MalformedDetail")), 1, "MalformedDetail"},
		"a count without a code": {answers(200, `{"FailedEntryCount":1,"Entries":[{"EventId":"e"}]}`), 1, "refused"},
		"a code beside an event id": {answers(200, `{"FailedEntryCount":0,"Entries":[{"ErrorCode":"Odd","EventId":"e"}]}`),
			1, "Odd"},
		"a code without a count":  {answers(200, `{"FailedEntryCount":0,"Entries":[{"ErrorCode":"Odd"}]}`), 1, "Odd"},
		"no event id":             {answers(200, `{"FailedEntryCount":0,"Entries":[{}]}`), 1, "refused"},
		"an answer about nothing": {answers(200, `{"FailedEntryCount":0,"Entries":[]}`), 1, "0 events"},
		"an answer about two": {answers(200, `{"FailedEntryCount":0,"Entries":[{"EventId":"a"},{"EventId":"b"}]}`), 1,
			"2 events"},
		"an empty object":  {answers(200, `{}`), 1, "0 events"},
		"no JSON":          {answers(200, `<html>`), 1, "put an event"},
		"the role may not": {answers(400, `{"__type":"AccessDeniedException","message":"no"}`), 1, "AccessDenied"},
		"no such bus": {answers(400, `{"__type":"ResourceNotFoundException","message":"no bus"}`), 1,
			"ResourceNotFound"},
		"the call fails as a whole": {answers(503, `{"__type":"InternalFailure"}`), 1, "503"},
		"a message of great length": {answers(200, failed(strings.Repeat("x", 2_000))), 1, "refused"},
		"reasons of great length": {
			answers(200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"Odd","ErrorMessage":"`+strings.Repeat("x", 2_000)+
				`"}]}`), 1, "refused"},
		"throttled at great length": {
			answers(200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"`+
				strings.Repeat("x", 2_000)+`"}]}`), 3, "ThrottlingException"},
		"the connection breaks": {func(int, http.ResponseWriter) (bool, bool) { panic(http.ErrAbortHandler) }, 1,
			"put an event"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, "default")
			b.respond = c.respond
			err := notifierOf(b).Notify(t.Context(), stored())
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if calls, taken := b.seen(); calls != c.calls || err == nil && len(taken) != 1 {
				t.Errorf("%d calls, want %d; %d events", calls, c.calls, len(taken))
			}
		})
	}
}

func TestABusThatDoesNotAnswerIsGivenUp(t *testing.T) {
	b := newBus(t, "default")
	hold := make(chan struct{})
	defer close(hold)
	b.respond = func(int, http.ResponseWriter) (bool, bool) { <-hold; return true, true }
	notifier := notifierOf(b)
	notifier.SetTimeout(50 * time.Millisecond)
	began := time.Now()
	err := notifier.Notify(t.Context(), stored())
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
		t.Errorf("error %v after %s", err, took)
	}
}

func TestWaitingEndsWithTheCallersContext(t *testing.T) {
	b := newBus(t, "default")
	b.respond = answers(200, failed("ThrottlingException"))
	ctx, cancel := context.WithCancel(t.Context())
	var waited []time.Duration
	notifier := notifierOf(b)
	notifier.SetSleep(func(ctx context.Context, d time.Duration) error {
		waited = append(waited, d)
		cancel()
		return ctx.Err()
	})
	err := notifier.Notify(ctx, stored())
	if calls, _ := b.seen(); err == nil || !strings.Contains(err.Error(), "ThrottlingException") || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if len(waited) != 1 || waited[0] <= 0 || waited[0] > time.Second {
		t.Errorf("waited %v", waited)
	}
}
