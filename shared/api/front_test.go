package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hatchery/shared/wording"
)

// What POST takes and what GET sends are set once, and one function may be behind two fronts: the smaller front bounds
// what goes through it, and the form and the signed link are there for the rest.
func TestAFileThatTheFrontDoesNotPassOnGoesByFormAndLink(t *testing.T) {
	const fits = 737_712 // into 1,000,000 bytes of JSON, as base64 and with room for headers
	for way, transport := range transports {
		for _, size := range []int{fits, fits + 1} {
			t.Run(fmt.Sprintf("%s, %d bytes", way, size), func(t *testing.T) {
				small := (way == viaBalancer || way == viaSingle) && size > fits
				w := newFixture(t, func(w *fixture) { w.config.PostBytes, w.config.RedirectBytes = 4_400_000, 4_000_000 })
				send, file := transport(t, w.handler), bytes.Repeat([]byte("\x00"), size)
				posted := send(request(t, "POST", named("cat.png"), bytes.NewReader(file), "Content-Type", "image/png"))
				got := readReply(t, posted)
				if want := status(small, http.StatusRequestEntityTooLarge, http.StatusAccepted); got.status != want {
					t.Errorf("POST is answered %d, want %d: %s", got.status, want, got.body)
				}
				if small && (got.member(t, "upload_form") != files+"/uploads" ||
					!strings.Contains(got.body, wording.Sprintf("up to %d bytes", fits))) {
					t.Errorf("the refusal names no form, or not what fits: %s", got.body)
				}

				large := ref("e", "0195600d-0000-7000-8000-0000000000ff")
				w.create(large, "cat", start)
				w.store(large, file, "image/png")
				served := readReply(t, send(request(t, "GET", files+"/"+string(large.ID), nil)))
				if want := status(small, http.StatusFound, http.StatusOK); served.status != want {
					t.Errorf("GET is answered %d, want %d: %.200s", served.status, want, served.body)
				}
				if !small && served.body != string(file) {
					t.Errorf("%d bytes are served, want %d", len(served.body), size)
				}
			})
		}
	}
}

func status(small bool, otherwise, usual int) int {
	if small {
		return otherwise
	}
	return usual
}

// Where nothing is to be redirected, the front's bound changes nothing: the adapter says what to set.
func TestWithoutRedirectsALargeFileIsAnErrorThatSaysWhatToSet(t *testing.T) {
	w := newFixture(t)
	large := ref("e", "0195600d-0000-7000-8000-0000000000ff")
	w.create(large, "cat", start)
	w.store(large, bytes.Repeat([]byte("\x00"), 1_000_000), "image/png")
	send := transports[viaBalancer](t, w.handler)
	got := readReply(t, send(request(t, "GET", files+"/"+string(large.ID), nil)))
	if got.status != http.StatusInternalServerError || got.member(t, "code") != "answer_too_large" {
		t.Errorf("%d %s", got.status, got.body)
	}
}
