//go:build acceptance

package acceptance

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"hatchery/shared/config"
	"hatchery/shared/upload"
)

// BenchmarkDeadLetters measures `hatchery dlq ls` on a dev with many dead letters of the costly kind: each has a pending
// upload with a failure, its bytes in quarantine, and an attempt. All uploads are of one entry. It fails on no speed.
//
//	go test -tags acceptance ./acceptance -run '^$' -bench DeadLetters -benchtime 1x -timeout 30m
//
// REVIEW_LETTERS sets how many.
func BenchmarkDeadLetters(b *testing.B) {
	for _, store := range []string{config.RecordsSQLite, config.RecordsDynamoDB, config.RecordsBugout} {
		b.Run(store, func(b *testing.B) {
			letters := 10_000
			if store == config.RecordsBugout {
				letters = 1000 // each record is many requests, of which the server takes a few at once
			}
			letters, err := strconv.Atoi(cmp.Or(os.Getenv("REVIEW_LETTERS"), strconv.Itoa(letters)))
			check(b, err)
			benchmarkListing(b, store, letters)
		})
	}
}

func benchmarkListing(b *testing.B, store string, letters int) {
	d := startReviewed(b, store)
	began := time.Now()
	d.denied(letters)
	b.Logf("%d letters made in %v", letters, time.Since(began).Round(time.Second))
	var sum listingCost
	for b.Loop() {
		c := d.measureListing(letters)
		sum.first, sum.all = sum.first+c.first, sum.all+c.all
		sum.memory, sum.snapshot = max(sum.memory, c.memory), c.snapshot
	}
	n := float64(b.N)
	b.ReportMetric(sum.first.Seconds()/n, "s-to-first-row")
	b.ReportMetric(sum.all.Seconds()/n, "s-to-end")
	b.ReportMetric(float64(sum.memory)/1024, "MiB-VmHWM")
	b.ReportMetric(float64(sum.snapshot)/1e6, "MB-kept")
	b.ReportMetric(float64(letters)*n/sum.all.Seconds(), "letters/s")
	b.ReportMetric(0, "ns/op")
}

// denied makes dead letters that all died of the bucket's refusal.
func (d *reviewed) denied(letters int) {
	gif := string(picture(d.t))
	var making errgroup.Group
	making.SetLimit(8)
	for range letters {
		making.Go(func() error {
			_, err := d.accept("cat.gif", gif)
			return err
		})
	}
	check(d.t, making.Wait())
	refused := d.judge(bucketAnswers(d.t, http.StatusForbidden, "AccessDenied"))
	d.deliver(func(ctx context.Context, batch []events.SQSMessage) []events.SQSBatchItemFailure {
		answer, err := refused.Handle(ctx, events.SQSEvent{Records: batch})
		if err != nil {
			d.t.Error(err)
		}
		return answer.BatchItemFailures
	})
}

// listingCost is what one listing takes.
type listingCost struct {
	first, all time.Duration
	memory     int   // kB, VmHWM of the command
	snapshot   int64 // bytes in the bucket
}

func (d *reviewed) measureListing(letters int) (c listingCost) {
	d.t.Helper()
	args := d.args("dlq", "ls")
	cmd := exec.CommandContext(d.t.Context(), args[0], args[1:]...)
	cmd.Env = bareEnvironment(d.t)
	ownGroup(cmd)
	out, err := cmd.StdoutPipe()
	check(d.t, err)
	began := time.Now()
	check(d.t, cmd.Start())
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 8<<20)
	seen, last := 0, ""
	for ; lines.Scan(); seen++ {
		if seen == 0 {
			c.first = time.Since(began)
		}
		if seen%100 == 0 || seen >= letters-1 {
			c.memory = max(c.memory, peakMemory(cmd.Process.Pid))
		}
		last = lines.Text()
	}
	_ = cmd.Wait() // it exits 1: letters wait
	c.all = time.Since(began)
	_, snapshot := lettersIn(d.t, []string{last})
	if snapshot.Letters != letters || !snapshot.Complete || snapshot.Unread > 0 || len(snapshot.Groups) != 1 {
		d.t.Fatalf("listed are %d lines, and %+v", seen, snapshot)
	}
	for cursor := upload.Cursor(""); ; {
		page, err := d.parts.Objects.ListVersions(d.t.Context(), upload.DeadLetterPrefix+"snapshots/"+snapshot.ID+"/", cursor,
			upload.MaxPage)
		check(d.t, err)
		for _, v := range page.Versions {
			c.snapshot += v.Size
		}
		if cursor = page.Next; cursor == "" {
			return c
		}
	}
}

// peakMemory reads VmHWM in kB; 0 when the process has ended.
func peakMemory(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kB int
		if n, err := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 && err == nil {
			return kB
		}
	}
	return 0
}
