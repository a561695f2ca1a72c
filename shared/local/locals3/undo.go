package locals3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// undoLog makes a change of several files look like one step to the next process. Before a change it notes in a log
// what the change is about to touch, with a hard link to each file that is there; after it, that the change stands.
// What was not noted to stand when the process died is put back as it was. The removal of files needs no links: it is
// not put back but completed.
//
// A link is a sound copy because nothing writes into a file that has its final name: a new one is renamed over it.
// Nothing is flushed to the disk: what is guarded against is the death of the process, not of the machine.
type undoLog struct {
	layout layout
	mu     sync.Mutex
	file   *os.File
	next   uint64
	active int   // changes that were begun and have not ended
	size   int64 // of the log
}

const (
	logName = "log"
	maxLog  = 1 << 20 // bytes, after which the log is begun anew as soon as no change is under way
)

// entry is a line of the log.
type entry struct {
	ID     uint64   `json:"id"`
	Paths  []saved  `json:"paths,omitempty"`  // to put back
	Remove []string `json:"remove,omitempty"` // to remove
	Done   bool     `json:"done,omitempty"`   // the change stands
}

// saved is what was at a path, relative to the folder of the layout, before a change.
type saved struct {
	Path    string `json:"path"`
	Existed bool   `json:"there"`
}

// begin saves the files that a change is going to touch, and notes those that it is going to remove: should it not come
// to that, the next process does it.
func (u *undoLog) begin(touched, removed []string) (entry, error) {
	u.mu.Lock()
	u.next++
	u.active++
	e := entry{ID: u.next}
	u.mu.Unlock()
	err := func() error {
		for i, file := range touched {
			relative, err := filepath.Rel(u.layout.dir, file)
			if err != nil {
				return err
			}
			err = linkOrCopy(file, u.copyOf(e, i))
			e.Paths = append(e.Paths, saved{Path: relative, Existed: err == nil})
			if err != nil && !isAbsent(err) {
				return err
			}
		}
		for _, file := range removed {
			relative, err := filepath.Rel(u.layout.dir, file)
			if err != nil {
				return err
			}
			e.Remove = append(e.Remove, relative)
		}
		return u.note(e)
	}()
	if err != nil {
		u.end(e)
		return entry{}, fmt.Errorf("begin a change: %w", err)
	}
	return e, nil
}

// commit ends a change: it stands from now on, also after a crash. After an error it does not, and can be rolled back.
func (u *undoLog) commit(e entry) error {
	if err := u.note(entry{ID: e.ID, Done: true}); err != nil {
		return fmt.Errorf("commit a change: %w", err)
	}
	u.end(e)
	return nil
}

// rollback does what the next process would do: it puts everything back, or completes a removal. After an error it can
// be repeated.
func (u *undoLog) rollback(e entry) error {
	if err := u.settle(e); err != nil {
		return err
	}
	return u.commit(e)
}

// note appends a line. A line that was cut short is told from the next by the line feed that each begins with.
func (u *undoLog) note(e entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line := slices.Concat([]byte("\n"), text, []byte("\n"))
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, err := u.file.Write(line); err != nil {
		// A full disk may have taken a part of it, which must not be read as the whole.
		return errors.Join(err, u.file.Truncate(u.size))
	}
	u.size += int64(len(line))
	return nil
}

// end removes the links of a change and, now and then, the log. What it cannot remove does no harm: links go at the
// next start, and the log after a later change.
func (u *undoLog) end(e entry) {
	for i, s := range e.Paths {
		if s.Existed {
			_ = os.Remove(u.copyOf(e, i))
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.active--
	if u.active == 0 && u.size >= maxLog && u.file.Truncate(0) == nil {
		u.size = 0
	}
}

func (u *undoLog) copyOf(e entry, i int) string {
	return filepath.Join(u.layout.undo, strconv.FormatUint(e.ID, 36)+"."+strconv.Itoa(i))
}

// settle puts back or removes what an entry names. It can be repeated.
func (u *undoLog) settle(e entry) error {
	for i, s := range e.Paths {
		if err := u.restore(filepath.Join(u.layout.dir, s.Path), u.copyOf(e, i), s.Existed); err != nil {
			return fmt.Errorf("undo a change of %s: %w", s.Path, err)
		}
	}
	for _, path := range e.Remove {
		if err := removeIfPresent(filepath.Join(u.layout.dir, path)); err != nil {
			return fmt.Errorf("complete the removal of %s: %w", path, err)
		}
	}
	return nil
}

func (u *undoLog) restore(path, from string, existed bool) error {
	if err := errors.Join(removeHalfLinked(path), removeIfPresent(path+newSuffix)); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil && !isAbsent(err) {
		return err
	}
	// A folder in this place holds other keys, and was never touched.
	if err == nil && info.Mode().IsRegular() {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if !existed {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return linkOrCopy(from, path)
}

// open settles every change that was under way when the last process died, says how many there were, and begins the
// log anew. It must be called before anything else touches the folders.
func (u *undoLog) open() (settled int, err error) {
	path := filepath.Join(u.layout.undo, logName)
	unfinished, err := readLog(path)
	if err != nil {
		return 0, fmt.Errorf("read the undo log %s: %w", path, err)
	}
	for _, e := range unfinished {
		if err := u.settle(e); err != nil {
			return settled, err
		}
		for _, s := range e.Paths {
			u.removeEmptyParents(filepath.Join(u.layout.dir, s.Path))
		}
		settled++
	}
	u.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_TRUNC, 0o644)
	if err != nil {
		return settled, fmt.Errorf("begin the undo log: %w", err)
	}
	if err := removeFiles(u.layout.undo, logName); err != nil {
		return settled, fmt.Errorf("begin the undo log: %w", err)
	}
	return settled, nil
}

func (u *undoLog) close() error { return u.file.Close() }

// readLog gives the entries that were begun and not done, in the order of their beginning. It refuses entries that name
// files outside of the folder.
func readLog(path string) (unfinished []entry, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue // it was cut short, so the change that it would have announced was not begun
		}
		unfinished = slices.DeleteFunc(unfinished, func(begun entry) bool { return begun.ID == e.ID })
		if !e.Done {
			unfinished = append(unfinished, e)
		}
	}
	for _, e := range unfinished {
		paths := slices.Clone(e.Remove)
		for _, s := range e.Paths {
			paths = append(paths, s.Path)
		}
		for _, path := range paths {
			if !filepath.IsLocal(path) {
				return nil, fmt.Errorf("%q is outside of the folder", path)
			}
		}
	}
	return unfinished, nil
}

// removeEmptyParents removes the folders above path that nothing is in: an empty folder in the place of a key would
// keep an object with the folder's name from being stored. Other requests may be about to write into such a folder, so
// this is for the start alone.
func (u *undoLog) removeEmptyParents(path string) {
	for dir := filepath.Dir(path); len(dir) > len(u.layout.dir); dir = filepath.Dir(dir) {
		// The buckets and what is above them stay.
		if parent := filepath.Dir(dir); parent == u.layout.dir || filepath.Dir(parent) == u.layout.dir {
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

// removeFiles removes the files in a folder, but the one named except.
func removeFiles(dir, except string) error {
	names, err := regularFiles(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == except {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// regularFiles names the files in a folder; a folder that does not exist has none.
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
	defer source.Close() //nolint:errcheck // nothing was written that could be lost
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
