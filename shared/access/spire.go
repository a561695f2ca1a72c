package access

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// explain500 finds out what the 500 of Bugout's own application means: an invalid token, or an outage. Bugout's auth
// server answers 404 for a token that it does not know, and 500 for one that is no UUID, which is not sent there.
func (a *Application) explain500(ctx context.Context, authorization string) *Denied {
	invalid := &Denied{Status: http.StatusUnauthorized,
		Message: "The token in the Authorization header is not valid (any more)."}
	_, token, two := strings.Cut(strings.TrimSpace(authorization), " ")
	if !two || !isToken(token) {
		return invalid
	}
	status, _, denied := a.get(ctx, a.brood+"/auth", authorization, "Bugout's auth server")
	switch {
	case denied != nil:
		return denied
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound:
		return invalid
	}
	// The token is good (200), or nobody knows: either way the application is at fault.
	return unavailable("the application answers 500 for a token that Bugout's auth server does not call invalid", nil)
}

// enter waits for a place among the requests to Bugout. The wait is not part of a question's time: a question that
// begins with little of it left is given up, and Brood works on it all the same, beside those that come after it.
func (a *Application) enter(ctx context.Context) *Denied {
	wait := time.NewTimer(a.timeout / 2)
	defer wait.Stop()
	select {
	case a.requests <- struct{}{}:
		return nil
	case <-ctx.Done():
		return unavailable("the caller gave up before the application was asked", ctx.Err())
	case <-wait.C:
		return unavailable(fmt.Sprintf("the application could not be asked within %s: "+
			"%d other requests to Bugout are under way", a.timeout/2, cap(a.requests)), nil)
	}
}

// isToken tells whether s is a UUID, with dashes or without.
func isToken(s string) bool {
	if len(s) == 32 {
		s = s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
	}
	_, err := upload.ParseID(s)
	return err == nil
}
