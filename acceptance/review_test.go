//go:build acceptance

package acceptance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"hatchery/shared/arrival"
	"hatchery/shared/config"
	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// words are what uploaders of rejected uploads read.
const words = "We lost this file: please upload it again."

// lettersAtOnce is how many letters a command acts on at once: so many may be in the middle when it is killed.
const lettersAtOnce = 16

// TestAThousandDeadLettersArePutRight: a thousand messages die of everything that messages die of. They are listed,
// redriven, rejected, discarded and restored with the commands, by two operators at once, and each action is killed
// in its middle and typed again. At the end every message is accounted for, and every upload has come to the end that
// was chosen for it. REVIEW_SEED repeats a run's moments.
func TestAThousandDeadLettersArePutRight(t *testing.T) {
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("REVIEW_SEED"), strconv.FormatInt(time.Now().UnixNano(), 10)), 10, 64)
	check(t, err)
	t.Logf("REVIEW_SEED=%d", seed)
	g := &graveyard{reviewed: startReviewed(t, config.RecordsSQLite), gif: picture(t), letters: map[string]*letter{}}
	g.bury(g.deaths())
	o := &desk{graveyard: g, random: rand.New(rand.NewPCG(seed, 0)), did: map[string][]deadletter.Action{}}
	for _, step := range []func(){o.list, o.redrive, o.reject, o.discard, o.restore, o.validate, o.recheck, o.clear,
		o.account} {
		if step(); t.Failed() {
			return
		}
	}
}

// desk is where operators put the dead letters right with the commands.
type desk struct {
	*graveyard
	random *rand.Rand
	// did is what was done to each message, by its id.
	did map[string][]deadletter.Action
	// restored are ids of messages that were discarded and sent again.
	restored []string
}

// list: two list at once, one is killed, and then one sees every letter with its cause.
func (o *desk) list() {
	one, two := o.begins("dlq", "ls"), o.begins("dlq", "ls")
	seen, _ := lettersIn(o.t, one.lines())
	others, _ := lettersIn(o.t, two.lines())
	maps.Copy(seen, others)
	if len(seen) != len(o.letters) || one.code != 1 || two.code != 1 {
		o.t.Errorf("two who listed at once saw %d letters together, of %d: %d and %d", len(seen), len(o.letters), one.code,
			two.code)
	}
	o.typesAndIsKilled(1+o.random.IntN(len(o.letters)/2), "dlq", "ls")
	o.restart()
	letters, snapshot := lettersIn(o.t, o.types(1, "dlq", "ls"))
	if !snapshot.Complete || snapshot.Letters != len(o.letters) || snapshot.InOtherHands+snapshot.Unread != 0 {
		o.t.Errorf("listed is %+v", snapshot)
	}
	o.compare(letters)
	again, same := lettersIn(o.t, o.types(1, "dlq", "ls", "--again"))
	if same.ID != snapshot.ID || len(again) != len(letters) {
		o.t.Errorf("read again it is listing %s with %d letters, and was %s", same.ID, len(again), snapshot.ID)
	}
	o.isWhole()
}

func (o *desk) redrive() {
	o.throughKills(2, o.with(deadletter.Unreachable), "dlq", "redrive", "--cause", "unreachable", "--rate", "500", "--yes")
	o.bothDo(o.with(deadletter.Denied), []string{"dlq", "redrive", "--cause", "denied", "--rate", "500", "--yes"},
		[]string{"dlq", "redrive", "--cause", "denied", "--rate", "500", "--yes"})
	o.bothDo(o.with(deadletter.NoTime), []string{"dlq", "redrive", "--cause", "no_time", "--rate", "500", "--yes"},
		[]string{"dlq", "reject", "--cause", "no_time", "--reason", words, "--yes"})
	o.types(1, "dlq", "ls")
	// Without a choice, what ls suggests it for.
	o.throughKills(1, o.with(deadletter.Checksum, deadletter.Crashed, deadletter.Unknown, deadletter.Unfinished),
		"dlq", "redrive", "--rate", "500", "--yes")
}

func (o *desk) reject() {
	o.throughKills(2, o.with(deadletter.Lost), "dlq", "reject", "--cause", "bytes_lost", "--reason", words, "--yes")
}

func (o *desk) discard() {
	o.throughKills(2, o.with(deadletter.Poison), "dlq", "discard", "--cause", "poison", "--reason", "a test", "--yes")
	foreign := []string{"dlq", "discard", "--cause", "foreign", "--reason", "not ours", "--yes"}
	o.bothDo(o.with(deadletter.Foreign), foreign, foreign)
	o.throughKills(1, o.with(deadletter.Obsolete), "dlq", "discard", "--obsolete", "--reason", "healed", "--yes")
}

// restore takes some discards back.
func (o *desk) restore() {
	for _, cause := range []deadletter.Cause{deadletter.Poison, deadletter.Obsolete} {
		o.restored = append(o.restored, o.with(cause)[:40]...)
	}
	args := append([]string{"dlq", "restore", "--yes"}, o.restored...)
	for range 2 {
		o.typesAndIsKilled(1+o.random.IntN(len(o.restored)/4), args...)
		o.restart()
	}
	one, two := o.begins(args...), o.begins(args...)
	results, others := resultsIn(o.t, one.lines()), resultsIn(o.t, two.lines())
	for _, id := range o.restored {
		for _, r := range []deadletter.Result{results[id], others[id]} {
			if !isDone(r) {
				o.t.Errorf("restore: %+v", r)
			}
		}
	}
}

// with gives the message ids of the letters of some causes, in their order.
func (o *desk) with(causes ...deadletter.Cause) (ids []string) {
	for _, l := range o.letters {
		if slices.Contains(causes, l.death.want) {
			ids = append(ids, l.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// throughKills types an action again and again, each time killed after some results, and at last to its end. Between
// two the letters that the killed one held come back.
func (o *desk) throughKills(kills int, ids []string, args ...string) {
	o.t.Helper()
	most := len(ids)/(kills+1) - lettersAtOnce // so that some are left for the last
	for range kills {
		o.typesAndIsKilled(1+o.random.IntN(max(most, 1)), args...)
		o.restart()
		o.isWhole()
	}
	done := 0
	results := resultsIn(o.t, strings.Split(run(o.t, command{args: o.args(args...)}).stdout, "\n"))
	for _, id := range ids {
		if !isDone(results[id]) {
			o.t.Fatalf("%v: %s: %+v", args[:3], id, results[id])
		}
		if itsOwn(results[id]) {
			done++
		}
	}
	if done == 0 {
		o.t.Errorf("%v: nothing was left for the last", args[:3])
	}
	o.has(ids, deadletter.Action(args[1]))
}

// has notes that an action was done to messages, all of which are gone now.
func (o *desk) has(ids []string, action deadletter.Action) {
	o.t.Helper()
	there := o.isWhole()
	for _, id := range ids {
		if there[id] {
			o.t.Errorf("%s: %s is still a dead letter", action, id)
		}
		o.did[id] = append(o.did[id], action)
	}
}

// bothDo lets two operators act on the same letters at once: each letter is met by one of them.
func (o *desk) bothDo(ids []string, first, second []string) {
	o.t.Helper()
	running := []*inBackground{o.begins(first...), o.begins(second...)}
	actions := []deadletter.Action{deadletter.Action(first[1]), deadletter.Action(second[1])}
	var results []map[string]deadletter.Result
	for _, r := range running {
		results = append(results, resultsIn(o.t, r.lines()))
	}
	counts := map[string]int{}
	did := map[deadletter.Action][]string{}
	for _, id := range ids {
		one, two := results[0][id], results[1][id]
		counts[one.Result+" and "+two.Result]++
		switch {
		case itsOwn(one) && !itsOwn(two):
			did[actions[0]] = append(did[actions[0]], id)
		case itsOwn(two) && !itsOwn(one):
			did[actions[1]] = append(did[actions[1]], id)
		default:
			o.t.Fatalf("two at once, %s and %s: %+v, %+v", actions[0], actions[1], one, two)
		}
	}
	for action, ids := range did {
		o.has(ids, action)
	}
	o.t.Logf("two at once, %s and %s: %v", actions[0], actions[1], counts)
}

// isDone says whether it was done, now or before.
func isDone(r deadletter.Result) bool {
	return r.Result == deadletter.ResultDone || r.Result == deadletter.ResultEarlier
}

// itsOwn says whether the command that told a result did it; else Detail tells of another that had done it.
func itsOwn(r deadletter.Result) bool { return r.Result == deadletter.ResultDone && r.Detail == "" }

// isWhole holds after whatever happened: each message is a dead letter, or an action on it was done, or it is kept
// whole. It gives the ids of the dead letters.
func (o *desk) isWhole() map[string]bool {
	o.t.Helper()
	there, notes := o.deadLetters(), o.kept()
	for _, l := range o.letters {
		saved := notes.discarded[l.id]
		if !there[l.id] && notes.intents[l.id].DoneAt.IsZero() && saved.Body == "" {
			o.t.Errorf("%s: message %s is lost", l.death.name, l.id)
		}
		if saved.Body != "" && saved.Body != l.body {
			o.t.Errorf("%s: message %s is kept as %q", l.death.name, l.id, saved.Body)
		}
	}
	return there
}

// deadLetters gives the ids of all, and gives them back.
func (o *desk) deadLetters() map[string]bool {
	o.t.Helper()
	state, err := o.dead.Inspect(o.t.Context())
	check(o.t, err)
	if state.InFlight > 0 {
		o.t.Errorf("%d dead letters are in flight, and nobody is there", state.InFlight)
	}
	there := map[string]bool{}
	var receipts []string
	for len(there) < state.Messages() {
		got, err := o.dead.Receive(o.t.Context(), time.Minute, time.Second)
		check(o.t, err)
		if len(got) == 0 {
			now, err := o.dead.Inspect(o.t.Context())
			o.t.Fatalf("%d of %+v received; now %+v, %v", len(there), state, now, err)
		}
		for _, m := range got {
			there[m.ID] = true
			receipts = append(receipts, m.Receipt)
		}
	}
	check(o.t, o.dead.Hide(o.t.Context(), receipts, 0))
	return there
}

// intent is the note about an action that was begun on a message.
type intent struct {
	Action deadletter.Action `json:"action"`
	Run    string            `json:"run"`
	DoneAt time.Time         `json:"done_at"`
}

// kept are the notes in the bucket.
type kept struct {
	intents   map[string]intent
	discarded map[string]deadletter.DiscardedLetter
	audits    map[string]deadletter.Audit
}

func (o *desk) kept() kept {
	o.t.Helper()
	return kept{notesUnder[intent](o.reviewed, "intents/"), notesUnder[deadletter.DiscardedLetter](o.reviewed, "discarded/"),
		notesUnder[deadletter.Audit](o.reviewed, "audit/")}
}

// notesUnder reads all notes of one kind, by what they are about.
func notesUnder[T any](d *reviewed, folder string) map[string]T {
	d.t.Helper()
	var mu sync.Mutex
	all := map[string]T{}
	var reading errgroup.Group
	reading.SetLimit(8)
	prefix := upload.DeadLetterPrefix + folder
	for cursor := upload.Cursor(""); ; {
		page, err := d.parts.Notes.List(d.t.Context(), prefix, cursor, upload.MaxPage)
		check(d.t, err)
		for _, key := range page.Keys {
			reading.Go(func() error {
				text, err := d.parts.Notes.Get(d.t.Context(), key)
				var note T
				if err == nil {
					err = json.Unmarshal(text, &note)
				}
				mu.Lock()
				defer mu.Unlock()
				all[strings.TrimSuffix(strings.TrimPrefix(string(key), prefix), ".json")] = note
				return err
			})
		}
		if cursor = page.Next; cursor == "" {
			check(d.t, reading.Wait())
			return all
		}
	}
}

// validate lets healthy validators work off what was sent. Whatever was sent twice is counted.
func (o *desk) validate() {
	o.t.Helper()
	sent, redriven := map[string]int{}, 0
	var mu sync.Mutex
	healthy := o.judge(func(*upload.Pipeline) {})
	o.deliver(func(ctx context.Context, batch []events.SQSMessage) []events.SQSBatchItemFailure {
		mu.Lock()
		for _, m := range batch {
			sent[o.about(m.Body)]++
			redriven++
			if again := m.MessageAttributes[arrival.RedriveAttribute].StringValue; again == nil || *again != "1" {
				o.t.Errorf("a message that no operator sent, about %s: %v", o.about(m.Body), m.MessageAttributes)
			}
		}
		mu.Unlock()
		answer, err := healthy.Handle(ctx, events.SQSEvent{Records: batch})
		if err != nil {
			o.t.Error(err)
		}
		return answer.BatchItemFailures
	})
	want := 0
	for about, l := range o.letters {
		sends := slices.Contains(o.did[l.id], deadletter.Redrive) || slices.Contains(o.restored, l.id)
		if sends != (sent[about] > 0) {
			o.t.Errorf("%s: message %s was sent %d times", l.death.name, l.id, sent[about])
		}
		if sends {
			want++
		}
	}
	o.t.Logf("%d messages were to be sent, and %d were, after %d kills", want, redriven, o.kills)
	if redriven > want+o.kills*lettersAtOnce {
		o.t.Errorf("that is more than %d at each kill", lettersAtOnce)
	}
}

// recheck takes rejections back: where the bytes are kept.
func (o *desk) recheck() {
	o.t.Helper()
	var rejected, lost []string
	for _, l := range o.letters {
		name := fmt.Sprintf("%s/%s/%s", l.ref.Journal, l.ref.Entry, l.ref.ID)
		switch {
		case !slices.Contains(o.did[l.id], deadletter.Reject):
		case l.death.want == deadletter.Lost:
			lost = append(lost, name)
		default:
			rejected = append(rejected, name)
		}
		if slices.Contains(o.did[l.id], deadletter.Reject) {
			o.wants(l, upload.Rejected, upload.ByOperator)
		}
	}
	if len(rejected) < 3 {
		o.t.Logf("only %d uploads can be checked again", len(rejected))
	}
	args := append([]string{"recheck", "--yes"}, rejected...)
	for range min(2, len(rejected)/3) {
		o.typesAndIsKilled(1+o.random.IntN(max(len(rejected)/3, 1)), args...)
		o.restart()
	}
	if len(rejected) > 0 {
		o.types(0, args...)
	}
	gone := o.types(1, append([]string{"recheck", "--yes"}, lost...)...)
	if n := strings.Count(strings.Join(gone, "\n"), `"bytes_gone"`); n != len(lost) {
		o.t.Errorf("of %d uploads without bytes %d are said to be so: %s", len(lost), n, gone[0])
	}
	healthy := o.judge(func(*upload.Pipeline) {})
	o.deliver(func(ctx context.Context, batch []events.SQSMessage) []events.SQSBatchItemFailure {
		answer, err := healthy.Handle(ctx, events.SQSEvent{Records: batch})
		if err != nil {
			o.t.Error(err)
		}
		return answer.BatchItemFailures
	})
}

// clear: the poison that was restored has come back, and is discarded again. Then nothing waits.
func (o *desk) clear() {
	o.t.Helper()
	back, snapshot := lettersIn(o.t, o.types(1, "dlq", "ls"))
	poison := map[string]bool{}
	for _, l := range back {
		poison[l.Body] = true
		if l.Diagnosis.Cause != deadletter.Poison || l.Redrives != 1 {
			o.t.Errorf("came back: %+v", l)
		}
	}
	want := 0
	for _, id := range o.restored {
		if slices.Contains(o.with(deadletter.Poison), id) {
			want++
		}
	}
	if len(poison) != want || snapshot.InOtherHands != 0 {
		o.t.Errorf("%d poison messages came back, want %d: %+v", len(poison), want, snapshot)
	}
	o.types(0, "dlq", "discard", "--cause", "poison", "--reason", "it came back", "--yes")
	o.types(0, "dlq", "ls")
}

// wants holds an upload's record against what it should be.
func (o *desk) wants(l *letter, status upload.Status, code upload.Code) string {
	o.t.Helper()
	r, err := o.records.Get(o.t.Context(), l.ref)
	check(o.t, err)
	found := upload.Code("")
	if r.Reason != nil {
		found = r.Reason.Code
	}
	if r.Status != status || found != code || code == upload.ByOperator && r.Reason.Message != words {
		o.t.Errorf("%s: upload %s is %s %+v, want %s %s", l.death.name, l.ref.ID, r.Status, r.Reason, status, code)
	}
	return strings.TrimSpace(string(r.Status) + " " + string(found))
}

// account: each message has one fate, which the notes tell, and each upload the end that was chosen for it.
func (o *desk) account() {
	o.t.Helper()
	notes := o.kept()
	killed := 0
	traced := map[string]map[deadletter.Action]bool{}
	for _, a := range notes.audits {
		if a.Ended.IsZero() {
			killed++
		}
		for _, r := range a.Results {
			if r.Result == deadletter.ResultDone {
				if traced[r.MessageID] == nil {
					traced[r.MessageID] = map[deadletter.Action]bool{}
				}
				traced[r.MessageID][a.Action] = true
			}
		}
	}
	if want := o.kills - 1; killed != want { // a listing has no audit
		o.t.Errorf("%d audits tell of an interruption, want %d", killed, want)
	}
	for _, l := range o.letters {
		o.traced(l, notes, traced[l.id])
	}
	o.tellFates()
}

// traced: one action was done to a message, and its notes say which, and whose it was. done is what the audits that
// came to their end say.
func (o *desk) traced(l *letter, notes kept, done map[deadletter.Action]bool) {
	o.t.Helper()
	if len(o.did[l.id]) != 1 {
		o.t.Errorf("%s: to message %s was done %v", l.death.name, l.id, o.did[l.id])
		return
	}
	action := o.did[l.id][0]
	// Where the audit of a killed run does not tell it, the note about the message does, and whose it was.
	i, d := notes.intents[l.id], notes.discarded[l.id]
	run := cmp.Or(i.Run, d.Run)
	if !done[action] && notes.audits[run].Operator == "" {
		o.t.Errorf("%s: nothing says who did %s to message %s", l.death.name, action, l.id)
	}
	if action == deadletter.Discard && (d.Body != l.body || d.RestoredAt.IsZero() == slices.Contains(o.restored, l.id)) {
		o.t.Errorf("%s: message %s is kept as %+v", l.death.name, l.id, d)
	}
	if action != deadletter.Discard && (i.Action != action || i.DoneAt.IsZero() || d.Body != "") {
		o.t.Errorf("%s: %s is noted as %+v, %+v", l.death.name, l.id, i, d)
	}
}

// tellFates logs what became of the letters, and holds the end of each upload against what was chosen for it.
func (o *desk) tellFates() {
	o.t.Helper()
	fates := map[*death]map[string]int{}
	for _, l := range o.letters {
		if fates[l.death] == nil {
			fates[l.death] = map[string]int{}
		}
		fate := fmt.Sprint(o.did[l.id])
		if slices.Contains(o.restored, l.id) {
			fate += ", restore"
		}
		if l.ref.ID != "" {
			fate += ": " + o.end(l)
		}
		fates[l.death][fate]++
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for d, byFate := range fates {
		for _, fate := range slices.Sorted(maps.Keys(byFate)) {
			fmt.Fprintf(w, "%s\t%d\t%s\n", d.name, byFate[fate], fate)
		}
	}
	check(o.t, w.Flush())
	o.t.Logf("what became of them:\n%s", &table)
}

// end checks the end of an upload.
func (o *desk) end(l *letter) string {
	o.t.Helper()
	switch {
	case l.death.want == deadletter.Lost:
		return o.wants(l, upload.Rejected, upload.ByOperator)
	case l.death.name == deletedSince:
		return o.wants(l, upload.Deleted, "")
	case l.death.text:
		return o.wants(l, upload.Rejected, upload.TypeMismatch)
	}
	return o.wants(l, upload.Stored, "")
}

// compare holds what the commands say against what the letters died of.
func (g *graveyard) compare(shown map[string]deadletter.Letter) {
	g.t.Helper()
	rows := map[*death]map[deadletter.Cause]int{}
	for _, l := range g.letters {
		if rows[l.death] == nil {
			rows[l.death] = map[deadletter.Cause]int{}
		}
		rows[l.death][shown[l.id].Diagnosis.Cause]++
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DIED OF\tLETTERS\tEXPECTED\tSHOWN")
	for d, causes := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%v\n", d.name, d.count, d.want, causes)
		if causes[d.want] != d.count {
			g.t.Errorf("%s: shown are %v, want %d %s", d.name, causes, d.count, d.want)
		}
	}
	check(g.t, w.Flush())
	g.t.Logf("%d letters, listed:\n%s", len(shown), &table)
}
