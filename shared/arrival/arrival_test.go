package arrival_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"hatchery/shared/arrival"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func mustParse(t *testing.T, body []byte) arrival.Message {
	t.Helper()
	m, err := arrival.Parse(body)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return m
}

func TestASampleOfEachFormIsRead(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tests := []struct {
		file string
		want arrival.Message
	}{
		{"put.json", arrival.Message{Created: []arrival.Created{{
			Name: "ObjectCreated:Put", Time: at.Add(89 * time.Millisecond), Region: "eu-central-1",
			Bucket: "uploads-example", Key: "quarantine/red flower@home+é.jpg", VersionID: "096fKKXTRTtl3on89fVO.nfljtsv6qko",
			ETag: "d41d8cd98f00b204e9800998ecf8427e", Sequencer: "0055AED6DCD90281E5", Size: 4711,
		}}}},
		{"unversioned.json", arrival.Message{Created: []arrival.Created{{
			Name: "ObjectCreated:CompleteMultipartUpload", Time: at, Region: "us-east-1", Bucket: "uploads-example",
			Key: "quarantine/big", ETag: "9b2cf535f27731c974343645a3985328-7", Sequencer: "0055AED6DCD90281E6", Size: 104857600,
		}}}},
		{"test-event.json", arrival.Message{Test: true}},
		{"eventbridge.json", arrival.Message{Created: []arrival.Created{{
			Name: "ObjectCreated:Post", Time: at, Region: "ca-central-1", Bucket: "uploads-example",
			// EventBridge does not encode keys: what looks like an encoding is part of the name.
			Key: "quarantine/red+flower 100%.jpg", VersionID: "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
			ETag: "b1946ac92492d2347c6235b4d2611184", Sequencer: "00617F08299329D189", Size: 5,
		}}}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			if got := mustParse(t, sample(t, tt.file)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("read\n%+v\nwant\n%+v", got, tt.want)
			}
		})
	}
}

func TestARecordThatCannotBeReadLeavesItsNeighboursAlone(t *testing.T) {
	m := mustParse(t, sample(t, "several.json"))
	var keys []string
	for _, c := range m.Created {
		keys = append(keys, c.Key)
	}
	if want := []string{"quarantine/one", "quarantine/four"}; !reflect.DeepEqual(keys, want) {
		t.Errorf("created keys %q, want %q", keys, want)
	}
	if want := []string{"ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put"}; !reflect.DeepEqual(m.Ignored, want) {
		t.Errorf("ignored %q, want %q", m.Ignored, want)
	}
	if len(m.Faults) != 1 || !strings.Contains(m.Faults[0].Error(), `record 2 of 5`) ||
		!strings.Contains(m.Faults[0].Error(), `quarantine/100%`) {
		t.Errorf("faults %v, want one that names record 2 and its key", m.Faults)
	}
}

func TestTheReasonOfAnEventBridgeEventBecomesAnEventName(t *testing.T) {
	for reason, want := range map[string]string{
		"PutObject": "ObjectCreated:Put", "POST Object": "ObjectCreated:Post", "CopyObject": "ObjectCreated:Copy",
		"CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload", "FutureObject": "ObjectCreated:FutureObject",
	} {
		body := strings.Replace(string(sample(t, "eventbridge.json")), "POST Object", reason, 1)
		if m := mustParse(t, []byte(body)); len(m.Created) != 1 || m.Created[0].Name != want {
			t.Errorf("reason %q gave %+v, want the name %s", reason, m, want)
		}
	}
}

func TestOtherEventBridgeEventsOfS3AreIgnoredByName(t *testing.T) {
	body := strings.Replace(string(sample(t, "eventbridge.json")), "Object Created", "Object Deleted", 1)
	m := mustParse(t, []byte(body))
	if len(m.Created)+len(m.Faults) != 0 || !reflect.DeepEqual(m.Ignored, []string{"Object Deleted"}) {
		t.Errorf("got %+v, want only Ignored: Object Deleted", m)
	}
}

func TestTheNameIsReadWithAndWithoutThePrefixOfTheSettings(t *testing.T) {
	body := strings.Replace(string(sample(t, "put.json")), "ObjectCreated:Put", "s3:ObjectCreated:Put", 1)
	if m := mustParse(t, []byte(body)); len(m.Created) != 1 || m.Created[0].Name != "ObjectCreated:Put" {
		t.Errorf("got %+v", m)
	}
}

// Each fault is made from a good message by one replacement, so that nothing else can be the reason.
func TestARecordWithAFaultIsReported(t *testing.T) {
	tests := []struct{ name, file, old, new, wantText string }{
		{"key with a lone percent sign", "put.json", "red+flower%40", "red+flower%4", "decode key"},
		{"key that is not UTF-8", "put.json", "%C3%A9", "%C3%28", "not UTF-8"},
		{"no key", "put.json", `"key":"quarantine/red+flower%40home%2B%C3%A9.jpg",`, "", "key is missing"},
		{"a key that is too long", "put.json", "red+flower", strings.Repeat("k", 1025), "at most 1024"},
		{"no bucket", "put.json", `"bucket":{"name":"uploads-example"`, `"bucket":{"title":"uploads-example"`,
			"bucket's name is missing"},
		{"no size", "put.json", `"size":4711,`, "", "has no size"},
		{"a size below zero", "put.json", `"size":4711`, `"size":-1`, "below zero"},
		{"a size that is no number", "put.json", `"size":4711`, `"size":"4711"`, "read the record"},
		{"a size with a fraction", "put.json", `"size":4711`, `"size":4711.5`, "read the record"},
		{"a time in another form", "put.json", "2026-03-04T05:06:07.089Z", "Wed, 04 Mar 2026 05:06:07 GMT", "event time"},
		{"a later major version", "put.json", `"eventVersion":"2.1"`, `"eventVersion":"3.0"`, `event version "3.0"`},
		{"a version that is no version", "put.json", `"eventVersion":"2.1"`, `"eventVersion":"2"`, `event version "2"`},
		{"another service", "put.json", "aws:s3", "aws:sns", `event source "aws:sns"`},
		{"no event name", "put.json", `"eventName":"ObjectCreated:Put",`, "", "event name is missing"},
		{"a version id beyond all measure", "put.json", "096fKKXTRTtl3on89fVO.nfljtsv6qko", strings.Repeat("v", 2000),
			"version id of 2000"},
		{"EventBridge: no key", "eventbridge.json", `"key"`, `"name"`, "key is missing"},
		{"EventBridge: no size", "eventbridge.json", `"size":5,`, "", "has no size"},
		{"EventBridge: a later major version", "eventbridge.json", `"event-version":"1.0"`, `"event-version":"2.0"`,
			`event version "2.0"`},
		{"EventBridge: detail is no object", "eventbridge.json", `"detail":{`, `"detail":7,"other":{`,
			"read the EventBridge event"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			good := string(sample(t, tt.file))
			body := strings.Replace(good, tt.old, tt.new, 1)
			if body == good {
				t.Fatalf("%q is not in %s", tt.old, tt.file)
			}
			m := mustParse(t, []byte(body))
			if len(m.Created) != 0 || len(m.Faults) != 1 {
				t.Fatalf("got %+v, want one fault and nothing created", m)
			}
			if !strings.Contains(m.Faults[0].Error(), tt.wantText) {
				t.Errorf("fault %q does not say %q", m.Faults[0], tt.wantText)
			}
		})
	}
}

func TestAFaultShowsAHostileKeyEscapedAndShort(t *testing.T) {
	body := strings.Replace(string(sample(t, "put.json")), "red+flower", `\u001b[31m`+strings.Repeat("x", 5000)+"%", 1)
	m := mustParse(t, []byte(body))
	if len(m.Faults) != 1 {
		t.Fatalf("got %+v", m)
	}
	if text := m.Faults[0].Error(); strings.ContainsRune(text, '\x1b') || len(text) > 600 {
		t.Errorf("the fault shows the key raw or at length: %q", text)
	}
}

func TestABodyThatIsNoNotificationIsRefusedSayingWhatItIs(t *testing.T) {
	many := `{"Records":[` + strings.Repeat(`{},`, arrival.MaxRecords) + `{}]}`
	tests := []struct{ name, body, wantText string }{
		{"empty", "", "no JSON object"},
		{"text", "hello", "no JSON object"},
		{"a list", `[{"Records":[]}]`, "no JSON object"},
		{"null", "null", "an empty object"},
		{"something after the object", `{"Records":[{}]} {}`, "no JSON object"},
		{"another object", `{"hello":1,"secret":"s3cr3t"}`, `"hello", "secret"`},
		{"records that are no list", `{"Records":7}`, "Records is no list"},
		{"no records", `{"Records":[]}`, "0 records"},
		{"too many records", many, "1001 records"},
		{"too long", strings.Repeat(" ", arrival.MaxBody) + "{}", "at most 1048576"},
		{"an SNS envelope", `{"Type":"Notification","Message":"{}"}`, "raw message delivery"},
		{"EventBridge event of another service", `{"source":"aws.ec2","detail-type":"Object Created"}`,
			`"detail-type", "source"`},
		{"EventBridge event without a type", `{"source":"aws.s3"}`, "without detail-type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := arrival.Parse([]byte(tt.body))
			if !errors.Is(err, arrival.ErrNotNotification) || !strings.Contains(err.Error(), tt.wantText) {
				t.Errorf("got %v, want ErrNotNotification that says %q", err, tt.wantText)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows a value of the body: %v", err)
			}
		})
	}
}

func TestWhatIsFormattedIsReadBack(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 4e6, time.UTC)
	records := []arrival.Created{
		{Name: "ObjectCreated:Put", Time: at, Region: "eu-west-1", Bucket: "b",
			Key: "quarantine/a b+c/é@%&=?#<>\"'\\~*().png", VersionID: "v", ETag: "e", Sequencer: arrival.Sequencer(at, 7),
			Size: 5_500_000},
		{Name: "ObjectCreated:Copy", Time: at, Region: "eu-west-1", Bucket: "b", Key: "\x01\n\u2028", ETag: "e-2",
			Sequencer: "0A"},
	}
	body, err := arrival.Format(records...)
	if err != nil {
		t.Fatal(err)
	}
	if m := mustParse(t, body); !reflect.DeepEqual(m, arrival.Message{Created: records}) {
		t.Errorf("read back\n%+v\nwant\n%+v\nfrom %s", m.Created, records, body)
	}
}

// The sample is in S3's own form. Whatever Format leaves out, adds or orders differently shows here, apart from who
// called and the ids of the request, which Created does not hold.
func TestFormatWritesTheMembersOfS3InItsOrder(t *testing.T) {
	m := mustParse(t, sample(t, "put.json"))
	body, err := arrival.Format(m.Created...)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := outline(t, body), outline(t, sample(t, "put.json")); got != want {
		t.Errorf("members\n%s\nwant\n%s", got, want)
	}
	for _, part := range []string{`"key":"quarantine/red+flower%40home%2B%C3%A9.jpg"`,
		`"eventTime":"2026-03-04T05:06:07.089Z"`, `"arn":"arn:aws:s3:::uploads-example"`} {
		if !bytes.Contains(body, []byte(part)) {
			t.Errorf("%s is not in %s", part, body)
		}
	}
	m.Created[0].VersionID = ""
	if body, err = arrival.Format(m.Created...); err != nil || bytes.Contains(body, []byte("versionId")) {
		t.Errorf("an unversioned object has a versionId: %s (%v)", body, err)
	}
}

// outline lists the member names of a JSON text in order, with their depth.
func outline(t *testing.T, body []byte) string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	var lines []string
	var walk func(depth int)
	walk = func(depth int) {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		delim, nested := token.(json.Delim)
		if !nested {
			return
		}
		for decoder.More() {
			if delim == '{' {
				name, err := decoder.Token()
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, fmt.Sprint(strings.Repeat(" ", depth), name))
			}
			walk(depth + 1)
		}
		if _, err := decoder.Token(); err != nil {
			t.Fatal(err)
		}
	}
	walk(0)
	return strings.Join(lines, "\n")
}

func TestFormatRefusesWhatParseWouldNotRead(t *testing.T) {
	good := arrival.Created{Name: "ObjectCreated:Put", Time: time.Unix(1, 0), Bucket: "b", Key: "k"}
	if _, err := arrival.Format(good); err != nil {
		t.Fatalf("the good record: %v", err)
	}
	if _, err := arrival.Format(); err == nil {
		t.Error("no record was formatted")
	}
	for name, spoil := range map[string]func(*arrival.Created){
		"another event":  func(c *arrival.Created) { c.Name = "ObjectRemoved:Delete" },
		"no bucket":      func(c *arrival.Created) { c.Bucket = "" },
		"no key":         func(c *arrival.Created) { c.Key = "" },
		"key not UTF-8":  func(c *arrival.Created) { c.Key = "\xff" },
		"size":           func(c *arrival.Created) { c.Size = -1 },
		"no time":        func(c *arrival.Created) { c.Time = time.Time{} },
		"time too late":  func(c *arrival.Created) { c.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"long sequencer": func(c *arrival.Created) { c.Sequencer = strings.Repeat("0", 2000) },
	} {
		bad := good
		spoil(&bad)
		if _, err := arrival.Format(good, bad); err == nil || !strings.Contains(err.Error(), "record 2 of 2") {
			t.Errorf("%s: got %v, want an error that names record 2", name, err)
		}
	}
}

func TestSequencersGrow(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a, b, c := arrival.Sequencer(at, 1), arrival.Sequencer(at, 2), arrival.Sequencer(at.Add(1), 0)
	if !(a < b && b < c) {
		t.Errorf("%s, %s, %s do not grow", a, b, c)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"put.json", "unversioned.json", "several.json", "test-event.json", "eventbridge.json"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := arrival.Parse(body)
		if err != nil {
			if !errors.Is(err, arrival.ErrNotNotification) || !reflect.DeepEqual(m, arrival.Message{}) {
				t.Fatalf("error %v with message %+v", err, m)
			}
			return
		}
		if !m.Test && len(m.Created)+len(m.Faults)+len(m.Ignored) == 0 {
			t.Fatal("a notification that says nothing")
		}
		if len(m.Created) == 0 {
			return
		}
		again, err := arrival.Format(m.Created...)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		for i := range m.Created {
			m.Created[i].Time = m.Created[i].Time.Truncate(time.Millisecond)
		}
		back, err := arrival.Parse(again)
		if err != nil || len(back.Faults) != 0 || !reflect.DeepEqual(back.Created, m.Created) {
			t.Fatalf("read %+v, wrote %s, read back %+v (%v)", m.Created, again, back, err)
		}
	})
}
