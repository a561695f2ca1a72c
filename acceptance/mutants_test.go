//go:build acceptance

package acceptance

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Mutants of the template, each with one fault that a person could make. The checks
// that a deployed stack has to pass must find it; were one of them blind, its mutant
// would pass.
var mutants = []struct {
	what   string
	mutate func(document) bool // whether it found what to change
	// found is in what the run says: of the deployment when that is refused, else of
	// the check.
	refused bool
	check   func(ctx context.Context, s *stack, bytes []byte) error
	found   string
}{
	{"the bucket notifies of another prefix",
		replace("incoming/", "Resources", "UploadsBucket", "Properties", "NotificationConfiguration", "QueueConfigurations",
			0, "Filter", "S3Key", "Rules", 0, "Value"),
		false, uploadsByPost, "the verdict"},
	{"the queue's policy does not let the bucket send",
		replace("sqs:ReceiveMessage", "Resources", "UploadsQueuePolicy", "Properties", "PolicyDocument", "Statement", 0,
			"Action"),
		true, nil, "Unable to validate the following destination configurations"},
	{"the queue's policy names another bucket",
		replace("arn:aws:s3:::another", "Resources", "UploadsQueuePolicy", "Properties", "PolicyDocument", "Statement", 0,
			"Condition", "ArnEquals", "aws:SourceArn"),
		true, nil, "Unable to validate the following destination configurations"},
	{"the queue gives no message up",
		replace(nil, "Resources", "UploadsQueue", "Properties", "RedrivePolicy"),
		false, poisonComesToTheDeadLetters, "a dead letter"},
	{"the mapping does not hear which messages failed",
		replace(nil, "Resources", "ValidatorFunction", "Properties", "Events", "Arrived", "Properties",
			"FunctionResponseTypes"),
		false, poisonComesToTheDeadLetters, "a dead letter"},
}

// replace puts a value where a path leads in a template; nil takes away what is
// there.
func replace(value any, path ...any) func(document) bool {
	return func(d document) bool {
		last := len(path) - 1
		if at(map[string]any(d), path...) == nil {
			return false
		}
		switch within := at(map[string]any(d), path[:last]...).(type) {
		case map[string]any:
			if value == nil {
				delete(within, path[last].(string))
			} else {
				within[path[last].(string)] = value
			}
		default:
			return false
		}
		return true
	}
}

func TestMutantsOfTheTemplateAreFound(t *testing.T) {
	e := startEmulator(t)
	b := builtFunctions(t, thisMachine)
	whole := builtTemplate(t, b)
	// Without a mutation the same checks pass, with the same patience.
	sound := hasty(t, deployStack(t, e, "sound", whole, b, parameters("sound")))
	for _, check := range []func(context.Context, *stack, []byte) error{uploadsByPost, poisonComesToTheDeadLetters} {
		if err := check(t.Context(), sound, picture(t)); err != nil {
			t.Fatalf("without a mutation: %v", err)
		}
	}
	for i, m := range mutants {
		t.Run(m.what, func(t *testing.T) {
			mutant := whole.clone(t)
			if !m.mutate(mutant) {
				t.Fatal("the template has not what this changes")
			}
			name := "mutant" + string(rune('a'+i))
			r := samDeploy(t, e, name, mutant, b, parameters(name))
			switch {
			case m.refused:
				if why := e.reasons(t, name); r.code == 0 || !strings.Contains(why, m.found) {
					t.Errorf("sam deploy ended with %d; the stack's reasons: %s", r.code, why)
				}
			case r.code != 0:
				t.Fatal(r)
			default:
				err := m.check(t.Context(), hasty(t, describe(t, e, name)), picture(t))
				if err == nil || !strings.Contains(err.Error(), m.found) {
					t.Errorf("found: %v, want %q", err, m.found)
				}
			}
		})
	}
}

// reasons are those that a stack's events give.
func (e *emulator) reasons(t testing.TB, name string) string {
	t.Helper()
	var events struct {
		Reasons []string `xml:"DescribeStackEventsResult>StackEvents>member>ResourceStatusReason"`
	}
	e.form(t, "cloudformation", "DescribeStackEvents", map[string]string{"StackName": name}, &events)
	return strings.Join(events.Reasons, "\n")
}

// hasty is a stack whose failed messages come back at once, and that is not waited
// for long: five receptions take five seconds.
func hasty(t testing.TB, s *stack) *stack {
	t.Helper()
	check(t, s.hurry(t.Context()))
	s.patience = 5 * time.Second
	return s
}
