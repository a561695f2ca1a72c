// Package doctor looks at how a deployment is set up, and says what is wrong with it: what was found, why it matters
// and what to type. It only reads, and changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
)

// Result is what came of a check.
type Result string

// The results. Wrong and Unseen need a person; Failed may be over at the next run.
const (
	// OK: nothing is wrong.
	OK Result = "ok"
	// Wrong: something should be put right.
	Wrong Result = "wrong"
	// Unseen: the caller has not the right to look.
	Unseen Result = "unseen"
	// Failed: another system did not answer as it should.
	Failed Result = "failed"
)

// Finding is what one check found. A check that finds nothing has one with the result OK.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	// What was found.
	What string `json:"what"`
	// Why it matters, and Type, what to type. Both are empty with OK.
	Why  string `json:"why,omitempty"`
	Type string `json:"type,omitempty"`
}

// Check is one question about a deployment.
type Check struct {
	Name string
	// Holds says what is so when nothing is wrong.
	Holds string
	// Look finds what is wrong. An error is why it could not look.
	Look func(context.Context) ([]Finding, error)
}

// lookWithin bounds one check, retries included.
const lookWithin = 20 * time.Second

// Run makes all checks at once, and gives what they found in their order. unseen is what to type for whoever lacks a
// right, and again what makes the checks once more.
func Run(ctx context.Context, checks []Check, unseen, again string) []Finding {
	found := make([][]Finding, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, lookWithin)
			defer cancel()
			findings, err := c.Look(ctx)
			if err != nil {
				findings = append(findings, notSeen(err, unseen, again))
			}
			if len(findings) == 0 {
				findings = []Finding{{Result: OK, What: c.Holds}}
			}
			for n := range findings {
				findings[n].Check = c.Name
			}
			found[i] = findings
		})
	}
	all.Wait()
	return slices.Concat(found...)
}

// wrong is a finding that needs a person.
func wrong(what, why, typed string) Finding {
	return Finding{Result: Wrong, What: what, Why: why, Type: typed}
}

// callError is a call to AWS that failed.
type callError struct {
	right string // that the call needs
	on    string
	err   error
}

func (e *callError) Error() string { return fmt.Sprintf("%s on %s: %v", e.right, e.on, e.err) }

func (e *callError) Unwrap() error { return e.err }

// failed names the right that a call needs, and what it was about. A nil error stays nil.
func failed(right, on string, err error) error {
	if err == nil {
		return nil
	}
	return &callError{right, on, err}
}

// notThere are the codes of AWS for a resource that does not exist.
var notThere = []string{"NoSuchBucket", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
	"ResourceNotFoundException", "NotFound"}

// notSeen says why a check could not look.
func notSeen(err error, unseen, again string) Finding {
	call, _ := errors.AsType[*callError](err)
	answer, _ := errors.AsType[smithy.APIError](err)
	switch {
	case call != nil && answer != nil && isDenied(answer.ErrorCode()):
		return Finding{Result: Unseen, What: fmt.Sprintf("could not look: the caller needs the right to %s on %s",
			call.right, call.on), Why: "What this check would find stays unknown.", Type: unseen}
	case call != nil && answer != nil && slices.Contains(notThere, answer.ErrorCode()):
		return wrong(call.on+" is not there", "The stack tells of it, and cannot work without it.",
			"sam build && sam deploy")
	}
	return Finding{Result: Failed, What: "could not look: " + err.Error(),
		Why: "What this check would find stays unknown.", Type: again}
}

// isDenied knows the codes with which the services refuse a caller who lacks a right.
func isDenied(code string) bool {
	return strings.HasPrefix(code, "AccessDenied") || code == "AuthorizationError" || code == "Forbidden"
}
