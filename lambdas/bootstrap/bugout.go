package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"hatchery/shared/config"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/secrets/smsecrets"
)

const (
	// bugoutRequests is how many requests a process makes of Bugout's auth server at a
	// time, those that its application makes about callers included. The server stops
	// answering anything at about ten requests, from all its clients together. So it is
	// one, and the template bounds how many processes there are.
	bugoutRequests = 1
	// callersTimeout bounds one request to Bugout while a caller waits. An upload makes
	// one, looks whether it happened, and asks the application before; a list may have to
	// prove first that nothing is hidden. All of that has to come to an end within the 29
	// seconds of the api function.
	callersTimeout, callersAttempts = 5 * time.Second, 2
	// patientTimeout is for the others. The reconciler's lists come in one piece.
	patientTimeout, patientAttempts = 20 * time.Second, 3
)

// bugout makes the store that keeps records with Bugout.
func (d *Dependencies) bugout(callers bool, requests chan struct{}) (*bugoutrecords.Store, error) {
	store, err := bugoutrecords.New(d.bugoutOptions(callers, requests))
	if err != nil {
		return nil, fmt.Errorf("records kept by Bugout: %w", err)
	}
	return store, nil
}

func (d *Dependencies) bugoutOptions(callers bool, requests chan struct{}) bugoutrecords.Options {
	bugout := d.Settings.Bugout
	o := bugoutrecords.Options{URL: bugout.URL, Application: bugout.ApplicationID, Requests: requests,
		Timeout: patientTimeout, Attempts: patientAttempts, Now: time.Now, Damaged: bugoutrecords.LogDamaged(d.Log),
		Token: func(context.Context) (string, error) { return bugout.Token.Reveal(), nil }}
	if callers {
		o.Timeout, o.Attempts = callersTimeout, callersAttempts
	}
	if bugout.Token.IsZero() {
		client := func() *secretsmanager.Client { return secretsmanager.NewFromConfig(d.AWS) }
		secret := smsecrets.New(client, bugout.TokenName,
			smsecrets.Options{Accept: config.IsToken, Now: time.Now, Log: d.Log})
		o.Token, o.Renew = secret.Value, secret.Renew
	}
	return o
}
