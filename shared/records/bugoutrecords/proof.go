package bugoutrecords

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"hatchery/shared/upload"
)

// proof is what is known of the token's rights.
//
// Brood lists what the token's user may see, and answers 404 for the rest. So to a user
// outside of the application's group, or in an application that does not exist, everything
// looks absent; only a creation is refused. So before an absence is believed, or a list to be
// whole, something was created with the same token.
type proof struct {
	// turn holds the one who proves; the others wait and find it proved.
	turn chan struct{}

	mu    sync.Mutex
	token string // with which something was created last
	until time.Time
	ends  int // how often it was ended
}

const (
	// proofLife is how long one creation proves something, also of a user who was put out of
	// the group since. A refusal of Brood's ends it.
	proofLife = 5 * time.Minute
	// noteProof names the note that is created for nothing else. It is deleted at once.
	noteProof = "membership"
	// maxLeftProofs bounds how many that others left behind are deleted on the way.
	maxLeftProofs = 10
)

func (p *proof) of(token string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.token == token && now.Before(p.until)
}

// begin is called before a creation is sent, and gives what keep wants to know.
func (p *proof) begin() (ends int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends
}

// keep remembers a creation that went well, unless the proof was ended after it was sent: it may have been made before
// the refusal.
func (p *proof) keep(ends int, token string, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ends == p.ends {
		p.token, p.until = token, until
	}
}

// end makes the next absence be proved anew.
func (p *proof) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token, p.until = "", time.Time{}
	p.ends++
}

// prove makes sure that the token belongs to a member of the application's group. It
// makes one attempt; it may be repeated, because one note too many does no harm.
func (s *Store) prove(ctx context.Context, token string) error {
	made, err := s.proveNow(ctx, token)
	if made {
		s.tidy(ctx)
	}
	return err
}

// proveNow is prove, and says whether a note was made for it.
func (s *Store) proveNow(ctx context.Context, token string) (made bool, err error) {
	if s.proof.of(token, s.o.Now()) {
		return false, nil
	}
	if err := s.enter(ctx, s.proof.turn); err != nil {
		return false, err
	}
	defer func() { <-s.proof.turn }()
	if s.proof.of(token, s.o.Now()) {
		return false, nil
	}
	body := s.newResource(map[string]string{keyNote: noteProof})
	err = s.askAs(ctx, token, http.MethodPost, collection, nil, body, nil)
	switch {
	case err == nil:
		return true, nil // askAs remembers it
	case errors.Is(err, ErrToken):
		// Refused only since it was answered: that answer has to be asked for again.
		err = ambiguous{err}
	}
	return false, fmt.Errorf("make sure that nothing is hidden from the deployment's token: %w", err)
}

// tidy deletes the notes of proofs, in the time of one request: somebody waits for
// what was proved. What it leaves behind, the next proof deletes.
func (s *Store) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	var list resourceList
	if s.do(ctx, http.MethodGet, collection, s.noteQuery(noteProof), nil, &list) != nil {
		return
	}
	mine := list.notesNamed(noteProof)
	for _, note := range mine[:min(maxLeftProofs, len(mine))] {
		_ = s.do(ctx, http.MethodDelete, itemPath(note.ID), nil, nil, nil)
	}
}

// fetch reads one resource. ErrNotFound: it is not there, which is proved anew,
// because whoever asks has seen it before.
func (s *Store) fetch(ctx context.Context, id string) (wireResource, error) {
	var found wireResource
	err := s.attempts(ctx, func(int) error {
		found = wireResource{}
		token, err := s.ask(ctx, http.MethodGet, itemPath(id), nil, nil, &found)
		if !errors.Is(err, upload.ErrNotFound) {
			return err
		}
		s.proof.end()
		if hidden := s.prove(ctx, token); hidden != nil {
			return hidden
		}
		return err
	})
	return found, err
}

// absent says what a 404 to a change of a resource means: it is gone (ErrNotFound), or the
// token may read it and not change it (ErrRefused).
func (s *Store) absent(ctx context.Context, id string) error {
	if _, err := s.fetch(ctx, id); err != nil {
		return err
	}
	return fmt.Errorf("%w: the deployment's token may read resource %s and not change it: its user has to belong to "+
		"the application's group in Bugout", ErrRefused, id)
}
