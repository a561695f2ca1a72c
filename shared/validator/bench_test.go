package validator_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// What a call takes of which nothing but the way is slow.
const (
	bucketCall  = 30 * time.Millisecond
	recordsCall = 6 * time.Millisecond
)

// slowRecords answer after recordsCall, and read before a change what was not seen.
type slowRecords struct {
	upload.Records
	readTwice bool
}

func (s slowRecords) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	<-time.After(recordsCall)
	return s.Records.Get(ctx, ref)
}

func (s slowRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	if s.readTwice || t.Seen.Revision == "" {
		<-time.After(recordsCall)
	}
	<-time.After(recordsCall)
	return s.Records.Update(ctx, ref, t)
}

// slowObjects answer after bucketCall.
type slowObjects struct{ upload.Objects }

func (s slowObjects) Open(ctx context.Context, key upload.Key, v upload.Version) (upload.Object, error) {
	<-time.After(bucketCall)
	return s.Objects.Open(ctx, key, v)
}

func (s slowObjects) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	<-time.After(bucketCall)
	return s.Objects.Promote(ctx, p)
}

func (s slowObjects) Remove(ctx context.Context, key upload.Key, v upload.Version) error {
	<-time.After(bucketCall)
	return s.Objects.Remove(ctx, key, v)
}

// BenchmarkBatch judges ten pictures of 100 kB in one batch, and the same with what was left out: four messages at
// once, one call after the other, and the record read once more before it is settled.
func BenchmarkBatch(b *testing.B) {
	for _, c := range []struct {
		name        string
		concurrency int
		atOnce      func(one, other func())
	}{
		{"AtOnce", 10, nil},
		{"OneAfterTheOther", 4, func(one, other func()) {
			one()
			other()
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				v, batch := slowBatch(b, c.concurrency, c.atOnce)
				b.StartTimer()
				answer, err := v.Handle(b.Context(), batch)
				if err != nil || len(answer.BatchItemFailures) > 0 {
					b.Fatalf("%+v, %v\n%s", answer, err, v.log)
				}
			}
		})
	}
}

// slowBatch is a validator in front of slow stores, and ten uploads of 100 kB that wait for it.
func slowBatch(b *testing.B, concurrency int, atOnce func(one, other func())) (*fixture, events.SQSEvent) {
	records := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
	objects := uploadtest.NewObjects()
	p := &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, AtOnce: atOnce,
		Records: slowRecords{records, atOnce != nil}, Objects: slowObjects{objects}, Now: time.Now}
	v := newFixture(p)
	v.Concurrency, v.Now, v.Log = concurrency, time.Now, slog.New(slog.NewJSONHandler(v.log, nil))
	var batch events.SQSEvent
	for n := range 10 {
		picture := pictureOf(b, uint64(n))
		created := arrived(n)
		r := upload.Record{ID: refNumber(n).ID, Journal: "j1", Entry: "e1", Kind: "images", Name: "cat", Extension: "png",
			CreatedAt: noon, Status: upload.Pending}
		if _, err := records.Create(b.Context(), r, nil); err != nil {
			b.Fatal(err)
		}
		created.VersionID = string(objects.Post(upload.DefaultLayout.QuarantineKey(r.Ref()), picture))
		created.Size = int64(len(picture))
		batch.Records = append(batch.Records, message(b, fmt.Sprint("m", n), created))
	}
	return v, batch
}

// pictureOf is a PNG of about 100 kB.
func pictureOf(b *testing.B, seed uint64) []byte {
	picture, random := image.NewGray(image.Rect(0, 0, 316, 316)), rand.New(rand.NewPCG(seed, 0))
	for i := range picture.Pix {
		picture.Pix[i] = byte(random.Uint32())
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		b.Fatal(err)
	}
	return file.Bytes()
}
