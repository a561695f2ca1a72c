package bugoutrecords_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const (
	application = "4bf67555-b4f3-4a2e-95ff-7142d49d167b"
	token       = "11111111-1111-4111-8111-111111111111"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456000, time.UTC)

// brood starts a stand-in that makes trouble when it is told to.
func brood(t *testing.T, trouble func(localbugout.Call) localbugout.Trouble) *localbugout.Server {
	t.Helper()
	s, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Application: application,
		Tokens: map[string]localbugout.Role{token: localbugout.Member}, Trouble: trouble})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s.Stalled() {
			t.Error("the store made more requests at once than Brood bears")
		}
	})
	return s
}

func storeOn(t *testing.T, s *localbugout.Server, change func(*bugoutrecords.Options)) *bugoutrecords.Store {
	t.Helper()
	o := bugoutrecords.Options{URL: s.URL(), Application: application,
		Token: func(context.Context) (string, error) { return token, nil }}
	o.SetPause(func(int) time.Duration { return 0 })
	if change != nil {
		change(&o)
	}
	store, err := bugoutrecords.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	uploadtest.RunRecords(t, func(t *testing.T, now func() time.Time) upload.Records {
		return storeOn(t, brood(t, nil), func(o *bugoutrecords.Options) { o.Now = now })
	}, uploadtest.RecordsTraits{})
}

// TestStoreKeepsTheContractWhileBroodMisbehaves: every third call goes wrong, each
// in another way. Silence is below, because each costs a time-out.
func TestStoreKeepsTheContractWhileBroodMisbehaves(t *testing.T) {
	t.Parallel()
	uploadtest.RunRecords(t, func(t *testing.T, now func() time.Time) upload.Records {
		return storeOn(t, brood(t, everyThirdCall()), func(o *bugoutrecords.Options) {
			o.Now, o.Timeout, o.Attempts = now, time.Second, 20
		})
	}, uploadtest.RecordsTraits{})
}

// TestStoreKeepsTheContractWhileBroodIsSilent: every 13th call has no answer, or the
// answer that the token is not known, which the next call has not.
func TestStoreKeepsTheContractWhileBroodIsSilent(t *testing.T) {
	t.Parallel()
	troubles := []localbugout.Trouble{localbugout.SilentBefore, localbugout.TokenForgotten, localbugout.SilentAfter}
	uploadtest.RunRecords(t, func(t *testing.T, now func() time.Time) upload.Records {
		return storeOn(t, brood(t, func(c localbugout.Call) localbugout.Trouble {
			if c.Number%13 != 0 {
				return localbugout.None
			}
			return troubles[c.Number/13%len(troubles)]
		}), func(o *bugoutrecords.Options) {
			o.Now, o.Timeout, o.Attempts = now, 50*time.Millisecond, 20
			o.Renew = func(context.Context, string) (string, error) { return token, nil }
		})
	}, uploadtest.RecordsTraits{})
}

func everyThirdCall() func(localbugout.Call) localbugout.Trouble {
	troubles := []localbugout.Trouble{localbugout.FailsBefore, localbugout.FailsAfter, localbugout.BreaksOff,
		localbugout.Nonsense, localbugout.HappensTwice, localbugout.Redirects}
	return func(c localbugout.Call) localbugout.Trouble {
		if c.Number%3 != 0 {
			return localbugout.None
		}
		trouble := troubles[c.Number/3%len(troubles)]
		if trouble == localbugout.HappensTwice && c.Method != http.MethodPost {
			return localbugout.FailsAfter // a repeated deletion looks like somebody else's
		}
		return trouble
	}
}

// pending makes the draft of a record.
func pending() upload.Record {
	return upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images",
		Name: "cat", Extension: "png",
		CreatedAt: noon, Status: upload.Pending}
}

func storing() upload.Verdict {
	return upload.Verdict{Status: upload.Stored, Version: "q1", At: noon.Add(time.Second), Size: 5,
		ContentType: "image/png", SHA256: strings.Repeat("a", 64), Served: "f1"}
}

// script makes trouble with the calls of one method, in order.
type script struct {
	mu       sync.Mutex
	method   string
	troubles []localbugout.Trouble
	calls    []string
}

func (s *script) trouble(c localbugout.Call) localbugout.Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c.Method)
	if c.Method != s.method || len(s.troubles) == 0 {
		return localbugout.None
	}
	next := s.troubles[0]
	s.troubles = s.troubles[1:]
	return next
}

// list gives the methods of the calls, asked how many there were.
func (s *script) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *script) asked() int { return len(s.list()) }

func TestSilenceIsGivenUpAndLookedAfter(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "GET", "DELETE"} {
		for name, silence := range map[string]localbugout.Trouble{"before": localbugout.SilentBefore,
			"after": localbugout.SilentAfter} {
			t.Run(method+" silent "+name, func(t *testing.T) {
				t.Parallel()
				plan := &script{method: method, troubles: []localbugout.Trouble{silence}}
				store := storeOn(t, brood(t, plan.trouble),
					func(o *bugoutrecords.Options) { o.Timeout = 300 * time.Millisecond; o.Attempts = 10 })
				r := pending()
				if _, err := store.Create(t.Context(), r, nil); err != nil {
					t.Fatal(err)
				}
				if got, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); err != nil ||
					got.Status != upload.Stored {
					t.Fatalf("%+v, %v", got, err)
				}
				page, err := store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10})
				if err != nil || len(page.Records) != 1 {
					t.Errorf("%d records, %v", len(page.Records), err)
				}
				if _, err := store.Update(t.Context(), r.Ref(), upload.Delete(noon, noon)); err != nil {
					t.Error(err)
				}
				if _, err := store.Get(t.Context(), r.Ref()); !errors.Is(err, upload.ErrNotFound) {
					t.Errorf("after its deletion: %v", err)
				}
			})
		}
	}
}

// TestATokenThatIsForgottenWhileAVerdictIsWritten: the reading back meets the 404
// of a token; that is no word about the record.
func TestATokenThatIsForgottenWhileAVerdictIsWritten(t *testing.T) {
	var s *localbugout.Server
	put := false
	s = brood(t, func(c localbugout.Call) localbugout.Trouble {
		if put {
			return localbugout.TokenForgotten
		}
		put = c.Method == http.MethodPut
		return localbugout.None
	})
	store := storeOn(t, s, nil)
	r := pending()
	if _, err := store.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	_, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing()))
	if !errors.Is(err, bugoutrecords.ErrToken) || errors.Is(err, upload.ErrNotFound) ||
		errors.Is(err, upload.ErrConflict) {
		t.Errorf("Settle: %v", err)
	}
}

func TestARedirectIsNeverFollowedWithTheToken(t *testing.T) {
	followed := make(chan string, 10)
	store := storeOn(t, brood(t, func(localbugout.Call) localbugout.Trouble { return localbugout.Redirects }),
		func(o *bugoutrecords.Options) {
			inner := http.DefaultTransport
			o.SetTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				followed <- r.URL.Host
				return inner.RoundTrip(r)
			}))
		})
	if _, err := store.Get(t.Context(), pending().Ref()); err == nil || errors.Is(err, upload.ErrNotFound) ||
		!strings.Contains(err.Error(), "HATCHERY_BUGOUT_URL") {
		t.Errorf("Get: %v", err)
	}
	close(followed)
	for host := range followed {
		if strings.HasSuffix(host, ":1") {
			t.Error("it was followed")
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnAnswerWithoutEndIsGivenUp(t *testing.T) {
	store := storeOn(t, brood(t, nil), func(o *bugoutrecords.Options) { o.MaxBody = 200 })
	r := pending()
	// What the creation makes is more than that.
	if _, err := store.Create(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), "more than 200 bytes") {
		t.Errorf("Create: %v", err)
	}
}

func TestTroubleThatLastsIsAnError(t *testing.T) {
	for _, trouble := range []localbugout.Trouble{localbugout.FailsBefore, localbugout.FailsAfter, localbugout.BreaksOff,
		localbugout.Nonsense} {
		plan := &script{}
		store := storeOn(t, brood(t, func(c localbugout.Call) localbugout.Trouble { plan.trouble(c); return trouble }), nil)
		_, err := store.Get(t.Context(), pending().Ref())
		if err == nil || errors.Is(err, upload.ErrNotFound) {
			t.Errorf("trouble %d: %v", trouble, err)
		}
		if asked := plan.asked(); asked != 3 {
			t.Errorf("trouble %d: %d attempts, want 3", trouble, asked)
		}
	}
}

// TestAnAnswerThatIsNotBroodsIsTrouble: from a proxy, or under a wrong URL.
func TestAnAnswerThatIsNotBroodsIsTrouble(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"not found by another server": {404, "<html>not found</html>", "404"},
		"not found on a collection":   {404, `{"detail":"Not Found"}`, "404"},
		"a list as the detail": {422,
			`{"detail":[{"loc":["query","x"],"msg":"value is not a valid uuid","type":"type_error.uuid"}]}`,
			"value is not a valid uuid"},
		"an object as the detail":    {403, `{"detail":{"a":1}}`, "403"},
		"created":                    {201, `{"resources":[]}`, "201"},
		"no list":                    {200, `{}`, "not what Bugout's API gives"},
		"null":                       {200, `{"resources":null}`, "not what Bugout's API gives"},
		"something else in the list": {200, `{"resources":[17]}`, "not what Bugout's API gives"},
	} {
		store := storeOn(t, brood(t, nil), func(o *bugoutrecords.Options) {
			o.SetTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: answer.status, Header: http.Header{},
					Body: io.NopCloser(strings.NewReader(answer.body))}, nil
			}))
		})
		if _, err := store.Get(t.Context(), pending().Ref()); err == nil || errors.Is(err, upload.ErrNotFound) ||
			!strings.Contains(err.Error(), answer.says) || strings.Contains(err.Error(), "redirect") {
			t.Errorf("%s: %v", name, err)
		}
		for _, step := range store.Check(t.Context()) {
			if answer.status == 404 && (step.Err == nil || errors.Is(step.Err, upload.ErrNotFound)) {
				t.Errorf("%s: %s: %v", name, step.Name, step.Err)
			}
		}
	}
}

// TestTimesAreReadWithAnyOffset: that of the database session, and with decimals or
// without.
func TestTimesAreReadWithAnyOffset(t *testing.T) {
	resource := func(id, at, version string) string {
		return `{"id":"` + id + `","application_id":"` + application + `","created_at":"` + at + `","updated_at":"` + at +
			`","resource_data":{"id":"` + legacyID +
			`","journal_id":"j","entry_id":"e","name":"cat","extension":"png","created_at":"2021-09-19 15:15:00",` +
			`"status":"pending","judged_version":"` + version + `"}}`
	}
	// The second was made first.
	body := `{"resources":[` + resource("e30b33ab-ef4d-4c73-8470-57a324466411", "2026-11-22T23:48:54+00:00", "later") +
		`,` +
		resource("e30b33ab-ef4d-4c73-8470-57a324466412", "2026-11-23T01:48:53.999999+02:00", "first") + `]}`
	store := storeOn(t, brood(t, nil), func(o *bugoutrecords.Options) {
		o.SetTransport(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{},
				Body: io.NopCloser(strings.NewReader(body))}, nil
		}))
	})
	got, err := store.Get(t.Context(), upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: legacyID})
	if err != nil || got.JudgedVersion != "first" {
		t.Errorf("%+v, %v", got, err)
	}
}
