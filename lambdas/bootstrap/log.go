package bootstrap

import (
	"context"
	"io"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// newLog writes JSON lines of the given level (DEBUG, INFO, WARN or ERROR; any
// other text is INFO) and above.
func newLog(w io.Writer, level string) *slog.Logger {
	var min slog.Level
	if err := min.UnmarshalText([]byte(level)); err != nil {
		min = slog.LevelInfo
	}
	lines := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: min, ReplaceAttr: lambdacontext.ReplaceAttr})
	return slog.New(invocationHandler{lines})
}

// invocationHandler adds to each line the id of the invocation that it is about.
type invocationHandler struct{ slog.Handler }

func (h invocationHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := InvocationID(ctx); id != "" {
		r.AddAttrs(slog.String("invocation_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h invocationHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return invocationHandler{h.Handler.WithAttrs(attrs)}
}

func (h invocationHandler) WithGroup(name string) slog.Handler {
	return invocationHandler{h.Handler.WithGroup(name)}
}

// InvocationID is the id that Lambda gave to an invocation, or "".
func InvocationID(ctx context.Context) string {
	if of, ok := lambdacontext.FromContext(ctx); ok {
		return of.AwsRequestID
	}
	return ""
}
