package local

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowBody takes its time before each of its bytes.
type slowBody struct {
	io.Reader
	each time.Duration
}

func (b slowBody) Read(p []byte) (int, error) {
	<-time.After(b.each)
	return b.Reader.Read(p[:1])
}

func (b slowBody) Close() error { return nil }

// answerOf is what a bounded handler makes of a request, and how long it took.
func answerOf(t *testing.T, body io.Reader, handler http.HandlerFunc) (*httptest.ResponseRecorder, time.Duration) {
	t.Helper()
	w, began := httptest.NewRecorder(), time.Now()
	bounded(handler, 28*time.Second).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body))
	return w, time.Since(began)
}

func TestARequestEndsWithTheTimeOfTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, took := answerOf(t, nil, func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // something behind is silent
			below, cancel := context.WithCancel(r.Context())
			defer cancel()
			<-below.Done()
			if !errors.Is(below.Err(), context.DeadlineExceeded) {
				t.Errorf("the context ended with %v", below.Err())
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		if took != 28*time.Second || w.Code != http.StatusServiceUnavailable {
			t.Errorf("answered %d after %s", w.Code, took)
		}
	})
}

func TestWorkThatOutlivesItsCallerEndsThenToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took := answerOf(t, slowBody{strings.NewReader("1234567890"), 5 * time.Second},
			func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err != nil {
					t.Error(err)
				}
				until, _ := r.Context().Deadline()
				ctx, cancel := context.WithDeadline(context.WithoutCancel(r.Context()), until)
				defer cancel()
				<-ctx.Done()
			})
		if want := 11*5*time.Second + 28*time.Second; took != want { // the eleventh reading finds the end
			t.Errorf("it took %s, want %s: as long as the body and the function's time", took, want)
		}
	})
}

func TestTimeBeforeAndAfterTheBodyIsOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took := answerOf(t, slowBody{strings.NewReader("1"), time.Minute}, func(_ http.ResponseWriter, r *http.Request) {
			<-time.After(20 * time.Second)
			if _, err := io.ReadAll(r.Body); err != nil || r.Context().Err() != nil {
				t.Errorf("%v, %v", err, r.Context().Err())
			}
			<-r.Context().Done()
		})
		if want := 2*time.Minute + 28*time.Second; took != want {
			t.Errorf("it took %s, want %s", took, want)
		}
	})
}

func TestAnAnswerThatHasBegunMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answerOf(t, nil, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			<-time.After(time.Hour)
			if _, bound := r.Context().Deadline(); bound || r.Context().Err() != nil {
				t.Errorf("the context has a deadline (%v), or ended: %v", bound, r.Context().Err())
			}
		})
	})
}

func TestACallerThatHangsUpIsNoEndOfTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	bounded(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		if !errors.Is(r.Context().Err(), context.Canceled) {
			t.Errorf("the context ended with %v", r.Context().Err())
		}
	}), time.Minute).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
}
