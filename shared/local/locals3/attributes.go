package locals3

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/versity/versitygw/backend/meta"
)

// attributes keeps what versitygw notes about objects and buckets: one sidecar file for each version, with all of its
// attributes. (versitygw's own sidecar store has a file for each attribute, in its final place before the bytes are:
// an object is then many steps, each of which a crash can cut off, and most of the time of a PUT.)
//
// While a version is staged, its attributes are held back and written at once by publish. Everything about one key is
// called under the key's lock, listings excepted.
type attributes struct {
	layout  layout
	parts   meta.SideCar // multipart uploads under way: versitygw moves them about as folders
	mu      sync.Mutex
	known   map[string]noted  // files that were read or written lately; the values are never changed
	pending map[string]*draft // files of versions that are being staged
}

var _ meta.MetadataStorer = (*attributes)(nil)

// errDamaged says that a sidecar file is not what was written. What it holds is not shown.
var errDamaged = errors.New("the file is damaged")

// noted is the content of a sidecar file.
type noted map[string][]byte

// draft is what is to change in a sidecar file; nil removes an attribute. Until it has a version id of its own it shows
// through to the file that exists, because versitygw reads the version to be replaced under the same name.
type draft struct {
	changes noted
	isNew   bool
}

const maxKnown = 4096

func newAttributes(l layout) (*attributes, error) {
	parts, err := meta.NewSideCar(l.parts)
	if err != nil {
		return nil, err
	}
	return &attributes{layout: l, parts: parts, known: make(map[string]noted), pending: make(map[string]*draft)}, nil
}

// stage holds the attributes of files back until publish or drop.
func (a *attributes) stage(files ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, file := range files {
		a.pending[file] = &draft{changes: make(noted)}
	}
}

// publish writes what was staged for a file. Nothing staged, nothing written. Other keys go on meanwhile.
func (a *attributes) publish(file string) error {
	a.mu.Lock()
	d := a.pending[file]
	content, err := a.all(file)
	delete(a.pending, file)
	a.mu.Unlock()
	if d == nil || len(d.changes) == 0 {
		return nil
	}
	if err == nil {
		err = writeContent(file, content)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remember(file, content, err)
	return err
}

// drop forgets what was staged for files, and what is known of them.
func (a *attributes) drop(files ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, file := range files {
		delete(a.pending, file)
		delete(a.known, file)
	}
}

// of gives the attributes in a file, none when it is not there or damaged.
func (a *attributes) of(file string) (noted, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	content, err := a.read(file)
	if errors.Is(err, errDamaged) {
		return nil, nil
	}
	return content, err
}

// all gives the attributes as they are to be seen now: a new version has nothing from the one before it, neither its
// tags nor its disposition nor its delete marker.
func (a *attributes) all(file string) (noted, error) {
	d := a.pending[file]
	if d == nil {
		return a.read(file)
	}
	content := make(noted)
	if !d.isNew {
		base, err := a.read(file)
		if err != nil {
			return nil, err
		}
		maps.Copy(content, base)
	}
	maps.Copy(content, d.changes)
	maps.DeleteFunc(content, func(_ string, value []byte) bool { return value == nil })
	return content, nil
}

func (a *attributes) read(file string) (noted, error) {
	if content, ok := a.known[file]; ok {
		return content, nil
	}
	text, err := os.ReadFile(file)
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read attributes: %w", err)
	}
	var content noted
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("read attributes %s: %w", file, errDamaged)
	}
	a.remember(file, content, nil)
	return content, nil
}

// set changes an attribute, in the draft of a version that is being staged or else in the file; nil removes it.
func (a *attributes) set(file, attribute string, value []byte) error {
	if d := a.pending[file]; d != nil {
		d.changes[attribute] = value
		d.isNew = d.isNew || attribute == versionAttribute && value != nil
		return nil
	}
	content, err := a.read(file)
	if err != nil {
		return err
	}
	changed := make(noted)
	maps.Copy(changed, content)
	changed[attribute] = value
	if value == nil {
		delete(changed, attribute)
	}
	err = writeContent(file, changed)
	a.remember(file, changed, err)
	return err
}

func writeContent(file string, content noted) error {
	text, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("write attributes: %w", err)
	}
	err = writeWhole(file, text)
	if isAbsent(err) {
		if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
			err = writeWhole(file, text)
		}
	}
	if err != nil {
		return fmt.Errorf("write attributes: %w", err)
	}
	return nil
}

// remember keeps the content of a file in memory, unless it could not be written.
func (a *attributes) remember(file string, content noted, err error) {
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	if a.known[file] = content; err != nil {
		delete(a.known, file)
	}
}

// place gives the sidecar file of what versitygw means by a bucket and an object. For a part of a multipart upload,
// which is kept elsewhere, it gives "".
func (a *attributes) place(bucket, name string) string {
	full := filepath.Join(bucket, name)
	if filepath.IsAbs(full) {
		// An earlier version: versions/<bucket>/aa/bb/cc/<hash of the key>/<version id>
		relative, err := filepath.Rel(a.layout.versions, full)
		if parts := strings.Split(filepath.ToSlash(relative), "/"); err == nil && len(parts) == 6 {
			return a.layout.attributesOf(parts[0], parts[4], parts[5])
		}
	}
	bucket, key, _ := strings.Cut(filepath.ToSlash(full), "/")
	switch {
	case key == "":
		return filepath.Join(a.layout.meta, bucket, "bucket.json")
	case isStaging(key):
		return ""
	}
	return a.layout.objectMeta(bucket, key)
}

// RetrieveAttribute implements meta.MetadataStorer, as do the methods below.
func (a *attributes) RetrieveAttribute(f *os.File, bucket, name, attribute string) ([]byte, error) {
	file := a.place(bucket, name)
	if file == "" {
		return a.parts.RetrieveAttribute(f, bucket, name, attribute)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	content, err := a.all(file)
	if err != nil {
		return nil, err
	}
	value, ok := content[attribute]
	if !ok {
		return nil, meta.ErrNoSuchKey
	}
	return slices.Clone(value), nil
}

func (a *attributes) StoreAttribute(f *os.File, bucket, name, attribute string, value []byte) error {
	file := a.place(bucket, name)
	if file == "" {
		return a.parts.StoreAttribute(f, bucket, name, attribute, value)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.set(file, attribute, append([]byte{}, value...))
}

func (a *attributes) DeleteAttribute(bucket, name, attribute string) error {
	file := a.place(bucket, name)
	if file == "" {
		return a.parts.DeleteAttribute(bucket, name, attribute)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	content, err := a.all(file)
	if err != nil {
		return err
	}
	if _, ok := content[attribute]; !ok {
		return meta.ErrNoSuchKey
	}
	return a.set(file, attribute, nil)
}

func (a *attributes) ListAttributes(bucket, name string) ([]string, error) {
	file := a.place(bucket, name)
	if file == "" {
		return a.parts.ListAttributes(bucket, name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	content, err := a.all(file)
	return slices.Sorted(maps.Keys(content)), err
}

func (a *attributes) DeleteAttributes(bucket, name string) error {
	file := a.place(bucket, name)
	if file == "" {
		return a.parts.DeleteAttributes(bucket, name)
	}
	a.drop(file)
	if err := removeIfPresent(file); err != nil {
		return fmt.Errorf("remove attributes: %w", err)
	}
	return nil
}

// RenameObject is for the folders of multipart uploads alone.
func (a *attributes) RenameObject(bucket, from, to string) error {
	if a.place(bucket, from) != "" || a.place(bucket, to) != "" {
		return fmt.Errorf("rename the attributes of %q: only those of a multipart upload can be renamed", from)
	}
	return a.parts.RenameObject(bucket, from, to)
}
