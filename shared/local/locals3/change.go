package locals3

import (
	"errors"
	"fmt"
	"os"
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
	c := g.lock(bucket, key, reads...)
	return c.save(c.current)
}

// beginDelete is begin for the deletion of a version. It gives errNoVersion when the version is not there.
func (g *guarded) beginDelete(bucket, key, version string) (*change, error) {
	c, l := g.lock(bucket, key), g.layout
	if version == c.current {
		if c.successor = l.newestVersion(bucket, key); c.successor != "" {
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

func (g *guarded) lock(bucket, key string, reads ...string) *change {
	release := g.locks.own(lockName(bucket, key), reads...)
	return &change{g: g, bucket: bucket, key: key, current: g.attribute(bucket, key, versionAttribute), release: release}
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
		return nil, err
	}
	c.entry = e
	c.g.attributes.stage(c.staged...)
	if stuck := c.g.stuck.Load(); stuck != nil {
		c.close()
		return nil, fmt.Errorf("nothing is changed any more until the next start: %w", *stuck)
	}
	return c, nil
}

// close unlocks the key. Without a successful finish, also in a panic, it first puts everything back.
func (c *change) close() {
	if c.ended {
		return
	}
	c.ended = true
	defer c.release()
	if err := c.g.undo.rollback(c.entry); err != nil {
		// The log still has the entry, so the next start would undo whatever came after it: nothing may.
		c.g.stuck.Store(&err)
	}
	c.g.attributes.drop(append(c.staged, c.g.layout.objectMeta(c.bucket, c.key))...)
}

// finish writes the attributes, makes the change stand, unlocks the key, and says what it is now.
func (c *change) finish() (object, error) {
	for _, file := range c.staged {
		if err := c.g.attributes.publish(file); err != nil {
			return object{}, err
		}
	}
	o, err := c.g.head(c.bucket, c.key)
	if err != nil && !isAbsent(err) {
		return object{}, err
	}
	if err := c.g.undo.commit(c.entry); err != nil {
		return object{}, err
	}
	c.ended = true
	c.release()
	return o, nil
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
func (l layout) newestVersion(bucket, key string) string {
	entries, err := os.ReadDir(l.versionFolder(bucket, key))
	if err != nil || len(entries) == 0 {
		return ""
	}
	return entries[len(entries)-1].Name()
}
