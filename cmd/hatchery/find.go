package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

func parseUploadName(arg string) (deadletter.UploadName, error) {
	name, err := deadletter.ParseUploadName(arg)
	if err != nil {
		return name, usage("%s names no upload: %w; accepted: %s", quoted(arg), err, deadletter.UploadForms)
	}
	return name, nil
}

// parseUploadNames reads all arguments before anything is done about one.
func parseUploadNames(args []string) ([]deadletter.UploadName, error) {
	names := make([]deadletter.UploadName, len(args))
	for i, arg := range args {
		var err error
		if names[i], err = parseUploadName(arg); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// longSearch is after how long a search says what it does.
const longSearch = time.Second

// mustFind finds the record of a command about one upload.
func mustFind(ctx context.Context, dep *deployment, name deadletter.UploadName, term terminal) (upload.Record, error) {
	if name.Journal == "" {
		says := time.AfterFunc(longSearch, func() {
			fmt.Fprintf(term.err, "looking through all records for %s; JOURNAL/ENTRY/ID is found at once\n", name.ID)
		})
		defer says.Stop()
	}
	record, err := dep.Review(nil, "").Find(ctx, name)
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return record, &exitError{exitNo, fmt.Errorf("there is no record of upload %s in this deployment: it never was, "+
			"or was deleted so long ago that its tombstone is gone; the id of a message is for: hatchery dlq show", name.ID)}
	case err != nil:
		return record, system(fmt.Errorf("find upload %s: %w", name.ID, err))
	}
	return record, nil
}
