package locals3

import (
	"hash/fnv"
	"slices"
	"sync"
)

// keyLocks are the read-write locks of all keys. Keys with the same hash share one. The zero value is ready.
type keyLocks [1024]sync.RWMutex

func (l *keyLocks) index(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // a hash takes everything
	return int(h.Sum32() % uint32(len(l)))
}

// share keeps writers of the key out until the returned func is called.
func (l *keyLocks) share(key string) (release func()) {
	lock := &l[l.index(key)]
	lock.RLock()
	return lock.RUnlock
}

// own keeps everyone else out of key and writers out of the keys in shared, until the returned func is called. Locks
// are taken in one order, so that two owners can never wait for each other.
func (l *keyLocks) own(key string, shared ...string) (release func()) {
	own := l.index(key)
	all := []int{own}
	for _, k := range shared {
		all = append(all, l.index(k))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, i := range all {
		if i == own {
			l[i].Lock()
		} else {
			l[i].RLock()
		}
	}
	return func() {
		for _, i := range all {
			if i == own {
				l[i].Unlock()
			} else {
				l[i].RUnlock()
			}
		}
	}
}
