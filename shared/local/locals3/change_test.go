package locals3

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shelf is a folder with one object, k, which holds "old", and no server.
func shelf(t *testing.T) *guarded {
	t.Helper()
	l := newLayout(filepath.Join(t.TempDir(), "s3"))
	if err := l.prepare(); err != nil {
		t.Fatal(err)
	}
	known, err := newAttributes(l)
	if err != nil {
		t.Fatal(err)
	}
	g := &guarded{layout: l, attributes: known, undo: &undoLog{layout: l}}
	if _, err := g.undo.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.undo.close() })
	if err := os.MkdirAll(filepath.Dir(l.object("b", "k")), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(l.object("b", "k"), []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := known.StoreAttribute(nil, "b", "k", etagAttribute, []byte("old")); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAChangeThatIsNotFinishedIsPutBackAtOnce(t *testing.T) {
	g := shelf(t)
	c, err := g.begin("b", "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.attributes.StoreAttribute(nil, "b", "k", etagAttribute, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := g.attributes.publish(g.layout.objectMeta("b", "k")); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(g.layout.object("b", "k"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	c.close()
	if body, err := os.ReadFile(g.layout.object("b", "k")); err != nil || string(body) != "old" {
		t.Errorf("the object reads %q, %v", body, err)
	}
	if etag := g.attribute("b", "k", etagAttribute); etag != "old" {
		t.Errorf("its ETag is %q", etag)
	}
	if unfinished, err := readLog(filepath.Join(g.layout.undo, logName)); err != nil || len(unfinished) != 0 {
		t.Errorf("left in the log: %v, %v", unfinished, err)
	}
	if c, err = g.begin("b", "k"); err != nil {
		t.Fatalf("the key is still locked: %v", err)
	}
	c.close()
}

func TestNothingIsChangedAfterAChangeThatCouldNotBePutBack(t *testing.T) {
	g := shelf(t)
	c, err := g.begin("b", "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.undo.close(); err != nil { // as when the disk fails
		t.Fatal(err)
	}
	c.close()
	if g.undo.file, err = os.OpenFile(filepath.Join(g.layout.undo, logName), os.O_WRONLY|os.O_APPEND, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.begin("b", "another"); err == nil || !strings.Contains(err.Error(), "until the next start") {
		t.Errorf("another change: %v, want it refused", err)
	}
}

func TestTheUndoLogIsBegunAnewWhenItIsLong(t *testing.T) {
	g := shelf(t)
	g.undo.size = maxLog - 1
	other, err := g.begin("b", "other")
	if err != nil {
		t.Fatal(err)
	}
	finish := func(c *change) {
		t.Helper()
		if _, err := c.finish(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := g.begin("b", "k")
	if err != nil {
		t.Fatal(err)
	}
	finish(c)
	log := filepath.Join(g.layout.undo, logName)
	if unfinished, err := readLog(log); err != nil || len(unfinished) != 1 {
		t.Errorf("while a change is under way the log has %v, %v", unfinished, err)
	}
	finish(other)
	if info, err := os.Stat(log); err != nil || info.Size() != 0 {
		t.Errorf("the log has %d bytes, %v", info.Size(), err)
	}
}
