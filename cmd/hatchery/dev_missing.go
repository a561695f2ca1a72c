package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// A start looks at this many versions of objects at most, and for this long.
const (
	missingVersions = 10_000
	missingTime     = 3 * time.Second
)

// missingRecords is what a start found out about objects without a record.
type missingRecords struct {
	looked, missing int // uploads
	left            int // versions that may still be looked at; 0: not all were
	err             error
}

// findMissing looks whether the uploads whose bytes are in the bucket have records: the file that keeps them may have
// been removed, or cut. Nothing else would say so, because an upload without a record is like one that never was.
func findMissing(ctx context.Context, objects upload.Inventory, layout upload.Layout,
	records upload.Records) missingRecords {
	ctx, cancel := context.WithTimeout(ctx, missingTime)
	defer cancel()
	m := missingRecords{left: missingVersions}
	for _, prefix := range []string{layout.Quarantine, layout.Files} {
		in := upload.Layout{Quarantine: prefix} // keys below both prefixes have one form
		var last upload.Key
		err := upload.EachVersionUnder(ctx, objects, prefix, upload.MaxPage, func(v upload.ObjectVersion) bool {
			m.left--
			if ref, ours := in.ParseQuarantineKey(v.Key); ours && v.Key != last {
				last = v.Key
				m.look(ctx, records, ref)
			}
			return m.left > 0 && m.err == nil
		})
		if m.err = cmp.Or(m.err, err); m.err != nil {
			m.left = 0
		}
		if m.left == 0 {
			break
		}
	}
	if ctx.Err() != nil {
		m.err = nil // it is only that the time was over
	}
	return m
}

func (m *missingRecords) look(ctx context.Context, records upload.Records, ref upload.Ref) {
	_, err := records.Get(ctx, ref)
	switch {
	case errors.Is(err, upload.ErrNotFound):
		m.missing++
	case err != nil:
		m.err = err
		return
	}
	m.looked++
}

// tell says what a person must know, where there is anything.
func (m missingRecords) tell(ctx context.Context, log *slog.Logger, place string) {
	if m.err != nil {
		log.ErrorContext(ctx, "the records of the uploads in the bucket could not be looked at", "error", m.err)
	}
	if m.missing == 0 {
		return
	}
	of := wording.Sprintf("%d of the %d", m.missing, m.looked)
	if m.left == 0 {
		of += " (the first ones)"
	}
	log.WarnContext(ctx, of+" uploads whose bytes are in the bucket have no record, and are served to nobody. "+
		"If what keeps the records ("+place+") was removed, cut or replaced, end this run and put it back, "+
		"or start with the --records that was used before; to begin anew, use another --data. "+
		"hatchery reconcile lists them (orphan_object)")
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
