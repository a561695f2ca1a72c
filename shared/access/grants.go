package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// grants remembers for a short while who was granted what. It holds no token, only
// hashes under a key that never leaves the process. A nil *grants remembers nothing.
type grants struct {
	life time.Duration
	most int
	now  func() time.Time
	key  [32]byte

	mu sync.Mutex
	// Two generations bound both the number and the work: when the young one is half
	// of what may be kept, it becomes the old one, and what was old is forgotten.
	young, old map[grant]time.Time
}

// grant is a hash of a caller's Authorization, journal and entry.
type grant [sha256.Size]byte

func newGrants(life time.Duration, most int, now func() time.Time) (*grants, error) {
	g := &grants{life: life, most: most, now: now, young: map[grant]time.Time{}}
	if _, err := rand.Read(g.key[:]); err != nil {
		return nil, fmt.Errorf("make a key for grants: %w", err)
	}
	return g, nil
}

// name makes what a grant is kept under. The lengths keep ("a", "bc") from being
// ("ab", "c").
func (g *grants) name(authorization, journal, entry string) grant {
	h := hmac.New(sha256.New, g.key[:])
	fmt.Fprintf(h, "%d %d %d ", len(authorization), len(journal), len(entry))
	h.Write([]byte(authorization + journal + entry))
	return grant(h.Sum(nil))
}

func (g *grants) has(authorization, journal, entry string) bool {
	if g == nil {
		return false
	}
	name := g.name(authorization, journal, entry)
	g.mu.Lock()
	defer g.mu.Unlock()
	until, found := g.young[name]
	if !found {
		until, found = g.old[name]
	}
	return found && g.now().Before(until)
}

func (g *grants) add(authorization, journal, entry string) {
	if g == nil {
		return
	}
	name := g.name(authorization, journal, entry)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.young) >= max(g.most/2, 1) {
		g.old, g.young = g.young, map[grant]time.Time{}
	}
	g.young[name] = g.now().Add(g.life)
}
