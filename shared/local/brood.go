package local

import (
	"context"
	"fmt"
	"strings"

	"hatchery/shared/local/localbrood"
)

// broodAtOnce is more than Brood itself bears: dev's own records and what an
// operator runs beside it take four requests each, and nobody here would wake a
// stand-in that has fallen silent.
const broodAtOnce = 40

// openBrood serves the stand-in for Bugout's auth server, with one application that
// one token may use. Both are made at the first start and kept.
func (s *Stack) openBrood(ctx context.Context) error {
	if s.state.BugoutToken == "" || s.state.BugoutApplication == "" {
		s.state.BugoutToken, s.state.BugoutApplication = localbrood.NewID(), localbrood.NewID()
	}
	address := kept(s.o.BugoutListen, s.state.BugoutListen)
	brood, err := localbrood.Open(ctx, localbrood.Options{Path: s.folder.path("bugout.jsonl"), Listen: address,
		Application: s.state.BugoutApplication, Tokens: map[string]localbrood.Role{s.state.BugoutToken: localbrood.Member},
		AtOnce: broodAtOnce, Log: s.o.Log})
	if err != nil {
		return fmt.Errorf("start Bugout's stand-in: %w%s", err, hint(err, "--bugout-listen"))
	}
	s.brood = brood
	s.closers = append(s.closers, func(context.Context) error { return brood.Close() })
	s.state.BugoutListen = strings.TrimPrefix(brood.URL(), "http://")
	return nil
}

// Bugout is where a stand-in for Bugout's auth server answers, and what it knows.
// All of it is "" where none is served.
type Bugout struct{ URL, Application, Token string }

// bugout is what a stack that serves a stand-in would tell of it.
func (st state) bugout() Bugout {
	if st.BugoutListen == "" {
		return Bugout{}
	}
	return Bugout{"http://" + st.BugoutListen, st.BugoutApplication, st.BugoutToken}
}
