package bugoutrecords

import (
	"context"
	"log/slog"
)

// LogDamaged is an Options.Damaged that logs an ERROR line: which resource it is, what
// is wrong with it, and what to do.
func LogDamaged(log *slog.Logger) func(ctx context.Context, err error) {
	return func(ctx context.Context, err error) {
		log.LogAttrs(ctx, slog.LevelError, "a damaged record is left out of lists", slog.String("error", err.Error()),
			slog.String("do", "mend the resource in Bugout, or delete it there: docs/operations.md, Damaged records"))
	}
}
