package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/upload"
)

// A start looks at this many versions of objects at most, and for this long.
const (
	missingVersions = 10_000
	missingTime     = 3 * time.Second
)

// missingRecords is what a start found out about objects without a record.
type missingRecords struct {
	looked, missing int // uploads
	whole           bool
	err             error
}

// findMissing looks whether the uploads whose bytes are in the bucket have records: the file that keeps them may have
// been removed, or cut. Nothing else would say so, because an upload without a record is like one that never was.
func findMissing(ctx context.Context, objects upload.Inventory, layout upload.Layout,
	records upload.Records) missingRecords {
	ctx, cancel := context.WithTimeout(ctx, missingTime)
	defer cancel()
	found := missingRecords{whole: true}
	left := missingVersions
	for _, prefix := range []string{layout.Quarantine, layout.Files} {
		in := upload.Layout{Quarantine: prefix} // keys below both prefixes have one form
		var last upload.Key
		for cursor := upload.Cursor(""); ; {
			page, err := objects.ListVersions(ctx, prefix, cursor, min(left, upload.MaxPage))
			if err != nil {
				return found.failed(ctx, err)
			}
			for _, v := range page.Versions {
				ref, ours := in.ParseQuarantineKey(v.Key)
				if !ours || v.Key == last {
					continue
				}
				last = v.Key
				if err := found.look(ctx, records, ref); err != nil {
					return found.failed(ctx, err)
				}
			}
			left -= len(page.Versions)
			if cursor = page.Next; cursor == "" {
				break
			}
			if left <= 0 {
				found.whole = false
				return found
			}
		}
	}
	return found
}

func (m *missingRecords) look(ctx context.Context, records upload.Records, ref upload.Ref) error {
	_, err := records.Get(ctx, ref)
	if err != nil && !errors.Is(err, upload.ErrNotFound) {
		return err
	}
	m.looked++
	if err != nil {
		m.missing++
	}
	return nil
}

// failed ends the look: for want of time, or because of a failure that is to be told.
func (m missingRecords) failed(ctx context.Context, err error) missingRecords {
	m.whole = false
	if ctx.Err() == nil {
		m.err = err
	}
	return m
}

// tell says what a person must know, where there is anything.
func (m missingRecords) tell(ctx context.Context, log *slog.Logger, place string) {
	if m.err != nil {
		log.ErrorContext(ctx, "the records of the uploads in the bucket could not be looked at", "error", m.err)
	}
	if m.missing == 0 {
		return
	}
	of := fmt.Sprintf("%d of the %d", m.missing, m.looked)
	if !m.whole {
		of += " (the first ones)"
	}
	log.WarnContext(ctx, of+" uploads whose bytes are in the bucket have no record, and are served to nobody: "+
		"what keeps the records ("+place+") was removed, cut or replaced. End this run and put it back, "+
		"or start with the --records that was used before")
}

// placeOf is where the records of a dev are.
func placeOf(f devFlags, stack *local.Stack) string {
	switch {
	case f.records == config.RecordsSQLite:
		return stack.Path("records.db")
	case f.records == config.RecordsBugout && f.bugout == "":
		return stack.Path("bugout.jsonl")
	}
	return cmp.Or(f.bugout, stack.Endpoints().DynamoDB)
}
