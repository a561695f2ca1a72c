//go:build acceptance

package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/deadletter"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

// TestAnUpgradeAndARollbackLoseNothing deploys template and functions of the release before, has uploads in every state,
// and updates the stack to this version by `sam deploy`. This version goes on with all of them. Then it leaves uploads in
// every state itself, and the release before is deployed over it and goes on with those. Files are uploaded meanwhile.
//
// The release before is the commit in testdata/before.json, or that of -base.
func TestAnUpgradeAndARollbackLoseNothing(t *testing.T) {
	u := newUpgrade(t)
	u.deploy(t, u.other)
	old := u.leaves(t, "before")
	u.deploy(t, u.this)
	old.goOn(t)
	recent := u.leaves(t, "after")
	u.deploy(t, u.other)
	recent.goOn(t)
	check(t, u.stack.noDeadLetters(t.Context()))
	u.listed(t)
	u.inPlace(t)
}

// upgrade is a stack that is updated to another version.
type upgrade struct {
	*versions
	stack     *stack
	built     map[*version]buildFolder
	meanwhile []*uploaded // while it was updated last
	discards  []string    // the reasons
	person    onCall
}

// legacyBucket is that of the service that Hatchery replaces.
const legacyBucket = "legacy-images"

func newUpgrade(t *testing.T) *upgrade {
	t.Helper()
	commit := releaseBefore(t)
	folder := exported(t, commit)
	v := &versions{}
	v.this = &version{versions: v, name: "this version", operator: hatcheryProgram(t)}
	v.other = &version{versions: v, name: commit[:min(len(commit), 12)], earlier: true,
		operator: filepath.Join(builtPrograms(t, folder, "./cmd/hatchery"), "hatchery")}
	u := &upgrade{versions: v, stack: &stack{emulator: startEmulator(t)}, built: map[*version]buildFolder{
		v.this:  builtFunctions(t, thisMachine),
		v.other: samBuild(t, folder, thisMachine, filepath.Join(t.TempDir(), "build"))}}
	_, err := s3Client(u.stack.config(root())).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(legacyBucket)})
	check(t, err)
	return u
}

// releaseBefore is the commit of the release before this one.
func releaseBefore(t *testing.T) string {
	t.Helper()
	if *base != "" {
		return *base
	}
	data, err := os.ReadFile("testdata/before.json")
	check(t, err)
	var before struct{ Commit string }
	check(t, json.Unmarshal(data, &before))
	return before.Commit
}

// deploy makes the stack that of a version, as a person would, while uploads go on. No resource is replaced by it, and
// each function is another one.
func (u *upgrade) deploy(t *testing.T, to *version) {
	t.Helper()
	template := builtTemplate(t, u.built[to])
	given := parameters("upgraded")
	given["Policy"], given["LegacyBucket"] = versionsPolicy, legacyBucket
	taken, _ := template["Parameters"].(map[string]any)
	maps.DeleteFunc(given, func(name, _ string) bool { return taken[name] == nil })

	before, codes := u.stack, u.codes(t)
	meanwhile := u.keepsUploading(t)
	defer meanwhile()
	u.stack = deployStack(t, before.emulator, "upgraded", template, u.built[to], given)
	to.deployed, u.answering = u.stack, []*version{to}
	u.objects, u.uploadsIn, u.queues, u.queue = u.stack.objects, u.stack.bucket, u.stack.queues, u.stack.queue
	u.meanwhile = meanwhile()
	for logical, was := range before.resources {
		if is, there := u.stack.resources[logical]; there && is != was {
			t.Errorf("%s was replaced: it was %s, and is %s", logical, was, is)
		}
	}
	for logical, code := range u.codes(t) {
		if code == codes[logical] {
			t.Errorf("%s has the program of before", logical)
		}
	}
	check(t, u.stack.hurry(t.Context()))
	u.stack.setting(t, "ReconcilerFunction", "HATCHERY_VISIBILITY_SECONDS", "1") // messages are given up after 5 s
	if u.person.stack == nil {
		u.person = u.stack.onCall(t, "on-call-upgrades", "OperatorLooks", "OperatorActs")
	}
}

// codes are the checksums of the functions' programs.
func (u *upgrade) codes(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, function := range functionNames {
		if u.stack.resources[function] != "" {
			var now struct{ Configuration struct{ CodeSha256 string } }
			u.stack.rest(t, "lambda", http.MethodGet, "/2015-03-31/functions/"+u.stack.resources[function], nil, &now)
			found[function] = now.Configuration.CodeSha256
		}
	}
	return found
}

// keepsUploading uploads pictures, each of them until it is accepted, and gives them when it is ended.
func (u *upgrade) keepsUploading(t *testing.T) (end func() []*uploaded) {
	t.Helper()
	quit, ended := make(chan struct{}), make(chan struct{})
	var accepted []*uploaded
	repeated := 0
	go func() {
		defer close(ended)
		for _, e := range u.answering { // none before there is a stack
			in := upload.Ref{Journal: "meanwhile", Entry: upload.Entry(entryID()), Kind: "images"}
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				body, key := u.picture(t), entryID()
				up, r := e.sends(t, in, body, "Idempotency-Key", key)
				for ; up == nil && r.StatusCode >= 500; up, r = e.sends(t, in, body, "Idempotency-Key", key) {
					repeated++
				}
				if up == nil {
					t.Errorf("a POST during the update is answered %d %s", r.StatusCode, r.body())
				}
				accepted = append(accepted, up)
				select {
				case <-quit:
					return
				case <-tick.C:
				}
			}
		}
	}()
	return sync.OnceValue(func() []*uploaded {
		close(quit)
		<-ended
		t.Logf("%d uploads meanwhile, of which %d had to be repeated", len(accepted), repeated)
		return accepted
	})
}

// awaits waits until uploads have become this, by the version that is deployed.
func (e *version) awaits(t *testing.T, want upload.Status, of ...*uploaded) {
	t.Helper()
	for _, u := range of {
		eventually(t, 20*time.Second, fmt.Sprintf("%s of %s is %s", u.ID, e.name, want), func() (bool, string) {
			got := e.standing(t, u)
			return got.Status == string(want), fmt.Sprintf("%s %+v", got.Status, got.Reason)
		})
		u.status, u.wrote = want, e
		e.bothSay(t, u)
	}
}

// left are uploads that one version has left, and what the next has to do with them.
type left struct {
	*upgrade
	by            *version
	in            upload.Ref
	stored        []*uploaded
	refused       []*uploaded
	keyed, waits  *uploaded // the keys are their ids
	once          *uploaded // its bytes are to be stored once
	announced     *uploaded // its form is used after the update,
	form          signedForm
	unused, never *uploaded // these never are; the form of the second ended long ago
	queued        []*uploaded
	held          []sqstypes.Message // by a validator that ended
	unheard       *uploaded          // its message was lost
	died          []*uploaded
}

// leaves has uploads in every state.
func (u *upgrade) leaves(t *testing.T, journal upload.Journal) *left {
	t.Helper()
	l := &left{upgrade: u, by: u.answering[0], in: upload.Ref{Journal: journal, Entry: "states", Kind: "images"}}
	e, in := l.by, l.in
	for range 4 {
		l.stored = append(l.stored, e.accepts(t, in, u.picture(t)))
		l.refused = append(l.refused, e.accepts(t, in, noPicture))
	}
	formed, form := e.signs(t, in, u.picture(t))
	u.fills(t, form, formed)
	l.stored = append(l.stored, formed)
	l.keyed = e.accepts(t, in, u.picture(t), "Idempotency-Key", "settled-"+string(journal))
	l.once = e.accepts(t, upload.Ref{Journal: journal, Entry: "states", Kind: "once"}, u.picture(t))
	e.awaits(t, upload.Stored, append(l.stored, l.keyed, l.once)...)
	e.awaits(t, upload.Rejected, l.refused...)
	e.deletes(t, l.stored[0])
	e.deletes(t, l.refused[0])
	l.stored = append(l.stored, u.legacyImage(t, l.stored[1]))

	l.announced, l.form = e.signs(t, in, u.picture(t))
	l.unused, _ = e.signs(t, in, u.picture(t))
	l.never, _ = e.signs(t, in, u.picture(t))
	l.die(t)
	l.wait(t)
	return l
}

// fills posts the bytes of an upload with its form.
func (u *upgrade) fills(t *testing.T, form signedForm, up *uploaded) {
	t.Helper()
	if a, err := (entry{stack: u.stack}).fill(t.Context(), form.Form, up.body); err != nil || a.status/100 != 2 {
		t.Fatalf("the bucket answered the form of %s with %s, %v", up.Ref, a, err)
	}
}

// legacyImage makes what the replaced service has stored, and a migration gave a record: like that of a stored upload,
// without what a verdict writes.
func (u *upgrade) legacyImage(t *testing.T, like *uploaded) *uploaded {
	t.Helper()
	e := entry{stack: u.stack, journal: string(like.Journal), id: string(like.Entry)}
	item, err := e.item(t.Context(), record{ID: string(like.ID), Kind: string(like.Kind)})
	check(t, err)
	legacy := *like
	legacy.ID, legacy.legacy = upload.ID(string(like.ID[:len(like.ID)-12])+"000000000000"), true
	for name, value := range item {
		if text, ok := value.(*dynamotypes.AttributeValueMemberS); ok {
			text.Value = strings.ReplaceAll(text.Value, string(like.ID), string(legacy.ID))
		}
		if slices.Contains([]string{"judged_version", "served_version", "settled_at"}, name) {
			delete(item, name)
		}
	}
	_, err = u.stack.database.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &u.stack.table, Item: item})
	check(t, err)
	_, err = u.objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(legacyBucket),
		Key:  aws.String(fmt.Sprintf("%s/entries/%s/%s/%s", like.Journal, like.Entry, like.Kind, legacy.ID)),
		Body: bytes.NewReader(like.body)})
	check(t, err)
	u.uploads = slices.Insert(u.uploads, slices.Index(u.uploads, like), &legacy) // of one moment the lists have the higher id first
	return &legacy
}

// die has uploads die of a right that the validator lacks, and a message that cannot be read.
func (l *left) die(t *testing.T) {
	t.Helper()
	restore := l.stack.without(t, "ValidatorRole", "ReadQuarantine")
	for range 2 {
		l.died = append(l.died, l.by.accepts(t, l.in, l.picture(t)))
	}
	l.stack.send(t, []string{"no notification"})
	l.stack.haveDied(t, len(l.died)+1)
	restore()
	l.types(t, l.by, 1, "ls")
}

// wait has uploads wait for a validator: with a message, with one that is in flight, and without.
func (l *left) wait(t *testing.T) {
	t.Helper()
	l.stack.mapping(t, false)
	check(t, l.stack.drained(t.Context(), l.queue))
	receive := func() sqstypes.Message {
		t.Helper()
		var got sqstypes.Message
		eventually(t, l.stack.patience, "the message about an upload", func() (bool, string) {
			out, err := l.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &l.queue, VisibilityTimeout: 600})
			check(t, err)
			if len(out.Messages) == 1 {
				got = out.Messages[0]
			}
			return len(out.Messages) == 1, ""
		})
		return got
	}
	l.unheard = l.by.accepts(t, l.in, l.picture(t))
	check(t, l.stack.forget(t.Context(), l.queue, receive()))
	flying := l.by.accepts(t, l.in, l.picture(t))
	l.held = append(l.held, receive())
	l.waits = l.by.accepts(t, l.in, l.picture(t), "Idempotency-Key", "pending-"+string(l.in.Journal))
	l.queued = append(l.queued, flying, l.waits, l.by.accepts(t, l.in, l.picture(t)))
}

// listed: the lists have what was left.
func (u *upgrade) listed(t *testing.T) {
	t.Helper()
	seen := map[upload.Ref]bool{}
	for _, up := range u.uploads {
		in := up.Ref
		if in.ID = ""; !seen[in] && in.Journal != "meanwhile" { // nobody knows which version wrote those
			seen[in] = true
			u.bothList(t, in)
		}
	}
}

// goOn has the version that is deployed now go on with all that the one before has left.
func (l *left) goOn(t *testing.T) {
	t.Helper()
	e := l.answering[0]
	for _, up := range l.uploads {
		l.bothSay(t, up)
	}
	l.listed(t)
	for key, first := range map[string]*uploaded{"settled": l.keyed, "pending": l.waits} {
		again, r := e.sends(t, l.in, first.body, "Idempotency-Key", key+"-"+string(l.in.Journal))
		if again != nil || !bytes.Contains(r.body(), []byte(first.ID)) {
			t.Errorf("%s answers a key of %s with %d %s, want %s", e.name, l.by.name, r.StatusCode, r.body(), first.ID)
		}
	}
	for _, gone := range []*uploaded{l.stored[1], l.stored[len(l.stored)-1], l.refused[1], l.unused} {
		e.deletes(t, gone)
	}
	l.stack.mapping(t, true)
	for _, m := range l.held {
		_, err := l.queues.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &l.queue,
			ReceiptHandle: m.ReceiptHandle})
		check(t, err)
	}
	l.fills(t, l.form, l.announced)
	e.awaits(t, upload.Stored, slices.Concat(l.queued, l.meanwhile, []*uploaded{l.announced})...)
	e.awaits(t, upload.Rejected, e.accepts(t, upload.Ref{Journal: l.in.Journal, Entry: "states", Kind: "once"}, l.once.body))
	l.redrive(t, e) // before the reconciler sends them
	l.reconcile(t, e)
	check(t, l.stack.drained(t.Context(), l.queue))
}

// reconcile sends the lost message again, and gives up what never came.
func (l *left) reconcile(t *testing.T, e *version) {
	t.Helper()
	check(t, entry{stack: l.stack, journal: string(l.in.Journal), id: string(l.in.Entry)}.expired(t.Context(),
		record{ID: string(l.never.ID), Kind: string(l.never.Kind)}, time.Now().Add(-25*time.Hour)))
	found := map[*uploaded]reconcile.What{}
	eventually(t, 2*l.stack.patience, "what is stuck is seen to", func() (bool, string) {
		report := e.reconciles(t)
		for _, what := range []reconcile.What{reconcile.Resent, reconcile.NeverArrived, reconcile.LostRecord} {
			for _, up := range l.about(report, what) {
				found[up] = what
			}
		}
		return found[l.unheard] == reconcile.Resent && found[l.never] == reconcile.NeverArrived, fmt.Sprint(found)
	})
	e.awaits(t, upload.Stored, l.unheard)
	l.never.dropped = true
	e.awaits(t, upload.Rejected, l.never)
	for up, what := range found {
		if what == reconcile.LostRecord {
			t.Errorf("%s takes the file of %s for lost", e.name, up.Ref)
		}
	}
}

// redrive sends the dead letters again, and discards the poison, from the listing that the version before made.
func (l *left) redrive(t *testing.T, e *version) {
	t.Helper()
	l.types(t, e, 0, "redrive", "--cause", string(deadletter.Denied), "--yes")
	e.awaits(t, upload.Stored, l.died...)
	reason := "left by those of " + string(l.in.Journal)
	l.discards = append(l.discards, reason)
	l.types(t, e, 0, "discard", "--cause", string(deadletter.Poison), "--reason", reason, "--yes")
	for _, said := range l.discards {
		if r := l.types(t, e, 0, "ls", "--discarded"); !strings.Contains(r.stdout, said) {
			t.Errorf("%s does not list what was discarded as %q: %s", e.name, said, r)
		}
	}
}

// types runs a version's `hatchery dlq` as somebody on call, who has had the rights since before the first update.
func (u *upgrade) types(t *testing.T, e *version, code int, args ...string) result {
	t.Helper()
	env, _ := u.person.logIn(t)
	r := run(t, command{env: env, args: append([]string{e.operator}, u.person.at(append([]string{"dlq"}, args...))...)})
	if r.code != code {
		t.Errorf("want code %d, but %s", code, r)
	}
	return r
}
