package events_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/local"
	"hatchery/shared/local/samples"
	"hatchery/shared/upload"
)

// strictly decodes JSON that may have no member which the type does not know.
func strictly(t *testing.T, e samples.Event, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(e.Payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Errorf("%s: %v", e.Name, err)
	}
}

func TestEventsHaveNothingThatAWSDoesNotSend(t *testing.T) {
	all, _ := read(t)
	for _, e := range all {
		switch words := strings.Split(e.Name, "-"); words[0] + "-" + words[1] {
		case "api-http", "api-url": // a Function URL has the same payload
			strictly(t, e, &events.APIGatewayV2HTTPRequest{})
		case "api-alb":
			strictly(t, e, &events.ALBTargetGroupRequest{})
		case "reconciler-schedule":
			strictly(t, e, &events.EventBridgeEvent{})
		default:
			var batch events.SQSEvent
			strictly(t, e, &batch)
			for _, m := range batch.Records {
				sum := md5.Sum([]byte(m.Body))
				if m.Md5OfBody != hex.EncodeToString(sum[:]) {
					t.Errorf("%s: the MD5 of message %s is %x", e.Name, m.MessageId, sum)
				}
			}
		}
	}
}

// routes are the words of an api event's name after the front.
var routes = []string{"ping", "post-multipart", "post-raw", "form", "list", "get", "delete", "status", "link"}

func TestEveryRouteHasAnEventOfEveryFront(t *testing.T) {
	all, _ := read(t)
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	for _, front := range []string{"http", "alb", "url"} {
		for _, route := range routes {
			if name := "api-" + front + "-" + route; !slices.Contains(names, name) {
				t.Errorf("there is no %s", name)
			}
		}
	}
}

// Every upload that an event changes is in that event's text, so that the list of
// uploads cannot name an event which has nothing to do with it.
func TestUploadsNameTheEventsThatAreAboutThem(t *testing.T) {
	all, uploads := read(t)
	for _, one := range uploads.Uploads {
		if (one.Event == "") != (one.Becomes == "") {
			t.Errorf("%s: event %q and becomes %q go together", one.ID, one.Event, one.Becomes)
		}
		for _, e := range all {
			if e.Name == one.Event && !bytes.Contains(e.Payload, []byte(one.ID)) {
				t.Errorf("%s: %s does not mention it", one.ID, e.Name)
			}
		}
		if one.Event != "" && !slices.ContainsFunc(all, func(e samples.Event) bool { return e.Name == one.Event }) {
			t.Errorf("%s: there is no event %s", one.ID, one.Event)
		}
	}
}

func TestMessagesSayOfTheObjectsWhatIsTrue(t *testing.T) {
	all, uploads := read(t)
	seen := 0
	for _, e := range all {
		if e.Function() != "validator" {
			continue
		}
		var batch events.SQSEvent
		strictly(t, e, &batch)
		for _, m := range batch.Records {
			parsed, err := arrival.Parse([]byte(m.Body))
			if err != nil {
				continue // on purpose
			}
			for _, c := range parsed.Created {
				ref, ours := upload.DefaultLayout.ParseQuarantineKey(upload.Key(c.Key))
				i := slices.IndexFunc(uploads.Uploads, func(u samples.Upload) bool { return ours && uploads.Ref(u) == ref })
				if i < 0 {
					continue // a key or an upload that is not there, on purpose
				}
				seen++
				if c.Bucket != local.Bucket || c.Size != uploads.Uploads[i].Size() || uploads.Uploads[i].Event != e.Name {
					t.Errorf("%s: %+v; want bucket %s, %d bytes, and the upload's event to be this one", e.Name, c, local.Bucket,
						uploads.Uploads[i].Size())
				}
			}
		}
	}
	if seen < 6 {
		t.Errorf("%d messages are about uploads that are there, want 6 at least", seen)
	}
}

func TestTheReadMeNamesEveryEventAndEveryPlaceholder(t *testing.T) {
	all, _ := read(t)
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		name := e.Name
		if words := strings.SplitN(e.Name, "-", 3); words[0] == "api" {
			name = "…-" + words[2]
		}
		if !bytes.Contains(text, []byte("`"+name+"`")) {
			t.Errorf("README.md does not say what %s is", e.Name)
		}
	}
	for _, name := range samples.Placeholders() {
		if !bytes.Contains(text, []byte("`{{"+name+"}}`")) {
			t.Errorf("README.md does not say what {{%s}} stands for", name)
		}
	}
}
