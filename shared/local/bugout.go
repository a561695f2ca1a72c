package local

import (
	"context"
	"fmt"
	"strings"

	"hatchery/shared/local/localbugout"
)

// bugoutAtOnce is more than Bugout itself bears: dev's own records and what an operator runs beside it take four
// requests each, and nobody here would wake a stand-in that has fallen silent.
const bugoutAtOnce = 40

// openBugout serves the stand-in for Bugout's auth server (Brood), with one application that one token may use. Both
// are made at the first start and kept.
func (s *Stack) openBugout(ctx context.Context) (err error) {
	if s.state.BugoutToken == "" || s.state.BugoutApplication == "" {
		s.state.BugoutToken, s.state.BugoutApplication = localbugout.NewID(), localbugout.NewID()
	}
	address := kept(s.o.BugoutListen, s.state.BugoutListen)
	s.bugout, err = localbugout.Open(ctx, localbugout.Options{Path: s.folder.path("bugout.jsonl"), Listen: address,
		Hosts: s.hosts(), Application: s.state.BugoutApplication, AtOnce: bugoutAtOnce, Log: s.o.Log,
		Tokens: map[string]localbugout.Role{s.state.BugoutToken: localbugout.Member}})
	if err != nil {
		return fmt.Errorf("start Bugout's stand-in: %w%s", err, hint(err, "--bugout-listen"))
	}
	s.closers = append(s.closers, func(context.Context) error { return s.bugout.Close() })
	s.state.BugoutListen = strings.TrimPrefix(s.bugout.URL(), "http://")
	return nil
}

// Bugout is where a stand-in for Bugout's auth server answers, and what it knows. All of it is "" where none is served.
type Bugout struct{ URL, Application, Token string }
