package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// takeMessages takes n messages out of the validator's queue for good.
func (h *hatchery) takeMessages(n int) (taken []types.Message) {
	h.t.Helper()
	url := h.env["HATCHERY_QUEUE_URL"]
	for len(taken) < n {
		out, err := h.queues().ReceiveMessage(h.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 5,
			MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
		if err != nil || len(out.Messages) == 0 {
			h.t.Fatalf("%d of %d messages received, %v", len(taken), n, err)
		}
		for _, m := range out.Messages {
			if _, err := h.queues().DeleteMessage(h.t.Context(),
				&sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				h.t.Fatal(err)
			}
		}
		taken = append(taken, out.Messages...)
	}
	return taken
}

// bury makes a dead letter, and gives its id.
func (h *hatchery) bury(body string) string {
	h.t.Helper()
	sent, err := h.queues().SendMessage(h.t.Context(),
		&sqs.SendMessageInput{QueueUrl: aws.String(h.env["HATCHERY_DEAD_LETTER_URL"]), MessageBody: &body})
	if err != nil {
		h.t.Fatal(err)
	}
	return aws.ToString(sent.MessageId)
}

// listing is what `dlq ls --json` prints.
type listing struct {
	letters  map[string]deadletter.Letter // by message id
	snapshot deadletter.Snapshot
}

func (h *hatchery) lists(t *testing.T, want int, args ...string) listing {
	t.Helper()
	out, _ := operates(t, want, append([]string{"dlq", "ls", "--json", "--data", h.data}, args...)...)
	l := listing{letters: map[string]deadletter.Letter{}}
	for line := range strings.Lines(out) {
		var one struct {
			deadletter.Letter
			Snapshot *deadletter.Snapshot `json:"snapshot"`
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if one.Snapshot != nil {
			l.snapshot = *one.Snapshot
			continue
		}
		l.letters[one.MessageID] = one.Letter
	}
	return l
}

// graveyard has a dead letter of each of four kinds: of the uploads cat and dog, which are pending, a poisonous
// one and a foreign one.
type graveyard struct {
	*hatchery
	cat, dog        record
	catID, dogID    string // of messages
	poison, foreign string
}

func newGraveyard(t *testing.T) graveyard {
	t.Helper()
	g := graveyard{hatchery: startHatchery(t, filepath.Join(t.TempDir(), "data"), "--no-validator")}
	g.cat, g.dog = g.mustPost(images, "cat.png", pngOf(t, 20, 1)), g.mustPost(images, "dog.png", pngOf(t, 20, 2))
	for _, m := range g.takeMessages(2) {
		if id := g.bury(aws.ToString(m.Body)); strings.Contains(aws.ToString(m.Body), g.cat.ID) {
			g.catID = id
		} else {
			g.dogID = id
		}
	}
	g.poison = g.bury("no notification \x7f\u202e")
	body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Bucket: "another", Key: "a/b"})
	if err != nil {
		t.Fatal(err)
	}
	g.foreign = g.bury(string(body))
	return g
}

func TestAPersonSeesWhatDiedAndWhatToDo(t *testing.T) {
	g := newGraveyard(t)
	at := []string{"--data", g.data}
	out, _ := operates(t, exitNo, append(at, "dlq", "ls")...)
	for _, want := range []string{"MESSAGE", "LETTERS", g.catID, "j1/e1/" + g.cat.ID, "4 dead letters",
		"hatchery dlq discard --cause poison --data " + g.data + " --reason <WORDS>\n",
		"hatchery dlq redrive --cause unknown --data " + g.data} {
		if !strings.Contains(out, want) {
			t.Errorf("ls does not say %q\n%s", want, out)
		}
	}
	if strings.ContainsAny(out, "\x7f\u202e") {
		t.Errorf("what somebody sent reaches the terminal: %q", out)
	}
	l := g.lists(t, exitNo)
	for id, cause := range map[string]deadletter.Cause{g.catID: deadletter.Unknown, g.dogID: deadletter.Unknown,
		g.poison: deadletter.Poison, g.foreign: deadletter.Foreign} {
		if got := l.letters[id].Diagnosis.Cause; got != cause {
			t.Errorf("%s is diagnosed as %q, want %q", id, got, cause)
		}
	}
	if !l.snapshot.Complete || l.snapshot.Letters != 4 {
		t.Errorf("the listing is %+v", l.snapshot)
	}
	if only := g.lists(t, exitNo, "--cause", "foreign", "--again"); len(only.letters) != 1 ||
		only.snapshot.ID != l.snapshot.ID {
		t.Errorf("again and of one cause it lists %+v", only)
	}
	out, _ = operates(t, exitNo, append(at, "dlq", "ls", "--again", "--journal", "j1", "--older-than", "1ns")...)
	if strings.Contains(out, "poison") || !strings.Contains(out, "2 of 4 dead letters") ||
		!strings.Contains(out, "hatchery dlq redrive --cause unknown --journal j1 --older-than 1ns --data "+g.data) {
		t.Errorf("of one journal it says\n%s", out)
	}
	out, _ = operates(t, exitNo, append(at, "dlq", "ls", "--again", "--entry", "e1", "--name", "CAT")...)
	if !strings.Contains(out, g.catID) || !strings.Contains(out, "1 of 4 dead letters") ||
		!strings.Contains(out, "hatchery dlq redrive --cause unknown --entry e1 --name CAT --data "+g.data) {
		t.Errorf("of one name it says\n%s", out)
	}
	for _, wrong := range [][]string{{"--entry", "a/b"}, {"--journal", "*"}, {"--cause", "bad"}, {"--code", "bad"}} {
		_, complaints := operates(t, exitUsage, append(at, "dlq", "ls", wrong[0], wrong[1])...)
		if !strings.Contains(complaints, wrong[0]+": found \""+wrong[1]+"\"; accepted: ") {
			t.Errorf("%v: %s", wrong, complaints)
		}
	}
	operates(t, exitUsage, append(at, "dlq", "redrive", "--all", "--name", "cat")...)
	for _, id := range []string{g.catID, g.cat.ID, "j1/e1/" + g.cat.ID} {
		out, _ = operates(t, exitDone, append(at, "dlq", "show", id)...)
		if !strings.Contains(out, "hatchery dlq redrive "+g.catID+" --data "+g.data) || !strings.Contains(out, "quarantine") ||
			!strings.Contains(out, "cat.png") {
			t.Errorf("show %s says\n%s", id, out)
		}
	}
	operates(t, exitNo, append(at, "dlq", "show", "01990000-0000-7000-8000-000000000000")...)
	if out, _ = operates(t, exitDone, append(at, "dlq", "ls", "--snapshots")...); strings.Count(out, "\n") != 3 {
		t.Errorf("the listings are\n%s", out)
	}
}

func TestALetterThatCannotBeExplainedWholeIsShownAllTheSame(t *testing.T) {
	g := newGraveyard(t)
	g.lists(t, exitNo)
	if err := g.notes().Put(t.Context(), attempts.Key(upload.ID(g.cat.ID), g.catID, 5), []byte("{")); err != nil {
		t.Fatal(err)
	}
	out, complaints := operates(t, exitSystem, "--data", g.data, "dlq", "show", g.catID)
	if !strings.Contains(out, g.catID) || !strings.Contains(out, "quarantine") || !strings.Contains(complaints, "attempt") {
		t.Errorf("it shows\n%s\nand says\n%s", out, complaints)
	}
}

func TestAnActionExitsByTheWorstThatCameOfAMessage(t *testing.T) {
	for _, c := range []struct {
		counts map[string]int
		err    error
		want   int
	}{
		{map[string]int{deadletter.ResultDone: 2}, nil, exitDone},
		{map[string]int{deadletter.ResultDone: 1, deadletter.ResultEarlier: 1}, nil, exitDone},
		{map[string]int{deadletter.ResultDone: 1, deadletter.ResultSkipped: 1}, nil, exitNo},
		{map[string]int{deadletter.ResultDone: 1, deadletter.ResultMissing: 1}, nil, exitNo},
		{map[string]int{deadletter.ResultDone: 1, deadletter.ResultFailed: 1}, nil, exitSystem},
		{map[string]int{deadletter.ResultDone: 1}, context.Canceled, exitNo},
		{map[string]int{deadletter.ResultDone: 1}, io.ErrUnexpectedEOF, exitSystem},
	} {
		err := actFlags{}.ended(deadletter.Audit{Chosen: 2, Counts: c.counts}, c.err, terminal{out: io.Discard})
		code := exitDone
		if exit, ok := errors.AsType[*exitError](err); ok {
			code = exit.code
		}
		if code != c.want {
			t.Errorf("%v and %v: exits %d, want %d", c.counts, c.err, code, c.want)
		}
	}
}

func TestAPersonPutsDeadLettersRight(t *testing.T) {
	g := newGraveyard(t)
	does := func(want int, args ...string) string {
		t.Helper()
		out, _ := operates(t, want, append([]string{"dlq", "--data", g.data}, args...)...)
		return out
	}
	does(exitUsage, "redrive", "--yes") // nothing was listed yet
	g.lists(t, exitNo)
	if out := does(exitDone, "redrive", "--dry-run"); !strings.Contains(out, "redrive unknown: 2") ||
		!strings.Contains(out, "nothing was done") {
		t.Errorf("the dry run says\n%s", out)
	}
	does(exitUsage, "redrive") // nobody to ask
	if got := g.lists(t, exitNo); len(got.letters) != 4 {
		t.Fatalf("nothing was to be done, and %d letters are left", len(got.letters))
	}
	does(exitUsage, "reject", g.dogID, "--reason", "two\nlines", "--yes")
	does(exitDone, "redrive", "j1/e1/"+g.cat.ID, "--yes")
	if m := g.takeMessages(1)[0]; aws.ToString(m.MessageAttributes[deadletter.RedriveAttribute].StringValue) != "1" ||
		!strings.Contains(aws.ToString(m.Body), g.cat.ID) {
		t.Errorf("redriven is %+v", m)
	}
	if out := does(exitDone, "redrive", g.cat.ID, "--yes"); !strings.Contains(out, "already redriven by ") ||
		!strings.Contains(out, "0 done, 1 earlier, of 1") {
		t.Errorf("done before it says\n%s", out)
	}
	does(exitNo, "discard", g.dogID, "--reason", "it waits", "--yes") // its upload is pending
	does(exitDone, "reject", g.dogID, "--reason", "We cannot read this file.", "--yes")
	if s := showsUpload(t, "--data", g.data, g.dog.ID); s.Record.Status != "rejected" {
		t.Errorf("the rejected upload is %s", s.Record.Status)
	}
	does(exitDone, "discard", "--cause", "poison", "--reason", "a test", "--yes")
	if out := does(exitDone, "ls", "--discarded"); !strings.Contains(out, g.poison) || !strings.Contains(out, "a test") {
		t.Errorf("discarded are\n%s", out)
	}
	if out := does(exitNo, "restore", g.poison, "never", "--dry-run"); !strings.Contains(out, "restore poison: 1") ||
		!strings.Contains(out, "no message with this id was discarded: 1") || !strings.Contains(out, "nothing was done") {
		t.Errorf("the dry run of a restore says\n%s", out)
	}
	if out := does(exitDone, "restore", g.poison, "--dry-run", "--json"); !strings.Contains(out, `"chosen":1,"plan":{"action":"restore"`) {
		t.Errorf("the dry run of a restore says\n%s", out)
	}
	does(exitDone, "restore", g.poison, "--yes")
	if m := g.takeMessages(1)[0]; !strings.HasPrefix(aws.ToString(m.Body), "no notification") {
		t.Errorf("restored is %+v", m)
	}
	does(exitDone, "restore", g.poison, "--yes")
	if out := does(exitDone, "restore", g.poison, "--dry-run"); !strings.Contains(out, "restored already: 1") ||
		!strings.Contains(out, "Nothing to restore") {
		t.Errorf("the dry run of a restore says\n%s", out)
	}
	if out := does(exitDone, "redrive", "--all", "--dry-run", "--json"); !strings.Contains(out, `"chosen":1,"plan":{"action":"redrive","coming_back":[`) {
		t.Errorf("the dry run of a move says\n%s", out)
	}
	if out := does(exitDone, "ls", "--actions"); !strings.Contains(out, "1 of 1") || !strings.Contains(out, "a test") ||
		strings.Index(out, "  restore  ") > strings.Index(out, "  discard  ") {
		t.Errorf("done was\n%s", out)
	}
	does(exitDone, "redrive", "--all", "--yes")
	if m := g.takeMessages(1)[0]; !strings.Contains(aws.ToString(m.Body), "another") {
		t.Errorf("moved is %+v", m)
	}
	if got := g.lists(t, exitDone); len(got.letters) != 0 {
		t.Errorf("left are %+v", got.letters)
	}
	does(exitDone, "redrive", "--yes")
}

func TestASecondPersonReadsTheListingOfTheFirst(t *testing.T) {
	g := newGraveyard(t)
	first := g.lists(t, exitNo).snapshot
	url := g.env["HATCHERY_DEAD_LETTER_URL"]
	for held := 0; held < 4; {
		out, err := g.queues().ReceiveMessage(t.Context(),
			&sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 60})
		if err != nil || len(out.Messages) == 0 {
			t.Fatalf("%d held, %v", held, err)
		}
		held += len(out.Messages)
	}
	out, _ := operates(t, exitNo, "dlq", "ls", "--data", g.data)
	if !strings.HasPrefix(out, "4 dead letters in other hands, and no others") || !strings.Contains(out, g.catID) ||
		!strings.Contains(out, "listing "+first.ID) || strings.Contains(out, "0 dead letters") {
		t.Errorf("ls says\n%s", out)
	}
}

func TestEveryDifferentSentenceAboutACauseIsSaid(t *testing.T) {
	var out strings.Builder
	rows := &letterRows{out: &out}
	rows.suggest([]deadletter.Group{
		{Cause: deadletter.Unreachable, Sentence: "The store.", Suggest: deadletter.Redrive},
		{Cause: deadletter.Unreachable, Sentence: "The bucket.", Suggest: deadletter.Redrive},
		{Cause: deadletter.Unreachable, Sentence: "The store.", Suggest: deadletter.Redrive},
		{Cause: deadletter.Lost, Sentence: "Gone.", Suggest: deadletter.Reject},
	})
	const want = `
unreachable: The store.
unreachable: The bucket.
  hatchery dlq redrive --cause unreachable

bytes_lost: Gone.
  hatchery dlq reject --cause bytes_lost --reason <WORDS>
`
	if out.String() != want {
		t.Errorf("it says\n%s", &out)
	}
}

func TestAPersonIsToldWhatCannotBeJudgedAgain(t *testing.T) {
	h := startHatchery(t, filepath.Join(t.TempDir(), "data"), "--no-validator")
	cat := h.mustPost(images, "cat.png", pngOf(t, 20, 1))
	h.removeVersions(t, cat.ID)
	if out, _ := operates(t, exitNo, "recheck", "--data", h.data, cat.ID); !strings.Contains(out, "there is nothing to judge") {
		t.Errorf("recheck says %s", out)
	}
	message := aws.ToString(h.takeMessages(1)[0].MessageId)
	if _, complaints := operates(t, exitNo, "show", "--data", h.data, message); !strings.Contains(complaints, "hatchery dlq show") {
		t.Errorf("show of a message says %s", complaints)
	}
}

func TestAListingWhoseReaderWentAwayGivesTheLettersBack(t *testing.T) {
	g := newGraveyard(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	reader.Close()
	ls := exec.CommandContext(t.Context(), exe, "dlq", "ls", "--data", g.data)
	ls.Env, ls.Stdout = append(os.Environ(), asHatchery+"=1"), writer
	if err := ls.Run(); ls.ProcessState.ExitCode() != exitSystem {
		t.Errorf("nobody reads: %v", err)
	}
	if got := g.lists(t, exitNo); len(got.letters) != 4 || got.snapshot.InOtherHands != 0 {
		t.Errorf("then %d letters are listed: %+v", len(got.letters), got.snapshot)
	}
}

func TestAProbeThatIsInterruptedSaysWhatBecomesOfItsMessage(t *testing.T) {
	g := newGraveyard(t)
	g.lists(t, exitNo)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	probe := exec.CommandContext(t.Context(), exe, "dlq", "redrive", "--probe", "--yes", "--data", g.data)
	probe.Env = append(os.Environ(), asHatchery+"=1")
	complaints, err := probe.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := probe.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(complaints)
	last := ""
	for lines.Scan() {
		if last = lines.Text(); strings.HasPrefix(last, "Waiting for its verdict") {
			if err := probe.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = probe.Wait()
	if code := probe.ProcessState.ExitCode(); code != exitNo || !strings.Contains(last, "hatchery show ID --data "+g.data) {
		t.Errorf("it exits %d and says %s", code, last)
	}
}
