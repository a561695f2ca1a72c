package reconcile

import (
	"hash/maphash"
	"sync"

	"hatchery/shared/upload"
)

// maxShown bounds the memory of a run: a million take some 20 MB.
const maxShown = 1_000_000

// shown are versions that a listing has shown, each as 64 bits of a hash: of a
// million, one that was not shown is taken for another once in 10^13 times. The zero
// value is empty. Its methods may be called concurrently.
type shown struct {
	mu   sync.Mutex
	seed maphash.Seed
	set  map[uint64]struct{}
}

// version is one of them. The id of an upload is not used twice.
type version struct {
	upload  upload.ID
	version upload.Version
}

func (s *shown) add(id upload.ID, v upload.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.seed, s.set = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	if len(s.set) < maxShown {
		s.set[maphash.Comparable(s.seed, version{id, v})] = struct{}{}
	}
}

// has is false, too, for versions that were left out beyond the bound.
func (s *shown) has(id upload.ID, v upload.Version) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		return false
	}
	_, ok := s.set[maphash.Comparable(s.seed, version{id, v})]
	return ok
}
