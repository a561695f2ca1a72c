package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"hatchery/shared/config"
	"hatchery/shared/records/bugoutrecords"
)

// TestOperatorsBugoutReadsMoreThanAFunctionDoes, or hatchery migrate could not leave a
// Bugout that holds too much.
func TestOperatorsBugoutReadsMoreThanAFunctionDoes(t *testing.T) {
	// The answer has more than a function reads. As it is no list, nobody has to take it apart.
	brood := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write(make([]byte, 65<<20)) // whoever reads less breaks it off
	}))
	t.Cleanup(brood.Close)
	settings := config.Bugout{URL: brood.URL, ApplicationID: anyID, Token: config.NewSecret(anyID)}
	options, err := operatorsBugout(settings, terminal{err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	store, err := bugoutrecords.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Count(t.Context()); !errors.Is(err, bugoutrecords.ErrRefused) {
		t.Errorf("the answer was not read to its end: %v", err)
	}
}
