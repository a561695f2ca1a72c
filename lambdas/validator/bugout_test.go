package main

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/arrival"
	"hatchery/shared/local/localbugout"
	"hatchery/shared/upload"
)

// TestWithBugoutABatchIsJudgedOneAtATime: each upload makes several requests of Brood,
// which bears few at once.
func TestWithBugoutABatchIsJudgedOneAtATime(t *testing.T) {
	const application, token = "4bf67555-b4f3-4a2e-95ff-7142d49d167b", "11111111-1111-4111-8111-111111111111"
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Application: application,
		Tokens: map[string]localbugout.Role{token: localbugout.Member}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = brood.Close() })
	// The first object that is looked at is held until another one is, or does not come.
	var mu sync.Mutex
	looked, told, together := map[string]bool{}, false, make(chan struct{})
	s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		looked[r.URL.Path] = true
		first := len(looked) == 1
		if !first && !told {
			told = true
			close(together)
		}
		mu.Unlock()
		if first {
			select {
			case <-together:
				t.Error("two are judged at once")
			case <-time.After(300 * time.Millisecond):
			}
		}
		w.WriteHeader(http.StatusForbidden) // which is not asked again
	}))
	t.Cleanup(s3.Close)
	env := bootstraptest.Env()
	env["AWS_ENDPOINT_URL"], env["HATCHERY_RECORDS"], env["HATCHERY_BUGOUT_URL"] = s3.URL, "bugout", brood.URL()
	env["HATCHERY_BUGOUT_APPLICATION_ID"], env["HATCHERY_BUGOUT_TOKEN"] = application, token
	f := &fixture{Function: bootstraptest.Run(t, env, build)}
	if f.Handler == nil {
		t.Fatalf("the function did not start: %s", f.Stderr.String())
	}
	for range 3 {
		draft, err := f.Uploads.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: "cat.gif"})
		if err == nil {
			draft, err = f.Records.Create(t.Context(), draft, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = f.keep(t.Context(), arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(),
			Region: bootstraptest.Region, Bucket: bootstraptest.Bucket,
			Key: string(upload.DefaultLayout.QuarantineKey(draft.Ref())), VersionID: "v1"})
	}
	f.invoke(t)
	mu.Lock()
	defer mu.Unlock()
	if len(looked) != 3 {
		t.Errorf("looked at %v; the log:\n%s", looked, f.Stderr.String())
	}
}
