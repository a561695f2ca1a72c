package uploadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"hatchery/shared/upload"
)

// NotesHarness is what keeps notes, and what the suite needs to go past its bounds.
type NotesHarness struct {
	Notes upload.Notes
	// Overwrite puts an object under a key, of whatever size.
	Overwrite func(t *testing.T, key upload.Key, body []byte)
}

// RunNotes checks every sentence of the contract of upload.Notes. open may give the same
// bucket each time: every case has a prefix of its own.
func RunNotes(t *testing.T, open func(t *testing.T) NotesHarness) {
	for i, c := range []struct {
		name string
		run  func(*notesSuite)
	}{
		{"what was put is read back, whole", putIsReadBack},
		{"a later put stands in the place of an earlier one", laterPutStands},
		{"a note that is not there is gone", missingNoteIsGone},
		{"a key or prefix outside dead-letters/ is refused", outsideIsRefused},
		{"a note holds 16 MiB and no more", noteIsBounded},
		{"keys come in the order of their bytes, whatever the page", keysComeInOrder},
		{"a prefix may end within a name", prefixWithinName},
		{"a list goes on where its page ended", listGoesOn},
		{"a limit is 1 to MaxPage", limitIsBounded},
		{"a cursor that this list never gave is refused", foreignCursorIsRefused},
		{"many write at once", manyWriteAtOnce},
		{"an ended context changes and reads nothing", endedContextDoesNothing},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(&notesSuite{T: t, NotesHarness: open(t), prefix: fmt.Sprintf("%ssuite-%d/", upload.DeadLetterPrefix, i)})
		})
	}
}

// notesSuite is what one case works with.
type notesSuite struct {
	*testing.T
	NotesHarness
	prefix string
}

func (s *notesSuite) key(name string) upload.Key { return upload.Key(s.prefix + name) }

func (s *notesSuite) put(name, body string) upload.Key {
	s.Helper()
	if err := s.Notes.Put(s.Context(), s.key(name), []byte(body)); err != nil {
		s.Fatalf("put %q: %v", name, err)
	}
	return s.key(name)
}

func (s *notesSuite) holds(key upload.Key, want []byte) {
	s.Helper()
	if got, err := s.Notes.Get(s.Context(), key); err != nil || !bytes.Equal(got, want) {
		s.Errorf("%q holds %d bytes, %v; want %d", key, len(got), err, len(want))
	}
}

// lists checks that a prefix holds exactly want, in order, in pages of a limit.
func (s *notesSuite) lists(prefix string, limit int, want ...upload.Key) {
	s.Helper()
	var got []upload.Key
	for cursor, pages := upload.Cursor(""), 0; ; pages++ {
		page, err := s.Notes.List(s.Context(), prefix, cursor, limit)
		if err != nil || len(page.Keys) > limit || pages > 100 {
			s.Fatalf("page %d of %q, at most %d: %+v, %v", pages, prefix, limit, page, err)
		}
		got = append(got, page.Keys...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		s.Errorf("in pages of %d, %q lists\n%q\nwant\n%q", limit, prefix, got, want)
	}
}

func putIsReadBack(s *notesSuite) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, body := range map[string][]byte{"empty": {}, "bytes": all, "a b+c%2Fé/x.json.gz": []byte("{}")} {
		if err := s.Notes.Put(s.Context(), s.key(name), body); err != nil {
			s.Errorf("put %q: %v", name, err)
			continue
		}
		s.holds(s.key(name), body)
	}
	body := []byte("first")
	if err := s.Notes.Put(s.Context(), s.key("kept"), body); err != nil {
		s.Fatal(err)
	}
	body[0] = 'x'
	s.holds(s.key("kept"), []byte("first"))
}

func laterPutStands(s *notesSuite) {
	key := s.put("a", "the first, and longer")
	s.put("a", "second")
	s.holds(key, []byte("second"))
	s.lists(s.prefix, 10, key)
}

func missingNoteIsGone(s *notesSuite) {
	s.put("folder/a", "x")
	for _, name := range []string{"none", "folder/b", "folder"} {
		if _, err := s.Notes.Get(s.Context(), s.key(name)); !errors.Is(err, upload.ErrGone) {
			s.Errorf("%q: %v, want ErrGone", name, err)
		}
	}
}

func outsideIsRefused(s *notesSuite) {
	for _, key := range []upload.Key{"", "x", "quarantine/x", "files/dead-letters/x", "/dead-letters/x", "dead-letters",
		"dead-letters-2/x", "Dead-letters/x", upload.DeadLetterPrefix} {
		if err := s.Notes.Put(s.Context(), key, []byte("x")); err == nil {
			s.Errorf("%q is written", key)
		}
		if _, err := s.Notes.Get(s.Context(), key); err == nil || errors.Is(err, upload.ErrGone) {
			s.Errorf("%q is read: %v", key, err)
		}
		if key == upload.DeadLetterPrefix {
			continue // it is the prefix of all
		}
		if _, err := s.Notes.List(s.Context(), string(key), "", 10); err == nil {
			s.Errorf("%q is listed", key)
		}
	}
}

func noteIsBounded(s *notesSuite) {
	body := bytes.Repeat([]byte("x"), upload.MaxNoteBytes+1)
	if err := s.Notes.Put(s.Context(), s.key("most"), body[1:]); err != nil {
		s.Errorf("the most: %v", err)
	}
	s.holds(s.key("most"), body[1:])
	if err := s.Notes.Put(s.Context(), s.key("more"), body); err == nil {
		s.Error("more is taken")
	}
	if _, err := s.Notes.Get(s.Context(), s.key("more")); !errors.Is(err, upload.ErrGone) {
		s.Errorf("more was kept: %v", err)
	}
	s.Overwrite(s.T, s.key("more"), body)
	if _, err := s.Notes.Get(s.Context(), s.key("more")); err == nil || errors.Is(err, upload.ErrGone) {
		s.Errorf("a longer one is read: %v", err)
	}
}

func keysComeInOrder(s *notesSuite) {
	var want []upload.Key
	for _, name := range []string{"A", "a b", "a+b", "a-b", "a.b", "a/b", "a/c/d", "a0", "b", "é"} {
		want = append(want, s.put(name, "x"))
	}
	for _, limit := range []int{1, 3, len(want), 1000} {
		s.lists(s.prefix, limit, want...)
	}
}

func prefixWithinName(s *notesSuite) {
	one, two, three := s.put("cat", "x"), s.put("cat.png", "x"), s.put("catalogue/1", "x")
	s.put("ca", "x")
	s.put("cb", "x")
	s.lists(s.prefix+"cat", 2, one, two, three)
	s.lists(string(two), 2, two)
	s.lists(s.prefix+"dog", 2)
}

func listGoesOn(s *notesSuite) {
	s.put("a", "x")
	s.put("c", "x")
	e := s.put("e", "x")
	page, err := s.Notes.List(s.Context(), s.prefix, "", 2)
	if err != nil || len(page.Keys) != 2 || page.Next == "" {
		s.Fatalf("%+v, %v: want a page of two and a next one", page, err)
	}
	s.put("b", "came before where the page ended")
	d := s.put("d", "came after it")
	rest, err := s.Notes.List(s.Context(), s.prefix, page.Next, 10)
	if err != nil || rest.Next != "" || !slices.Equal(rest.Keys, []upload.Key{d, e}) {
		s.Errorf("the rest is %+v, %v", rest, err)
	}
}

func limitIsBounded(s *notesSuite) {
	for _, limit := range []int{-1, 0, upload.MaxPage + 1} {
		if _, err := s.Notes.List(s.Context(), s.prefix, "", limit); err == nil {
			s.Errorf("a limit of %d is taken", limit)
		}
	}
	s.lists(s.prefix, upload.MaxPage)
}

func foreignCursorIsRefused(s *notesSuite) {
	s.put("in/a", "x")
	s.put("in/b", "x")
	page, err := s.Notes.List(s.Context(), s.prefix+"in/", "", 1)
	if err != nil || page.Next == "" {
		s.Fatalf("%+v, %v: want a page with a next one", page, err)
	}
	refused := func(prefix string, cursor upload.Cursor) {
		s.Helper()
		if _, err := s.Notes.List(s.Context(), prefix, cursor, 10); !errors.Is(err, upload.ErrBadCursor) {
			s.Errorf("list %q from the cursor %.60q: %v, want ErrBadCursor", prefix, cursor, err)
		}
	}
	for _, other := range []string{s.prefix + "other/", s.prefix + "in", s.prefix} {
		refused(other, page.Next)
	}
	whole := string(page.Next)
	for _, broken := range []string{"x", "!", whole[1:], whole + "=", strings.Repeat("A", 100_000)} {
		refused(s.prefix+"in/", upload.Cursor(broken))
	}
}

func manyWriteAtOnce(s *notesSuite) {
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for _, name := range []string{"shared", fmt.Sprintf("own-%d", i)} {
				if err := s.Notes.Put(s.Context(), s.key(name), []byte(name)); err != nil {
					s.Errorf("put %q: %v", name, err)
				}
			}
		})
	}
	group.Wait()
	var want []upload.Key
	for i := range 8 {
		want = append(want, s.key(fmt.Sprintf("own-%d", i)))
	}
	s.lists(s.prefix, 3, append(want, s.key("shared"))...)
	s.holds(s.key("shared"), []byte("shared"))
}

func endedContextDoesNothing(s *notesSuite) {
	key := s.put("a", "kept")
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, getErr := s.Notes.Get(ctx, key)
	_, listErr := s.Notes.List(ctx, s.prefix, "", 10)
	for call, err := range map[string]error{"put": s.Notes.Put(ctx, key, []byte("changed")), "get": getErr,
		"list": listErr} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v, want context.Canceled", call, err)
		}
	}
	s.holds(key, []byte("kept"))
}
