package lambdahttp

import (
	"context"
	"strings"
)

type requestIDKey struct{}

// RequestID is the id that AWS gave to the request whose context this is: the event's own, or else that of the
// invocation. It is "" where neither is known and in contexts that come from elsewhere. No header is read for it.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// cleanID refuses an id that could not stand in a header: whoever may invoke the function can write an event.
func cleanID(id string) string {
	if len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return ""
	}
	return id
}
