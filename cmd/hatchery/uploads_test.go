package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// shownUpload is what show --json prints, as far as a test looks at it.
type shownUpload struct {
	Record   record                     `json:"record"`
	Versions []deadletter.StoredVersion `json:"versions"`
	Attempts []attempts.Attempt
	Letters  []deadletter.Letter
	Events   []deadletter.Event `json:"events"`
}

// operates runs an operator's command beside dev, and wants an exit code.
func operates(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	out, complaints, code := command(t, args...)
	if code != want {
		t.Fatalf("hatchery %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, complaints)
	}
	return out, complaints
}

// showsUpload runs show --json.
func showsUpload(t *testing.T, args ...string) shownUpload {
	t.Helper()
	out, _ := operates(t, exitDone, append([]string{"show", "--json"}, args...)...)
	var s shownUpload
	if err := json.Unmarshal([]byte(out), &s); err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("show prints no one object: %v\n%s", err, out)
	}
	return s
}

func (s shownUpload) tells(words string) bool {
	return slices.ContainsFunc(s.Events, func(e deadletter.Event) bool { return strings.Contains(e.What, words) })
}

func TestAnOperatorRejectsAnUploadAndUndoesIt(t *testing.T) {
	for _, records := range stores {
		t.Run(records, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			h := startHatchery(t, data, "--no-validator", "--records", records)
			at := []string{"--data", data, "--records", records}
			cat := h.mustPost(images, "cat.png", pngOf(t, 20, 1))
			for _, name := range []string{cat.ID, "j1/e1/" + cat.ID, "j1/e1/images/" + cat.ID} {
				s := showsUpload(t, append(at, name)...)
				if s.Record.ID != cat.ID || s.Record.Status != "pending" || len(s.Versions) != 1 ||
					s.Versions[0].Where != deadletter.InQuarantine || !s.tells("came into quarantine") {
					t.Errorf("%s: %+v", name, s)
				}
			}
			operates(t, exitNo, append(at, "show", "j1/e2/"+cat.ID)...)
			operates(t, exitUsage, append(at, "reject", cat.ID, "--reason", "Use the other form.")...) // nobody to ask
			if s := showsUpload(t, append(at, cat.ID)...); s.Record.Status != "pending" {
				t.Fatalf("without an answer it is %s", s.Record.Status)
			}
			for _, want := range []string{"was pending, is rejected", "is rejected already, with these words"} {
				out, complaints := operates(t, exitDone,
					append(at, "reject", cat.ID, "--reason", "Use the other form.", "--yes")...)
				if !strings.Contains(out, want) || !strings.Contains(complaints, "audit: operator=") ||
					!strings.Contains(complaints, "action=reject") || !strings.Contains(complaints, cat.ID) {
					t.Errorf("it says %s%s", out, complaints)
				}
			}
			operates(t, exitNo, append(at, "reject", cat.ID, "--reason", "Other words.", "--yes")...)
			out, _ := operates(t, exitDone, append(at, "show", cat.ID)...)
			for _, want := range []string{"rejected as operator, about version", "Use the other form.",
				"hatchery recheck --data " + data + " --records " + records + " j1/e1/images/" + cat.ID + " --dry-run"} {
				if !strings.Contains(out, want) {
					t.Errorf("show does not say %q\n%s", want, out)
				}
			}
			out, _ = operates(t, exitDone, append(at, "recheck", cat.ID, "--dry-run")...)
			if s := showsUpload(t, append(at, cat.ID)...); !strings.Contains(out, "would be stored as image/png") ||
				s.Record.Status != "rejected" {
				t.Errorf("the dry run says %s, and it is %s", out, s.Record.Status)
			}
			version := showsUpload(t, append(at, cat.ID)...).Versions[0].Version
			h.purge()
			out, _ = operates(t, exitDone, append(at, "recheck", "--code", "operator", "--since", "1h")...)
			if !strings.Contains(out, "is pending now, and version "+string(version)) {
				t.Errorf("recheck says %s", out)
			}
			h.wantMessage(cat.ID, version)
			out, _ = operates(t, exitDone, append(at, "recheck", cat.ID)...)
			h.wantMessage(cat.ID, version) // its own may have been lost
			if s := showsUpload(t, append(at, cat.ID)...); !strings.Contains(out, "is pending already") ||
				!s.tells("an operator had it judged again") || s.Record.Reason != nil {
				t.Errorf("the second time it says %s, and show %+v", out, s)
			}
			h.wantAudits(records, "recheck", "recheck", "reject", "reject", "reject")
		})
	}
}

// purge empties the validator's queue.
func (h *hatchery) purge() {
	h.t.Helper()
	url := h.env["HATCHERY_QUEUE_URL"]
	if _, err := h.queues().PurgeQueue(h.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		h.t.Fatal(err)
	}
}

// wantMessage takes the only message of the queue, which is about one version, and is no mark
// of the reconciler's.
func (h *hatchery) wantMessage(id string, version upload.Version) {
	h.t.Helper()
	url := h.env["HATCHERY_QUEUE_URL"]
	out, err := h.queues().ReceiveMessage(h.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 5,
		MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
	if err != nil || len(out.Messages) != 1 || len(out.Messages[0].MessageAttributes) > 0 {
		h.t.Fatalf("received %+v, %v", out, err)
	}
	got, err := arrival.Parse([]byte(aws.ToString(out.Messages[0].Body)))
	if err != nil || len(got.Created) != 1 || !strings.HasSuffix(got.Created[0].Key, id) ||
		got.Created[0].VersionID != string(version) {
		h.t.Errorf("the message says %+v, %v; want version %s", got, err, version)
	}
}

// wantAudits says which actions left a note, in any order.
func (h *hatchery) wantAudits(records string, want ...string) {
	h.t.Helper()
	dep, err := openDeployment(h.t.Context(), deploymentFlags{data: h.data, records: records},
		terminal{getenv: func(string) string { return "" }})
	if err != nil {
		h.t.Fatal(err)
	}
	defer dep.close()
	page, err := dep.Notes.List(h.t.Context(), upload.DeadLetterPrefix+"audit/", "", upload.MaxPage)
	if err != nil {
		h.t.Fatal(err)
	}
	var actions []string
	for _, key := range page.Keys {
		note, err := dep.Notes.Get(h.t.Context(), key)
		var a deadletter.Audit
		if err == nil {
			err = json.Unmarshal(note, &a)
		}
		if err != nil || a.Operator == "" || a.Ended.IsZero() || len(a.Results) != 1 || a.Results[0].UploadID == "" ||
			a.Chosen != 1 || a.Counts[a.Results[0].Result] != 1 {
			h.t.Errorf("%s: %+v, %v", key, a, err)
		}
		actions = append(actions, string(a.Action))
	}
	if slices.Sort(actions); !slices.Equal(actions, want) {
		h.t.Errorf("audits of %v, want %v", actions, want)
	}
}

func TestRejectedUploadsAreJudgedAgainBesideARunningDev(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h := startHatchery(t, data)
	broken := h.mustPost(images, "dog.png", []byte("\x89PNG\r\n\x1a\nand nothing more"))
	other := h.mustPost(images, "cow.png", []byte("\x89PNG\r\n\x1a\nand nothing else"))
	stored := h.mustPost(images, "cat.png", pngOf(t, 20, 1))
	for _, r := range []record{broken, other, stored} {
		h.mustSettle(images, r.ID)
	}
	code := h.mustSettle(images, broken.ID).Reason.Code
	out, _ := operates(t, exitNo, "recheck", "--data", data, "--dry-run", "--json", broken.ID)
	var line deadletter.Rechecked
	if err := json.Unmarshal([]byte(out), &line); err != nil || line.Result != deadletter.WouldBeRejected || line.WouldBe == nil ||
		line.Was == nil || string(line.Upload) != broken.ID {
		t.Errorf("the dry run prints %s (%v)", out, err)
	}
	_, complaints := operates(t, exitUsage, "recheck", "--data", data, "--code", code)
	if !strings.Contains(complaints, "Have 2 uploads judged again?") || !strings.Contains(complaints, "--yes") {
		t.Errorf("it asks %s", complaints)
	}
	out, _ = operates(t, exitDone, "recheck", "--data", data, "--code", code, "--yes")
	if strings.Count(out, "is pending now") != 2 {
		t.Errorf("it says %s", out)
	}
	for _, id := range []string{broken.ID, other.ID} {
		if r := h.mustSettle(images, id); r.Status != "rejected" || r.Reason.Code != code {
			t.Errorf("judged again it is %+v", r)
		}
	}
	out, _ = operates(t, exitNo, "recheck", "--data", data, stored.ID)
	if !strings.Contains(out, "is stored, and not rejected") {
		t.Errorf("of a stored one it says %s", out)
	}
	out, _ = operates(t, exitDone, "show", "--data", data, stored.ID)
	if !strings.Contains(out, "stored as image/png") || !strings.Contains(out, "Nothing has to be done.") {
		t.Errorf("show says %s", out)
	}
	operates(t, exitNo, "recheck", "--data", data, "--code", "too_large")
	absent := "01990000-0000-7000-8000-000000000000"
	for _, verb := range []string{"show", "recheck"} {
		_, complaints = operates(t, exitNo, verb, "--data", data, absent)
		if !strings.Contains(complaints, "there is no record of upload "+absent) {
			t.Errorf("%s says %s", verb, complaints)
		}
	}
}

func TestSinceIsATimeADateOrAnAge(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-22T10:00:00+02:00": time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
		"2026-11-22":                time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
		"36h":                       now.Add(-36 * time.Hour),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"-1h", "0s", "yesterday", "24", "2026-13-01"} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestNobodyIsAskedWithoutATerminal(t *testing.T) {
	var asked bytes.Buffer
	for answer, want := range map[string]int{"y\n": exitDone, "Yes\n": exitDone, "\n": exitNo, "": exitNo, "no\n": exitNo,
		strings.Repeat("y", 1000): exitNo} {
		err := confirm(t.Context(), terminal{in: strings.NewReader(answer), err: &asked, interactive: true}, "Do it?", false)
		if got := exitOf(err); got != want {
			t.Errorf("%.10q: %d, %v; want %d", answer, got, err, want)
		}
	}
	asked.Reset()
	if err := confirm(t.Context(), terminal{in: strings.NewReader("y\n"), err: &asked}, "Do it?", false); exitOf(err) != exitUsage ||
		asked.Len() > 0 {
		t.Errorf("without a terminal: %v, asked %q", err, &asked)
	}
	if err := confirm(t.Context(), terminal{}, "Do it?", true); err != nil {
		t.Errorf("with --yes: %v", err)
	}
	away, stop := context.WithCancel(t.Context())
	stop()
	nobody, other := io.Pipe() // who was asked answers nothing, and types Ctrl-C
	defer other.Close()
	if err := confirm(away, terminal{in: nobody, err: &asked, interactive: true}, "Do it?", false); exitOf(err) != exitNo {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

func exitOf(err error) int {
	if err == nil {
		return exitDone
	}
	exit, _ := errors.AsType[*exitError](system(err))
	return exit.code
}

func TestUploadsAreChosenByCodeAndTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	records := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
	var want []upload.ID
	for i, c := range []struct {
		code   upload.Code
		at     time.Time
		chosen bool
	}{{upload.TooLarge, at, true}, {upload.TooLarge, at.Add(-1), false}, {upload.Corrupt, at.Add(1), false},
		{upload.TooLarge, at.Add(time.Hour), true}} {
		r := upload.Record{ID: upload.ID(strings.Repeat(string(rune('a'+i)), 36)), Journal: "j", Entry: "e", Kind: "images",
			CreatedAt: at, Status: upload.Rejected, SettledAt: c.at, Reason: &upload.Reason{Code: c.code, Message: "No."}}
		records.Overwrite(r)
		if c.chosen {
			want = append(want, r.ID)
		}
	}
	refs, err := byCode{upload.TooLarge, at}.choose(t.Context(), records)
	if got := idsOf(refs); err != nil || len(got) != len(want) || !slices.Contains(got, string(want[0])) ||
		!slices.Contains(got, string(want[1])) {
		t.Errorf("chosen are %v (%v), want %v", got, err, want)
	}
}

// everything is an upload of which all is known, and all that others chose is hostile.
func everything() deadletter.Story {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	bad := "\x1b[2J\nnext line\u202e"
	return deadletter.Story{
		Record: upload.Record{ID: "01990000-0000-7000-8000-000000000001", Journal: "j1", Entry: "e1", Kind: "images",
			Name: bad, Extension: "png", Filename: bad + ".PNG",
			CreatedAt: at, Status: upload.Rejected, FormExpires: at.Add(15 * time.Minute),
			Declared:      upload.Declared{Size: 1234, Type: bad},
			JudgedVersion: "v1", SettledAt: at.Add(8 * time.Hour), Reason: &upload.Reason{Code: upload.ByOperator, Message: bad},
			Failures: 3, LastFailure: &upload.Failure{At: at.Add(3 * time.Hour), Message: bad},
			Resends: 2, ResentAt: at.Add(4 * time.Hour)},
		Versions: []deadletter.StoredVersion{{Where: deadletter.InQuarantine, Version: "v1", Size: 1234, At: at.Add(time.Minute), Judged: true},
			{Where: deadletter.InFiles, Version: "f1", Size: 1234, At: at.Add(2 * time.Minute)}},
		Attempts: []attempts.Attempt{
			{MessageID: "m1", Receive: 4, MaxReceives: 5, Began: at.Add(time.Hour), Ended: at.Add(time.Hour + 1),
				Failures: []attempts.Failure{{Error: bad}}},
			{MessageID: "m1", Receive: 5, MaxReceives: 5, Began: at.Add(2 * time.Hour)}},
		Letters: []deadletter.Letter{{MessageID: bad, SentAt: at.Add(5 * time.Hour), ExpiresAt: at.Add(14 * 24 * time.Hour),
			Redrives: 1, Diagnosis: deadletter.Diagnosis{Cause: deadletter.Crashed, Sentence: bad, Suggest: deadletter.Redrive}}},
		Events: []deadletter.Event{{At: at, What: bad}},
	}
}

func TestTheCommandForADeadLetterCanBeTyped(t *testing.T) {
	for action, want := range map[deadletter.Action]string{deadletter.Redrive: "hatchery dlq redrive --data d m1",
		deadletter.Reject: "hatchery dlq reject --data d m1" + wordsWanted, deadletter.Discard: "hatchery dlq discard --data d m1" + wordsWanted} {
		k := deadletter.Story{Letters: []deadletter.Letter{{MessageID: "m1", Diagnosis: deadletter.Diagnosis{Suggest: action}}}}
		if got := nextCommands(k, " --data d")[0]; !strings.HasPrefix(got, "Dead letter: "+want) {
			t.Errorf("%s: %q", action, got)
		}
	}
}

func TestWhatUploadersChoseCannotControlATerminal(t *testing.T) {
	k := everything()
	var out bytes.Buffer
	if err := printStory(&out, k, " --data d"); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "\nnext line") {
		t.Errorf("printed %q", text)
	}
	for _, command := range []string{"\nfilename  ", `.PNG"`, "hatchery dlq redrive --data d ",
		"hatchery recheck --data d j1/e1/images/01990000-0000-7000-8000-000000000001 --dry-run"} {
		if !strings.Contains(out.String(), command) {
			t.Errorf("%q is not in\n%s", command, &out)
		}
	}
}

func TestWhatCanBeDoneFollowsFromWhatThereIs(t *testing.T) {
	here := []deadletter.StoredVersion{{Where: deadletter.InQuarantine, Version: "v1"}}
	judged := []deadletter.StoredVersion{{Where: deadletter.InQuarantine, Version: "v1", Judged: true}}
	for _, c := range []struct {
		status   upload.Status
		version  upload.Version
		versions []deadletter.StoredVersion
		want     string
	}{
		{upload.Pending, "", here, "hatchery reject"}, {upload.Pending, "", nil, "To give it up now"},
		{upload.Rejected, "v1", judged, "hatchery recheck"}, {upload.Rejected, "v1", nil, "it has to be uploaded again"},
		{upload.Rejected, "v2", here, "it has to be uploaded again"}, {upload.Rejected, "", here, "hatchery recheck"},
		{upload.Stored, "v1", nil, "Nothing"}, {upload.Deleted, "", nil, "Nothing"},
	} {
		k := deadletter.Story{Record: upload.Record{Status: c.status, JudgedVersion: c.version}, Versions: c.versions}
		if got := strings.Join(nextCommands(k, ""), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s, judged %q, %d versions: %s", c.status, c.version, len(c.versions), got)
		}
	}
}
