//go:build acceptance

package acceptance

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/deadletter"
)

// patients are letters that the commands are tried on.
type patients struct {
	entry
	// pending are letters of uploads that died of a right that was taken away for a while; of lost the bytes are gone.
	pending, lost, poison []deadletter.Letter
}

const (
	nPending, nLost, nPoison = 8, 2, 4
	nPatients                = nPending + nLost + nPoison
)

// patients lets some messages die, and has them listed.
func (s *stack) patients(t *testing.T, looks onCall) *patients {
	t.Helper()
	p := &patients{entry: s.newEntry()}
	p.journal = "on-call"
	check(t, validates(t.Context(), s, picture(t))) // for whoever looks at what is stored
	restore := s.without(t, "ValidatorRole", "ReadQuarantine")
	var posted []record
	for range nPending + nLost {
		r, err := p.post(t.Context(), "images", "cat.gif", picture(t))
		check(t, err)
		posted = append(posted, r)
	}
	s.send(t, slices.Repeat([]string{"no notification"}, nPoison))
	s.haveDied(t, nPatients)
	restore()
	for _, lost := range posted[nPending:] {
		versions, err := s.versions(t.Context(), p.quarantineKey(lost))
		check(t, err)
		check(t, remove(p.quarantineKey(lost), versions[0])(t.Context(), s.actor(root())))
	}
	causes := map[deadletter.Cause]int{}
	for _, l := range looks.lists(t) {
		causes[l.Diagnosis.Cause]++
		switch l.Diagnosis.Cause {
		case deadletter.Denied:
			p.pending = append(p.pending, l)
		case deadletter.Lost:
			p.lost = append(p.lost, l)
		case deadletter.Poison:
			p.poison = append(p.poison, l)
		}
	}
	if want := (map[deadletter.Cause]int{deadletter.Denied: nPending, deadletter.Lost: nLost,
		deadletter.Poison: nPoison}); !maps.Equal(causes, want) {
		t.Fatalf("what died is shown as %v, want %v", causes, want)
	}
	return p
}

// id is that of a pending letter's upload, name is the upload's with where it belongs, and message the letter's own id.
func (p *patients) id(n int) string      { return string(p.pending[n].Arrivals[0].UploadID) }
func (p *patients) name(n int) string    { return p.journal + "/" + p.entry.id + "/" + p.id(n) }
func (p *patients) message(n int) string { return p.pending[n].MessageID }

// copied puts a copy of a pending upload under files/, as a validator that died leaves one.
func (p *patients) copied(t *testing.T, n int) {
	t.Helper()
	key := p.filesKey(record{Kind: "images", ID: p.id(n)})
	_, err := p.objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.bucket, Key: &key,
		Metadata: map[string]string{"source-version": string(p.pending[n].Arrivals[0].Version)}})
	check(t, err)
}

// ending is how a command has to end: with a code, and having said something.
type ending struct {
	code int
	says string
}

// gotRights are the rights that commands asked for and got, by command: "s3:PutObject dead-letters/audit/…".
type gotRights map[string]map[string]bool

// took notes what a command asked for that had to end so, with every right that it asked for.
func (a gotRights) took(t *testing.T, p onCall, name string, r typed, want ending) {
	t.Helper()
	if r.code != want.code || !strings.Contains(r.stdout+r.stderr, want.says) {
		t.Errorf("%s: want code %d, and %q said, but %s", p.role, want.code, want.says, r)
	}
	if a[name] == nil {
		a[name] = map[string]bool{}
	}
	for _, one := range r.asked {
		if !one.Allowed {
			t.Errorf("%s: %s asked for %s on %s, which the policies do not have", p.role, name, one.Action, one.Resource)
		}
		a[name][one.Action+" "+one.Resource] = true
	}
}

// refused: a command ends with code 3, and names a right that was not given.
func (p onCall) refused(t *testing.T, action string, args ...string) {
	t.Helper()
	r := p.types(t, args...)
	if r.code != 3 || !strings.Contains(r.stdout+r.stderr, action) {
		t.Errorf("%s: want code 3, and %s said, but %s", p.role, action, r)
	}
}

// peopleOnCall: with the policies for people attached, each command of Hatchery that they are for works, and asks for
// nothing else; without, it is refused. docs/deploy.md tells which rights each command needs.
func peopleOnCall(t *testing.T, s *stack) {
	looks := s.onCall(t, "on-call-looks", "OperatorLooks")
	acts := s.onCall(t, "on-call-acts", "OperatorLooks", "OperatorActs")
	rechecks := s.onCall(t, readsQuarantine, "OperatorLooks", "OperatorRechecks")
	p, took := s.patients(t, looks), gotRights{}
	t.Run("who looks", func(t *testing.T) { peopleLook(t, looks, p, took) })
	t.Run("who looks is refused all else", func(t *testing.T) { lookersAreRefused(t, looks, p) })
	diagnoses := s.onCall(t, "on-call-diagnoses", "OperatorDiagnoses")
	took.took(t, diagnoses, "doctor", diagnoses.types(t, "doctor"), ending{1, "14 dead letters waiting"})
	t.Run("who acts", func(t *testing.T) { peopleAct(t, acts, rechecks, p, took) })
	t.Run("who uses the console", func(t *testing.T) { peopleUseTheConsole(t, looks, acts, p, took) })
	t.Run("each action is needed", func(t *testing.T) { commandsNeedEveryAction(t, acts, p) })
	took.took(t, acts, "reconcile", p.reconcilesAll(t, acts), ending{1, "uploads sent again"})
	t.Run("docs/deploy.md", func(t *testing.T) { deployPageTells(t, took) })
	_, err := s.queues.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &s.dead})
	check(t, err)
}

// peopleLook: with the rights to look.
func peopleLook(t *testing.T, looks onCall, p *patients, took gotRights) {
	for _, c := range []struct {
		name string
		args []string
		want ending
	}{
		{"dlq ls", []string{"dlq", "ls"}, ending{1, "14 dead letters"}},
		{"dlq ls --again", []string{"dlq", "ls", "--again"}, ending{1, "14 dead letters"}},
		{"dlq ls --snapshots", []string{"dlq", "ls", "--snapshots"}, ending{0, "/on-call-looks/"}},
		{"dlq show", []string{"dlq", "show", p.message(0)}, ending{0, "s3:GetObjectVersion"}},
		{"dlq show", []string{"dlq", "show", p.lost[0].MessageID}, ending{0, "bytes_lost"}},
		{"show", []string{"show", p.id(0)}, ending{0, "a dead letter (denied)"}},
		{"show", []string{"show", p.name(0)}, ending{0, "a dead letter (denied)"}},
		{"show", []string{"show", string(p.lost[0].Arrivals[0].UploadID)}, ending{0, "a dead letter (bytes_lost)"}},
		{"reconcile --dry-run", []string{"reconcile", "--dry-run", "--older-than", "0s"}, ending{1, "14  dead letters"}},
	} {
		took.took(t, looks, c.name, looks.types(t, c.args...), c.want)
	}
	took.took(t, looks, "dlq watch", looks.watches(t), ending{0, "14 waiting"})
}

// lookersAreRefused: whoever may look changes nothing.
func lookersAreRefused(t *testing.T, looks onCall, p *patients) {
	const audit, why = "s3:PutObject", "--reason=because"
	for _, args := range [][]string{
		{"dlq", "redrive", "--yes", p.message(0)}, {"dlq", "redrive", "--yes", "--probe"},
		{"dlq", "redrive", "--yes", "--all"}, {"dlq", "redrive", "--all", "--cancel"},
		{"dlq", "reject", "--yes", why, p.message(0)}, {"dlq", "discard", "--yes", why, p.poison[0].MessageID},
		{"dlq", "restore", "--yes", p.message(0)}, {"dlq", "pause"}, {"dlq", "resume"},
		{"reject", "--yes", why, p.name(0)}, {"recheck", p.name(0)},
	} {
		looks.refused(t, audit, args...)
	}
	letters := looks.lists(t)
	if len(letters) != nPatients {
		t.Errorf("after all these refusals %d letters are there, want %d", len(letters), nPatients)
	}
}

// peopleAct: with the rights to act besides, and one command with those to read quarantine.
func peopleAct(t *testing.T, acts, rechecks onCall, p *patients, took gotRights) {
	const why = "--reason=because"
	p.copied(t, 2)
	p.copied(t, 3)
	for _, c := range []struct {
		who  onCall
		name string
		args []string
		want ending
	}{
		{acts, "dlq redrive", []string{"dlq", "redrive", "--probe", "--yes", p.message(0)}, ending{0, "stored"}},
		{acts, "dlq redrive", []string{"dlq", "redrive", "--yes", p.message(1)}, ending{0, "1 done"}},
		{acts, "dlq redrive", []string{"dlq", "redrive", "--yes", p.lost[0].MessageID}, ending{0, "1 done"}},
		{acts, "dlq reject", []string{"dlq", "reject", "--yes", why, p.message(2)}, ending{0, "1 done"}},
		{acts, "dlq discard", []string{"dlq", "discard", "--yes", why, p.poison[0].MessageID}, ending{0, "1 done"}},
		{acts, "dlq ls --actions", []string{"dlq", "ls", "--actions"}, ending{0, "1 of 1"}},
		{acts, "dlq ls --discarded", []string{"dlq", "ls", "--discarded"}, ending{0, p.poison[0].MessageID}},
		{acts, "dlq restore", []string{"dlq", "restore", "--yes", p.poison[0].MessageID}, ending{0, "1 done"}},
		{acts, "dlq pause", []string{"dlq", "pause"}, ending{0, "Disabled"}},
		{acts, "dlq resume", []string{"dlq", "resume"}, ending{0, "Enabled"}},
		{acts, "reject", []string{"reject", "--yes", why, p.name(3)}, ending{0, "is rejected"}},
		{rechecks, "recheck --dry-run", []string{"recheck", "--dry-run", p.name(3)}, ending{0, "would be stored"}},
		{acts, "recheck", []string{"recheck", p.name(3)}, ending{0, "is pending now"}},
		{acts, "recheck", []string{"recheck", "--yes", "--code", "operator"}, ending{0, p.name(2)[:8]}},
		{acts, "dlq redrive --all", []string{"dlq", "redrive", "--all", "--yes"}, ending{3, "does not know the call"}},
		{acts, "dlq redrive --all --cancel", []string{"dlq", "redrive", "--all", "--cancel"},
			ending{3, "does not know the call"}},
	} {
		if c.who == rechecks {
			acts.refused(t, "s3:GetObjectVersion", c.args...)
		}
		took.took(t, c.who, c.name, c.who.types(t, c.args...), c.want)
	}
	for _, n := range []int{0, 1, 2, 3} {
		_, err := p.stored(t.Context(), record{Kind: "images", ID: p.id(n)})
		check(t, err)
	}
	acts.lists(t)
	took.took(t, acts, "dlq discard", acts.types(t, "dlq", "discard", "--yes", why, p.message(3)), ending{0, "1 done"})
}

// needed is a right, and a command that does not come to its end without it.
type needed struct {
	right string // policy, Sid, action, and where the statement has several resources the end of the resource
	args  []string
}

// unseen are rights that commands ask for where the queue service has move tasks: here they end at the list of them.
var unseen = map[string]string{
	"dlq redrive --all":          "sqs:StartMessageMoveTask",
	"dlq redrive --all --cancel": "sqs:CancelMessageMoveTask",
}

// commandsNeedEveryAction: every action of the policies is one that some command asked for, and without it, with all
// others, a command fails and names it.
func commandsNeedEveryAction(t *testing.T, acts onCall, p *patients) {
	const why = "--reason=because"
	p.copied(t, 5)
	ls, dryRun := []string{"dlq", "ls"}, []string{"reconcile", "--dry-run", "--older-than", "0s"}
	redrive := []string{"dlq", "redrive", "--yes", p.message(4)}
	reject := []string{"dlq", "reject", "--yes", why, p.message(5)}
	discard := []string{"dlq", "discard", "--yes", why, p.poison[1].MessageID}
	recheck := []string{"recheck", "--dry-run", p.name(6)}
	if r := acts.types(t, "reject", "--yes", why, p.name(6)); r.code != 0 {
		t.Fatal(r)
	}
	s := p.stack
	part := onCall{s, "on-call-part"}
	s.personMay(t, part.role, right{"Effect": "Allow", "Action": "none:None", "Resource": "*"})
	s.letReadQuarantine(t, part.role)
	rights := s.everyRight(t)
	left := maps.Clone(rights)
	fails := func(n needed) {
		t.Run(n.right, func(t *testing.T) {
			without, there := rights[n.right]
			if !there {
				t.Fatal("no policy has it")
			}
			delete(left, n.right)
			s.grant(t, rolePolicy{role: part.role, name: "own", Version: "2012-10-17", Statement: without})
			r := part.types(t, n.args...)
			_, action, _ := strings.Cut(n.right, " ")
			if !strings.Contains(r.stdout+r.stderr, action) || r.code == 0 {
				t.Errorf("without it: %s", r)
			}
			t.Logf("code %d: %.300s", r.code, r.stderr)
		})
	}
	for _, n := range []needed{
		{"OperatorLooks/LookAtDeadLetters sqs:GetQueueAttributes", ls},
		{"OperatorLooks/LookAtDeadLetters sqs:GetQueueUrl", ls},
		{"OperatorLooks/LookAtDeadLetters sqs:ReceiveMessage", ls},
		{"OperatorLooks/LookAtDeadLetters sqs:ListMessageMoveTasks", []string{"dlq", "redrive", "--all", "--cancel"}},
		{"OperatorLooks/LookAtTheQueue sqs:GetQueueAttributes", ls},
		{"OperatorLooks/FindTheStack cloudformation:DescribeStacks", ls},
		{"OperatorLooks/List s3:ListBucket", []string{"dlq", "ls", "--again"}},
		{"OperatorLooks/List s3:ListBucketVersions", ls},
		{"OperatorLooks/ReadNotes s3:GetObject", []string{"dlq", "ls", "--again"}},
		{"OperatorLooks/KeepListings s3:PutObject", ls},
		{"OperatorLooks/SeeCopies s3:GetObject", ls},
		{"OperatorLooks/ReadRecords dynamodb:GetItem", ls},
		{"OperatorLooks/ReadRecords dynamodb:BatchGetItem", dryRun},
		{"OperatorLooks/ReadRecords dynamodb:Scan", []string{"show", p.id(4)}},
		{"OperatorLooks/ListRecords dynamodb:Query", dryRun},
		{"OperatorLooks/SeeWhetherPaused lambda:GetEventSourceMapping", []string{"dlq", "resume"}},
	} {
		fails(n)
	}
	acts.lists(t) // the last listing could not explain all
	for _, n := range []needed{
		{"OperatorActs/KeepTraces/audit/* s3:PutObject", redrive},
		{"OperatorActs/KeepTraces/intents/* s3:PutObject", redrive},
		{"OperatorActs/SendMessages sqs:SendMessage", redrive},
		{"OperatorActs/KeepTraces/discarded/* s3:PutObject", discard},
		{"OperatorActs/MoveDeadLetters sqs:DeleteMessage", discard},
		{"OperatorActs/ChangeRecords dynamodb:PutItem", reject},
		{"OperatorActs/RemoveCopies s3:DeleteObjectVersion", reject},
		{"OperatorActs/Tell events:PutEvents", reject},
		{"OperatorActs/Pause lambda:UpdateEventSourceMapping", []string{"dlq", "resume"}},
		{"OperatorRechecks/ReadQuarantine s3:GetObjectVersion", recheck},
		// The last: what is not given back is hidden for minutes.
		{"OperatorLooks/LookAtDeadLetters sqs:ChangeMessageVisibility", ls},
	} {
		fails(n)
	}
	delete(left, "OperatorLooks/ListEntries dynamodb:Query") // these three are for pages of the console
	delete(left, "OperatorLooks/ReadEntries dynamodb:Query")
	delete(left, "OperatorSeesFiles/ReadStoredVersions s3:GetObjectVersion")
	for _, action := range unseen {
		delete(left, "OperatorActs/MoveDeadLetters "+action)
	}
	for name := range left {
		t.Errorf("no command is known that fails without %s", name)
	}
}

// everyRight gives all rights of the policies for people on call, each with the statements that are left without it.
// OperatorDiagnoses stands alone, and repeats some of the others.
func (s *stack) everyRight(t *testing.T) map[string][]right {
	t.Helper()
	var all []right
	var names []string // of the policy of each
	for _, policy := range others(s.operators(t), "OperatorDiagnoses") {
		for _, st := range s.operatorRights(t, policy) {
			all, names = append(all, st), append(names, policy)
		}
	}
	found := map[string][]right{}
	for n, st := range all {
		actions, resources := texts(st["Action"]), texts(st["Resource"])
		for _, action := range actions {
			for _, resource := range resources {
				name := names[n] + "/" + st["Sid"].(string)
				changed := right{"Effect": "Allow", "Action": others(actions, action), "Resource": resources}
				if _, what, of := strings.Cut(resource, "/dead-letters/"); of && len(resources) > 1 {
					name += "/" + what
					changed = right{"Effect": "Allow", "Action": actions, "Resource": others(resources, resource)}
				}
				found[name+" "+action] = slices.Concat(all[:n], []right{changed}, all[n+1:])
			}
		}
	}
	return found
}

// reconcilesAll runs the reconciler's work by hand, with all that it may do: a pending upload whose message it sends
// again, and one that it gives up.
func (p *patients) reconcilesAll(t *testing.T, acts onCall) typed {
	t.Helper()
	f, err := p.form(t.Context(), "images", map[string]any{"name": "never.gif"})
	check(t, err)
	check(t, p.expired(t.Context(), f.Record, time.Now().Add(-25*time.Hour)))
	r := acts.types(t, "reconcile", "--older-than", "0s")
	check(t, p.rejected(t.Context(), f.Record, "never_arrived"))
	return r
}

// deployPageTells: docs/deploy.md has the table of what each command asks for.
func deployPageTells(t *testing.T, took gotRights) {
	for name, action := range unseen {
		took[name][action+" "+deadLetterQueue] = true
	}
	table := "| command | what it asks for |\n|---|---|\n"
	for _, all := range []struct{ title, prefix string }{{"every one", ""}, {"every `dlq`", "dlq "}} {
		common := maps.Clone(took["dlq ls"])
		for name, rights := range took {
			if strings.HasPrefix(name, all.prefix) {
				maps.DeleteFunc(common, func(right string, _ bool) bool { return !rights[right] })
			}
		}
		table += "| " + all.title + " | " + shortRights(common) + " |\n"
		for name, rights := range took {
			if strings.HasPrefix(name, all.prefix) {
				maps.DeleteFunc(rights, func(right string, _ bool) bool { return common[right] })
			}
		}
	}
	rows := map[string][]string{} // commands by what they ask for
	for _, name := range slices.Sorted(maps.Keys(took)) {
		short := shortRights(took[name])
		rows[short] = append(rows[short], "`"+name+"`")
	}
	var lines []string
	for rights, names := range rows {
		lines = append(lines, "| "+strings.Join(names, ", ")+" | "+rights+" |\n")
	}
	slices.Sort(lines)
	table += strings.Join(lines, "")
	page, err := os.ReadFile(filepath.Join(moduleRoot(t), "docs", "deploy.md"))
	check(t, err)
	if !strings.Contains(string(page), table) {
		t.Errorf("docs/deploy.md does not have this table:\n%s", table)
	}
}

// shortRights writes rights by service, and names in short what they are on.
func shortRights(rights map[string]bool) string {
	short := map[string]map[string]bool{}
	for one := range rights {
		action, resource, _ := strings.Cut(one, " ")
		service, call, _ := strings.Cut(action, ":")
		if where := whereOf(resource); where != "" {
			call += " " + where
		}
		if short[service] == nil {
			short[service] = map[string]bool{}
		}
		short[service][call] = true
	}
	var parts []string
	for _, service := range slices.Sorted(maps.Keys(short)) {
		parts = append(parts, service+": "+strings.Join(slices.Sorted(maps.Keys(short[service])), ", "))
	}
	if len(parts) == 0 {
		return "nothing else"
	}
	return strings.Join(parts, "; ")
}

// deadLetterQueue is how the ARN of the dead-letter queue begins.
const deadLetterQueue = "arn:aws:sqs:" + region + ":000000000000:hatchery-DeadLetterQueue"

// whereOf names a resource in short: a queue, or where in the bucket.
func whereOf(resource string) string {
	switch {
	case strings.HasPrefix(resource, "arn:aws:sqs:") && strings.HasSuffix(resource, "-uploads"):
		return "(queue)"
	case strings.HasPrefix(resource, deadLetterQueue):
		return "(dead letters)"
	case !strings.HasPrefix(resource, "arn:aws:s3:"):
		return ""
	}
	_, key, _ := strings.Cut(resource, "/")
	if folder, rest, ok := strings.Cut(key, "/"); ok {
		if sub, _, found := strings.Cut(rest, "/"); found && folder == "dead-letters" {
			folder += "/" + sub
		}
		return "`" + folder + "/`"
	}
	return ""
}
