package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
)

// TestACrowdOfCallersDoesNotSilenceBugout: its own application asks it about each of them, beside what dev's records ask.
func TestACrowdOfCallersDoesNotSilenceBugout(t *testing.T) {
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Application: broodApplication,
		Tokens: map[string]localbugout.Role{broodToken: localbugout.Member}, AtOnce: 4,
		Trouble: func(localbugout.Call) localbugout.Trouble { // long enough for all to come that do not wait
			<-time.After(5 * time.Millisecond)
			return localbugout.None
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = brood.Close() })
	spire := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ask := r.Clone(r.Context())
		ask.RequestURI = ""
		ask.URL.Scheme, ask.URL.Host, ask.URL.Path = "http", brood.URL()[len("http://"):], "/auth"
		answer, err := http.DefaultTransport.RoundTrip(ask)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(spire.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(broodToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BUGOUT_FILES_APPLICATION_ID", broodApplication)
	t.Setenv("HATCHERY_APPLICATION", "spire")
	h := startHatchery(t, filepath.Join(t.TempDir(), "data"), "--records", "bugout", "--bugout", brood.URL(),
		"--bugout-token-file", file, "--app", spire.URL)
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			// Half of them with tokens that nobody knows, of which Bugout is asked twice.
			token, want := broodToken, http.StatusOK
			if i%2 == 0 {
				token, want = localbugout.NewID(), http.StatusUnauthorized
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+images, nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+token)
			if got, err := h.send(request); err != nil || got.status != want {
				t.Errorf("%d %s, %v; want %d", got.status, got.body, err, want)
			}
		})
	}
	all.Wait()
	if brood.Stalled() {
		t.Error("Bugout was asked more at once than dev's own bound")
	}
}
