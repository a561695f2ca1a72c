package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// grants remembers for a short while who was granted what. It holds no token, only hashes under a key that never leaves
// the process. A nil *grants remembers nothing.
type grants struct {
	life  time.Duration
	limit int
	now   func() time.Time
	key   []byte

	mu sync.Mutex
	// Two generations bound both the number and the work: when the recent one is half of what may be kept, it becomes
	// the previous one, and what was there is forgotten.
	recent, previous map[grant]time.Time // until when
}

// grant is a hash of a caller's Authorization, journal and entry.
type grant [sha256.Size]byte

func newGrants(life time.Duration, limit int, now func() time.Time) *grants {
	g := &grants{life: life, limit: limit, now: now, key: make([]byte, 32), recent: map[grant]time.Time{}}
	_, _ = rand.Read(g.key) // never fails
	return g
}

// hash makes what a grant is kept under. The lengths keep ("a", "bc") from being ("ab", "c").
func (g *grants) hash(authorization, journal, entry string) grant {
	h := hmac.New(sha256.New, g.key)
	fmt.Fprintf(h, "%d %d %d %s%s%s", len(authorization), len(journal), len(entry), authorization, journal, entry)
	return grant(h.Sum(nil))
}

func (g *grants) has(authorization, journal, entry string) bool {
	if g == nil {
		return false
	}
	key := g.hash(authorization, journal, entry)
	g.mu.Lock()
	defer g.mu.Unlock()
	until, found := g.recent[key]
	if !found {
		until, found = g.previous[key]
	}
	return found && g.now().Before(until)
}

func (g *grants) add(authorization, journal, entry string) {
	if g == nil {
		return
	}
	key := g.hash(authorization, journal, entry)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.recent) >= max(g.limit/2, 1) {
		g.previous, g.recent = g.recent, map[grant]time.Time{}
	}
	g.recent[key] = g.now().Add(g.life)
}
