package deadletter

import (
	"cmp"
	"context"
	"fmt"

	"hatchery/shared/upload"
)

// reject settles the pending uploads of a letter as rejected.
func (x *run) reject(ctx context.Context, l Letter) error {
	arrivals, why := rejectable(l, x.options.Reason)
	if why != "" {
		return skipped(why)
	}
	return x.carryOut(ctx, l.MessageID, func() error {
		for _, a := range arrivals {
			outcome, err := x.Pipeline.RejectByOperator(ctx, a.Key, a.Version, x.options.Reason)
			if err != nil {
				return fmt.Errorf("reject the upload: %w", err)
			}
			if record := outcome.Record; !rejectedWith(record.Status, record.Reason, x.options.Reason) {
				return skipped("was pending, is " + cmp.Or(string(record.Status), "without a record") +
					reasonOf(record.Reason))
			}
		}
		return nil
	})
}

func reasonOf(r *upload.Reason) string {
	if r == nil {
		return ""
	}
	return " (" + string(r.Code) + ")"
}
