package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// BenchmarkUploads measures uploads from POST to verdict beside bare PUTs of the
// same bytes into the same embedded S3, in turns within one run, and reports their
// ratio.
//
//	go test ./cmd/hatchery -run '^$' -bench Uploads -benchtime 5x
func BenchmarkUploads(b *testing.B) {
	const each, clients = 100, 8
	h := startHatchery(b, b.TempDir())
	picture := pngOf(b, 160, 1) // about 100 kB
	client, bucket := h.bucketClient(), h.env["HATCHERY_BUCKET"]
	var uploads, puts time.Duration
	round := 0
	for b.Loop() {
		round++
		puts += inParallel(b, each, clients, func(i int) error {
			_, err := client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Body: bytes.NewReader(picture),
				Key: aws.String(fmt.Sprintf("bare/%d/%d", round, i))})
			return err
		})
		path := fmt.Sprintf("/files/bench/entries/e%d/images", round)
		ids := make([]string, each)
		uploads += inParallel(b, each, clients, func(i int) error {
			a, err := h.post(context.Background(), path, "cat.png", picture)
			if err == nil {
				ids[i] = a.record(b).ID
			}
			return err
		})
		uploads += inParallel(b, each, clients, func(i int) error {
			r, err := h.verdict(path, ids[i], time.Minute)
			if err == nil && r.Status != "stored" {
				err = fmt.Errorf("%+v", r)
			}
			return err
		})
	}
	total := float64(round * each)
	b.ReportMetric(total/puts.Seconds(), "puts/s")
	b.ReportMetric(total/uploads.Seconds(), "uploads/s")
	b.ReportMetric(puts.Seconds()/uploads.Seconds(), "of-bare-puts")
	b.ReportMetric(0, "ns/op")
}

func inParallel(b *testing.B, n, clients int, do func(i int) error) time.Duration {
	b.Helper()
	began := time.Now()
	work := make(chan int)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := range work {
				if err := do(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
	return time.Since(began)
}
