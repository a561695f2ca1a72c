package deadletter

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/local/locals3"
	"hatchery/shared/local/localsqs"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// embedded is a deployment on the embedded stack.
type embedded struct {
	*testing.T
	*Review
	pipeline *upload.Pipeline
	live     *sqsqueue.Queue
	ahead    atomic.Int64 // of the real clock is the queues'
	sqs      *localsqs.Server
	ids      int
}

func newEmbedded(t *testing.T) *embedded {
	const region, id, secret = "eu-central-1", "HATCHERYTEST", "secret"
	dir := t.TempDir()
	e := &embedded{T: t}
	bucketServer, err := locals3.Open(t.Context(), locals3.Options{Dir: filepath.Join(dir, "s3"), Listen: "127.0.0.1:0",
		Region: region, AccessKey: id, SecretKey: secret, Bucket: bucket, QuarantinePrefix: "quarantine/",
		Created: func(context.Context, arrival.Created) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bucketServer.Close(context.Background()) })
	e.sqs, err = localsqs.Open(t.Context(), localsqs.Options{Path: filepath.Join(dir, "queue.db"), Listen: "127.0.0.1:0",
		Region: region, AccessKey: id, SecretKey: secret, Now: func() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.sqs.Close(context.Background()) })
	if err := e.sqs.CreateQueue(t.Context(), "dead", map[string]string{"MessageRetentionPeriod": "1209600"}); err != nil {
		t.Fatal(err)
	}
	if err := e.sqs.CreateQueue(t.Context(), "live", map[string]string{"RedrivePolicy": fmt.Sprintf(
		`{"deadLetterTargetArn":%q,"maxReceiveCount":"1"}`, e.sqs.QueueARN("dead"))}); err != nil {
		t.Fatal(err)
	}
	records, err := sqliterecords.Open(t.Context(), filepath.Join(dir, "records.db"), sqliterecords.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	credentials := credentials.NewStaticCredentialsProvider(id, secret, "")
	bucketURL, queueURL := bucketServer.URL(), e.sqs.URL()
	s3Client := s3.New(s3.Options{Region: region, BaseEndpoint: &bucketURL, UsePathStyle: true, Credentials: credentials})
	sqsClient := sqs.New(sqs.Options{Region: region, BaseEndpoint: &queueURL, Credentials: credentials})
	objects := s3objects.New(s3Client, bucket)
	e.live = sqsqueue.New(sqsClient, e.sqs.QueueURL("live"))
	e.pipeline = &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: records, Objects: objects,
		Now: time.Now, NewID: upload.NewID, TombstoneLife: upload.DefaultTombstoneLife}
	e.Review = &Review{DeadLetters: sqsqueue.New(sqsClient, e.sqs.QueueURL("dead")), Source: e.live, Records: records,
		Objects: objects, Notes: s3objects.NewNotes(s3Client, bucket), Layout: upload.DefaultLayout, Bucket: bucket,
		Notifies: true, MaxReceives: 1, Concurrency: 8, Operator: "somebody", Now: time.Now, Log: quiet(),
		NewID: func() string {
			e.ids++
			return fmt.Sprintf("s%06d", e.ids)
		}}
	return e
}

// accepted makes an upload with its bytes in quarantine.
func (e *embedded) accepted() (upload.Ref, arrival.Created) {
	e.Helper()
	data := uploadtest.Picture(1).Data
	r, err := e.pipeline.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: "cat.png"})
	if err == nil {
		r, err = e.pipeline.Accept(e.Context(), r, nil, bytes.NewReader(data), int64(len(data)))
	}
	if err != nil {
		e.Fatal(err)
	}
	key := upload.DefaultLayout.QuarantineKey(r.Ref())
	versions, err := e.pipeline.Objects.Versions(e.Context(), key)
	if err != nil || len(versions) != 1 {
		e.Fatal(versions, err)
	}
	return r.Ref(), arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Region: "eu-central-1", Bucket: bucket,
		Key: string(key), VersionID: string(versions[0]), Size: int64(len(data))}
}

// bury lets all messages of the live queue die, as a validator does that fails: it keeps what because says of each.
func (e *embedded) bury(because func(m queue.Received) *attempts.Attempt) {
	e.Helper()
	for {
		messages, err := e.live.Receive(e.Context(), time.Second, 0)
		if err != nil {
			e.Fatal(err)
		}
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			a := because(m)
			if a == nil {
				continue
			}
			note, err := a.Marshal()
			if err == nil {
				err = e.Notes.Put(e.Context(), attempts.Key(a.Failures[0].UploadID, m.ID, 1), note)
			}
			if err != nil {
				e.Fatal(err)
			}
		}
	}
	e.ahead.Add(int64(time.Second))
	e.sqs.Wake()
	if more, err := e.live.Receive(e.Context(), time.Second, 0); err != nil || len(more) > 0 {
		e.Fatal(more, err)
	}
}

func TestOnTheEmbeddedStackEachLetterIsDiagnosedAndGivenBack(t *testing.T) {
	e := newEmbedded(t)
	want := map[string]Cause{} // by body
	failed := map[string]attempts.Failure{}
	send := func(cause Cause, body string) {
		want[body] = cause
		if err := e.live.Send(t.Context(), queue.Message{Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	format := func(c arrival.Created) string {
		body, err := arrival.Format(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	const each = 5
	for i := range each {
		ref, created := e.accepted()
		failed[format(created)] = attempts.Failure{UploadID: ref.ID, Key: created.Key, Version: created.VersionID, Error: denied}
		send(Denied, format(created))
		_, settled := e.accepted()
		if _, err := e.pipeline.Validate(t.Context(), upload.Key(settled.Key), upload.Version(settled.VersionID)); err != nil {
			t.Fatal(err)
		}
		send(Obsolete, format(settled))
		_, lost := e.accepted()
		if err := e.pipeline.Objects.Remove(t.Context(), upload.Key(lost.Key), upload.Version(lost.VersionID)); err != nil {
			t.Fatal(err)
		}
		send(Lost, format(lost))
		created.Bucket = "other"
		send(Foreign, format(created))
		send(Poison, fmt.Sprintf("{%d", i))
	}
	e.bury(func(m queue.Received) *attempts.Attempt {
		f, ok := failed[m.Body]
		if !ok {
			return nil
		}
		return &attempts.Attempt{MessageID: m.ID, Receive: 1, MaxReceives: 1, Began: time.Now(), Ended: time.Now(),
			Failures: []attempts.Failure{f}}
	})
	for range 2 { // whoever looks afterwards sees the same
		got := map[string]Cause{}
		s, err := e.List(t.Context(), func(l Letter) error {
			got[l.Body] = l.Diagnosis.Cause
			if l.Source != e.sqs.QueueARN("live") || l.SentAt.IsZero() || l.ExpiresAt.Sub(l.SentAt) != retention {
				t.Errorf("%+v", l)
			}
			return nil
		})
		if err != nil || s.Letters != 5*each || !s.Complete || s.InOtherHands != 0 || s.Unread != 0 || len(s.Groups) != 5 {
			t.Errorf("%+v, %v", s, err)
		}
		for body, cause := range want {
			if got[body] != cause {
				t.Errorf("%.300s\nis diagnosed as %q, want %q", body, got[body], cause)
			}
		}
		kept := 0
		found, err := e.Snapshot(t.Context(), "")
		if err == nil {
			err = e.Letters(t.Context(), found, func(Letter) error {
				kept++
				return nil
			})
		}
		if err != nil || found.ID != s.ID || kept != s.Letters {
			t.Errorf("kept are %d letters of %+v, %v", kept, found, err)
		}
		if state, err := e.DeadLetters.Inspect(t.Context()); err != nil || state.Visible != 5*each || state.InFlight != 0 {
			t.Errorf("afterwards it tells %+v, %v", state, err)
		}
	}
}
