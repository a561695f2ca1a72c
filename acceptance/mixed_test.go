//go:build acceptance

package acceptance

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/arrival"
	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// send sends messages to the validator's queue.
func (s *stack) send(t *testing.T, bodies []string) {
	t.Helper()
	for len(bodies) > 0 {
		some := bodies[:min(10, len(bodies))]
		bodies = bodies[len(some):]
		var entries []types.SendMessageBatchRequestEntry
		for i := range some {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &some[i]})
		}
		out, err := s.queues.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &s.queue, Entries: entries})
		if errors.Is(err, net.ErrClosed) {
			continue // the answer began, so they were sent; whoever waits for them counts them
		}
		check(t, err)
		if len(out.Failed) > 0 {
			t.Fatalf("%d messages were not sent", len(out.Failed))
		}
	}
}

// haveDied waits until so many messages are among the dead letters.
func (s *stack) haveDied(t *testing.T, n int) {
	t.Helper()
	eventually(t, 2*time.Minute, strconv.Itoa(n)+" dead letters", func() (bool, string) {
		out, err := s.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &s.dead,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages}})
		if err != nil {
			return false, err.Error()
		}
		visible := out.Attributes["ApproximateNumberOfMessages"]
		return visible == strconv.Itoa(n), visible
	})
}

// mixed says how many letters die of what, and what is made of them: their uploads are in a journal of that name.
var mixed = []struct {
	journal string
	cause   deadletter.Cause
	letters int
	// status and code are those of the uploads in the end; "" has no upload.
	status upload.Status
	code   upload.Code
}{
	{"mixed-denied", deadletter.Denied, 190, upload.Stored, ""},
	{"mixed-lost", deadletter.Lost, 150, upload.Rejected, upload.ByOperator},
	{"mixed-obsolete", deadletter.Obsolete, 150, upload.Stored, ""},
	{"mixed-unfinished", deadletter.Unfinished, 100, upload.Stored, ""},
	{"mixed-unreachable", deadletter.Unreachable, 40, upload.Stored, ""}, // the slowest to die
	{"poison", deadletter.Poison, 180, "", ""},
	{"foreign", deadletter.Foreign, 190, "", ""},
}

// lettersOf is how many letters die of a cause.
func lettersOf(cause deadletter.Cause) int {
	for _, m := range mixed {
		if m.cause == cause {
			return m.letters
		}
	}
	return 0
}

// thousandDeadLetters: a thousand dead letters of seven causes are listed as what they are, put right by two people
// with the policies for that, and each is accounted for.
func thousandDeadLetters(t *testing.T, s *stack) {
	looks := s.onCall(t, "on-call-looks", "OperatorLooks")
	acts := s.onCall(t, "on-call-acts", "OperatorLooks", "OperatorActs")
	step := func(what string, do func(*testing.T)) {
		t.Run(what, do)
		if t.Failed() {
			t.FailNow() // what follows counts on it
		}
	}
	step("they die", s.mixedDie)
	step("they are listed as what they are", looks.listsMixed)
	step("two people redrive, and each letter goes once", acts.redriveTogether)
	step("the others are put right", acts.putsMixedRight)
	cameBack := 0
	step("some discards are taken back", func(t *testing.T) { cameBack = acts.restoresSome(t) })
	step("each is accounted for", func(t *testing.T) { acts.accountsForMixed(t, cameBack) })
}

// mixedDie lets validators fail on all of the letters, each as often as the queue allows.
func (s *stack) mixedDie(t *testing.T) {
	denied, lost, obsolete := mixed[0], mixed[1], mixed[2]
	unfinished, unreachable := mixed[3], mixed[4]
	s.mapping(t, false)
	s.postMany(t, denied.journal, denied.letters)
	s.postMany(t, lost.journal, lost.letters)
	s.postMany(t, obsolete.journal, obsolete.letters)
	s.send(t, slices.Repeat([]string{"no notification"}, lettersOf(deadletter.Poison)))
	foreign := arrival.Created{Time: time.Now(), Region: region, Bucket: "another-bucket", Key: "quarantine/x", Size: 1}
	s.send(t, messages(t, slices.Repeat([]arrival.Created{foreign}, lettersOf(deadletter.Foreign))))
	dead := denied.letters + lost.letters + obsolete.letters + lettersOf(deadletter.Poison) + lettersOf(deadletter.Foreign)

	restore := s.without(t, "ValidatorRole", "ReadQuarantine")
	s.mapping(t, true)
	s.haveDied(t, dead)
	restore()
	for _, c := range s.inQuarantine(t, lost.journal) {
		check(t, remove(c.Key, c.VersionID)(t.Context(), s.actor(root())))
	}
	s.send(t, messages(t, s.inQuarantine(t, obsolete.journal))) // as the reconciler does
	eventually(t, time.Minute, "another message brings them to their end", func() (bool, string) {
		left := len(s.inQuarantine(t, obsolete.journal))
		return left == 0, strconv.Itoa(left)
	})

	dead += unfinished.letters
	s.mapping(t, false)
	s.postMany(t, unfinished.journal, unfinished.letters)
	restore = s.without(t, "ValidatorRole", "RemoveVersions")
	s.mapping(t, true)
	s.haveDied(t, dead)
	restore()

	dead += unreachable.letters
	s.mapping(t, false)
	s.postMany(t, unreachable.journal, unreachable.letters)
	restore = s.misled(t, "ValidatorFunction", map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
		"AWS_MAX_ATTEMPTS": "1"})
	s.mapping(t, true)
	s.haveDied(t, dead)
	restore()
}

// postMany uploads pictures into entries of a journal.
func (s *stack) postMany(t *testing.T, journal string, n int) {
	t.Helper()
	bytes := picture(t)
	left := make(chan int, n)
	for i := range n {
		left <- i
	}
	close(left)
	var callers sync.WaitGroup
	for range 8 {
		e := s.newEntry()
		e.journal = journal
		callers.Go(func() {
			for range left {
				if _, err := e.post(t.Context(), "images", "cat.gif", bytes); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// inQuarantine gives the versions that are in quarantine of a journal.
func (s *stack) inQuarantine(t *testing.T, journal string) []arrival.Created {
	t.Helper()
	var found []arrival.Created
	pages := s3.NewListObjectVersionsPaginator(s.objects, &s3.ListObjectVersionsInput{Bucket: &s.bucket,
		Prefix: aws.String("quarantine/" + journal + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		check(t, err)
		for _, v := range page.Versions {
			found = append(found, arrival.Created{Time: *v.LastModified, Region: region, Bucket: s.bucket, Key: *v.Key,
				VersionID: *v.VersionId, Size: *v.Size})
		}
	}
	return found
}

// messages are those about arrivals.
func messages(t *testing.T, of []arrival.Created) []string {
	t.Helper()
	all := make([]string, len(of))
	for i, c := range of {
		body, err := arrival.Again(c)
		check(t, err)
		all[i] = string(body)
	}
	return all
}

// listsMixed compares what each letter died of with what it is shown to have died of.
func (p onCall) listsMixed(t *testing.T) {
	shown := map[string]map[deadletter.Cause]int{}
	for _, l := range p.lists(t) {
		journal := "poison"
		if len(l.Arrivals) > 0 {
			journal = cmp.Or(string(l.Arrivals[0].Journal), "foreign")
		}
		if shown[journal] == nil {
			shown[journal] = map[deadletter.Cause]int{}
		}
		shown[journal][l.Diagnosis.Cause]++
	}
	table := fmt.Sprintf("%-18s %-12s %8s  %s", "LETTERS OF", "DIED OF", "EXPECTED", "SHOWN")
	all := 0
	for _, m := range mixed {
		all += m.letters
		table += fmt.Sprintf("\n%-18s %-12s %8d  %v", m.journal, m.cause, m.letters, shown[m.journal])
		if !maps.Equal(shown[m.journal], map[deadletter.Cause]int{m.cause: m.letters}) {
			t.Errorf("%s: shown as %v, want %d %s", m.journal, shown[m.journal], m.letters, m.cause)
		}
	}
	t.Logf("%d dead letters:\n%s", all, table)
}

// does runs an action to its end with a code, and gives how many letters it did that to.
func (p onCall) does(t *testing.T, code int, args ...string) int {
	t.Helper()
	r := p.types(t, append([]string{"dlq"}, append(args, "--yes", "--json")...)...)
	if r.code != code {
		t.Errorf("want code %d, but %s", code, r)
	}
	return done(t, r.stdout)
}

// done reads how many letters something was done to, now or before, from the last line of an action's JSON.
func done(t *testing.T, printed string) int {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	var last struct{ Audit deadletter.Audit }
	check(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	return last.Audit.Counts[deadletter.ResultDone] + last.Audit.Counts[deadletter.ResultEarlier]
}

// isKilled types an action that is killed with SIGKILL after so many letters, and lets what it held come back.
func (p onCall) isKilled(t *testing.T, letters int, args ...string) {
	t.Helper()
	env, _ := p.logIn(t)
	full := append([]string{hatcheryProgram(t)}, p.at(append([]string{"dlq"}, append(args, "--yes", "--json")...))...)
	told := len(resultsIn(t, runAndKill(t, command{env: env, args: full}, letters)))
	held, free := 0, time.Now()
	eventually(t, 30*time.Second, "what the killed one held is there again", func() (bool, string) {
		out, err := p.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &p.dead,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessagesNotVisible}})
		if err != nil {
			return false, err.Error()
		}
		hidden, err := strconv.Atoi(out.Attributes["ApproximateNumberOfMessagesNotVisible"])
		check(t, err)
		if hidden > 0 {
			held, free = max(held, hidden), time.Now()
			check(t, p.server.cmd.Process.Signal(syscall.SIGUSR1))
		}
		// A receive that the killed one had begun goes on for a second, and may take some once more.
		return time.Since(free) > 2*time.Second, fmt.Sprint(hidden)
	})
	t.Logf("%s was killed after it had told of %d letters; it held %d", args[0], told, held)
}

// redriveTogether: two people redrive the same letters at the same time.
func (p onCall) redriveTogether(t *testing.T) {
	var together sync.WaitGroup
	var printed [2]string
	for i := range printed {
		env, _ := p.logIn(t)
		together.Go(func() {
			printed[i] = run(t, command{env: env, args: append([]string{hatcheryProgram(t)},
				p.at([]string{"dlq", "redrive", "--cause", "denied", "--rate", "100", "--yes", "--json"})...)}).stdout
		})
	}
	together.Wait()
	sent := map[string]int{} // by message
	for i := range printed {
		before := len(sent)
		for line := range strings.Lines(printed[i]) {
			var r deadletter.Result
			check(t, json.Unmarshal([]byte(line), &r))
			if r.Result == deadletter.ResultDone && r.Detail == "" { // else the other one had done it
				sent[r.MessageID]++
			}
		}
		t.Logf("person %d redrove %d letters", i+1, len(sent)-before)
	}
	for id, times := range sent {
		if times > 1 {
			t.Errorf("%s was redriven by both", id)
		}
	}
	if len(sent) != lettersOf(deadletter.Denied) {
		t.Errorf("both redrove %d letters in all, want %d", len(sent), lettersOf(deadletter.Denied))
	}
}

// putsMixedRight does what ls suggests with each of the other causes. Each action is killed in its middle, and run again.
func (p onCall) putsMixedRight(t *testing.T) {
	for _, m := range mixed[1:] {
		args := []string{"discard", "--reason", "a thousand"}
		switch m.cause {
		case deadletter.Unfinished, deadletter.Unreachable:
			args = []string{"redrive", "--rate", "200"}
		case deadletter.Lost:
			args = []string{"reject", "--reason", "Lost on our side: please upload it again."}
		}
		args = append(args, "--cause", string(m.cause))
		p.isKilled(t, m.letters/3, args...)
		if did := p.does(t, 0, args...); did != m.letters {
			t.Errorf("%s %s: %d letters, want %d", args[0], m.cause, did, m.letters)
		}
	}
	check(t, p.drained(t.Context(), p.queue))
	check(t, p.drained(t.Context(), p.dead))
}

// restored is how many of the obsolete letters, and of the poison, are taken back.
const restored = 10

// restoresSome: what is restored is handled again. The obsolete have nothing left to do, and the poison comes back.
func (p onCall) restoresSome(t *testing.T) (cameBack int) {
	t.Helper()
	taken := map[deadletter.Cause]int{}
	ids := []string{"restore"}
	for _, d := range p.discarded(t) {
		cause := d.Diagnosis.Cause
		if (cause == deadletter.Obsolete || cause == deadletter.Poison) && taken[cause] < restored {
			taken[cause]++
			ids = append(ids, d.MessageID)
		}
	}
	p.isKilled(t, restored/2, ids...)
	for range 2 { // what was restored is so, and is not sent again
		if did := p.does(t, 0, ids...); did != 2*restored {
			t.Errorf("%d were restored, want %d", did, 2*restored)
		}
	}
	check(t, p.drained(t.Context(), p.queue))
	back := p.lists(t)
	for _, l := range back {
		if l.Diagnosis.Cause != deadletter.Poison || l.Redrives != 1 {
			t.Errorf("restored, it came back as %s, redriven %d times", l.Diagnosis.Cause, l.Redrives)
		}
	}
	if len(back) < restored || len(back) > restored+lettersAtOnce {
		t.Errorf("%d came back, want %d, and those that were sent twice, in the middle of a kill", len(back), restored)
	}
	if did := p.does(t, 0, "discard", "--cause", "poison", "--reason", "again"); did != len(back) {
		t.Errorf("%d were discarded again, want %d", did, len(back))
	}
	check(t, p.drained(t.Context(), p.dead))
	return len(back)
}

// discarded gives what `dlq ls --discarded` lists.
func (p onCall) discarded(t *testing.T) []deadletter.DiscardedLetter {
	t.Helper()
	var all []deadletter.DiscardedLetter
	for line := range strings.Lines(p.types(t, "dlq", "ls", "--discarded", "--json").stdout) {
		var d deadletter.DiscardedLetter
		check(t, json.Unmarshal([]byte(line), &d))
		if strings.Contains(d.Reason, "a thousand") || d.Reason == "again" {
			all = append(all, d)
		}
	}
	return all
}

// accountsForMixed: every upload is where it should be, no bytes wait, and what was discarded is kept with who did it.
// cameBack is how much poison was discarded twice.
func (p onCall) accountsForMixed(t *testing.T, cameBack int) {
	t.Helper()
	for _, m := range mixed {
		if m.status == "" {
			continue
		}
		want := map[string]int{string(m.status) + " " + string(m.code): m.letters}
		if got := p.verdicts(t, m.journal); !maps.Equal(got, want) {
			t.Errorf("the uploads of %s are %v, want %v", m.journal, got, want)
		}
		if left := p.inQuarantine(t, m.journal); len(left) > 0 {
			t.Errorf("of %s %d versions are left in quarantine", m.journal, len(left))
		}
	}
	kept := map[deadletter.Cause]int{}
	for _, d := range p.discarded(t) {
		kept[d.Diagnosis.Cause]++
		if !strings.Contains(d.DiscardedBy, ":assumed-role/"+p.role+"/") {
			t.Errorf("%s was discarded by %q", d.MessageID, d.DiscardedBy)
		}
	}
	if want := (map[deadletter.Cause]int{deadletter.Obsolete: lettersOf(deadletter.Obsolete),
		deadletter.Poison:  lettersOf(deadletter.Poison) + cameBack,
		deadletter.Foreign: lettersOf(deadletter.Foreign)}); !maps.Equal(kept, want) {
		t.Errorf("kept are the discarded letters %v, want %v", kept, want)
	}
	if r := p.types(t, "dlq", "ls"); r.code != 0 {
		t.Errorf("something is left: %s", r)
	}
}

// verdicts counts the uploads of a journal by status and code, as they lie in the table.
func (s *stack) verdicts(t *testing.T, journal string) map[string]int {
	t.Helper()
	found := map[string]int{}
	pages := dynamodb.NewScanPaginator(s.database, &dynamodb.ScanInput{TableName: &s.table,
		FilterExpression: aws.String("begins_with(pk, :journal) AND begins_with(sk, :record)"),
		ExpressionAttributeValues: map[string]dynamotypes.AttributeValue{
			":journal": &dynamotypes.AttributeValueMemberS{Value: "e#" + journal + "/"},
			":record":  &dynamotypes.AttributeValueMemberS{Value: "r#"}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		check(t, err)
		for _, item := range page.Items {
			found[text(item, "status")+" "+text(item, "reason_code")]++
		}
	}
	return found
}
