package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// uploadName is how a person names an upload: by its id, or by more of where it belongs.
type uploadName struct {
	journal upload.Journal
	entry   upload.Entry
	kind    policy.KindName // "" is any of the policy
	id      upload.ID
}

// uploadForms are the forms in which an upload is named.
const uploadForms = "ID, JOURNAL/ENTRY/ID or JOURNAL/ENTRY/KIND/ID"

func parseUploadName(arg string) (uploadName, error) {
	wrong := func(why string) (uploadName, error) {
		return uploadName{}, usage("%s names no upload: %s; accepted: %s", quoted(arg), why, uploadForms)
	}
	parts := strings.Split(arg, "/")
	id, err := upload.ParseID(parts[len(parts)-1])
	if err != nil {
		return wrong("its last part is no UUID")
	}
	name := uploadName{id: id}
	switch len(parts) {
	case 1:
		return name, nil
	case 3:
	case 4:
		if name.kind = policy.KindName(parts[2]); !name.kind.Valid() {
			return wrong("its third part is no kind")
		}
	default:
		return wrong(fmt.Sprintf("it has %s", countOf(len(parts), "part")))
	}
	if !upload.ValidPathID(parts[0]) || !upload.ValidPathID(parts[1]) {
		return wrong("journals and entries have 1 to 64 of A-Z a-z 0-9 _ -")
	}
	name.journal, name.entry = upload.Journal(parts[0]), upload.Entry(parts[1])
	return name, nil
}

// parseUploadNames reads all arguments before anything is done about one.
func parseUploadNames(args []string) ([]uploadName, error) {
	names := make([]uploadName, len(args))
	for i, arg := range args {
		var err error
		if names[i], err = parseUploadName(arg); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// named is how a command names an upload to a person: so it is found at once.
func named(ref upload.Ref) string {
	return fmt.Sprintf("%s/%s/%s/%s", ref.Journal, ref.Entry, ref.Kind, ref.ID)
}

// longSearch is after how long a search says what it does.
const longSearch = time.Second

// findUpload finds a record. ErrNotFound: there is none.
func findUpload(ctx context.Context, records upload.Records, kinds policy.Policy, name uploadName,
	complaints io.Writer) (upload.Record, error) {
	if name.journal == "" {
		return searchRecords(ctx, records, name.id, complaints)
	}
	tried := []policy.KindName{name.kind}
	if name.kind == "" {
		tried = slices.Sorted(maps.Keys(kinds.Kinds))
	}
	for _, kind := range tried {
		r, err := records.Get(ctx, upload.Ref{Journal: name.journal, Entry: name.entry, Kind: kind, ID: name.id})
		if !errors.Is(err, upload.ErrNotFound) {
			return r, err
		}
	}
	return upload.Record{}, upload.ErrNotFound
}

// searchRecords goes over all records, a page at a time: no store finds one by its id alone.
func searchRecords(ctx context.Context, records upload.Records, id upload.ID,
	complaints io.Writer) (upload.Record, error) {
	says := time.AfterFunc(longSearch, func() {
		fmt.Fprintf(complaints, "looking through all records for %s; JOURNAL/ENTRY/ID is found at once\n", id)
	})
	defer says.Stop()
	for cursor := upload.Cursor(""); ; {
		page, err := records.Scan(ctx, upload.ScanQuery{Cursor: cursor, Limit: upload.MaxPage})
		if err != nil {
			return upload.Record{}, fmt.Errorf("look through the records: %w", err)
		}
		for _, r := range page.Records {
			if r.ID == id {
				return r, nil
			}
		}
		if cursor = page.Next; cursor == "" {
			return upload.Record{}, upload.ErrNotFound
		}
	}
}

// mustFind is findUpload for a command about one upload.
func mustFind(ctx context.Context, dep *deployment, name uploadName, term terminal) (upload.Record, error) {
	record, err := findUpload(ctx, dep.Uploads.Records, dep.Uploads.Policy, name, term.err)
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return record, &exitError{exitNo, fmt.Errorf("there is no record of upload %s in this deployment: it never was, "+
			"or was deleted so long ago that its tombstone is gone; the id of a message is for: hatchery dlq show", name.id)}
	case err != nil:
		return record, system(fmt.Errorf("find upload %s: %w", name.id, err))
	}
	return record, nil
}
