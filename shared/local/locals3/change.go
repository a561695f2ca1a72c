package locals3

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errNoVersion says that there is no such version to delete.
var errNoVersion = errors.New("no such version")

// change is a change of one key under way. After begin, close is deferred; only finish makes the change stand.
type change struct {
	g           *guarded
	bucket, key string
	current     string // the version id of the key before the change
	touched     string // in a deletion, the version that changes its place
	release     func()
	entry       *undoEntry
	before      map[string]os.FileInfo // the attribute files as they were
	keepOld     bool                   // attributes that the change does not write are meant to stay
	ended       bool
}

// begin locks a key, and the keys it reads from, and saves what a new version of it can touch.
func (g *guarded) begin(bucket, key string, reads ...string) (*change, error) {
	c := g.lock(bucket, key, reads...)
	return c.save(c.current) // which a new version puts aside
}

// beginDelete is begin for the deletion of a version; without one, a delete marker takes the place of the current
// version. It gives errNoVersion when the version is not there.
func (g *guarded) beginDelete(bucket, key, version string) (*change, error) {
	c := g.lock(bucket, key)
	c.touched = version
	switch version {
	case "":
		c.touched = c.current // is put aside
	case c.current:
		c.touched = g.layout.newestVersion(bucket, key) // becomes the current one
	default:
		if !exists(g.layout.version(bucket, key, version)) {
			c.release()
			return nil, errNoVersion
		}
	}
	// A deletion writes no attributes but those of a marker.
	c.keepOld = true
	return c.save(c.touched)
}

func (g *guarded) lock(bucket, key string, reads ...string) *change {
	release := g.locks.own(lockName(bucket, key), reads...)
	return &change{g: g, bucket: bucket, key: key, current: g.attribute(bucket, key, versionAttribute), release: release}
}

// save saves the current version and, if it is named, an earlier one. It gives c itself, or unlocks and gives an error.
func (c *change) save(earlier string) (_ *change, err error) {
	defer func() {
		if err != nil {
			c.release()
		}
	}()
	l := c.g.layout
	files, folders := []string{l.object(c.bucket, c.key)}, []string{l.objectMeta(c.bucket, c.key)}
	if isVersionID(earlier) {
		files = append(files, l.version(c.bucket, c.key, earlier))
		folders = append(folders, l.versionMeta(c.bucket, c.key, earlier))
	}
	if stuck := c.g.stuck.Load(); stuck != nil {
		return nil, fmt.Errorf("nothing is changed any more until the next start: %w", *stuck)
	}
	if c.before, err = attributeFiles(c.g.layout.objectMeta(c.bucket, c.key)); err != nil {
		return nil, fmt.Errorf("begin a change of %q: %w", c.key, err)
	}
	if c.entry, err = c.g.undo.begin(files, folders); err != nil {
		return nil, err
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
	if err := c.entry.rollback(); err != nil {
		// The entry is still there, so the next start would undo whatever came after it: nothing may.
		c.g.stuck.Store(&err)
	}
}

// finish makes the change stand, unlocks the key, and says what it is now.
func (c *change) finish() (object, error) {
	folder := c.g.layout.objectMeta(c.bucket, c.key)
	o, err := c.g.current(c.bucket, c.key)
	switch {
	case isAbsent(err):
		err = removeAttributes(folder, nil)
	case err == nil && !c.keepOld:
		// Attributes are files of their own, so those that the new version does not have are still the ones of the
		// version before: its tags, its disposition, even its delete marker.
		err = removeAttributes(folder, c.before)
	}
	if err != nil {
		return object{}, err
	}
	if err := c.entry.commit(); err != nil {
		return object{}, err
	}
	c.ended = true
	c.release()
	return o, nil
}

// newestVersion is the id of the newest earlier version of a key, or "". Ids sort by age.
func (l layout) newestVersion(bucket, key string) string {
	entries, err := os.ReadDir(l.versionFolder(bucket, key))
	if err != nil || len(entries) == 0 {
		return ""
	}
	return entries[len(entries)-1].Name()
}

// attributeFiles gives the attribute files in a folder, to tell later which of them were written anew.
func attributeFiles(folder string) (map[string]os.FileInfo, error) {
	names, err := regularFiles(folder)
	if err != nil {
		return nil, err
	}
	files := make(map[string]os.FileInfo, len(names))
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		files[name] = info
	}
	return files, nil
}

// removeAttributes removes the attribute files that are still those in old; with old nil, all of them.
// The undo log holds a link to each old file, so a new file cannot pass for an old one by having its inode number.
func removeAttributes(folder string, old map[string]os.FileInfo) error {
	now, err := attributeFiles(folder)
	if err != nil {
		return fmt.Errorf("remove attributes: %w", err)
	}
	for name, info := range now {
		if was, known := old[name]; old == nil || known && os.SameFile(was, info) {
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return fmt.Errorf("remove attributes: %w", err)
			}
		}
	}
	if old == nil {
		// The folder and the one that is named after the key (or after the version) go, if nothing else is in them.
		if os.Remove(folder) == nil {
			_ = os.Remove(filepath.Dir(folder))
		}
	}
	return nil
}
