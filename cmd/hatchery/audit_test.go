package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// TestTheTraceOfTheLongestRecheckIsKept: as many uploads as one run chooses, each with a long sentence.
func TestTheTraceOfTheLongestRecheckIsKept(t *testing.T) {
	a := deadletter.Audit{ID: "run", Action: deadletter.Recheck, Chosen: maxChosen}
	for i := range maxChosen {
		id := fmt.Sprintf("01990000-0000-7000-8000-%012d", i)
		a.Selection.Messages = append(a.Selection.Messages, id)
		a.Results = append(a.Results, deadletter.Result{UploadID: upload.ID(id), Result: deadletter.ResultDone,
			Detail: strings.Repeat("x", 150)})
	}
	r := &deadletter.Review{Notes: uploadtest.NewNotes(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := r.EndAudit(t.Context(), &a, nil); err != nil {
		t.Error(err)
	}
}
