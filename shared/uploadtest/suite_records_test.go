package uploadtest_test

import (
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestRecordsThatSwapKeepTheContract(t *testing.T) {
	uploadtest.RunRecords(t, func(_ *testing.T, now func() time.Time) upload.Records {
		return uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true, Now: now})
	}, uploadtest.RecordsTraits{Atomic: true})
}

func TestRecordsThatOverwriteKeepTheContract(t *testing.T) {
	uploadtest.RunRecords(t, func(_ *testing.T, now func() time.Time) upload.Records {
		return uploadtest.NewRecords(uploadtest.RecordsOptions{Now: now})
	}, uploadtest.RecordsTraits{Atomic: false})
}
