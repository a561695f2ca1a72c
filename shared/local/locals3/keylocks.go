package locals3

import (
	"slices"
	"sync"
)

// keyLocks holds one read-write lock for each key in use. The zero value is ready.
type keyLocks struct {
	mu   sync.Mutex
	held map[string]*keyLock
}

type keyLock struct {
	sync.RWMutex
	users int
}

// share keeps writers of the key out until the returned func is called.
func (l *keyLocks) share(key string) (release func()) {
	lock := l.take(key)
	lock.RLock()
	return func() {
		lock.RUnlock()
		l.drop(key, lock)
	}
}

// own keeps everyone else out of key and writers out of the keys in shared, until the returned func is called. Locks
// are taken in the order of the keys, so that two owners can never wait for each other.
func (l *keyLocks) own(key string, shared ...string) (release func()) {
	keys := append([]string{key}, shared...)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	releases := make([]func(), 0, len(keys))
	for _, k := range keys {
		if k != key {
			releases = append(releases, l.share(k))
			continue
		}
		lock := l.take(k)
		lock.Lock()
		releases = append(releases, func() {
			lock.Unlock()
			l.drop(k, lock)
		})
	}
	return func() {
		for _, release := range slices.Backward(releases) {
			release()
		}
	}
}

func (l *keyLocks) take(key string) *keyLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock := l.held[key]
	if lock == nil {
		if l.held == nil {
			l.held = make(map[string]*keyLock)
		}
		lock = new(keyLock)
		l.held[key] = lock
	}
	lock.users++
	return lock
}

func (l *keyLocks) drop(key string, lock *keyLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.held, key)
	}
}
