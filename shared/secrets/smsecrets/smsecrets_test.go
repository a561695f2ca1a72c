package smsecrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"hatchery/shared/secrets/smsecrets"
)

const name, canary = "hatchery/token", "canary-7d20ab"

// fixture is a Secrets Manager with one secret, and a clock.
type fixture struct {
	t      *testing.T
	secret *smsecrets.Secret
	log    bytes.Buffer

	mu    sync.Mutex
	now   time.Time
	value string
	fault string // the code of the error that is answered; "broken" is no JSON
	calls int
	wait  chan struct{} // when set, it hears of a call, whose answer waits for it
}

func newFixture(t *testing.T, o smsecrets.Options) *fixture {
	w := &fixture{t: t, now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), value: canary + "-1"}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	client := func() *secretsmanager.Client {
		return secretsmanager.New(secretsmanager.Options{Region: "eu-central-1", BaseEndpoint: &server.URL,
			RetryMaxAttempts: 1,
			Credentials:      credentials.NewStaticCredentialsProvider("id", "key", "")})
	}
	o.Now = func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	o.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	w.secret = smsecrets.New(client, name, o)
	return w
}

func TestTheClientIsMadeAtTheFirstUse(t *testing.T) {
	made := 0
	secret := smsecrets.New(func() *secretsmanager.Client {
		made++
		return secretsmanager.New(secretsmanager.Options{Region: "eu-central-1", RetryMaxAttempts: 1,
			BaseEndpoint: aws.String("http://127.0.0.1:1")})
	}, name, smsecrets.Options{})
	if made != 0 {
		t.Error("it is made although nothing was read")
	}
	for range 2 {
		if _, err := secret.Value(t.Context()); err == nil || made != 1 {
			t.Errorf("%d clients, %v", made, err)
		}
	}
}

func (w *fixture) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	var asked struct{ SecretId string } //nolint:revive // AWS's own name
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil || asked.SecretId != name || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
		w.t.Errorf("asked %s %s, %v", r.Header.Get("X-Amz-Target"), body, err)
	}
	w.mu.Lock()
	wait := w.wait
	w.calls++
	w.mu.Unlock()
	if wait != nil {
		for range 2 { // the call is here; the answer may go
			select {
			case wait <- struct{}{}:
			case <-r.Context().Done():
				return
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	answer.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch w.fault {
	case "":
		text, _ := json.Marshal(map[string]string{"Name": name, "SecretString": w.value})
		_, _ = answer.Write(text)
	case "broken":
		_, _ = io.WriteString(answer, `{"SecretString":"`+canary)
	default:
		answer.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(answer, `{"__type":"`+w.fault+`","Message":"no"}`)
	}
}

// set changes what Secrets Manager answers from now on, after some time.
func (w *fixture) set(later time.Duration, value, fault string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now, w.value, w.fault = w.now.Add(later), value, fault
}

// gives asks for the value, which must be the wanted one after so many calls in all.
func (w *fixture) gives(want string, calls int) {
	w.t.Helper()
	got, err := w.secret.Value(w.t.Context())
	w.counted(got, err, want, calls)
}

func (w *fixture) renews(refused, want string, calls int) {
	w.t.Helper()
	got, err := w.secret.Renew(w.t.Context(), refused)
	w.counted(got, err, want, calls)
}

func (w *fixture) counted(got string, err error, want string, calls int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got != want || (err == nil) != (want != "") || w.calls != calls {
		w.t.Errorf("%q, %v after %d calls; want %q after %d", got, err, w.calls, want, calls)
	}
	if err != nil && (!strings.Contains(err.Error(), name) || strings.Contains(err.Error(), canary)) ||
		strings.Contains(w.log.String(), canary) {
		w.t.Errorf("it does not name the secret, or shows its value: %v; logged %s", err, w.log.String())
	}
}

const one, two = canary + "-1", canary + "-2"

func TestASecretIsReadWhenNeededAndRememberedForAWhile(t *testing.T) {
	w := newFixture(t, smsecrets.Options{})
	w.gives(one, 1)
	w.set(5*time.Minute-1, two, "")
	w.gives(one, 1)
	w.set(1, "\n"+two+" \n", "")
	w.gives(two, 2)
}

func TestARefusedSecretIsReadAgainAtOnceButNotMoreOftenThanThat(t *testing.T) {
	w := newFixture(t, smsecrets.Options{})
	w.gives(one, 1)
	w.renews(one, "", 1) // it was read a moment ago
	w.set(5*time.Second, one, "")
	w.renews(one, "", 2)
	w.set(time.Second, two, "")
	w.renews(one, "", 2)
	w.set(4*time.Second, two, "")
	w.renews(one, two, 3)
	w.set(5*time.Second, two, "")
	w.renews(one, two, 3) // another was faster
	w.gives(two, 3)
}

func TestAnOldSecretIsUsedWhileNoNewOneCanBeRead(t *testing.T) {
	w := newFixture(t, smsecrets.Options{})
	w.gives(one, 1)
	w.set(5*time.Minute, "", "InternalServiceError")
	w.gives(one, 2)
	w.gives(one, 2)
	if !strings.Contains(w.log.String(), "cannot be read again") {
		t.Errorf("logged %q", w.log.String())
	}
	w.renews(one, "", 2)
	w.set(5*time.Second, two, "")
	w.gives(two, 3)
}

func TestWhatCannotBeReadSaysWhatToDo(t *testing.T) {
	for fault, want := range map[string]string{
		"AccessDeniedException":     "it needs secretsmanager:GetSecretValue on this secret",
		"ResourceNotFoundException": "there is no such secret",
		"InvalidRequestException":   "marked for deletion",
		"DecryptionFailure":         "its key does not decrypt it",
		"InternalServiceError":      "does not answer as it should",
		"broken":                    "cannot be read",
	} {
		w := newFixture(t, smsecrets.Options{})
		w.set(0, one, fault)
		w.gives("", 1)
		w.gives("", 1) // the same error, without a further question
		if _, err := w.secret.Value(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", fault, err)
		}
		w.set(5*time.Second, one, "")
		w.gives(one, 2)
	}
}

func TestAValueOfAnotherFormIsNotUsedNorShown(t *testing.T) {
	for _, value := range []string{"", " ", `{"token":"` + canary + `"}`} {
		w := newFixture(t, smsecrets.Options{Accept: func(v string) bool { return !strings.HasPrefix(v, "{") }})
		w.set(0, value, "")
		w.gives("", 1)
	}
}

func TestNobodyWaitsWithoutABound(t *testing.T) {
	w := newFixture(t, smsecrets.WithCallTimeout(20*time.Millisecond))
	w.wait = make(chan struct{})
	w.gives("", 1)

	w = newFixture(t, smsecrets.WithCallTimeout(time.Minute))
	w.wait = make(chan struct{})
	first := make(chan error, 1)
	patient, give := context.WithCancel(t.Context())
	go func() { _, err := w.secret.Value(patient); first <- err }()
	<-w.wait
	// Whoever waits for another's reading may give up, too.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.secret.Value(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	give()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	// That one caller went says nothing of the secret.
	w.mu.Lock()
	w.wait = nil
	w.mu.Unlock()
	if got, err := w.secret.Value(t.Context()); got != one || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestManyAtOnceReadOnce(t *testing.T) {
	w := newFixture(t, smsecrets.Options{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if got, err := w.secret.Value(t.Context()); got != one || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	group.Wait()
	if w.calls != 1 {
		t.Errorf("%d calls", w.calls)
	}
}
