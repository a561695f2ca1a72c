package main

import (
	"encoding/json"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/doctor"
	"hatchery/shared/local"
)

// examined gives the results of hatchery doctor that are not OK, by check, and wants its exit code.
func examined(t *testing.T, want int, args ...string) map[string]doctor.Finding {
	t.Helper()
	out, _ := operates(t, want, append([]string{"doctor", "--json"}, args...)...)
	found := map[string]doctor.Finding{}
	for line := range strings.Lines(out) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if f.Result != doctor.OK {
			found[f.Check] = f
		}
	}
	return found
}

func TestTheDoctorLooksAtADev(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h := startHatchery(t, data, "--no-validator")
	if out, _ := operates(t, exitDone, "doctor", "--data", data); !strings.HasSuffix(out, "\nNothing is wrong.\n") ||
		!strings.Contains(out, "ok      versioning    the bucket keeps versions\n") {
		t.Errorf("of a healthy dev it says\n%s", out)
	}
	h.bury("nothing that can be read")
	if err := local.Pause(data); err != nil {
		t.Fatal(err)
	}
	found := examined(t, exitNo, "--data", data)
	if len(found) != 2 || found["mapping"].Type != "hatchery dlq resume --data "+data ||
		found["dead letters"].Type != "hatchery dlq ls --data "+data {
		t.Errorf("paused, and with a dead letter, it finds %+v", found)
	}
	if err := local.BreakNow(data, []local.Break{{Cause: local.BreakS3, Count: 3}}); err != nil {
		t.Fatal(err)
	}
	h.interrupt()
	port, err := new(net.ListenConfig).Listen(t.Context(), "tcp", strings.TrimPrefix(h.env["AWS_ENDPOINT_URL_S3"], "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	found = examined(t, exitNo, "--data", data)
	delete(found, "disk") // as the machine is
	if ports := found["ports"]; !strings.Contains(ports.What, port.Addr().String()) ||
		!strings.HasSuffix(ports.Type, " --s3-listen <HOST:PORT>") ||
		found["running"].Type != "hatchery dev --data "+data || found["broken"].What != "broken on purpose: s3:3" {
		t.Errorf("stopped, it finds %+v", found)
	}
	if names := slices.Sorted(maps.Keys(found)); !slices.Equal(names, []string{"broken", "mapping", "ports", "running"}) {
		t.Errorf("stopped, it finds %q", names)
	}
}

// TestTheDoctorKnowsAStackByWhatItTells: all that it compares is the stack's.
func TestTheDoctorKnowsAStackByWhatItTells(t *testing.T) {
	ours := oursStack()
	maps.Copy(ours.parameters, map[string]string{"ApplicationUrl": "https://app.example.com", "ApplicationKind": "spire",
		"AllowedOrigins": "https://a.example.com, https://b.example.com", "ApiConcurrency": "7", "AlarmEmail": "o@example.com"})
	maps.Copy(ours.outputs, map[string]string{"TemplateVersion": "1", "AlarmTopicArn": "arn:topic",
		"OperatorDiagnosesPolicy": "arn:policy"})
	serveStacks(t, map[string]fakeStack{"ours": ours})
	s, policy, err := stackToExamine(t.Context(), doctorFlags{stack: "ours"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Version != "1" || s.Bucket != "ours-bucket" || s.QuarantinePrefix != "in/" || s.MaxReceives != 5 ||
		s.QueueURL != ours.outputs["QueueUrl"] || s.DeadLetterURL != ours.outputs["DeadLetterQueueUrl"] ||
		s.Mapping != ours.outputs["ValidatorMapping"] || s.ApplicationURL != "https://app.example.com" || !s.Spire ||
		!slices.Equal(s.Origins, []string{"https://a.example.com", "https://b.example.com"}) || s.ApiConcurrency != 7 ||
		s.AlarmTopic != "arn:topic" || s.AlarmEmail != "o@example.com" || policy != "arn:policy" {
		t.Errorf("of the stack it knows %+v, and the policy %q", s, policy)
	}
	if got := s.Hatchery("dlq ls"); got != "hatchery dlq ls --stack ours" {
		t.Errorf("another command about it is %q", got)
	}
}

// TestAStackWhoseAWSDoesNotAnswerIsNoHealthyOne: another system failed.
func TestAStackWhoseAWSDoesNotAnswerIsNoHealthyOne(t *testing.T) {
	ours := oursStack()
	ours.outputs["TemplateVersion"] = doctor.TemplateVersion
	ours.parameters["ApplicationUrl"] = "http://127.0.0.1:9"
	serveStacks(t, map[string]fakeStack{"ours": ours}) // nothing else answers
	found := examined(t, exitSystem, "--stack", "ours")
	for name, f := range found {
		if f.Result != doctor.Failed || f.Type != "hatchery doctor --stack ours" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if len(found) < 10 || strings.Contains(found["alarms"].What, "secret-that-must-not-show") {
		t.Errorf("%d checks failed: %+v", len(found), found)
	}
}

func TestTheDoctorsExitCode(t *testing.T) {
	for _, c := range []struct {
		results []doctor.Result
		want    int
	}{
		{nil, exitDone},
		{[]doctor.Result{doctor.OK, doctor.OK}, exitDone},
		{[]doctor.Result{doctor.OK, doctor.Wrong}, exitNo},
		{[]doctor.Result{doctor.Unseen, doctor.OK}, exitNo},
		{[]doctor.Result{doctor.OK, doctor.Failed}, exitSystem},
		{[]doctor.Result{doctor.Failed, doctor.Wrong}, exitNo},
		{[]doctor.Result{doctor.Failed, doctor.Unseen}, exitNo},
	} {
		var findings []doctor.Finding
		for _, r := range c.results {
			findings = append(findings, doctor.Finding{Result: r})
		}
		got := exitDone
		if err := verdictOf(findings); err != nil {
			got = err.(*exitError).code //nolint:errorlint // it is this very one
		}
		if got != c.want {
			t.Errorf("%v: exit %d, want %d", c.results, got, c.want)
		}
	}
}

// TestWhatTheDoctorSaysToAPerson: what, why and what to type; nothing of it controls the terminal.
func TestWhatTheDoctorSaysToAPerson(t *testing.T) {
	var out strings.Builder
	err := printFindings(&out, []doctor.Finding{{Check: "version", Result: doctor.OK, What: "well"},
		{Check: "cors", Result: doctor.Wrong, What: "off\x1b[31m", Why: "Pages fail.", Type: "aws s3api put"},
		{Check: "quota", Result: doctor.Failed, What: "no answer", Why: "It stays unknown.", Type: "again"}}, false)
	want := "ok      version       well\n" +
		"wrong   cors          off�[31m\n      Pages fail.\n      Type: aws s3api put\n" +
		"failed  quota         no answer\n      It stays unknown.\n      Type: again\n\n2 findings to see to.\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%q\nwant\n%q", err, out.String(), want)
	}
}

// TestTheTemplateAndTheDoctorAreOfOneVersion holds both numbers together.
func TestTheTemplateAndTheDoctorAreOfOneVersion(t *testing.T) {
	if got := readTemplate(t).at(t, "Outputs", "TemplateVersion", "Value"); got != doctor.TemplateVersion {
		t.Errorf("template.yaml is of version %s, the doctor goes with %s", got, doctor.TemplateVersion)
	}
}

// TestTheChecksAreThoseOfThePage: docs/operations.md lists them, in their order.
func TestTheChecksAreThoseOfThePage(t *testing.T) {
	text := section(t, "The doctor")
	var checks []string
	for _, c := range new(doctor.Stack).Checks() {
		checks = append(checks, c.Name)
	}
	if told := allOf("(?m)^\\| `([a-z ]+)` \\|", text); !slices.Equal(told, checks) {
		t.Errorf("docs/operations.md tells of %q, the checks are %q", told, checks)
	}
	for _, c := range (&doctor.Dev{Stack: new(doctor.Stack)}).Checks() {
		if !strings.Contains(text, "`"+c.Name+"`") {
			t.Errorf("docs/operations.md does not tell of %s", c.Name)
		}
	}
}
