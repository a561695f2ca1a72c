//go:build acceptance

package acceptance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"hatchery/shared/policy"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// TestTwoVersionsWorkTogether: while a stack is updated or rolled back, the functions of two versions have one bucket
// and one table. What one version made, the other goes on with, in both directions, and both may work on one upload at
// the same time. Without -base both are this version, which keeps the test itself working.
//
//	CGO_ENABLED=0 go test -tags acceptance ./acceptance -run TwoVersions -v -args -base COMMIT
func TestTwoVersionsWorkTogether(t *testing.T) {
	v := newVersions(t)
	goesOn := func(journal upload.Journal, maker, next *version) {
		for _, try := range []struct {
			what string
			do   func(t *testing.T, journal upload.Journal, maker, next *version)
		}{{"uploads of every state", v.everyState}, {"idempotency keys", v.idempotencyKeys}, {"duplicates", v.duplicates},
			{"bounds", v.bounds}, {"rejected bytes", v.rejectedBytes}, {"both at once", v.bothAtOnce}} {
			t.Run(string(journal)+": "+try.what, func(t *testing.T) { try.do(t, journal, maker, next) })
		}
	}
	reconciled := func(s stuck, judge, reconciler *version) {
		t.Run(string(s.announced.Journal)+": the reconciler", func(t *testing.T) { s.areReconciled(t, judge, reconciler) })
	}
	upgraded := v.leavesStuck(t, "upgrade", v.other) // they wait while the others are tried
	goesOn("upgrade", v.other, v.this)
	rolledBack := v.leavesStuck(t, "rollback", v.this)
	reconciled(upgraded, v.other, v.this)
	goesOn("rollback", v.this, v.other)
	reconciled(rolledBack, v.this, v.other)
	t.Run("a survey under way", v.surveysUnderWay)
	t.Run("lists", v.listsOfBoth)
	t.Run("searches", v.searchesOfBoth)
	t.Run("everything is in its place", v.inPlace)
}

// noPicture is refused as something else than its name says.
var noPicture = []byte("#!/bin/sh\necho I am a script\n")

// everyState: what one version made reads the same by the other, which goes on with it; and back.
func (v *versions) everyState(t *testing.T, journal upload.Journal, maker, next *version) {
	in := upload.Ref{Journal: journal, Entry: "states", Kind: "images"}
	var made []*uploaded
	for n := range 10 {
		body := v.picture(t)
		if n >= 5 && n < 8 {
			body = noPicture
		}
		made = append(made, maker.accepts(t, in, body))
	}
	maker.judges(t, upload.Stored, made[:5]...)
	maker.judges(t, upload.Rejected, made[5:8]...)
	for _, n := range []int{0, 5, 8} {
		maker.deletes(t, made[n])
	}
	formed, form := maker.signs(t, in, v.picture(t))
	client := entry{stack: &stack{emulator: &emulator{http: http.DefaultClient}}}
	if a, err := client.fill(t.Context(), form.Form, formed.body); err != nil || a.status/100 != 2 {
		t.Fatalf("the bucket answered a form with %s, %v", a, err)
	}
	announced, _ := maker.signs(t, in, v.picture(t))
	made = append(made, formed, announced)
	for _, u := range made {
		v.bothSay(t, u)
	}
	v.bothList(t, in)
	for _, status := range []upload.Status{upload.Pending, upload.Rejected} {
		handsOverCursor(t, in, status, maker, next)
		handsOverCursor(t, in, status, next, maker)
	}

	next.judges(t, upload.Stored, formed)
	for _, u := range []*uploaded{made[1], made[6], made[9]} {
		next.deletes(t, u) // it was stored, rejected and pending
	}
	maker.deletes(t, made[2])
	waiting := next.accepts(t, in, v.picture(t))
	maker.judges(t, upload.Stored, waiting)
	for _, e := range []*version{maker, next} { // once more, and too late
		e.handles(t, v.messagesOf(t, append(made, waiting)...))
	}
	for _, u := range append(made, waiting) {
		v.bothSay(t, u)
	}
	v.bothList(t, in)
}

// handsOverCursor: a list that one version began goes on the same by the other, or is refused.
func handsOverCursor(t *testing.T, in upload.Ref, status upload.Status, from, to *version) {
	t.Helper()
	list := fmt.Sprintf("%s?status=%s&limit=1", pathOf(in), status)
	var page struct {
		Next string `json:"next_cursor"`
	}
	answered(t, from.asks(t, http.MethodGet, list, nil), http.StatusOK, &page)
	if page.Next == "" {
		return // it misses them
	}
	list += "&cursor=" + page.Next
	want, got := from.asks(t, http.MethodGet, list, nil), to.asks(t, http.MethodGet, list, nil)
	if got.StatusCode != http.StatusBadRequest && (got.StatusCode != want.StatusCode || got.Body != want.Body) {
		t.Errorf("the cursor of %s brings %s to %d %s, want %s", from.name, to.name, got.StatusCode, got.body(), want.body())
	}
}

// idempotencyKeys: the first record is that of a key, whoever made it.
func (v *versions) idempotencyKeys(t *testing.T, journal upload.Journal, maker, next *version) {
	in := upload.Ref{Journal: journal, Entry: "keys", Kind: "images"}
	body := v.picture(t)
	key := []string{"idempotency-key", "key-1"}
	first := maker.accepts(t, in, body, key...)
	repeats := func(e *version, status upload.Status) {
		t.Helper()
		var again record
		another, r := e.sends(t, in, body, key...)
		if another != nil {
			t.Fatalf("%s made %s under a key that %s has", e.name, another.Ref, first.Ref)
		}
		answered(t, r, http.StatusAccepted, &again)
		if again.ID != string(first.ID) || again.Status != string(status) {
			t.Errorf("%s answers %+v, want %s, %s", e.name, again, first.ID, status)
		}
	}
	repeats(next, upload.Pending)
	if _, r := next.sends(t, in, v.picture(t), key...); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%s took other bytes under the key: %d", next.name, r.StatusCode)
	}
	next.judges(t, upload.Stored, first)
	repeats(maker, upload.Stored)
	repeats(next, upload.Stored)
	asked := v.picture(t)
	if _, form := maker.signs(t, in, asked, key...); form.Record.ID == string(first.ID) {
		t.Error("the form route has the key of the POST route")
	}
	if again, _ := next.signs(t, in, asked, key...); again != nil {
		t.Errorf("%s made %s under the key of a form", next.name, again.Ref)
	}
}

// duplicates: bytes are stored once, whoever stored them, and again after they were deleted.
func (v *versions) duplicates(t *testing.T, journal upload.Journal, maker, next *version) {
	in := upload.Ref{Journal: journal, Entry: "once", Kind: "once"}
	body := v.picture(t)
	refuses := func(e *version, u *uploaded, first *uploaded) {
		t.Helper()
		e.judges(t, upload.Rejected, u)
		if why := e.standing(t, u).Reason; why == nil || why.Code != upload.Duplicate ||
			!strings.Contains(why.Message, string(first.ID)) {
			t.Errorf("%s refuses it as %+v, want a duplicate of %s", e.name, why, first.ID)
		}
	}
	first, second := maker.accepts(t, in, body), next.accepts(t, in, body)
	maker.judges(t, upload.Stored, first)
	refuses(next, second, first)
	next.deletes(t, first)
	third, fourth := maker.accepts(t, in, body), next.accepts(t, in, body)
	next.judges(t, upload.Stored, third)
	refuses(maker, fourth, third)
	refuses(next, maker.accepts(t, in, body), third)
}

// bounds: an entry has room for two files, whoever stored them.
func (v *versions) bounds(t *testing.T, journal upload.Journal, maker, next *version) {
	body := noise(t, 100, 100)
	for _, in := range []upload.Ref{{Journal: journal, Entry: "few", Kind: "few"},
		{Journal: journal, Entry: "light", Kind: "light"}} {
		first, second := maker.accepts(t, in, body), maker.accepts(t, in, body)
		maker.judges(t, upload.Stored, first)
		third, r := next.sends(t, in, body)
		counted := third == nil && r.StatusCode == http.StatusNotAcceptable
		if in.Kind == "few" && !counted && next == v.this {
			t.Errorf("it did not count a pending upload: %d", r.StatusCode)
		}
		t.Logf("%s of %s: a third file beside a stored and a pending one of %s is answered with %d", in.Kind, next.name,
			maker.name, r.StatusCode)
		next.judges(t, upload.Stored, second)
		if third != nil {
			maker.judges(t, upload.Rejected, third)
		}
		full := func() {
			for _, e := range []*version{maker, next} {
				if another, r := e.sends(t, in, body); another != nil || r.StatusCode != http.StatusNotAcceptable {
					t.Errorf("%s takes another file into a full entry: %d", e.name, r.StatusCode)
				}
			}
		}
		full()
		next.deletes(t, first)
		next.judges(t, upload.Stored, maker.accepts(t, in, body))
		full()
	}
}

// rejectedBytes: an entry has room in quarantine for two refused files. The oldest goes, if who refuses one more sees it.
func (v *versions) rejectedBytes(t *testing.T, journal upload.Journal, maker, next *version) {
	in := upload.Ref{Journal: journal, Entry: "small", Kind: "small"}
	var refused []*uploaded
	refuses := func(e *version) (dropped int) {
		u := e.accepts(t, in, append(slices.Clone(noPicture), make([]byte, 900)...))
		e.judges(t, upload.Rejected, u)
		refused = append(refused, u)
		for _, u := range refused {
			if len(v.everything(t, string(upload.DefaultLayout.QuarantineKey(u.Ref)))) == 0 {
				dropped++
				if !u.dropped {
					u.dropped, u.wrote = true, e
				}
				v.bothSay(t, u)
			}
		}
		return dropped
	}
	if dropped := refuses(maker) + refuses(maker); dropped != 0 {
		t.Fatalf("%d of two were dropped", dropped)
	}
	third := refuses(next)
	t.Logf("%s drops %d of the oldest bytes, whose record %s wrote", next.name, third, maker.name)
	if fourth := refuses(v.this); third != 1 && (third != 0 || !next.earlier) || fourth != 2 ||
		!refused[0].dropped || !refused[1].dropped {
		t.Errorf("%d of three were dropped, and %d of four", third, fourth)
	}
}

// stuck are uploads that need the reconciler.
type stuck struct {
	*versions
	waiting       []*uploaded // their messages were lost
	announced     *uploaded   // no bytes came
	lostFile      *uploaded   // somebody removed what it serves
	alsoAnnounced *uploaded   // not for long
}

// leavesStuck makes such uploads by both versions.
func (v *versions) leavesStuck(t *testing.T, journal upload.Journal, maker *version) stuck {
	t.Helper()
	in := upload.Ref{Journal: journal, Entry: "stuck", Kind: "images"}
	s := stuck{versions: v}
	for range 3 {
		s.waiting = append(s.waiting, v.this.accepts(t, in, v.picture(t)), v.other.accepts(t, in, v.picture(t)))
	}
	s.announced, _ = maker.signs(t, in, v.picture(t))
	s.alsoAnnounced, _ = maker.signs(t, in, v.picture(t))
	s.lostFile = maker.accepts(t, in, v.picture(t))
	maker.judges(t, upload.Stored, s.lostFile)
	key := string(upload.DefaultLayout.FilesKey(s.lostFile.Ref))
	for _, version := range v.versionsIn(t, key) {
		_, err := v.objects.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(cloudBucket), Key: &key,
			VersionId: &version})
		check(t, err)
	}
	s.lostFile.lost = true
	return s
}

// age has an upload made three days earlier.
func (v *versions) age(t *testing.T, u *uploaded) {
	t.Helper()
	table := aws.String(cloudTable)
	key := map[string]dynamotypes.AttributeValue{
		"pk": &dynamotypes.AttributeValueMemberS{Value: fmt.Sprintf("e#%s/%s/%s", u.Journal, u.Entry, u.Kind)},
		"sk": &dynamotypes.AttributeValueMemberS{Value: "r#" + string(u.ID)}}
	found, err := v.table.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: key})
	check(t, err)
	const form = "2006-01-02T15:04:05.000000Z"
	for _, of := range []string{"created_at", "form_expires"} {
		was := found.Item[of].(*dynamotypes.AttributeValueMemberS).Value
		at, err := time.Parse(form, was)
		check(t, err)
		for _, a := range found.Item { // index keys have it, too
			if text, ok := a.(*dynamotypes.AttributeValueMemberS); ok {
				text.Value = strings.ReplaceAll(text.Value, was, at.AddDate(0, 0, -3).Format(form))
			}
		}
	}
	_, err = v.table.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: found.Item})
	check(t, err)
}

// areReconciled: one version sends again and gives up what both left, and the other judges it.
func (s stuck) areReconciled(t *testing.T, judge, reconciler *version) {
	s.age(t, s.announced)
	var resent, givenUp, lost []*uploaded
	eventually(t, 20*time.Second, "what is stuck is sent again", func() (bool, string) {
		report := reconciler.reconciles(t)
		resent = append(resent, s.about(report, reconcile.Resent)...)
		givenUp = append(givenUp, s.about(report, reconcile.NeverArrived)...)
		lost = s.about(report, reconcile.LostRecord)
		return len(resent) >= len(s.waiting), fmt.Sprint(len(resent))
	})
	if !sameUploads(resent, s.waiting) {
		t.Errorf("%s sent %d again, want these %d", reconciler.name, len(resent), len(s.waiting))
	}
	if !sameUploads(givenUp, []*uploaded{s.announced}) {
		t.Errorf("%s gave up %d, want one", reconciler.name, len(givenUp))
	}
	found := slices.Contains(lost, s.lostFile)
	t.Logf("%s finds that a file is lost, whose record %s wrote: %t", reconciler.name, s.lostFile.wrote.name, found)
	if !found && (reconciler == s.this || s.lostFile.wrote != s.this) {
		t.Error("the survey missed it")
	}
	s.announced.status, s.announced.wrote, s.announced.dropped = upload.Rejected, reconciler, true
	s.bothSay(t, s.announced)
	s.bothSay(t, s.alsoAnnounced)
	batch := s.sentAgain(t)
	if len(batch.Records) != len(s.waiting) {
		t.Errorf("%d messages were sent, want %d", len(batch.Records), len(s.waiting))
	}
	judge.handles(t, batch)
	for _, u := range s.waiting {
		u.status, u.wrote = upload.Stored, judge
		s.bothSay(t, u)
	}
}

// surveysUnderWay: whichever version began a survey, the other ends it. The place is in the form of an index's keys, as
// versions before sparse indexes noted it, or in that of the table's.
func (v *versions) surveysUnderWay(t *testing.T) {
	key := fmt.Sprintf("e#%s/%s/%s\x00r#%s", v.uploads[0].Journal, v.uploads[0].Entry, v.uploads[0].Kind, v.uploads[0].ID)
	for _, e := range []*version{v.this, v.other} {
		all := e.reconciles(t).StoredSeen
		for form, place := range map[string]string{"an index": "2026-01-01T00:00:00.000000Z#0#0", "the table": key} {
			note := fmt.Appendf(nil, `{"s":"stored","c":%q,"b":%d}`,
				upload.NameList("status", string(upload.Stored)).Cursor([]byte(place)), time.Now().Unix())
			check(t, dynamorecords.New(v.table, cloudTable, dynamorecords.Options{}).SetNote(t.Context(), reconcile.NoteName,
				base64.RawURLEncoding.EncodeToString(note)))
			report := e.reconciles(t)
			t.Logf("%s looks at %d of %d stored records after a place in %s", e.name, report.StoredSeen, all, form)
			if report.ObjectsSeen > 0 || form == "an index" && report.StoredSeen != all {
				t.Errorf("the survey did not go on: %+v", report)
			}
		}
	}
}

func sameUploads(a, b []*uploaded) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(u *uploaded) bool { return !slices.Contains(b, u) })
}

// bothAtOnce hands both validators the same messages at the same time, while one upload is deleted.
func (v *versions) bothAtOnce(t *testing.T, journal upload.Journal, one, two *version) {
	v.held.Store(&latencies{dynamodb: 2 * time.Millisecond})
	defer v.held.Store(&latencies{})
	large := noise(t, 100, 100)
	failed := 0
	for n := range 4 {
		in := func(kind policy.KindName) upload.Ref {
			return upload.Ref{Journal: journal, Entry: upload.Entry(fmt.Sprintf("race-%d", n)), Kind: kind}
		}
		two.judges(t, upload.Stored, one.accepts(t, in("light"), large))
		same := v.picture(t)
		good, bad := one.accepts(t, in("images"), v.picture(t)), two.accepts(t, in("images"), noPicture)
		goes := one.accepts(t, in("images"), v.picture(t))
		once := []*uploaded{one.accepts(t, in("once"), same), two.accepts(t, in("once"), same)}
		light := []*uploaded{one.accepts(t, in("light"), large), two.accepts(t, in("light"), large)}
		batch := v.messagesOf(t, append(append([]*uploaded{good, bad, goes}, once...), light...)...)

		var together sync.WaitGroup
		var failures [2]int
		for i, e := range []*version{one, two} {
			together.Go(func() { failures[i] = e.fails(t, batch) })
		}
		answered(t, two.asks(t, http.MethodDelete, pathOf(goes.Ref), nil), http.StatusOK, nil)
		together.Wait()
		failed += failures[0] + failures[1]
		one.handles(t, batch) // as the queue would hand over again what failed
		two.handles(t, batch)

		good.status, bad.status, goes.status = upload.Stored, upload.Rejected, upload.Deleted
		for _, pair := range [][]*uploaded{once, light} {
			pair[0].status, pair[1].status = upload.Stored, upload.Rejected
			if one.standing(t, pair[1]).Status == string(upload.Stored) {
				pair[0].status, pair[1].status = upload.Rejected, upload.Stored
			}
		}
		for _, u := range append(append([]*uploaded{good, bad, goes}, once...), light...) {
			u.wrote = nil
			v.bothSay(t, u)
		}
	}
	t.Logf("%d messages failed and came again", failed)
}

// fails hands the version's validator a batch, and gives how many of its messages have to come again.
func (e *version) fails(t *testing.T, batch events.SQSEvent) int {
	t.Helper()
	event, err := json.Marshal(batch)
	check(t, err)
	var said events.SQSEventResponse
	reply, _ := e.validator.invoke(t, event)
	check(t, json.Unmarshal(reply, &said))
	return len(said.BatchItemFailures)
}

// bothList compares the lists of an entry by both versions with what is there.
func (v *versions) bothList(t *testing.T, in upload.Ref) {
	t.Helper()
	for _, status := range upload.Statuses() {
		var want []*uploaded
		for _, u := range slices.Backward(v.uploads) { // newest first
			if u.status == status && u.Journal == in.Journal && u.Entry == in.Entry && u.Kind == in.Kind {
				want = append(want, u)
			}
		}
		for _, e := range v.answering {
			v.has(t, e, fmt.Sprintf("the list of what is %s in %s", status, in), want,
				pagesOf(t, in, status, 2, e), status != upload.Stored)
		}
		if status == upload.Stored && len(v.answering) > 1 {
			v.has(t, v.this, "a list of which each version gives every other page", want,
				pagesOf(t, in, status, 1, v.answering...), false)
		}
	}
}

// has compares what a version lists, in this order, with what is there. Where it may miss something, the other version
// misses all that this one wrote, or nothing.
func (v *versions) has(t *testing.T, e *version, what string, want []*uploaded, got []upload.ID, mayMiss bool) {
	t.Helper()
	ids := func(keep func(*uploaded) bool) (ids []upload.ID) {
		for _, u := range want {
			if keep(u) {
				ids = append(ids, u.ID)
			}
		}
		return ids
	}
	all := ids(func(*uploaded) bool { return true })
	others := ids(func(u *uploaded) bool { return u.wrote != v.this })
	switch {
	case slices.Equal(got, all):
	case mayMiss && e.earlier && slices.Equal(got, others):
		t.Logf("%s: %s has %d of %d: it misses those that this version wrote", what, e.name, len(got), len(all))
	default:
		t.Errorf("%s: %s gives %v, want %v; this version wrote all but %v", what, e.name, got, all, others)
	}
}

// listsOfBoth: what both versions list of every entry.
func (v *versions) listsOfBoth(t *testing.T) {
	for _, journal := range []upload.Journal{"upgrade", "rollback"} {
		for _, of := range []struct {
			entry upload.Entry
			kind  policy.KindName
		}{{"states", "images"}, {"stuck", "images"}, {"keys", "images"}, {"once", "once"}, {"few", "few"}, {"light", "light"},
			{"small", "small"}} {
			v.bothList(t, upload.Ref{Journal: journal, Entry: of.entry, Kind: of.kind})
		}
	}
}

// searchesOfBoth: `hatchery recheck` finds what was rejected for a reason, and `hatchery show` any upload.
func (v *versions) searchesOfBoth(t *testing.T) {
	var want []*uploaded
	for _, u := range v.uploads {
		if u.status == upload.Rejected && u.wrote != nil && v.this.standing(t, u).Reason.Code == upload.TypeMismatch {
			want = append(want, u)
		}
	}
	for _, e := range []*version{v.this, v.other} {
		r := run(t, command{env: v.env, args: []string{e.operator, "recheck", "--code", string(upload.TypeMismatch), "--dry-run",
			"--json"}})
		if r.code != 1 { // all are rejected again
			t.Error(r)
		}
		var got []upload.ID
		for _, u := range want {
			if strings.Contains(r.stdout, string(u.ID)) {
				got = append(got, u.ID)
			}
		}
		v.has(t, e, "recheck --code", want, got, true)
		for _, u := range []*uploaded{v.uploads[0], v.uploads[len(v.uploads)-1]} {
			if r := mustRun(t, command{env: v.env, args: []string{e.operator, "show", string(u.ID), "--json"}}); !strings.Contains(
				r.stdout, string(u.ID)) {
				t.Error(r)
			}
		}
	}
}

// versionsIn are those of a key in the bucket.
func (v *versions) versionsIn(t *testing.T, prefix string) (found []string) {
	t.Helper()
	for _, o := range v.everything(t, prefix) {
		found = append(found, *o.VersionId)
	}
	return found
}

// inPlace: each upload is as it was left, a stored one has one file, a rejected one its bytes in quarantine, and nothing
// else is in the bucket.
func (v *versions) inPlace(t *testing.T) {
	held := map[string]int{}
	for _, prefix := range []string{"files/", "quarantine/"} {
		for _, o := range v.everything(t, prefix) {
			held[*o.Key]++
		}
	}
	states := map[upload.Status]int{}
	for _, u := range v.uploads {
		v.bothSay(t, u)
		states[u.status]++
		files, quarantine := string(upload.DefaultLayout.FilesKey(u.Ref)), string(upload.DefaultLayout.QuarantineKey(u.Ref))
		if stored := u.status == upload.Stored && !u.lost && !u.legacy; held[files] != map[bool]int{true: 1}[stored] {
			t.Errorf("%s is %s, and has %d files", u.Ref, u.status, held[files])
		}
		waits := u.status == upload.Rejected && !u.dropped
		if held[quarantine] != map[bool]int{true: 1}[waits] {
			t.Errorf("%s is %s, and has %d versions in quarantine", u.Ref, u.status, held[quarantine])
		}
		delete(held, files)
		delete(held, quarantine)
	}
	if len(held) > 0 {
		t.Errorf("nobody knows of %v", held)
	}
	t.Logf("%d uploads: %v", len(v.uploads), states)
}

// everything is what the bucket has under a prefix.
func (v *versions) everything(t *testing.T, prefix string) (found []s3types.ObjectVersion) {
	t.Helper()
	pages := s3.NewListObjectVersionsPaginator(v.objects, &s3.ListObjectVersionsInput{Bucket: &v.uploadsIn,
		Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		check(t, err)
		found = append(found, page.Versions...)
	}
	return found
}
