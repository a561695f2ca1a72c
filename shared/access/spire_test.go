package access_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/access"
)

const callersToken = "e30b33ab-ef4d-4c73-8470-57a324466411"

// answering serves one status and counts the questions with their paths.
type answering struct {
	*httptest.Server
	status atomic.Int64
	asked  atomic.Int64
	path   atomic.Value
}

func answer(t *testing.T, status int) *answering {
	t.Helper()
	a := &answering{}
	a.status.Store(int64(status))
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		a.path.Store(r.URL.Path)
		w.WriteHeader(int(a.status.Load()))
		fmt.Fprint(w, "Internal server error about "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(a.Close)
	return a
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return http.StatusOK
	}
	denied, ok := errors.AsType[*access.Denied](err)
	if !ok {
		t.Fatalf("error is %v", err)
	}
	if strings.Contains(err.Error(), callersToken) || strings.Contains(denied.Message, callersToken) {
		t.Errorf("the token is shown: %v", err)
	}
	return denied.Status
}

// TestASpireThatAnswers500IsLookedInto: a caller of Bugout's own application sees
// 401 for a bad token, 404 for no access and 503 for an outage.
func TestASpireThatAnswers500IsLookedInto(t *testing.T) {
	for _, c := range []struct {
		name          string
		authorization string
		spire, brood  int
		want          int
		askedBrood    int64
	}{
		{"a good token", "Bearer " + callersToken, 200, 500, 200, 0},
		{"no access", "Bearer " + callersToken, 404, 500, 404, 0},
		{"not verified", "Bearer " + callersToken, 403, 500, 403, 0},
		{"ids that are no UUIDs", "Bearer " + callersToken, 422, 500, 403, 0},
		{"an unknown token", "Bearer " + callersToken, 500, 404, 401, 1},
		{"an unauthorized token", "Bearer " + callersToken, 500, 401, 401, 1},
		{"a token without dashes", "bearer " + strings.ReplaceAll(callersToken, "-", ""), 500, 404, 401, 1},
		{"a token that is no UUID", "Bearer typing-error", 500, 200, 401, 0},
		{"a token without a scheme", callersToken, 500, 200, 401, 0},
		{"a good token in an outage", "Bearer " + callersToken, 500, 200, 503, 1},
		{"an outage of both", "Bearer " + callersToken, 500, 500, 503, 1},
		{"a redirect of Brood's", "Bearer " + callersToken, 500, 307, 503, 1},
		{"an outage of another kind", "Bearer " + callersToken, 502, 404, 503, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			spire, brood := answer(t, c.spire), answer(t, c.brood)
			a, err := access.New(spire.URL, &access.Options{Bugout: brood.URL + "/",
				BugoutRequests: make(chan struct{}, places)})
			if err != nil {
				t.Fatal(err)
			}
			if got := statusOf(t, a.Authorize(t.Context(), c.authorization, "j", "e")); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
			if brood.asked.Load() != c.askedBrood {
				t.Errorf("Brood was asked %d times, want %d", brood.asked.Load(), c.askedBrood)
			}
			if c.askedBrood > 0 && brood.path.Load() != "/auth" {
				t.Errorf("Brood was asked for %v", brood.path.Load())
			}
		})
	}
}

func TestABroodThatDoesNotAnswerIsAnOutage(t *testing.T) {
	spire, brood := answer(t, 500), answer(t, 200)
	brood.Close()
	a, err := access.New(spire.URL, &access.Options{Bugout: brood.URL, BugoutRequests: make(chan struct{}, places)})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Authorize(t.Context(), "Bearer "+callersToken, "j", "e")
	if got := statusOf(t, err); got != 503 || !strings.Contains(err.Error(), "Bugout's auth server") {
		t.Errorf("%d, %v", got, err)
	}
}

func TestOtherApplicationsTokensStayWithThem(t *testing.T) {
	application := answer(t, 500)
	a, err := access.New(application.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := statusOf(t, a.Authorize(t.Context(), "Bearer "+callersToken, "j", "e")); got != 503 ||
		application.asked.Load() != 1 {
		t.Errorf("%d after %d questions", got, application.asked.Load())
	}
}

func TestBroodMustBeAPlaceThatTokensMayGoTo(t *testing.T) {
	for _, url := range []string{"http://auth.example.com", "auth", "https://me@auth.example.com"} {
		if _, err := access.New("https://notes.example.com", &access.Options{Bugout: url,
			BugoutRequests: make(chan struct{}, places)}); err == nil ||
			!strings.Contains(err.Error(), "Bugout URL") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAGrantIsBelievedForItsLifeAndForItsPairAlone(t *testing.T) {
	application := answer(t, 200)
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	a, err := access.New(application.URL,
		access.Options{GrantLife: 10 * time.Second}.With(access.Overrides{Now: func() time.Time { return now }}))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(authorization, journal, entry string, want int, asked int64) {
		t.Helper()
		before := application.asked.Load()
		if got := statusOf(t, a.Authorize(t.Context(), authorization, journal, entry)); got != want ||
			application.asked.Load()-before != asked {
			t.Errorf("%s %s %s: %d after %d questions, want %d after %d", authorization, journal, entry, got,
				application.asked.Load()-before, want, asked)
		}
	}
	ask("Bearer a", "j", "e", 200, 1)
	ask("Bearer a", "j", "e", 200, 0)
	application.status.Store(403)
	ask("Bearer a", "j", "e", 200, 0)
	for _, other := range [][3]string{{"Bearer b", "j", "e"}, {"Bearer a", "e", "j"}, {"Bearer a", "k", "e"},
		{"Bearer a", "j", "f"}, {"Bearer a", "j", "e2"}, {"Bearer aj", "", "e"}, {"Bearer a", "je", "2"}} {
		want := 403
		if other[1] == "" {
			want = 404
		}
		asked := int64(1)
		if want == 404 {
			asked = 0
		}
		ask(other[0], other[1], other[2], want, asked)
	}
	now = now.Add(10*time.Second - time.Nanosecond)
	ask("Bearer a", "j", "e", 200, 0)
	now = now.Add(time.Nanosecond)
	ask("Bearer a", "j", "e", 403, 1) // a refusal is not remembered
	ask("Bearer a", "j", "e", 403, 1)
}

func TestNoMoreGrantsAreKeptThanMay(t *testing.T) {
	application := answer(t, 200)
	a, err := access.New(application.URL, access.Options{GrantLife: time.Hour}.With(access.Overrides{MaxGrants: 10}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := a.Authorize(t.Context(), "Bearer a", "j", fmt.Sprint("e", i)); err != nil {
			t.Fatal(err)
		}
	}
	before := application.asked.Load()
	for i := range 40 {
		if err := a.Authorize(t.Context(), "Bearer a", "j", fmt.Sprint("e", 39-i)); err != nil {
			t.Fatal(err)
		}
	}
	if asked := application.asked.Load() - before; asked < 30 || asked > 38 {
		t.Errorf("%d of 40 were asked again, want those that 10 places cannot keep", asked)
	}
}
