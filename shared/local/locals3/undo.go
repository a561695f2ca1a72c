package locals3

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// undoLog makes a change of several files look like one step to the next process: before the change it saves what it
// is about to touch, and whatever was not committed when the process died is put back as it was.
//
// A saved file is a hard link, so saving costs no bytes; that is sound because versitygw never writes into a file that
// has its final name, it renames a new one over it. An entry counts from the moment its intent file has its name, and
// no longer when that file is removed: both are one system call. Nothing is flushed to the disk: what is guarded
// against is the death of the process, not of the machine.
type undoLog struct {
	layout layout
	next   atomic.Uint64
}

const intentName = "intent.json"

// saved is what was at one path before a change. A path is a file or a folder of attributes.
type saved struct {
	Path   string `json:"path"`   // relative to the folder of the layout
	Folder bool   `json:"folder"` // a folder of attributes: the regular files in it are meant, nothing below it
	There  bool   `json:"there"`
}

// undoEntry is one change under way.
type undoEntry struct {
	log   *undoLog
	dir   string
	paths []saved
}

// begin saves the files and the attribute folders that a change is going to touch.
func (u *undoLog) begin(files, folders []string) (*undoEntry, error) {
	entry := &undoEntry{log: u, dir: filepath.Join(u.layout.undo, strconv.FormatUint(u.next.Add(1), 36))}
	if err := os.Mkdir(entry.dir, 0o755); err != nil {
		return nil, fmt.Errorf("begin a change: %w", err)
	}
	for _, path := range files {
		if err := entry.save(path, false); err != nil {
			return nil, errors.Join(fmt.Errorf("begin a change: %w", err), os.RemoveAll(entry.dir))
		}
	}
	for _, path := range folders {
		if err := entry.save(path, true); err != nil {
			return nil, errors.Join(fmt.Errorf("begin a change: %w", err), os.RemoveAll(entry.dir))
		}
	}
	text, err := json.Marshal(entry.paths)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin a change: %w", err), os.RemoveAll(entry.dir))
	}
	if err := writeWhole(filepath.Join(entry.dir, intentName), text); err != nil {
		return nil, errors.Join(fmt.Errorf("begin a change: %w", err), os.RemoveAll(entry.dir))
	}
	return entry, nil
}

func (e *undoEntry) save(path string, folder bool) error {
	relative, err := filepath.Rel(e.log.layout.dir, path)
	if err != nil {
		return err
	}
	s := saved{Path: relative, Folder: folder}
	copyTo := e.copyOf(len(e.paths))
	if folder {
		names, err := regularFiles(path)
		if err != nil {
			return err
		}
		s.There = len(names) > 0
		if s.There {
			if err := os.Mkdir(copyTo, 0o755); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := linkOrCopy(filepath.Join(path, name), filepath.Join(copyTo, name)); err != nil {
				return err
			}
		}
	} else {
		err := linkOrCopy(path, copyTo)
		if err != nil && !isAbsent(err) {
			return err
		}
		s.There = err == nil
	}
	e.paths = append(e.paths, s)
	return nil
}

func (e *undoEntry) copyOf(i int) string { return filepath.Join(e.dir, strconv.Itoa(i)) }

// commit ends the change: it stands from now on, also after a crash.
func (e *undoEntry) commit() error {
	if err := os.Remove(filepath.Join(e.dir, intentName)); err != nil {
		return fmt.Errorf("commit a change: %w", err)
	}
	// What is left of the entry means nothing any more, and recover removes it should this fail.
	_ = os.RemoveAll(e.dir)
	return nil
}

// rollback puts everything back as it was. It can be repeated.
func (e *undoEntry) rollback() error {
	for i, s := range e.paths {
		if err := e.restore(i, s); err != nil {
			return fmt.Errorf("undo a change of %s: %w", s.Path, err)
		}
	}
	return e.commit()
}

func (e *undoEntry) restore(i int, s saved) error {
	path := filepath.Join(e.log.layout.dir, s.Path)
	if !s.Folder {
		if err := removeHalfLinked(path); err != nil {
			return err
		}
		// A folder in this place holds other keys, and was never touched.
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			if err := os.Remove(path); err != nil {
				return err
			}
		} else if err != nil && !isAbsent(err) {
			return err
		}
		if !s.There {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return linkOrCopy(e.copyOf(i), path)
	}
	names, err := regularFiles(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(path, name)); err != nil {
			return err
		}
	}
	if !s.There {
		_ = os.Remove(path)
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if names, err = regularFiles(e.copyOf(i)); err != nil {
		return err
	}
	for _, name := range names {
		if err := linkOrCopy(filepath.Join(e.copyOf(i), name), filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// recover undoes every change that was under way when the last process died, and says how many there were. It must
// run before anything else touches the folders.
func (u *undoLog) recover() (undone int, err error) {
	dirs, err := os.ReadDir(u.layout.undo)
	if err != nil {
		return 0, fmt.Errorf("undo unfinished changes: %w", err)
	}
	for _, dir := range dirs {
		entry := &undoEntry{log: u, dir: filepath.Join(u.layout.undo, dir.Name())}
		text, err := os.ReadFile(filepath.Join(entry.dir, intentName))
		if errors.Is(err, fs.ErrNotExist) {
			// Not begun yet, or committed already: nothing to put back.
			if err := os.RemoveAll(entry.dir); err != nil {
				return undone, fmt.Errorf("undo unfinished changes: %w", err)
			}
			continue
		}
		if err != nil {
			return undone, fmt.Errorf("undo unfinished changes: %w", err)
		}
		if err := json.Unmarshal(text, &entry.paths); err != nil {
			return undone, fmt.Errorf("undo unfinished changes: read %s: %w", filepath.Join(entry.dir, intentName), err)
		}
		for _, s := range entry.paths {
			if !filepath.IsLocal(s.Path) {
				return undone, fmt.Errorf("undo unfinished changes: %s names %q, which is outside", entry.dir, s.Path)
			}
		}
		if err := entry.rollback(); err != nil {
			return undone, fmt.Errorf("undo unfinished changes: %w", err)
		}
		for _, s := range entry.paths {
			u.removeEmptyParents(filepath.Join(u.layout.dir, s.Path))
		}
		undone++
	}
	return undone, nil
}

// removeEmptyParents removes the folders above path that nothing is in: an empty folder in the place of a key would
// keep an object with the folder's name from being stored. Other requests may be about to write into such a folder, so
// this is for the start alone.
func (u *undoLog) removeEmptyParents(path string) {
	for dir := filepath.Dir(path); len(dir) > len(u.layout.dir); dir = filepath.Dir(dir) {
		// The buckets and what is above them stay.
		if parent := filepath.Dir(dir); parent == u.layout.root || parent == u.layout.dir || parent == u.layout.versions {
			return
		}
		if os.Remove(dir) != nil {
			return
		}
	}
}

// removeHalfLinked removes the second name that versitygw gives to new bytes just before it renames them over an
// object. Left behind, it would be listed as an object of its own.
func removeHalfLinked(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil && !isAbsent(err) {
		return err
	}
	prefix := "." + filepath.Base(path) + stagingName + "."
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			if err := os.Remove(filepath.Join(filepath.Dir(path), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// regularFiles names the files in a folder; a folder that is not there has none.
func regularFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.Type().IsRegular() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// linkOrCopy gives from a second name, or copies it where the file system has no hard links. A folder or nothing at
// from is reported as fs.ErrNotExist: neither is an object.
func linkOrCopy(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	if os.Link(from, to) == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
