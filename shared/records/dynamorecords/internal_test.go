package dynamorecords

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// everything is a record with no field left out.
func everything() upload.Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	return upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "journal", Entry: "entry", Kind: "images",
		Name: "cat", Extension: "png", Filename: "Cat.PNG",
		CreatedAt: at, Status: upload.Stored, Size: 1 << 40, ContentType: "image/png", SHA256: "abc",
		Reason:    &upload.Reason{Code: "code", Message: "message"},
		SettledAt: at.Add(1e6), Declared: upload.Declared{Size: 7, Type: "image/x-png", SHA256: "def"},
		FormExpires: at.Add(2e6), JudgedVersion: "judged",
		ServedVersion: "served", Failures: 3, LastFailure: &upload.Failure{At: at.Add(3e6), Message: "slow"}, Resends: 2,
		ResentAt:  at.Add(4e6),
		DroppedAt: at.Add(7e6), DeletedAt: at.Add(5e6), ForgetAfter: at.Add(6e6)}
}

func TestEveryFieldIsKept(t *testing.T) {
	s := New(nil, "table", Options{})
	r := everything()
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Revision" { // which is no field of an item
			t.Errorf("field %s is not in this test", name)
		}
	}
	bare := upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, CreatedAt: r.CreatedAt,
		Status: upload.Pending}
	silent := bare
	silent.Reason, silent.LastFailure = &upload.Reason{}, &upload.Failure{At: r.CreatedAt}
	for _, want := range []storedItem{{Record: r, tokens: "a b", claims: true, forget: r.ForgetAfter.Unix() + 1},
		{Record: bare}, {Record: silent, tokens: "c"}} {
		i, err := s.itemOf(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseItem(i); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwas read as %+v, %v", want, got, err)
		}
	}
}

// Only tombstones are ever removed by DynamoDB, and not before their time.
func TestOnlyATombstoneHasATimeToLive(t *testing.T) {
	s := New(nil, "table", Options{})
	r := everything()
	r.DeletedAt, r.ForgetAfter = time.Time{}, time.Time{}
	i, err := s.itemOf(storedItem{Record: r})
	if err != nil || i[forget] != nil {
		t.Errorf("a stored record has %v, %v", i[forget], err)
	}
	after := time.Date(2026, 4, 1, 0, 0, 0, 1000, time.UTC)
	i, err = s.itemOf(storedItem{Record: uploadtest.After(upload.Delete(after, after), r)})
	rd := reading{item: i}
	if got := rd.number(forget); err != nil || got != after.Unix()+1 {
		t.Errorf("a tombstone of %d.000001 is forgotten at %d, %v", after.Unix(), got, err)
	}
	if i[bytesKey] != nil {
		t.Error("a tombstone holds bytes")
	}
}

func TestTheLastWritersAreKnown(t *testing.T) {
	h := storedItem{}
	for _, token := range []string{"a", "b", "c", "d", "e"} {
		h.tokens = signed(token, h.tokens)
	}
	for token, want := range map[string]bool{"a": false, "b": true, "c": true, "d": true, "e": true, "": false,
		"e d": true} {
		if token != "" && h.wrote(token) != want {
			t.Errorf("%q wrote %q: %v", token, h.tokens, !want)
		}
	}
}

func FuzzRefsHaveKeysOfTheirOwn(f *testing.F) {
	f.Add("journal-1", "entry_A", "images", "019a0000-0000-7000-8000-000000000001")
	f.Add("a/b", "c", "d#e", "%2F")
	f.Add("", "", "", "")
	f.Add("\x00\xff", "é", "~", "..")
	f.Fuzz(func(t *testing.T, journal, entry, kind, id string) {
		ref := upload.Ref{Journal: upload.Journal(journal), Entry: upload.Entry(entry), Kind: policy.KindName(kind),
			ID: upload.ID(id)}
		k := keyOf(ref)
		if strings.ContainsFunc(k.pk+k.sk, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("the key is %q", k)
		}
		if got, err := k.ref(); err != nil || got != ref {
			t.Errorf("%q of %+v is read as %+v, %v", k, ref, got, err)
		}
		// Whatever lies under a key, it is read or refused.
		if ref, err := (itemKey{journal, entry}).ref(); err == nil && keyOf(ref).pk == "" {
			t.Error("no key")
		}
	})
}

func FuzzCursors(f *testing.F) {
	list, all := listID{upload.NameList("list", "a")}, listID{upload.NameList("all")}
	const position = "2026-01-02T03:04:05.678901Z#019a0000-0000-7000-8000-000000000001"
	f.Add(string(list.cursor(position)))
	f.Add(string(all.itemCursor(itemKey{"e#a/b/c", "r#d"})))
	f.Add(string(listID{upload.NameList("list", "b")}.cursor(position)))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		c := upload.Cursor(text)
		got, err := list.position(c, 1)
		switch {
		case err != nil && !errors.Is(err, upload.ErrBadCursor), err != nil && got != "":
			t.Errorf("position %q, %v", got, err)
		case err == nil && text != "" && (list.cursor(got) != c || len(got) <= len(instant)):
			t.Errorf("position %q was never given", got)
		}
		key, err := all.item(c, 1)
		switch {
		case err != nil && (!errors.Is(err, upload.ErrBadCursor) || key != nil):
			t.Errorf("key %v, %v", key, err)
		case err == nil && text != "" && all.itemCursor(item(key).key()) != c:
			t.Errorf("key %v was never given", key)
		}
	})
}

func TestCursorsLeadToWhatTheyWereMadeOf(t *testing.T) {
	list, all := listID{upload.NameList("list", "a")}, listID{upload.NameList("all")}
	position := statusAtOf(everything())
	if got, err := list.position(list.cursor(position), 1); err != nil || got != position {
		t.Errorf("%q, %v", got, err)
	}
	for _, k := range []itemKey{keyOf(everything().Ref()), idempotencyKeyOf(&upload.IdempotencyKey{Scope: "s"}),
		keyOfNote("n"),
		{"x#y", "r#x"}, {strings.Repeat("e#x", 600), "r#x"}} {
		if got, err := all.item(all.itemCursor(k), 1); err != nil || item(got).key() != k {
			t.Errorf("%v, %v", got, err)
		}
	}
	for _, bad := range []upload.Cursor{all.itemCursor(itemKey{"", "r#x"}), all.itemCursor(itemKey{"e#x", ""}),
		all.cursor("e#x"),
		all.itemCursor(itemKey{"e#x", strings.Repeat("x", 1100)})} {
		if got, err := all.item(bad, 1); !errors.Is(err, upload.ErrBadCursor) {
			t.Errorf("cursor %q leads to %v, %v", bad, got, err)
		}
	}
	for _, bad := range []upload.Cursor{list.cursor("2026"), list.cursor("2026-01-02T03:04:05.678901Z"),
		list.cursor("2026-01-02T03:04:05.678901Z#"),
		list.cursor("2026-13-02T03:04:05.678901Z#x"), list.cursor("2026-01-02T03:04:05.678901Z#\xff"),
		list.cursor(position + strings.Repeat("x", 600)),
		list.cursor(position) + "\n", listID{upload.NameList("list", "b")}.cursor(position),
		listID{upload.NameList("list", "a", "")}.cursor(position)} {
		if got, err := list.position(bad, 1); !errors.Is(err, upload.ErrBadCursor) {
			t.Errorf("cursor %q leads to %q, %v", bad, got, err)
		}
	}
}
