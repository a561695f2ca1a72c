package locals3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// layout says where everything is under Options.Dir. All paths are absolute: versitygw changes the working directory.
type layout struct {
	dir      string
	root     string // objects as they stand: root/<bucket>/<key>
	meta     string // sidecar files: meta/<bucket>/<key>/meta/<attribute>
	versions string // earlier versions: versions/<bucket>/<hash of the key>/<version id>
	undo     string // what to put back after a crash, one folder for each change under way
}

func newLayout(dir string) layout {
	return layout{
		dir:      dir,
		root:     filepath.Join(dir, "root"),
		meta:     filepath.Join(dir, "meta"),
		versions: filepath.Join(dir, "versions"),
		undo:     filepath.Join(dir, "undo"),
	}
}

// object is the file with the current bytes of a key.
func (l layout) object(bucket, key string) string {
	return filepath.Join(l.root, bucket, filepath.FromSlash(key))
}

// objectMeta is the folder with one file for each attribute of the current version of a key.
func (l layout) objectMeta(bucket, key string) string {
	return filepath.Join(l.meta, bucket, filepath.FromSlash(key), "meta")
}

// versionFolder holds the earlier versions of a key, each a file named after its version id.
func (l layout) versionFolder(bucket, key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(l.versions, bucket, name[:2], name[2:4], name[4:6], name)
}

func (l layout) version(bucket, key, id string) string {
	return filepath.Join(l.versionFolder(bucket, key), id)
}

// versionMeta is the attribute folder of an earlier version: versitygw files it under the version's absolute path.
func (l layout) versionMeta(bucket, key, id string) string {
	path := l.version(bucket, key, id)
	return filepath.Join(l.meta, path[len(filepath.VolumeName(path)):], "meta")
}

// marker is the content of store.json. It keeps a folder from being opened by a program that would read it wrongly.
type marker struct {
	Format   int    `json:"format"`
	Metadata string `json:"metadata"` // where attributes are: only "sidecar" is read
	Versions string `json:"versions"` // absolute path of the versions, which is part of where their attributes are
}

const (
	markerName   = "store.json"
	markerFormat = 1
)

// prepare makes the folders, or checks that the folders that are there can be read.
func (l layout) prepare() error {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return fmt.Errorf("make the S3 folder %s: %w", l.dir, err)
	}
	was, err := l.readMarker()
	if err != nil {
		return err
	}
	if was.Versions != "" && was.Versions != l.versions {
		if err := l.moveVersionMeta(was.Versions); err != nil {
			return err
		}
	}
	for _, dir := range []string{l.root, l.meta, l.versions, l.undo} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the S3 folder %s: %w", dir, err)
		}
	}
	text, err := json.Marshal(marker{Format: markerFormat, Metadata: "sidecar", Versions: l.versions})
	if err != nil {
		return fmt.Errorf("write %s: %w", markerName, err)
	}
	if err := writeWhole(filepath.Join(l.dir, markerName), text); err != nil {
		return fmt.Errorf("write into the S3 folder %s: %w", l.dir, err)
	}
	return nil
}

func (l layout) readMarker() (marker, error) {
	text, err := os.ReadFile(filepath.Join(l.dir, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		for _, dir := range []string{l.root, l.meta, l.versions} {
			if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
				return marker{}, fmt.Errorf("%w: %s is not empty, but %s is missing", ErrForeignFolder, dir, markerName)
			}
		}
		return marker{}, nil
	}
	if err != nil {
		return marker{}, fmt.Errorf("read the S3 folder %s: %w", l.dir, err)
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil {
		return marker{}, fmt.Errorf("%w: read %s: %w", ErrForeignFolder, filepath.Join(l.dir, markerName), err)
	}
	if m.Format != markerFormat || m.Metadata != "sidecar" {
		return marker{}, fmt.Errorf("%w: %s has format %d with metadata %q, want %d with %q", ErrForeignFolder,
			filepath.Join(l.dir, markerName), m.Format, m.Metadata, markerFormat, "sidecar")
	}
	return m, nil
}

// moveVersionMeta follows a folder that was moved since it was last open: the attributes of earlier versions are filed
// under the absolute path that the versions had.
func (l layout) moveVersionMeta(was string) error {
	from := filepath.Join(l.meta, was[len(filepath.VolumeName(was)):])
	to := filepath.Join(l.meta, l.versions[len(filepath.VolumeName(l.versions)):])
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("follow the S3 folder that was moved from %s: %w", was, err)
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("follow the S3 folder that was moved from %s: %w", was, err)
	}
	return nil
}

// sweepTemporary removes the staged bytes of requests that died: versitygw names them only where the file system has
// no unnamed files. Multipart uploads live in a folder beside them and stay.
func (l layout) sweepTemporary(bucket string) error {
	for _, dir := range []string{filepath.Join(l.root, bucket, stagingName), filepath.Join(l.versions, bucket, stagingName)} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep staged bytes: %w", err)
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() {
				continue
			}
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				return fmt.Errorf("sweep staged bytes: %w", err)
			}
		}
	}
	return nil
}

// writeWhole writes a small file so that it is there with all of its bytes or not at all, when the process dies.
func writeWhole(path string, text []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
