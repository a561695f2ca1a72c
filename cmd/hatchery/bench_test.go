package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkUploads(b, clients) })
	}
}

func benchmarkUploads(b *testing.B, clients int) {
	const each = 200
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
		began := time.Now()
		allStored(b, h, path, ids)
		uploads += time.Since(began)
	}
	total := float64(round * each)
	b.ReportMetric(total/puts.Seconds(), "puts/s")
	b.ReportMetric(total/uploads.Seconds(), "uploads/s")
	b.ReportMetric(puts.Seconds()/uploads.Seconds(), "of-bare-puts")
	b.ReportMetric(0, "ns/op")
}

// allStored waits until every upload is stored, with few questions: each would cost
// time that belongs to no upload.
func allStored(b *testing.B, h *hatchery, path string, ids []string) {
	b.Helper()
	for {
		var list struct{ Images []record }
		if err := json.Unmarshal(h.do(http.MethodGet, path, "", nil).body, &list); err != nil {
			b.Fatal(err)
		}
		stored := map[string]bool{}
		for _, r := range list.Images {
			stored[r.ID] = true
		}
		waiting := ""
		for _, id := range ids {
			if !stored[id] {
				waiting = id
			}
		}
		if waiting == "" {
			return
		}
		if r, err := h.verdict(path, waiting, time.Minute); err != nil || r.Status != "stored" {
			b.Fatalf("%+v, %v", r, err)
		}
	}
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
