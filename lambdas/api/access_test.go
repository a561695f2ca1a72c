package main

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/config"
	"hatchery/shared/local/localbugout"
	"hatchery/shared/upload"
)

const (
	bugoutApplication = "4bf67555-b4f3-4a2e-95ff-7142d49d167b"
	bugoutToken       = "11111111-1111-4111-8111-111111111111"
)

// applicationOf answers every question with one status, and counts them.
func applicationOf(t *testing.T, status int) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestATokenThatBugoutDoesNotKnowIs401WithSpireAlone(t *testing.T) {
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = brood.Close() })
	application, _ := applicationOf(t, http.StatusInternalServerError)
	for kind, want := range map[string]int{"": http.StatusServiceUnavailable, "spire": http.StatusUnauthorized} {
		f := start(t, "HATCHERY_APPLICATION_URL", application, "HATCHERY_APPLICATION", kind, "HATCHERY_BUGOUT_URL",
			brood.URL())
		got := f.invoke(t, "api-http-list.json", func(e map[string]any) {
			headers, _ := e["headers"].(map[string]any)
			headers["authorization"] = "Bearer ca9a47b1-51c0-4fee-93d7-0badcafe0001"
		})
		if got.StatusCode != want {
			t.Errorf("with %q: %d, want %d", kind, got.StatusCode, want)
		}
	}
}

// TestBroodIsAskedOneThingAtATime: about made-up tokens, which anybody can send, and by records.
func TestBroodIsAskedOneThingAtATime(t *testing.T) {
	second := make(chan struct{})
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", AtOnce: 1,
		Application: bugoutApplication, Tokens: map[string]localbugout.Role{bugoutToken: localbugout.Member},
		Trouble: func(c localbugout.Call) localbugout.Trouble {
			if c.Number == 2 {
				close(second)
				return localbugout.None
			}
			select { // where two are asked at once, the second one comes about now
			case <-second:
			case <-time.After(200 * time.Millisecond):
			}
			return localbugout.None
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = brood.Close() })
	application, _ := applicationOf(t, http.StatusInternalServerError)
	env := bootstraptest.Env()
	maps.Copy(env, map[string]string{"HATCHERY_APPLICATION_URL": application, "HATCHERY_APPLICATION": "spire",
		"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_RECORDS": "bugout",
		"HATCHERY_BUGOUT_APPLICATION_ID": bugoutApplication, "HATCHERY_BUGOUT_TOKEN": bugoutToken})
	f := bootstraptest.Run(t, env, build, config.Callers)
	// Not by invoke, which reads the log: the other call may be writing it.
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			payload := `{"version":"2.0","rawPath":"/files/j/entries/e/images","headers":{"authorization":"Bearer ` +
				localbugout.NewID() + `"},"requestContext":{"http":{"method":"GET","path":"/files/j/entries/e/images"}}}`
			if reply, err := f.Invoke(t.Context(), []byte(payload)); err != nil ||
				!strings.Contains(string(reply), `"statusCode":401`) {
				t.Errorf("%s, %v", reply, err)
			}
		})
	}
	all.Go(func() {
		ref := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "0195600d-0000-7000-8000-000000000001"}
		if _, err := f.Records.Get(t.Context(), ref); !errors.Is(err, upload.ErrNotFound) {
			t.Errorf("a record that is not there: %v", err)
		}
	})
	all.Wait()
	if brood.Stalled() {
		t.Error("Brood was asked two things at once")
	}
}

func TestAGrantIsBelievedForAsLongAsTheSettingSays(t *testing.T) {
	for seconds, want := range map[string]int64{"": 2, "60": 1} {
		application, asked := applicationOf(t, http.StatusOK)
		f := start(t, "HATCHERY_APPLICATION_URL", application, "HATCHERY_GRANT_SECONDS", seconds)
		for range 2 {
			if got := f.invoke(t, "api-http-list.json", nil); got.StatusCode != http.StatusOK {
				t.Fatalf("%+v", got)
			}
		}
		if asked.Load() != want {
			t.Errorf("with %q seconds the application was asked %d times, want %d", seconds, asked.Load(), want)
		}
	}
}

func TestOldImagesAreThereWhereTheirBucketIsSet(t *testing.T) {
	for name, want := range map[string]bool{"": false, "hatchery-files": true} {
		f := start(t, "HATCHERY_LEGACY_BUCKET", name)
		if is := f.Uploads.LegacyImages != nil; is != want {
			t.Errorf("with the bucket %q: %t", name, is)
		}
	}
}
