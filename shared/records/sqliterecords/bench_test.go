package sqliterecords_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// draft makes a pending record; each entry has ten.
func draft(n int64) upload.Record {
	return upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012x", n)), Journal: "journal",
		Entry: upload.Entry(fmt.Sprintf("entry-%d", n/10)),
		Kind:  "images", Name: "cat", Extension: "png", CreatedAt: time.UnixMicro(1767322800000000 + n).UTC(),
		Status:   upload.Pending,
		Declared: upload.Declared{Size: 123456, Type: "image/png"}}
}

func verdict(n int64) upload.Verdict {
	return upload.Verdict{Status: upload.Stored, Version: "quarantine-v1", At: time.UnixMicro(1767322801000000),
		Size:        123456,
		ContentType: "image/png", SHA256: fmt.Sprintf("%064x", n), Served: "files-v1",
		Admission: upload.Admission{Unique: true, MaxFiles: 100}}
}

// BenchmarkStore gives the cost of one call with one caller and with sixteen at
// once.
func BenchmarkStore(b *testing.B) {
	for _, callers := range []int{1, 16} {
		for _, call := range []string{"Create", "Settle", "Get"} {
			b.Run(fmt.Sprintf("%s/callers=%d", call, callers), func(b *testing.B) { benchmark(b, call, callers) })
		}
	}
}

func benchmark(b *testing.B, call string, callers int) {
	s, err := sqliterecords.Open(b.Context(), filepath.Join(b.TempDir(), "records.db"), sqliterecords.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var created, done atomic.Int64
	create := func() error {
		n := created.Add(1)
		_, err := s.Create(b.Context(), draft(n),
			&upload.IdempotencyKey{Scope: "scope", Key: fmt.Sprint(n), Fingerprint: "print", Expires: time.Now().Add(time.Hour)})
		return err
	}
	if call != "Create" {
		commitBatch(b, 16, b.N, create)
	}
	b.ResetTimer()
	commitBatch(b, callers, b.N, func() error {
		n := done.Add(1)
		var err error
		switch call {
		case "Create":
			err = create()
		case "Settle":
			_, err = s.Update(b.Context(), draft(n).Ref(), upload.Settle(verdict(n)))
		case "Get":
			_, err = s.Get(b.Context(), draft(n).Ref())
		}
		return err
	})
}

// together calls f n times in all, from several callers.
func commitBatch(tb testing.TB, callers, n int, f func() error) {
	tb.Helper()
	var next atomic.Int64
	errs := make(chan error, callers)
	for range callers {
		go func() {
			for next.Add(1) <= int64(n) {
				if err := f(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			tb.Error(err)
		}
	}
}
