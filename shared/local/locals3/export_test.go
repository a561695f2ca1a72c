package locals3

import "github.com/versity/versitygw/backend/meta"

// BeginChange leaves the state of a process that died just after it began to change a key in the folder dir: version
// is the one to delete, or "" for a new version, or "marker" for a delete marker.
func BeginChange(dir, bucket, key, version string) error {
	l := newLayout(dir)
	attributes, err := meta.NewSideCar(l.meta)
	if err != nil {
		return err
	}
	g := &guarded{layout: l, attributes: attributes, undo: &undoLog{layout: l}}
	switch version {
	case "":
		_, err = g.begin(bucket, key)
	case "marker":
		_, err = g.beginDelete(bucket, key, "")
	default:
		_, err = g.beginDelete(bucket, key, version)
	}
	return err
}

// Paths of a key in a folder, for tests that make the states that a crash leaves.

func ObjectFile(dir, bucket, key string) string      { return newLayout(dir).object(bucket, key) }
func ObjectMeta(dir, bucket, key string) string      { return newLayout(dir).objectMeta(bucket, key) }
func VersionFile(dir, bucket, key, id string) string { return newLayout(dir).version(bucket, key, id) }
func VersionMeta(dir, bucket, key, id string) string {
	return newLayout(dir).versionMeta(bucket, key, id)
}
func UndoFolder(dir string) string { return newLayout(dir).undo }
