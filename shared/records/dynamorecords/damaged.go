package dynamorecords

import (
	"context"
	"encoding/json"
	"log/slog"
)

// LogDamaged is an Options.Damaged that logs an ERROR line: which item it is, what
// is wrong with it, and what to do.
func LogDamaged(log *slog.Logger) func(ctx context.Context, key string, err error) {
	return func(ctx context.Context, key string, err error) {
		log.LogAttrs(ctx, slog.LevelError, "a damaged record is left out of lists",
			slog.String("item", key), slog.String("error", err.Error()),
			slog.String("do", "mend the item of that key in the table, or remove it: docs/operations.md, Damaged records"))
	}
}

// logDamaged logs an item that a list passes over.
func (s *Store) logDamaged(ctx context.Context, i item, err error) {
	if s.o.Damaged != nil {
		s.o.Damaged(ctx, i.key().json(), err)
	}
}

// json is the key as DynamoDB's tools take it.
func (k itemKey) json() string {
	type text struct{ S string }
	written, _ := json.Marshal(struct { // text can always be written
		PK text `json:"pk"`
		SK text `json:"sk"`
	}{text{k.pk}, text{k.sk}})
	return string(written)
}
