package sqliterecords_test

import (
	"fmt"
	"testing"
	"time"

	"hatchery/shared/upload"
)

func TestEveryRecordIsCounted(t *testing.T) {
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	s := open(t, file(t), func() time.Time { return at })
	for n := range 5 {
		r := upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", n)), Journal: "j", Entry: "e",
			Kind: "images", Name: "cat", Extension: "png", CreatedAt: at, Status: upload.Pending}
		create(t, s, r, &upload.IdempotencyKey{Scope: "s", Key: string(r.ID), Fingerprint: "f", Expires: at.Add(time.Hour)})
		if n > 0 {
			continue
		}
		// A tombstone is a record, too.
		if _, err := s.Update(t.Context(), r.Ref(), upload.Delete(at, at.Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: upload.MaxPage})
	if n, countErr := s.Count(t.Context()); err != nil || countErr != nil || n != 5 || n != len(page.Records) {
		t.Errorf("%d, %v; listed are %d, %v", n, countErr, len(page.Records), err)
	}
}
