package locals3

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/versity/versitygw/s3err"
)

// errNoVersion says that there is no such version to delete.
var errNoVersion = errors.New("no such version")

// change is a change of one key under way. After begin, close is deferred; only finish makes the change stand.
type change struct {
	g           *guarded
	bucket, key string
	current     string // the version id of the key before the change
	successor   string // in a deletion of the current version, the earlier one that takes its place
	release     func()
	entry       entry
	staged      []string // the attribute files that are held back
	ended       bool
}

// begin locks a key, and the keys it reads from, and saves what a new version or a delete marker touches: the current
// version, and the place where it is put aside.
func (g *guarded) begin(bucket, key string, reads ...string) (*change, error) {
	c, err := g.lock(bucket, key, reads...)
	if err != nil {
		return nil, err
	}
	return c.save(c.current)
}

// beginDelete is begin for the deletion of a version. It gives errNoVersion when the version is not there.
func (g *guarded) beginDelete(bucket, key, version string) (*change, error) {
	c, err := g.lock(bucket, key)
	if err != nil {
		return nil, err
	}
	l := g.layout
	if version == c.current {
		if c.successor, err = l.newestVersion(bucket, key); err != nil {
			c.release()
			return nil, fmt.Errorf("look for earlier versions of %q: %w", key, err)
		}
		if c.successor != "" {
			return c.save(c.successor)
		}
		return c.saved(g.undo.begin(nil, []string{l.object(bucket, key), l.objectMeta(bucket, key)}))
	}
	if !exists(l.version(bucket, key, version)) {
		c.release()
		return nil, errNoVersion
	}
	return c.saved(g.undo.begin(nil, []string{l.version(bucket, key, version), l.versionMeta(bucket, key, version)}))
}

// lock waits for the key, and first puts back what earlier changes could not: nothing may come after them.
func (g *guarded) lock(bucket, key string, reads ...string) (*change, error) {
	for {
		if err := g.putBack(); err != nil {
			return nil, err
		}
		release := g.locks.own(lockName(bucket, key), reads...)
		if g.unsettled.Load() > 0 { // since then, and perhaps of this key
			release()
			continue
		}
		current, err := g.attribute(bucket, key, versionAttribute)
		if err != nil {
			release()
			return nil, err
		}
		return &change{g: g, bucket: bucket, key: key, current: current, release: release}, nil
	}
}

// putBack rolls back the changes that could not be when they failed: no file could be opened, or the disk was full.
func (g *guarded) putBack() error {
	if g.unsettled.Load() == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.failed) > 0 {
		c := g.failed[0]
		release := g.locks.own(lockName(c.bucket, c.key))
		err := c.rollback()
		release()
		if err != nil {
			return asFull(fmt.Errorf("nothing can be changed before an earlier change is undone: %w", err))
		}
		g.failed = g.failed[1:]
		g.unsettled.Add(-1)
	}
	return nil
}

// save saves the current version and, if it is named, an earlier one.
func (c *change) save(earlier string) (*change, error) {
	l := c.g.layout
	c.staged = []string{l.objectMeta(c.bucket, c.key)}
	files := []string{l.object(c.bucket, c.key), l.objectMeta(c.bucket, c.key)}
	if isVersionID(earlier) {
		c.staged = append(c.staged, l.versionMeta(c.bucket, c.key, earlier))
		files = append(files, l.version(c.bucket, c.key, earlier), l.versionMeta(c.bucket, c.key, earlier))
	}
	return c.saved(c.g.undo.begin(files, nil))
}

// saved gives c itself, or unlocks and gives an error.
func (c *change) saved(e entry, err error) (*change, error) {
	if err != nil {
		c.release()
		return nil, asFull(err)
	}
	c.entry = e
	c.g.attributes.stage(c.staged...)
	return c, nil
}

// close unlocks the key. Without a successful finish, also in a panic, it first puts everything back.
func (c *change) close() {
	if c.ended {
		return
	}
	c.ended = true
	// Counted before the lock goes, so that whoever gets it next sees it. (It is not held while waiting for g.mu: putBack
	// takes the two in the other order.)
	err := c.rollback()
	if err != nil {
		c.g.unsettled.Add(1)
	}
	c.release()
	if err != nil {
		c.g.mu.Lock()
		defer c.g.mu.Unlock()
		c.g.failed = append(c.g.failed, c)
	}
}

// rollback puts everything back. After an error it can be repeated, under the key's lock.
func (c *change) rollback() error {
	defer c.g.attributes.drop(append(c.staged, c.g.layout.objectMeta(c.bucket, c.key))...)
	return c.g.undo.rollback(c.entry)
}

// finish writes the attributes, makes the change stand, unlocks the key, and says what it is now.
func (c *change) finish() (object, error) {
	for _, file := range c.staged {
		if err := c.g.attributes.publish(file); err != nil {
			return object{}, asFull(err)
		}
	}
	o, err := c.g.head(c.bucket, c.key)
	if err != nil && !isAbsent(err) {
		return object{}, err
	}
	if err := c.g.undo.commit(c.entry); err != nil {
		return object{}, asFull(err)
	}
	c.ended = true
	c.release()
	return o, nil
}

// asFull is versitygw's own error where the disk is full.
func asFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)
	}
	return err
}

// apply makes a change of a key, and says what the key is then.
func (g *guarded) apply(bucket, key string, do func() error, reads ...string) (object, error) {
	c, err := g.begin(bucket, key, reads...)
	if err != nil {
		return object{}, err
	}
	defer c.close()
	if err := do(); err != nil {
		return object{}, err
	}
	return c.finish()
}

// newestVersion is the id of the newest earlier version of a key, or "". Ids sort by age.
func (l layout) newestVersion(bucket, key string) (string, error) {
	entries, err := os.ReadDir(l.versionFolder(bucket, key))
	if err != nil && !isAbsent(err) {
		return "", err
	}
	if len(entries) == 0 {
		return "", nil
	}
	return entries[len(entries)-1].Name(), nil
}
