package api_test

import (
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

// idempotencyTable is what requests with an Idempotency-Key are answered when the key
// was used before.
func idempotencyTable() []exchange {
	key := []string{"Content-Type", "image/png", "Idempotency-Key", "key-1"}
	first := func(_ *fixture, send func(method, path, body string, header ...string) reply) {
		send("POST", named("cat.png"), "bytes", key...)
	}
	after := func(name, target, body string, e exchange) exchange {
		e.name, e.method, e.path, e.body, e.header, e.before = "key used before: "+name, "POST", target, body, key, first
		return e
	}
	contentType, multipart := form("file@", "bytes")
	sameByParts := after("the same file by multipart", named("cat.png"), multipart,
		exchange{status: 202, holds: []string{`{"id":"` + idNew}})
	sameByParts.header = append([]string{"Content-Type", contentType}, key[2:]...)
	expired := after("a day ago", named("cat.png"), "other", exchange{status: 202})
	expired.before = func(w *fixture, send func(method, path, body string, header ...string) reply) {
		first(w, send)
		w.clock.Pass(24 * time.Hour)
	}
	deleted := after("its upload deleted", named("cat.png"), "bytes",
		exchange{status: 202, holds: []string{`{"id":"` + idNew, `"status":"deleted"`}})
	deleted.before = func(w *fixture, send func(method, path, body string, header ...string) reply) {
		first(w, send)
		send("DELETE", files+"/"+idNew, "")
	}
	reused := exchange{status: 422, code: "idempotency_key_reused"}

	json := append([]string{"Content-Type", "application/json"}, key[2:]...)
	asked := func(w *fixture, send func(method, path, body string, header ...string) reply) {
		send("POST", files+"/uploads", `{"name":"cat.png","size":10}`, json...)
		w.clock.Pass(20 * time.Minute)
	}
	ask := func(name, body string, e exchange) exchange {
		e.name, e.method, e.path, e.body, e.header = "key used before, form: "+name, "POST", files+"/uploads", body, json
		if e.before == nil {
			e.before = asked
		}
		return e
	}
	settled := func(w *fixture, send func(method, path, body string, header ...string) reply) {
		asked(w, send)
		w.settle(ref("e", idNew),
			upload.Verdict{Status: upload.Rejected, Version: "q", At: w.clock.Now(),
				Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}})
	}
	later := func(d time.Duration) func(w *fixture, send func(method, path, body string, header ...string) reply) {
		return func(w *fixture, send func(method, path, body string, header ...string) reply) {
			asked(w, send)
			w.clock.Pass(d)
		}
	}
	return []exchange{
		after("the same file", named("cat.png"), "bytes",
			exchange{status: 202, holds: []string{`{"id":"` + idNew},
				want: []string{"Location", files + "/" + idNew + "/status"}}),
		sameByParts, expired, deleted,
		after("other bytes", named("cat.png"), "bytez", reused),
		after("more bytes", named("cat.png"), "bytes!", reused),
		after("another name", named("dog.png"), "bytes", reused),
		after("in another entry", strings.Replace(named("cat.png"), "/e/", "/f/", 1), "bytez", exchange{status: 202}),
		after("in another journal", strings.Replace(named("cat.png"), "/j/", "/k/", 1), "bytez", exchange{status: 202}),
		ask("on the other route", `{"name":"cat.png"}`, exchange{status: 201, before: first}),
		ask("the same, and the form is signed anew", `{"size":10,"name":"cat.png"}`,
			exchange{status: 201, holds: []string{`{"record":{"id":"` + idNew, "10-10 until 2026-03-01T12:35:00Z"}}),
		ask("the same nearly a day later, and the new form ends well before the upload is given up",
			`{"size":10,"name":"cat.png"}`,
			exchange{status: 201, before: later(19*time.Hour + 45*time.Minute),
				holds: []string{"10-10 until 2026-03-02T08:15:00Z"}}),
		ask("the same when it is too late for another form", `{"size":10,"name":"cat.png"}`,
			exchange{status: 422, code: "idempotency_key_reused", before: later(19*time.Hour + 54*time.Minute + time.Second)}),
		ask("another size", `{"name":"cat.png","size":11}`, reused),
		ask("another type", `{"name":"cat.png","size":10,"type":"image/png"}`, reused),
		ask("the same after the verdict", `{"name":"cat.png","size":10}`,
			exchange{status: 200, before: settled, holds: []string{`"form":null}`, `"status":"rejected"`, idNew}}),
	}
}

func TestARepeatedPostStoresItsBytesUnderTheFirstRecord(t *testing.T) {
	w := newFixture(t)
	failing := &failingPut{Objects: w.objects, fail: true}
	w.pipeline.Objects = failing
	first := w.do("POST", named("cat.png"), strings.NewReader("bytes"), "Idempotency-Key", "k")
	if first.status != 503 {
		t.Fatalf("status %d while storing fails", first.status)
	}
	failing.fail = false
	second := w.do("POST", named("cat.png"), strings.NewReader("bytes"), "Idempotency-Key", "k")
	if second.status != 202 {
		t.Fatalf("status %d: %s", second.status, second.body)
	}
	id, _ := second.member(t, "id").(string)
	if id != idNew {
		t.Errorf("the repeated upload is %s, want the first one's %s", id, idNew)
	}
	if got, ok := w.objects.Bytes(w.pipeline.Layout.QuarantineKey(ref("e", id)), ""); !ok || string(got) != "bytes" {
		t.Errorf("quarantine holds %q (%v)", got, ok)
	}
}
