package locals3

import (
	"errors"
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
	if etag, err := g.attribute("b", "k", etagAttribute); etag != "old" || err != nil {
		t.Errorf("its ETag is %q, %v", etag, err)
	}
	if unfinished, err := readLog(filepath.Join(g.layout.undo, logName)); err != nil || len(unfinished) != 0 {
		t.Errorf("left in the log: %v, %v", unfinished, err)
	}
	if c, err = g.begin("b", "k"); err != nil {
		t.Fatalf("the key is still locked: %v", err)
	}
	c.close()
}

func TestNothingIsChangedUntilAChangeIsPutBackThatCouldNotBe(t *testing.T) {
	g := shelf(t)
	c, err := g.begin("b", "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(g.layout.object("b", "k"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := g.undo.close(); err != nil { // as when the disk is full
		t.Fatal(err)
	}
	c.close()
	for _, key := range []string{"k", "another"} {
		if _, err := g.begin("b", key); err == nil || !strings.Contains(err.Error(), "before an earlier change is undone") {
			t.Errorf("a change of %q: %v, want it refused", key, err)
		}
	}
	// There is room again.
	if g.undo.file, err = os.OpenFile(filepath.Join(g.layout.undo, logName), os.O_WRONLY|os.O_APPEND, 0); err != nil {
		t.Fatal(err)
	}
	other, err := g.begin("b", "another")
	if err != nil {
		t.Fatalf("a change, when the earlier one can be undone: %v", err)
	}
	other.close()
	if body, err := os.ReadFile(g.layout.object("b", "k")); err != nil || string(body) != "old" {
		t.Errorf("the object reads %q, %v", body, err)
	}
	if unfinished, err := readLog(filepath.Join(g.layout.undo, logName)); err != nil || len(unfinished) != 0 {
		t.Errorf("left in the log: %v, %v", unfinished, err)
	}
	if n := g.undo.active; n != 0 {
		t.Errorf("%d changes are counted as under way", n)
	}
}

func TestWhatCannotBeReadIsNotTakenForAbsent(t *testing.T) {
	g := shelf(t)
	sidecar := g.layout.objectMeta("b", "k")
	g.attributes.drop(sidecar)
	if err := errors.Join(os.Remove(sidecar), os.Mkdir(sidecar, 0o700)); err != nil { // a read fails as without descriptors
		t.Fatal(err)
	}
	if _, err := g.begin("b", "k"); err == nil {
		t.Error("a change began without knowing the version that it replaces")
	}
	if err := g.condition("b", "k", nil, new("*")); err == nil || strings.Contains(err.Error(), "Precondition") {
		t.Errorf("whether the key is free: %v, want the failure to read", err)
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
