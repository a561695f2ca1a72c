package uploadtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

// InventoryHarness is a bucket, of which the inventory is under test, and what the
// suite needs to fill it.
type InventoryHarness struct {
	Inventory upload.Inventory
	Objects   upload.Objects
	// Overwrite adds a version under a key whatever is there.
	Overwrite func(t *testing.T, key upload.Key, body []byte) upload.Version
	// Mark puts a delete marker on a key.
	Mark func(t *testing.T, key upload.Key)
	// Now is the bucket's clock, to within a few seconds.
	Now func() time.Time
}

// RunInventory checks every sentence of the contract of upload.Inventory. open may
// give the same bucket each time: every case has a prefix of its own.
func RunInventory(t *testing.T, open func(t *testing.T) InventoryHarness) {
	for i, c := range inventoryCases {
		t.Run(c.name, func(t *testing.T) {
			c.run(&inventorySuite{T: t, InventoryHarness: open(t), prefix: fmt.Sprintf("quarantine/inventory-%d/", i)})
		})
	}
}

type inventoryCase struct {
	name string
	run  func(*inventorySuite)
}

// inventorySuite is what one case works with.
type inventorySuite struct {
	*testing.T
	InventoryHarness
	prefix string
}

// put adds a version of so many bytes.
func (s *inventorySuite) put(name string, size int) upload.ObjectVersion {
	s.Helper()
	key := upload.Key(s.prefix + name)
	at := s.Now()
	version := s.Overwrite(s.T, key, bytes.Repeat([]byte("x"), size))
	return upload.ObjectVersion{Key: key, Version: version, Size: int64(size), At: at}
}

// under gives everything under a prefix in pages of a limit, page by page.
func (s *inventorySuite) under(prefix string, limit int) (pages [][]upload.ObjectVersion) {
	s.Helper()
	for cursor := upload.Cursor(""); ; {
		page, err := s.Inventory.ListVersions(s.Context(), prefix, cursor, limit)
		if err != nil {
			s.Fatalf("list %q from %q: %v", prefix, cursor, err)
		}
		if len(page.Versions) > limit {
			s.Fatalf("a page of %d holds %d versions", limit, len(page.Versions))
		}
		pages = append(pages, page.Versions)
		if page.Next == "" {
			return pages
		}
		if len(pages) > 100 {
			s.Fatal("the list has no end")
		}
		cursor = page.Next
	}
}

// lists checks that a prefix holds exactly want, in order, in pages of a limit.
func (s *inventorySuite) lists(prefix string, limit int, want ...upload.ObjectVersion) {
	s.Helper()
	got := slices.Concat(s.under(prefix, limit)...)
	same := slices.EqualFunc(got, want, func(a, b upload.ObjectVersion) bool {
		return a.Key == b.Key && a.Version == b.Version && a.Size == b.Size && a.At.Sub(b.At).Abs() < 10*time.Second
	})
	if !same {
		s.Errorf("in pages of %d, %q lists\n%v\nwant\n%v", limit, prefix, got, want)
	}
}

func (s *inventorySuite) refuses(prefix string, cursor upload.Cursor) {
	s.Helper()
	if _, err := s.Inventory.ListVersions(s.Context(), prefix, cursor, 10); !errors.Is(err, upload.ErrBadCursor) {
		s.Errorf("list %q from the cursor %.60q: %v, want ErrBadCursor", prefix, cursor, err)
	}
}

var inventoryCases = []inventoryCase{
	{"keys come in the order of their bytes", func(s *inventorySuite) {
		var want []upload.ObjectVersion
		for _, name := range []string{"A", "a b", "a+b", "a-b", "a.b", "a/b", "a/c/d", "a0", "b", "é"} {
			want = append(want, s.put(name, 1))
		}
		s.lists(s.prefix, 1000, want...)
		s.lists(s.prefix, 3, want...)
	}},
	{"the newest version of a key comes first, whatever the page", func(s *inventorySuite) {
		var a, b []upload.ObjectVersion
		for size := range 3 {
			a = append(a, s.put("a", size))
		}
		for size := range 2 {
			b = append(b, s.put("b", 10+size))
		}
		slices.Reverse(a)
		slices.Reverse(b)
		want := slices.Concat(a, b, []upload.ObjectVersion{s.put("c", 20)})
		for limit := 1; limit <= len(want)+1; limit++ {
			s.lists(s.prefix, limit, want...)
		}
	}},
	{"delete markers are left out, what they hide is not", func(s *inventorySuite) {
		first := s.put("a", 1)
		s.Mark(s.T, first.Key)
		second := s.put("a", 2)
		s.Mark(s.T, first.Key)
		s.Mark(s.T, first.Key)
		s.Mark(s.T, upload.Key(s.prefix+"b"))
		third := s.put("c", 3)
		for limit := 1; limit <= 8; limit++ {
			s.lists(s.prefix, limit, second, first, third)
		}
	}},
	{"a removed version is not listed", func(s *inventorySuite) {
		kept, removed := s.put("a", 1), s.put("a", 2)
		if err := s.Objects.Remove(s.Context(), removed.Key, removed.Version); err != nil {
			s.Fatal(err)
		}
		s.lists(s.prefix, 10, kept)
	}},
	{"a prefix may end within a name", func(s *inventorySuite) {
		one, two, three := s.put("cat", 1), s.put("cat.png", 2), s.put("catalogue/1", 3)
		s.put("ca", 4)
		s.put("cb", 5)
		s.lists(s.prefix+"cat", 2, one, two, three)
		s.lists(string(two.Key), 2, two)
		s.lists(s.prefix+"dog", 2)
	}},
	{"a limit is 1 to MaxPage", func(s *inventorySuite) {
		for _, limit := range []int{-1, 0, upload.MaxPage + 1} {
			if _, err := s.Inventory.ListVersions(s.Context(), s.prefix, "", limit); err == nil {
				s.Errorf("a limit of %d is taken", limit)
			}
		}
		s.lists(s.prefix, upload.MaxPage)
	}},
	{"a list goes on after what its page ended with was removed", func(s *inventorySuite) {
		oldest, middle, newest, last := s.put("a", 1), s.put("a", 2), s.put("a", 3), s.put("b", 4)
		page, err := s.Inventory.ListVersions(s.Context(), s.prefix, "", 2)
		if err != nil || len(page.Versions) != 2 || page.Versions[1].Version != middle.Version || page.Next == "" {
			s.Fatalf("%+v, %v: want a page that ends with %+v", page, err, middle)
		}
		rest := func(want ...upload.ObjectVersion) {
			s.Helper()
			got, err := s.Inventory.ListVersions(s.Context(), s.prefix, page.Next, 10)
			if err != nil || !slices.EqualFunc(got.Versions, want,
				func(a, b upload.ObjectVersion) bool { return a.Key == b.Key && a.Version == b.Version }) {
				s.Errorf("%+v, %v: want %+v", got, err, want)
			}
		}
		for _, gone := range []upload.ObjectVersion{middle, newest} {
			if err := s.Objects.Remove(s.Context(), gone.Key, gone.Version); err != nil {
				s.Fatal(err)
			}
		}
		rest(oldest, last)
		if err := s.Objects.Remove(s.Context(), oldest.Key, oldest.Version); err != nil {
			s.Fatal(err)
		}
		rest(last)
	}},
	{"a cursor that this list never gave is refused", func(s *inventorySuite) {
		s.put("in/a", 1)
		s.put("in/b", 2)
		s.put("other/a", 3)
		page, err := s.Inventory.ListVersions(s.Context(), s.prefix+"in/", "", 1)
		if err != nil || page.Next == "" {
			s.Fatalf("%+v, %v: want a page with a next one", page, err)
		}
		for _, other := range []string{s.prefix + "other/", s.prefix + "in", s.prefix, "", s.prefix + "in/a"} {
			s.refuses(other, page.Next)
		}
		whole := string(page.Next)
		for _, broken := range []string{"x", "!", whole[1:], whole[:len(whole)/2], whole + "=", strings.Repeat("A", 100_000),
			base64.RawURLEncoding.EncodeToString([]byte(`{}`)), base64.RawURLEncoding.EncodeToString([]byte(`null`)),
			base64.RawURLEncoding.EncodeToString([]byte("../../\x00"))} {
			s.refuses(s.prefix+"in/", upload.Cursor(broken))
		}
	}},
	{"an ended context lists nothing", func(s *inventorySuite) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		if _, err := s.Inventory.ListVersions(ctx, s.prefix, "", 10); !errors.Is(err, context.Canceled) {
			s.Errorf("%v, want context.Canceled", err)
		}
	}},
}
