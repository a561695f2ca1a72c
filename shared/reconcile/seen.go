package reconcile

import (
	"hash/maphash"
	"sync"

	"hatchery/shared/upload"
)

// maxSeen bounds the memory of a run: a million versions take some 20 MB.
const maxSeen = 1_000_000

// seenVersions are versions that a listing has shown, each as a hash of 64 bits: among a million, a version that
// was not shown is taken for another once in 10^13 times. Its methods may be called concurrently.
type seenVersions struct {
	mu     sync.Mutex
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func newSeenVersions() *seenVersions {
	return &seenVersions{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}}
}

func (s *seenVersions) hash(id upload.ID, v upload.Version) uint64 {
	return maphash.Comparable(s.seed, [2]string{string(id), string(v)})
}

func (s *seenVersions) add(id upload.ID, v upload.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hashes) < maxSeen {
		s.hashes[s.hash(id, v)] = struct{}{}
	}
}

// has is false, too, for versions that were left out beyond the bound.
func (s *seenVersions) has(id upload.ID, v upload.Version) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.hashes[s.hash(id, v)]
	return ok
}
