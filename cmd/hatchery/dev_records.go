package main

import (
	"context"
	"log/slog"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// openRecords opens what keeps the records of a stack. The caller closes them
// before the stack. requests are those to Bugout, for whoever else asks it.
func openRecords(ctx context.Context, settings config.Config, stack *local.Stack, requests chan struct{},
	log *slog.Logger) (records upload.Records, done func() error, err error) {
	if settings.Records == config.RecordsDynamoDB {
		client, err := openDynamoDB(ctx, stack.Endpoints())
		if err != nil {
			return nil, nil, err
		}
		return tableRecords(client, local.Table, log), closeNothing, nil
	}
	if settings.Records == config.RecordsBugout {
		store, err := checkedStore(ctx, settings.Bugout, requests, log)
		return store, closeNothing, err
	}
	store, err := sqliterecords.Open(ctx, stack.Path("records.db"), sqliterecords.Options{Now: time.Now})
	if err != nil {
		return nil, nil, err
	}
	return store, store.Close, nil
}
