package main

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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// fakeMappings is Lambda with one event source mapping, whose changes take a while.
type fakeMappings struct {
	uuid, state string
	takes       time.Duration
	changed     time.Time
	updates     int
	err         error // of every call
}

func (f *fakeMappings) settle() {
	if time.Since(f.changed) < f.takes {
		return
	}
	switch f.state {
	case "Disabling":
		f.state = "Disabled"
	case "Enabling":
		f.state = "Enabled"
	}
}

func (f *fakeMappings) GetEventSourceMapping(_ context.Context, in *lambda.GetEventSourceMappingInput,
	_ ...func(*lambda.Options)) (*lambda.GetEventSourceMappingOutput, error) {
	f.settle()
	if f.err != nil || *in.UUID != f.uuid {
		return nil, f.err
	}
	return &lambda.GetEventSourceMappingOutput{State: &f.state}, nil
}

func (f *fakeMappings) UpdateEventSourceMapping(_ context.Context, in *lambda.UpdateEventSourceMappingInput,
	_ ...func(*lambda.Options)) (*lambda.UpdateEventSourceMappingOutput, error) {
	f.settle()
	if f.err != nil || *in.UUID != f.uuid {
		return nil, f.err
	}
	f.updates++
	if strings.HasSuffix(f.state, "ing") {
		return nil, &types.ResourceInUseException{Message: aws.String("is being changed")}
	}
	was := f.state
	f.state, f.changed = "Enabling", time.Now()
	if !*in.Enabled {
		f.state = "Disabling"
	}
	if strings.HasPrefix(f.state, was[:5]) { // it is so already
		f.state = was
	}
	return &lambda.UpdateEventSourceMappingOutput{State: &f.state}, nil
}

const mappingUUID = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"

func TestAMappingInAWSIsPausedAndResumedAndThatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeMappings{uuid: mappingUUID, state: "Enabled", takes: 40 * time.Second}
		m := lambdaMapping{client: fake, uuid: mappingUUID}
		for _, c := range []struct {
			change func(context.Context) error
			want   string
		}{{m.Pause, "Disabled"}, {m.Pause, "Disabled"}, {m.Resume, "Enabled"}, {m.Resume, "Enabled"}} {
			if err := c.change(t.Context()); err != nil {
				t.Fatal(err)
			}
			if state, err := m.State(t.Context()); state != c.want || err != nil {
				t.Errorf("%q, %v, want %q", state, err, c.want)
			}
		}
		if fake.updates != 4 {
			t.Errorf("asked %d times for four changes", fake.updates)
		}
	})
}

// TestAPauseWaitsForAnotherChange, which somebody else, or a deployment, began.
func TestAPauseWaitsForAnotherChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeMappings{uuid: mappingUUID, state: "Enabling", takes: 20 * time.Second, changed: time.Now()}
		if err := (lambdaMapping{client: fake, uuid: mappingUUID}).Pause(t.Context()); err != nil || fake.state != "Disabled" {
			t.Errorf("%v, it is %s", err, fake.state)
		}
	})
}

func TestAChangeOfAMappingIsWaitedForTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeMappings{uuid: mappingUUID, state: "Enabled", takes: time.Hour}
		m := lambdaMapping{client: fake, uuid: mappingUUID}
		began := time.Now()
		err := m.Pause(t.Context())
		if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != exitSystem || time.Since(began) != 2*time.Minute ||
			!strings.Contains(err.Error(), "should become Disabled, and is Disabling") {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began = time.Now()
		if err := m.Resume(ctx); err == nil || time.Since(began) > 6*time.Second {
			t.Errorf("after %v, when the caller gave up: %v", time.Since(began), err)
		}
	})
}

func TestAMappingThatCannotBeChangedSaysWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		err    error
		inText string
	}{
		{&types.ResourceNotFoundException{Message: aws.String("gone")}, "deploy it again"},
		{&smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}, "lambda:UpdateEventSourceMapping"},
		{errors.New("trouble"), "trouble"},
	} {
		m := lambdaMapping{client: &fakeMappings{err: c.err}, uuid: mappingUUID}
		err := m.Pause(t.Context())
		if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != exitSystem ||
			!strings.Contains(err.Error(), c.inText) || !strings.Contains(err.Error(), mappingUUID) {
			t.Errorf("%v, want %q", err, c.inText)
		}
	}
}

func TestTheMappingOfAStackIsTheOneThatItTells(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.Path+" "+string(body))
		_, _ = io.WriteString(w, `{"UUID":"`+mappingUUID+`","State":"Disabled"}`)
	}))
	defer server.Close()
	older := oursStack()
	delete(older.outputs, outputMapping)
	serveStacks(t, map[string]fakeStack{"ours": oursStack(), "older": older})
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", server.URL)
	open := func(name string) (mapping, error) {
		dep, err := openDeployment(t.Context(), deploymentFlags{stack: name}, stackTerminal())
		if err != nil {
			t.Fatal(err)
		}
		return dep.mapping()
	}
	m, err := open("ours")
	if err != nil {
		t.Fatal(err)
	}
	const path = "/2015-03-31/event-source-mappings/" + mappingUUID
	if err := m.Pause(t.Context()); err != nil || len(asked) != 2 || asked[0] != "PUT "+path+` {"Enabled":false}` ||
		asked[1] != "GET "+path+" " {
		t.Errorf("%v, asked %q", err, asked)
	}
	if _, err := open("older"); err == nil || !strings.Contains(err.Error(), "no output ValidatorMapping") {
		t.Errorf("of a stack that does not tell: %v", err)
	}
}

func TestTheMappingOfTheEnvironmentIsNotKnown(t *testing.T) {
	atAWS(t, nil)
	term := stackTerminal()
	term.getenv = func(name string) string {
		return map[string]string{"HATCHERY_BUCKET": "bucket", "HATCHERY_RECORDS": "dynamodb", "HATCHERY_TABLE": "table",
			"HATCHERY_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/111122223333/queue"}[name]
	}
	dep, err := openDeployment(t.Context(), deploymentFlags{}, term)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dep.mapping(); err == nil || !strings.Contains(err.Error(), "--stack") {
		t.Errorf("%v", err)
	}
}

func TestTheMappingOfADevIsPausedInItsFolder(t *testing.T) {
	m := localMapping{t.TempDir()}
	for _, c := range []struct {
		change func(context.Context) error
		want   string
	}{{m.Pause, mappingDisabled}, {m.Resume, mappingEnabled}} {
		if err := c.change(t.Context()); err != nil {
			t.Fatal(err)
		}
		if state, err := m.State(t.Context()); state != c.want || err != nil {
			t.Errorf("%q, %v, want %q", state, err, c.want)
		}
	}
	err := localMapping{"missing"}.Pause(t.Context())
	if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != exitSystem {
		t.Errorf("in a folder that is not there: %v", err)
	}
}
