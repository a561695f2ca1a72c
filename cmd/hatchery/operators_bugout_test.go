package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"hatchery/shared/config"
	"hatchery/shared/records/bugoutrecords"
)

// longRefusal answers with more than a function reads. As it is no list, nobody has to
// take it apart.
type longRefusal struct{}

func (longRefusal) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(make([]byte, 65<<20)))}, nil
}

// TestOperatorsBugoutReadsMoreThanAFunctionDoes, or hatchery migrate could not leave a
// Bugout that holds too much.
func TestOperatorsBugoutReadsMoreThanAFunctionDoes(t *testing.T) {
	settings := config.Bugout{URL: "http://127.0.0.1:1", ApplicationID: anyID, Token: config.NewSecret(anyID)}
	options, err := operatorsBugout(settings, terminal{err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	options.Transport = longRefusal{}
	store, err := bugoutrecords.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Count(t.Context()); !errors.Is(err, bugoutrecords.ErrRefused) {
		t.Errorf("the answer was not read to its end: %v", err)
	}
}
