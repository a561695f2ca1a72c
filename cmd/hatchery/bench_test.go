package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// BenchmarkUploads measures uploads from POST to verdict beside bare PUTs of the
// same bytes into the same embedded S3, in turns within one run. Of each round it takes
// the ratio; what it reports are medians.
//
//	go test ./cmd/hatchery -run '^$' -bench Uploads -benchtime 8x
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
	var puts, uploads, ratios []float64 // of each round
	round := 0
	for b.Loop() {
		round++
		bare := inParallel(b, each, clients, func(i int) error {
			_, err := client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Body: bytes.NewReader(picture),
				Key: aws.String(fmt.Sprintf("bare/%d/%d", round, i))})
			return err
		})
		path := fmt.Sprintf("/files/bench/entries/e%d/images", round)
		ids := make([]string, each)
		took := inParallel(b, each, clients, func(i int) error {
			a, err := h.post(context.Background(), path, "cat.png", picture)
			if err == nil {
				ids[i] = a.record(b).ID
			}
			return err
		})
		began := time.Now()
		allStored(b, h, path, ids)
		took += time.Since(began)
		puts, uploads = append(puts, each/bare.Seconds()), append(uploads, each/took.Seconds())
		ratios = append(ratios, bare.Seconds()/took.Seconds())
	}
	for unit, values := range map[string][]float64{"puts/s": puts, "uploads/s": uploads, "of-bare-puts": ratios} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
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
