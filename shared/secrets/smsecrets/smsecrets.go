// Package smsecrets reads one secret from AWS Secrets Manager, when it is first needed, and remembers it for a while.
//
// It needs secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its key when that is not the one that AWS
// keeps for secrets.
package smsecrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// Bounds of reading a secret.
const (
	// life is how long a value is used before it is read again: much lower costs calls, much higher and a rotated
	// secret is used until it is refused.
	life = 5 * time.Minute
	// pause is how long after one reading the next may come: what is wrong with a secret is not mended faster, and
	// every caller would ask.
	pause = 5 * time.Second
	// defaultCallTimeout bounds one reading, retries included.
	defaultCallTimeout = 5 * time.Second
)

// Secret is one secret. Its methods may be called concurrently. No error and no line of the log holds its value.
type Secret struct {
	client func() *secretsmanager.Client
	name   string
	o      Options

	// lock guards what follows. It is a channel, because reading takes a while and those who wait for it may give up.
	lock  chan struct{}
	value string // "" when none was read yet
	read  time.Time
	tried time.Time
	err   error // why the last reading failed; nil when it did not
}

// Options of a Secret; the zero value has the defaults.
type Options struct {
	// Accept says whether a value can be the one that is wanted. Default: any.
	Accept func(value string) bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets a line when an old value is used for want of a new one; nil drops it.
	Log *slog.Logger

	callTimeout time.Duration // tests alone set it
}

// New makes a Secret of a name or an ARN. The client is made when the secret is first read.
func New(client func() *secretsmanager.Client, name string, o Options) *Secret {
	if o.Accept == nil {
		o.Accept = func(string) bool { return true }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.callTimeout = cmp.Or(o.callTimeout, defaultCallTimeout)
	return &Secret{client: sync.OnceValue(client), name: name, o: o, lock: make(chan struct{}, 1)}
}

// Value gives the secret, or an error that says what to do. A value that was read before goes on being given while a
// new one cannot be read.
func (s *Secret) Value(ctx context.Context) (string, error) { return s.other(ctx, "") }

// Renew gives another value than refused, which somebody did not accept: the one that was read meanwhile, or one that
// is read now. It is an error when there is none.
func (s *Secret) Renew(ctx context.Context, refused string) (string, error) {
	return s.other(ctx, refused)
}

// other gives another value than refused, which is "" when any will do.
func (s *Secret) other(ctx context.Context, refused string) (string, error) {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if s.value == refused || refused == "" && s.o.Now().Sub(s.read) >= life {
		s.refresh(ctx)
	}
	switch {
	case s.value != refused && s.value != "":
		return s.value, nil
	case s.err != nil:
		return "", s.err
	}
	return "", fmt.Errorf("the secret %q holds no other value: put a valid one into it", s.name)
}

// refresh reads the secret, unless that was just tried.
func (s *Secret) refresh(ctx context.Context) {
	now := s.o.Now()
	if !s.tried.IsZero() && now.Sub(s.tried) < pause {
		return
	}
	value, err := s.get(ctx)
	s.err = err
	if err != nil && ctx.Err() != nil {
		return // the caller has gone: that says nothing of the secret
	}
	s.tried = now
	if err == nil {
		s.value, s.read = value, now
	} else if s.value != "" {
		s.o.Log.WarnContext(ctx, "the secret cannot be read again; the value from before is used", "error", err)
	}
}

// get asks Secrets Manager.
func (s *Secret) get(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.callTimeout)
	defer cancel()
	out, err := s.client().GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.name})
	if err != nil {
		return "", s.translateError(err)
	}
	value := strings.TrimSpace(aws.ToString(out.SecretString))
	if value == "" || !s.o.Accept(value) {
		return "", fmt.Errorf("the secret %q holds something else than what is wanted (not shown): "+
			"put that alone into it, as plain text", s.name)
	}
	return value, nil
}

// translateError says what to do about an error.
func (s *Secret) translateError(err error) error {
	if _, broken := errors.AsType[*smithy.DeserializationError](err); broken {
		// Its text may quote the answer, and the answer holds the value.
		return fmt.Errorf("read the secret %q: Secrets Manager's answer cannot be read", s.name)
	}
	what := "Secrets Manager does not answer as it should"
	if apiError, ok := errors.AsType[smithy.APIError](err); ok {
		switch apiError.ErrorCode() {
		case "AccessDeniedException":
			what = "the role may not: it needs secretsmanager:GetSecretValue on this secret, " +
				"and kms:Decrypt if the secret has a key of its own"
		case "ResourceNotFoundException":
			what = "there is no such secret with a current value in this account and region"
		case "InvalidRequestException":
			what = "it is marked for deletion, or has no current value"
		case "DecryptionFailure":
			what = "its key does not decrypt it"
		}
	}
	return fmt.Errorf("read the secret %q: %s: %w", s.name, what, err)
}
