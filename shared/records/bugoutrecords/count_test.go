package bugoutrecords_test

import (
	"fmt"
	"net/http"
	"testing"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/upload"
)

// TestEveryRecordIsCountedOnce, however many resources there are for it.
func TestEveryRecordIsCountedOnce(t *testing.T) {
	s := storeOn(t, brood(t, func(c localbugout.Call) localbugout.Trouble {
		if c.Method == http.MethodPost {
			return localbugout.HappensTwice
		}
		return localbugout.None
	}), nil)
	for n := range 5 {
		r := pending()
		r.ID = upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", n))
		if _, err := s.Create(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: upload.MaxPage})
	if n, countErr := s.Count(t.Context()); err != nil || countErr != nil || n != 5 || n != len(page.Records) {
		t.Errorf("%d, %v; listed are %d, %v", n, countErr, len(page.Records), err)
	}
}
