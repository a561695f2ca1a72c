package locals3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// layout says where everything is under Options.Dir. All paths are absolute: versitygw changes the working directory.
type layout struct {
	dir      string
	root     string // the bytes of current versions: root/<bucket>/<key>
	versions string // the bytes of earlier versions: versions/<bucket>/aa/bb/cc/<hash of the key>/<version id>
	meta     string // sidecar files: meta/<bucket>/aa/<hash of the key>[.<version id>].json
	parts    string // sidecar files of multipart uploads under way, in versitygw's own form
	undo     string // what to put back after a crash
}

func newLayout(dir string) layout {
	return layout{
		dir:      dir,
		root:     filepath.Join(dir, "root"),
		versions: filepath.Join(dir, "versions"),
		meta:     filepath.Join(dir, "meta"),
		parts:    filepath.Join(dir, "parts"),
		undo:     filepath.Join(dir, "undo"),
	}
}

// object is the file with the bytes of the current version of a key.
func (l layout) object(bucket, key string) string {
	return filepath.Join(l.root, bucket, filepath.FromSlash(key))
}

// objectMeta is the sidecar file of the current version of a key.
func (l layout) objectMeta(bucket, key string) string {
	return l.attributesOf(bucket, keyHash(path.Clean(key)), "")
}

// versionFolder holds the earlier versions of a key. versitygw chose the form.
func (l layout) versionFolder(bucket, key string) string {
	hash := keyHash(key)
	return filepath.Join(l.versions, bucket, hash[:2], hash[2:4], hash[4:6], hash)
}

func (l layout) version(bucket, key, id string) string {
	return filepath.Join(l.versionFolder(bucket, key), id)
}

// versionMeta is the sidecar file of an earlier version.
func (l layout) versionMeta(bucket, key, id string) string {
	return l.attributesOf(bucket, keyHash(key), id)
}

func (l layout) attributesOf(bucket, hash, version string) string {
	name := hash
	if version != "" {
		name += "." + version
	}
	return filepath.Join(l.meta, bucket, hash[:min(2, len(hash))], name+".json")
}

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// marker is the content of store.json. It keeps a folder from being opened by a program that would read it wrongly.
type marker struct {
	Format   int    `json:"format"`
	Metadata string `json:"metadata"` // where attributes are: only "sidecar" is read
}

const markerName = "store.json"

// ownMarker is the one that this program writes and reads.
var ownMarker = marker{Format: 1, Metadata: "sidecar"}

// prepare makes the folders, or checks that the folders that are there can be read.
func (l layout) prepare() error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("make the S3 folder %s: %w", l.dir, err)
	}
	if err := l.checkMarker(); err != nil {
		return err
	}
	for _, dir := range []string{l.root, l.meta, l.versions, l.parts, l.undo} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the S3 folder %s: %w", dir, err)
		}
	}
	text, err := json.Marshal(ownMarker)
	if err != nil {
		return fmt.Errorf("write %s: %w", markerName, err)
	}
	if err := writeWhole(filepath.Join(l.dir, markerName), text); err != nil {
		return fmt.Errorf("write into the S3 folder %s: %w", l.dir, err)
	}
	return nil
}

func (l layout) checkMarker() error {
	text, err := os.ReadFile(filepath.Join(l.dir, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		for _, dir := range []string{l.root, l.meta, l.versions} {
			if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
				return fmt.Errorf("%w: %s is not empty, but %s is missing", ErrForeignFolder, dir, markerName)
			}
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the S3 folder %s: %w", l.dir, err)
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil || m != ownMarker {
		return fmt.Errorf("%w: %s is not of format %d with attributes in a %s", ErrForeignFolder,
			filepath.Join(l.dir, markerName), ownMarker.Format, ownMarker.Metadata)
	}
	return nil
}

// sweepTemporary removes the staged bytes of requests that died: versitygw names them only where the file system has
// no unnamed files. Multipart uploads live in a folder beside them and stay.
func (l layout) sweepTemporary(bucket string) error {
	for _, dir := range []string{l.root, l.versions} {
		if err := removeFiles(filepath.Join(dir, bucket, stagingName), ""); err != nil {
			return fmt.Errorf("sweep staged bytes: %w", err)
		}
	}
	return nil
}

// newSuffix ends the name of a small file while it is being written.
const newSuffix = ".new"

// writeWhole writes a small file so that it is there with all of its bytes or not at all, when the process dies.
func writeWhole(path string, text []byte) error {
	if err := os.WriteFile(path+newSuffix, text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+newSuffix, path)
}
