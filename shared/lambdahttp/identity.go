package lambdahttp

import (
	"context"
	"net/netip"
	"strings"
)

// identity is what AWS says about a request.
type identity struct {
	requestID string
	source    netip.Addr // the zero Addr: not known
}

type identityKey struct{}

func withIdentity(ctx context.Context, who identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// RequestID is the id that AWS gave to the request whose context this is: the event's own, or else that of the
// invocation. It is "" where neither is known and in contexts that come from elsewhere. No header is read for it.
func RequestID(ctx context.Context) string {
	who, _ := ctx.Value(identityKey{}).(identity)
	return who.requestID
}

// SourceIP is the address from which AWS says that the request came. It is not ok where AWS does not say: behind a
// load balancer, and in contexts that come from elsewhere. No header is read for it: X-Forwarded-For has in it what
// the client put there.
func SourceIP(ctx context.Context) (addr netip.Addr, ok bool) {
	who, _ := ctx.Value(identityKey{}).(identity)
	return who.source, who.source.IsValid()
}

// sourceOf reads the address from an event.
func sourceOf(e *event, f front) netip.Addr {
	if f == loadBalancer {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(e.RequestContext.HTTP.SourceIP)
	if err != nil {
		return netip.Addr{}
	}
	return addr.WithZone("")
}

// cleanID refuses an id that could not stand in a header: whoever may invoke the function can write an event.
func cleanID(id string) string {
	if len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return ""
	}
	return id
}
