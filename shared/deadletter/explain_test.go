package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const denied = `open object "quarantine/j" version v1: s3 get: operation error S3: GetObject, https response error ` +
	`StatusCode: 403, RequestID: 1, HostID: 2, api error AccessDenied: Access Denied`

// unavailable is another error than denied, so that it can be seen which of the two counted.
const unavailable = `get record j: operation error DynamoDB: GetItem, https response error StatusCode: 500, RequestID: 3`

func TestALetterSaysHowItsUploadStands(t *testing.T) {
	f := newFixture(t)
	ref, created := f.pending(uploadtest.Picture(1).Data)
	f.fails(ref, denied)
	m := f.message("m1", created)
	m.Attributes = map[string]queue.Attribute{RedriveAttribute: queue.Number(2), arrival.ResendAttribute: queue.Number(1)}
	letter := f.wantDiagnosis(m, Denied, Redrive, "s3:GetObject", "quarantine/…")
	if letter.MessageID != "m1" || letter.Redrives != 2 || !letter.Resent || !letter.SentAt.Equal(m.SentAt) ||
		letter.Source != m.Source || letter.Body != m.Body || len(letter.Attributes) != 2 || len(letter.Arrivals) != 1 {
		t.Fatalf("the letter is %+v", letter)
	}
	a := letter.Arrivals[0]
	if a.Bucket != bucket || string(a.Key) != created.Key || a.Size != created.Size || a.UploadID != ref.ID || a.Journal != "j" ||
		a.Entry != "e" || a.Kind != "images" || a.Status != upload.Pending || a.CreatedAt.IsZero() || a.Failures != 1 ||
		a.LastError != denied || !slices.Equal(a.Names, []string{"cat.png"}) || !a.FailedAt.Equal(f.clock.Now()) || a.Bytes != BytesInQuarantine {
		t.Errorf("the arrival is %+v", a)
	}
}

func TestARedriveAttributeThatIsNoNumberIsOneRedrive(t *testing.T) {
	f := newFixture(t)
	m := withBody("m", "{", f.clock.Now())
	m.Attributes = map[string]queue.Attribute{RedriveAttribute: queue.Text("often")}
	if letter := f.wantDiagnosis(m, Poison, Discard); letter.Redrives != 1 || letter.Resent || letter.Arrivals == nil {
		t.Errorf("the letter is %+v", letter)
	}
}

func TestWhereTheBytesOfAPendingUploadAre(t *testing.T) {
	remove := func(f *fixture, ref upload.Ref, v upload.Version) {
		if err := f.objects.Remove(f.Context(), upload.DefaultLayout.QuarantineKey(ref), v); err != nil {
			f.Fatal(err)
		}
	}
	promote := func(f *fixture, ref upload.Ref, v upload.Version) {
		_, err := f.objects.Promote(f.Context(), upload.Promotion{From: upload.DefaultLayout.QuarantineKey(ref), Version: v,
			To: upload.DefaultLayout.FilesKey(ref), ContentType: "image/png"})
		if err != nil {
			f.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		do      func(f *fixture, ref upload.Ref, v upload.Version)
		want    Bytes
		cause   Cause
		suggest Action
	}{
		{"in quarantine", func(*fixture, upload.Ref, upload.Version) {}, BytesInQuarantine, Denied, Redrive},
		{"gone", remove, BytesGone, Lost, Reject},
		{"gone under a delete marker", func(f *fixture, ref upload.Ref, v upload.Version) {
			f.objects.Mark(upload.DefaultLayout.QuarantineKey(ref))
			remove(f, ref, v)
		}, BytesGone, Lost, Reject},
		{"another version came", func(f *fixture, ref upload.Ref, v upload.Version) {
			f.objects.Post(upload.DefaultLayout.QuarantineKey(ref), []byte("other"))
			remove(f, ref, v)
		}, BytesInOther, Denied, Redrive},
		{"copied alone", func(f *fixture, ref upload.Ref, v upload.Version) {
			promote(f, ref, v)
			remove(f, ref, v)
		}, BytesCopied, Denied, Redrive},
		{"another version was copied", func(f *fixture, ref upload.Ref, v upload.Version) {
			other := f.objects.Post(upload.DefaultLayout.QuarantineKey(ref), []byte("other"))
			promote(f, ref, other)
			remove(f, ref, other)
			remove(f, ref, v)
		}, BytesInOther, Denied, Redrive},
		{"a longer key is another upload's", func(f *fixture, ref upload.Ref, v upload.Version) {
			f.objects.Post(upload.DefaultLayout.QuarantineKey(ref)+"x", []byte("other"))
			remove(f, ref, v)
		}, BytesGone, Lost, Reject},
	} {
		for _, named := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, version named: %v", c.name, named), func(t *testing.T) {
				f := newFixture(t)
				ref, created := f.pending(uploadtest.Picture(1).Data)
				f.fails(ref, denied)
				c.do(f, ref, upload.Version(created.VersionID))
				want := c.want
				if !named {
					created.VersionID = ""
					switch c.name { // an event without a version is about any
					case "another version came":
						want = BytesInQuarantine
					case "another version was copied":
						want = BytesCopied
					}
				}
				letter := f.wantDiagnosis(f.message("m", created), c.cause, c.suggest)
				if got := letter.Arrivals[0].Bytes; got != want {
					t.Errorf("its bytes are %q, want %q", got, want)
				}
			})
		}
	}
}

func TestBytesThatWentBecauseTheUploadWasSettledMeanwhileAreNotLost(t *testing.T) {
	f := newFixture(t)
	_, created := f.pending(uploadtest.Picture(1).Data)
	f.Objects = settling{f.objects, func() { f.settle(created) }}
	letter := f.wantDiagnosis(f.message("m", created), Obsolete, Discard, "stored")
	if a := letter.Arrivals[0]; a.Status != upload.Stored || a.Bytes != "" {
		t.Errorf("the arrival is %+v", a)
	}
}

// settling settles an upload before its versions are listed, and hides the copy that this made.
type settling struct {
	*uploadtest.Objects
	settle func()
}

func (s settling) ListVersions(ctx context.Context, prefix string, c upload.Cursor, limit int) (upload.InventoryPage, error) {
	s.settle()
	return s.Objects.ListVersions(ctx, prefix, c, limit)
}

func (s settling) Stat(context.Context, upload.Key) (upload.Copy, error) {
	return upload.Copy{}, upload.ErrGone
}

func TestWhatIsNotOfThisDeploymentIsForeign(t *testing.T) {
	f := newFixture(t)
	_, created := f.pending(uploadtest.Picture(1).Data)
	elsewhere, odd := created, created
	elsewhere.Bucket, odd.Key = "other-bucket", "quarantine/odd\u202e"
	f.wantDiagnosis(f.message("m", elsewhere), Foreign, Discard, "other-bucket")
	letter := f.wantDiagnosis(f.message("m", odd), Foreign, Discard, `quarantine/odd\u202e`)
	if a := letter.Arrivals[0]; a.UploadID != "" || a.Status != "" {
		t.Errorf("the arrival is %+v", a)
	}
}

func TestAMessageThatCannotBeReadSaysWhatIsWrongAtWhichByte(t *testing.T) {
	f := newFixture(t)
	at := f.clock.Now()
	f.wantDiagnosis(withBody("m", `{"Records": [{"eventVersion": nope}]}`, at), Poison, Discard,
		"at byte 32", "invalid character 'o'", `where it reads …"[{\"eventVersion\": nope}]}"`)
	f.wantDiagnosis(withBody("m", "", at), Poison, Discard, "at byte 0", "unexpected end")
	f.wantDiagnosis(withBody("m", `{"hello":"world"}`, at), Poison, Discard, `{\"hello\":`)
	f.wantDiagnosis(withBody("m", "\x1b[31m\u202eboo", at), Poison, Discard, `\x1b[31m\u202eboo`)
	_, created := f.pending(uploadtest.Picture(1).Data)
	one := f.message("m", created)
	one.Body = strings.Replace(one.Body, `"size":`, `"sise":`, 1)
	f.wantDiagnosis(one, Poison, Discard, "has no size")
}

func TestWhatNamesNoNewObjectIsObsolete(t *testing.T) {
	f := newFixture(t)
	f.wantDiagnosis(withBody("m", `{"Service":"Amazon S3","Event":"s3:TestEvent"}`, f.clock.Now()), Obsolete, Discard)
}

func TestAMessageOfSeveralIsAsTheOneWithMostToLose(t *testing.T) {
	f := newFixture(t)
	_, settled := f.pending(uploadtest.Picture(1).Data)
	f.settle(settled)
	lost, lostIs := f.pending(uploadtest.Picture(2).Data)
	if err := f.objects.Remove(t.Context(), upload.Key(lostIs.Key), upload.Version(lostIs.VersionID)); err != nil {
		t.Fatal(lost, err)
	}
	waits, waitsIs := f.pending(uploadtest.Picture(3).Data)
	f.fails(waits, denied)
	elsewhere := settled
	elsewhere.Bucket = "other"
	for _, c := range []struct {
		of      []arrival.Created
		cause   Cause
		suggest Action
	}{
		{[]arrival.Created{settled, settled}, Obsolete, Discard},
		{[]arrival.Created{settled, elsewhere}, Foreign, Discard},
		{[]arrival.Created{settled, elsewhere, lostIs}, Lost, Reject},
		{[]arrival.Created{settled, elsewhere, lostIs, waitsIs}, Denied, Redrive},
		{[]arrival.Created{waitsIs, elsewhere}, Denied, Redrive},
	} {
		letter := f.wantDiagnosis(f.message("m", c.of...), c.cause, c.suggest)
		if len(letter.Arrivals) != len(c.of) {
			t.Errorf("%d arrivals of %d", len(letter.Arrivals), len(c.of))
		}
	}
}

func TestTheNewestOfAttemptAndRecordSaysWhy(t *testing.T) {
	second := time.Second
	for _, c := range []struct {
		name         string
		began, ended time.Duration // since the record's failure; ended 0: never
		want         Cause
	}{
		{"the attempt failed later", -second, second, Unreachable},
		{"both at once", -second, 1, Unreachable},
		{"the attempt failed earlier", -3 * second, -second, Denied},
		{"the attempt never ended, later", second, 0, Crashed},
		{"the attempt never ended, and the record was written meanwhile", -second, 0, Denied},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			ref, created := f.pending(uploadtest.Picture(1).Data)
			f.fails(ref, denied)
			a := attempts.Attempt{MessageID: "m", Receive: 5, MaxReceives: 5, Began: f.clock.Now().Add(c.began)}
			if c.ended != 0 {
				a.Ended = f.clock.Now().Add(c.ended)
				a.Failures = []attempts.Failure{{Key: "another", Error: "another"}, {Key: created.Key, Version: created.VersionID,
					Error: unavailable}}
			}
			f.attempted(ref.ID, a)
			letter := f.wantDiagnosis(f.message("m", created), c.want, Redrive)
			if len(letter.Attempts) != 1 || letter.Attempts[0].Receive != 5 {
				t.Errorf("its attempts are %+v", letter.Attempts)
			}
		})
	}
}

func TestTheNewestAttemptIsReadAndAllWhenAsked(t *testing.T) {
	f := newFixture(t)
	ref, created := f.pending(uploadtest.Picture(1).Data)
	var keys []string
	f.notes.Before = func(_ context.Context, call string, key upload.Key) error {
		if call != "put" {
			keys = append(keys, call+" "+strings.TrimPrefix(string(key), attempts.Prefix))
		}
		return nil
	}
	m := f.message("m", created)
	for _, n := range []int{3, 4} {
		f.attempted(ref.ID, attempts.Attempt{MessageID: "m", Receive: n, MaxReceives: 5, Began: f.clock.Now()})
	}
	letter := f.wantDiagnosis(m, Crashed, Redrive)
	folder := string(ref.ID) + "/m/"
	want := []string{"get " + folder + "5", "get " + folder + "4"}
	if fmt.Sprint(keys) != fmt.Sprint(want) || len(letter.Attempts) != 1 || letter.Attempts[0].Receive != 4 {
		t.Errorf("asked for %q, want %q; attempts %+v", keys, want, letter.Attempts)
	}
	letter, err := f.explain(t.Context(), m, true)
	if err != nil || len(letter.Attempts) != 2 || letter.Attempts[0].Receive != 3 || letter.Attempts[1].Receive != 4 {
		t.Errorf("all are %+v, %v", letter.Attempts, err)
	}
	f.attempted("", attempts.Attempt{MessageID: "poison", Receive: 5, MaxReceives: 5, Began: f.clock.Now()})
	if letter := f.wantDiagnosis(withBody("poison", "{", f.clock.Now()), Poison, Discard); len(letter.Attempts) != 1 {
		t.Errorf("a message that names no upload has the attempts %+v", letter.Attempts)
	}
}

func TestAnIDIsNotTakenForACause(t *testing.T) {
	f := newFixture(t)
	ref, created := f.pending(uploadtest.Picture(1).Data)
	f.fails(ref, `get record AccessDenied/entries/SlowDown/images/`+string(ref.ID)+`: dial tcp 10.0.0.1:4031: connection refused`)
	f.wantDiagnosis(f.message("m", created), Unreachable, Redrive, "could not be reached")
}

func TestWithoutAnErrorItIsNotKnownWhy(t *testing.T) {
	f := newFixture(t)
	_, created := f.pending(uploadtest.Picture(1).Data)
	f.wantDiagnosis(f.message("m", created), Unknown, Redrive, "Nothing was kept")
}

func TestALetterThatAStoreFailsToExplainSaysWhatCouldNotBeRead(t *testing.T) {
	for name, breaks := range map[string]func(f *fixture){
		"get record": func(f *fixture) { f.Records = failing{} },
		"list versions": func(f *fixture) {
			f.Objects = failing{}
		},
		"get the attempt": func(f *fixture) {
			f.notes.Before = func(context.Context, string, upload.Key) error { return errTrouble }
		},
	} {
		f := newFixture(t)
		_, created := f.pending(uploadtest.Picture(1).Data)
		breaks(f)
		letter, err := f.explain(t.Context(), f.message("m", created), false)
		if !errors.Is(err, errTrouble) || !strings.Contains(err.Error(), name) || letter.MessageID != "m" {
			t.Errorf("%s: %v, %+v", name, err, letter)
		}
		wantDiagnosis(t, letter.Diagnosis, Unknown, Redrive, name, "could not be read just now")
	}
}

// failing is a store that fails.
type failing struct{ Records }

func (failing) Get(context.Context, upload.Ref) (upload.Record, error) {
	return upload.Record{}, errTrouble
}

func (failing) Stat(context.Context, upload.Key) (upload.Copy, error) {
	return upload.Copy{}, errTrouble
}

func (failing) ListVersions(context.Context, string, upload.Cursor, int) (upload.InventoryPage, error) {
	return upload.InventoryPage{}, errTrouble
}
