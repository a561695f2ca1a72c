package validator_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

func TestFailuresAreLoggedWithACauseThatNamesNoKey(t *testing.T) {
	inner := errors.New("api error AccessDenied: User may not s3:PutObject")
	for _, err := range []error{inner,
		fmt.Errorf("promote object \"quarantine/j\" version v1: %w", fmt.Errorf("s3 copy: %w", inner)),
		fmt.Errorf("x: %w", errors.Join(inner, errors.New("and more"))), fmt.Errorf("%w: %w", inner, errTrouble)} {
		b := newFixture(all("", err))
		b.wantFailed(t, t.Context(), []events.SQSMessage{message(t, "m", arrived(1))}, "m")
		if line := b.line(t, "validation failed"); line["cause"] != inner.Error() || line["error"] != err.Error() {
			t.Errorf("logged as %v", line)
		}
	}
}
