package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// surveyed are the stored files whose survey is counted.
const surveyed = 1000

// surveyCalls are what a survey of these files takes: listings of the bucket, and
// read units of DynamoDB.
type surveyCalls struct {
	// lists of a survey of one run; apart is how many more there are when the files
	// were listed in an earlier run than the records.
	lists, apart int64
	reads        float64
}

// countSurvey counts a scheduled run that surveys, and one that goes on with the
// records. The reads are counted elsewhere.
func countSurvey(t *testing.T, reads float64) surveyCalls {
	t.Helper()
	c := surveyCalls{reads: reads}
	records := uploadtest.NewRecords(uploadtest.RecordsOptions{Now: time.Now})
	objects := uploadtest.NewObjects()
	for n := range surveyed {
		r := upload.Record{ID: upload.ID(fmt.Sprintf("0195600d-0000-7000-8000-%012d", n)),
			Journal: "6f1c9a52-6f0e-4a43-9d4c-1b6a2f0f7c11", Entry: "0c2d7c1e-53b1-4d0a-9a5c-3a1f0a9b8d22",
			Kind: "images", Name: "holiday-2026-08-14-0001", Extension: "jpg", CreatedAt: time.Now(), Status: upload.Pending}
		if _, err := records.Create(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
		served := objects.Post(upload.DefaultLayout.FilesKey(r.Ref()), []byte("bytes"))
		if _, err := records.Update(t.Context(), r.Ref(), upload.Settle(upload.Verdict{Status: upload.Stored,
			Version: "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", At: time.Now(), Size: smallPicture,
			ContentType: "image/jpeg", SHA256: strings.Repeat("0123456789abcdef", 4), Served: served})); err != nil {
			t.Fatal(err)
		}
	}
	bucket := &countedInventory{Inventory: objects}
	r := &reconcile.Reconciler{Records: records, Inventory: bucket, Layout: upload.DefaultLayout,
		Limits: reconcile.DefaultLimits(5, time.Minute),
		Now:    time.Now, Log: slog.New(slog.DiscardHandler)}
	run := func(o reconcile.Options) reconcile.Report {
		bucket.lists.Store(0)
		report, err := r.Run(t.Context(), o)
		if err != nil || report.NeedsPerson() {
			t.Fatalf("%+v, %v", report, err)
		}
		return report
	}
	if report := run(reconcile.Options{}); report.StoredSeen != surveyed || report.ObjectsSeen != surveyed {
		t.Fatalf("surveyed %+v", report)
	}
	c.lists = bucket.lists.Load()
	first := run(reconcile.Options{MaxRecords: 1})
	run(reconcile.Options{Resume: first.Resume})
	c.apart = bucket.lists.Load()
	return c
}

// countedInventory counts listings.
type countedInventory struct {
	upload.Inventory
	lists atomic.Int64
}

func (c *countedInventory) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor, limit int) (
	upload.InventoryPage, error) {
	c.lists.Add(1)
	return c.Inventory.ListVersions(ctx, prefix, cursor, limit)
}

// surveyTable is what a survey of 1,000 stored files costs, once and every so often.
func surveyTable(t *testing.T, c surveyCalls) string {
	t.Helper()
	days := int(defaultSettings(t).SurveyTime / day)
	var b strings.Builder
	fmt.Fprintf(&b, "| a survey per %s stored files | LIST | DynamoDB reads | once | a month, every %d days |\n"+
		"|---|---|---|---|---|\n", count(surveyed), days)
	row := func(what string, lists int64) {
		once := float64(lists)*pricePut.dollars + c.reads*priceRead.dollars
		fmt.Fprintf(&b, "| %s | %s | %s | $%.5f | $%.4f |\n", what, count(float64(lists)), count(c.reads), once,
			once*30.4/float64(days))
	}
	row("files and records in one run", c.lists)
	row("the records in a later run than the files", c.lists+c.apart)
	return b.String()
}
