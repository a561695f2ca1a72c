package locals3

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// noted is the content of a sidecar file.
type noted map[string][]byte

// draft is the content of a sidecar file to be. Until it has a version id of its own it shows through to the file that
// is there, because versitygw reads the version to be replaced under the same name.
type draft struct {
	set     noted
	removed map[string]bool
	isNew   bool
}

const mostKnown = 4096

func newAttributes(l layout) (*attributes, error) {
	parts, err := meta.NewSideCar(l.parts)
	if err != nil {
		return nil, err
	}
	return &attributes{layout: l, parts: parts, known: make(map[string]noted), pending: make(map[string]*draft)}, nil
}

// stage holds the attributes of a file back until publish or drop.
func (a *attributes) stage(files ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, file := range files {
		a.pending[file] = &draft{set: make(noted), removed: make(map[string]bool)}
	}
}

// publish writes what was staged for a file. Nothing staged, nothing written. Other keys go on meanwhile.
func (a *attributes) publish(file string) error {
	a.mu.Lock()
	d := a.pending[file]
	delete(a.pending, file)
	if d == nil || len(d.set)+len(d.removed) == 0 {
		a.mu.Unlock()
		return nil
	}
	content, err := a.merged(file, d)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	err = writeContent(file, content)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		delete(a.known, file)
		return err
	}
	a.remember(file, content)
	return nil
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

// has says that a file has an attribute.
func (a *attributes) has(file, attribute string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	content, err := a.read(file)
	_, ok := content[attribute]
	return ok && err == nil
}

// get gives an attribute of a file, "" when it has none.
func (a *attributes) get(file, attribute string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	content, err := a.read(file)
	if err != nil {
		return ""
	}
	return string(content[attribute])
}

// merged is what a file will hold: a new version has nothing from the one before it, neither its tags nor its
// disposition nor its delete marker.
func (a *attributes) merged(file string, d *draft) (noted, error) {
	if d.isNew {
		return d.set, nil
	}
	base, err := a.read(file)
	if err != nil {
		return nil, err
	}
	content := maps.Clone(base)
	if content == nil {
		content = make(noted)
	}
	for name := range d.removed {
		delete(content, name)
	}
	maps.Copy(content, d.set)
	return content, nil
}

// all gives the attributes as they are to be seen now.
func (a *attributes) all(file string) (noted, error) {
	if d := a.pending[file]; d != nil {
		return a.merged(file, d)
	}
	return a.read(file)
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
		return nil, fmt.Errorf("read attributes %s: %w", file, err)
	}
	a.remember(file, content)
	return content, nil
}

func (a *attributes) write(file string, content noted) error {
	delete(a.known, file)
	if err := writeContent(file, content); err != nil {
		return err
	}
	a.remember(file, content)
	return nil
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

func (a *attributes) remember(file string, content noted) {
	if len(a.known) >= mostKnown {
		clear(a.known)
	}
	a.known[file] = content
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
	if d := a.pending[file]; d != nil {
		if value, ok := d.set[attribute]; ok {
			return slices.Clone(value), nil
		}
		if d.isNew || d.removed[attribute] {
			return nil, meta.ErrNoSuchKey
		}
	}
	content, err := a.read(file)
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
	value = append([]byte{}, value...)
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := a.pending[file]; d != nil {
		d.set[attribute] = value
		d.isNew = d.isNew || attribute == versionAttribute
		return nil
	}
	content, err := a.read(file)
	if err != nil {
		return err
	}
	changed := maps.Clone(content)
	if changed == nil {
		changed = make(noted)
	}
	changed[attribute] = value
	return a.write(file, changed)
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
	if d := a.pending[file]; d != nil {
		delete(d.set, attribute)
		d.removed[attribute] = true
		return nil
	}
	changed := maps.Clone(content)
	delete(changed, attribute)
	return a.write(file, changed)
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
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
