package upload_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

func TestADraftIsWhatBeginWouldCreate(t *testing.T) {
	d := newDesk()
	d.now = time.Date(2026, 3, 4, 14, 0, 0, 123456789, time.FixedZone("", 7200))
	q := request("My.Cat.PNG")
	q.Declared = upload.Declared{Size: 4711, Type: "Image/PNG", SHA256: strings.ToUpper(someSum)}
	q.FormExpires = d.now.Add(15 * time.Minute)
	got := d.draft(t, q)
	want := upload.Record{ID: idNumber(1), Journal: "j1", Entry: "e1", Kind: "images", Name: "my_cat", Extension: "png",
		Filename: "My.Cat.PNG", CreatedAt: noon, Status: upload.Pending,
		Declared: upload.Declared{Size: 4711, Type: "image/png", SHA256: someSum}, FormExpires: noon.Add(15 * time.Minute)}
	if got != want {
		t.Errorf("draft\n%+v, want\n%+v", got, want)
	}
	if calls := d.seen(); len(calls) > 0 {
		t.Errorf("a draft touches the stores: %v", calls)
	}
	if plain := d.draft(t, request("cat.png")); !plain.FormExpires.IsZero() || plain.Filename != "" {
		t.Errorf("without a form it expires at %v, and is called %q", plain.FormExpires, plain.Filename)
	}
}

func TestTheTypeGivesANameItsExtension(t *testing.T) {
	for _, c := range []struct{ filename, declared, said, name, extension, kept string }{
		{"1000000036", "", "image/jpeg", "1000000036", "jpg", ""},
		{"1000000036", "image/jpeg", "", "1000000036", "jpg", ""},
		{"Bild", "image/png", "image/gif", "bild", "png", "Bild.png"},
		{"Bild.gif", "", "image/png", "bild", "gif", "Bild.gif"},
		{"Photo.JFIF", "image/jpeg", "", "photo", "jpg", "Photo.JFIF"},
	} {
		d := newDesk()
		q := request(c.filename)
		q.Declared.Type, q.Type = c.declared, c.said
		if got := d.draft(t, q); got.Name != c.name || got.Extension != c.extension || got.Filename != c.kept ||
			got.Declared.Type != c.declared {
			t.Errorf("%+v is %+v", c, got)
		}
	}
	for _, said := range []string{"", "image/*", "application/octet-stream", "text/html", "multipart/form-data"} {
		q := request("cat")
		q.Type = said
		_, err := newDesk().Draft(q)
		if r, ok := errors.AsType[*policy.Refusal](err); !ok || r.Problem != policy.ProblemName {
			t.Errorf("%q: %v", said, err)
		}
	}
}

func TestADraftIsRefusedForEachProblem(t *testing.T) {
	for _, c := range []struct {
		what    string
		change  func(*upload.Request)
		problem policy.Problem
		says    string
	}{
		{"unknown kind", func(q *upload.Request) { q.Kind = "videos" }, policy.ProblemKind, "use images"},
		{"no kind", func(q *upload.Request) { q.Kind = "" }, policy.ProblemKind, "use images"},
		{"bad name", func(q *upload.Request) { q.Filename = "\u200b.png" }, policy.ProblemName, "left"},
		{"no name", func(q *upload.Request) { q.Filename = "" }, policy.ProblemName, "no name"},
		{"unlisted extension", func(q *upload.Request) { q.Filename = "cat.svg" }, policy.ProblemExtension,
			`".svg" are not accepted as images: use png, jpg`},
		{"double extension", func(q *upload.Request) { q.Filename = "cat.png.exe" }, policy.ProblemExtension, ".exe"},
		{"trailing dot", func(q *upload.Request) { q.Filename = "cat." }, policy.ProblemExtension, "ends in a dot"},
		{"type of another extension", func(q *upload.Request) { q.Declared.Type = "image/gif" }, policy.ProblemType,
			"send image/png or no type"},
		{"type with more", func(q *upload.Request) { q.Declared.Type = "image/png, text/html" }, policy.ProblemType,
			"send image/png or no type"},
		{"a type that says next to nothing", func(q *upload.Request) { q.Declared.Type = "binary/octet-stream" },
			policy.ProblemType, "send image/png or no type"},
		{"size above the bound", func(q *upload.Request) { q.Declared.Size = 5_500_001 }, policy.ProblemSize,
			"at most 5,500,000"},
		{"size below zero", func(q *upload.Request) { q.Declared.Size = -1 }, policy.ProblemSize, "at least 1"},
		{"short sha256", func(q *upload.Request) { q.Declared.SHA256 = someSum[1:] }, policy.ProblemChecksum,
			"64 hexadecimal"},
		{"long sha256", func(q *upload.Request) { q.Declared.SHA256 = someSum + "0" }, policy.ProblemChecksum,
			"64 hexadecimal"},
		{"sha256 in base64", func(q *upload.Request) { q.Declared.SHA256 = strings.Repeat("+", 64) }, policy.ProblemChecksum,
			"64 hexadecimal"},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := newDesk()
			q := request("cat.png")
			c.change(&q)
			r, err := d.Draft(q)
			var refusal *policy.Refusal
			if !errors.As(err, &refusal) || refusal.Problem != c.problem || !strings.Contains(refusal.Message, c.says) {
				t.Errorf("error %v, want the problem %q and %q", err, c.problem, c.says)
			}
			if r != (upload.Record{}) {
				t.Errorf("refused, and yet %+v", r)
			}
			if calls := d.seen(); len(calls) > 0 {
				t.Errorf("a draft touches the stores: %v", calls)
			}
		})
	}
}

func TestADraftMayDeclareWhatIsRight(t *testing.T) {
	d := newDesk()
	d.kind(func(k *policy.Kind) { k.MinBytes = 10 })
	for filename, types := range map[string][]string{"a.png": {"", "image/png", "IMAGE/PNG", "image/png; charset=binary", "application/octet-stream", " Application/Octet-Stream ;x"},
		"a.jpg": {"image/jpeg", "image/jpg"}, "a.jpeg": {"image/jpeg"}, "a.gif": {"image/gif"},
		"a.bmp": {"image/bmp", "image/x-ms-bmp"}} {
		for _, declared := range types {
			q := request(filename)
			q.Declared.Type = declared
			d.draft(t, q)
		}
	}
	for _, size := range []int64{0, 10, 5_500_000} { // 0 is: not said
		q := request("a.png")
		q.Declared.Size = size
		d.draft(t, q)
	}
	q := request("a.png")
	q.Declared.Size = 9
	if _, err := d.Draft(q); err == nil {
		t.Error("9 bytes are accepted where 10 are needed")
	}
}

func TestNoDraftWithoutAnID(t *testing.T) {
	d := newDesk()
	d.NewID = func() (upload.ID, error) { return "", errTrouble }
	if r, err := d.Draft(request("cat.png")); !errors.Is(err, errTrouble) || r != (upload.Record{}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTheRecordIsThereBeforeTheBytes(t *testing.T) {
	d := newDesk()
	body := picture(t, "png", 1)
	d.before["Put"] = func() error {
		if _, err := d.records.Get(t.Context(), d.draftNumber(1)); err != nil {
			t.Errorf("when the bytes arrive there is no record: %v", err)
		}
		return nil
	}
	r, version := d.accept(t, "cat.png", body)
	if r.Status != upload.Pending || r.Ref() != d.draftNumber(1) {
		t.Errorf("accepted as %+v", r)
	}
	if got, _ := d.objects.Bytes(d.quarantine(r), version); !bytes.Equal(got, body) {
		t.Error("other bytes lie in quarantine")
	}
	if want := []string{"Create", "Put"}; !slices.Equal(d.seen(), want) {
		t.Errorf("calls %v, want %v", d.seen(), want)
	}
}

func (d *desk) draftNumber(n int) upload.Ref {
	return upload.Ref{Journal: "j1", Entry: "e1", Kind: "images", ID: idNumber(n)}
}

func TestBytesThatAreThereAlreadyAreSuccess(t *testing.T) {
	d := newDesk()
	draft := d.draft(t, request("cat.png"))
	first := picture(t, "png", 1)
	there := d.objects.Post(d.quarantine(draft), first)
	r, err := d.Accept(t.Context(), draft, nil, strings.NewReader("x"), 1)
	if err != nil || r != draft {
		t.Fatalf("%+v, %v; want the draft", r, err)
	}
	d.wantVersions(t, d.quarantine(draft), there)
}

func TestTroubleWithTheBytesLeavesTheRecord(t *testing.T) {
	d := newDesk()
	d.fail("Put")
	draft := d.draft(t, request("cat.png"))
	r, err := d.Accept(t.Context(), draft, nil, strings.NewReader("x"), 1)
	if !errors.Is(err, errTrouble) || r != (upload.Record{}) ||
		!strings.Contains(err.Error(), string(d.quarantine(draft))) {
		t.Errorf("%+v, %v; want trouble that names the key", r, err)
	}
	// A write that was reported failed may have happened: only the reconciler may
	// end it.
	d.wantStatus(t, draft, upload.Pending)
	if calls := d.seen(); slices.Contains(calls, upload.DeleteName) || slices.Contains(calls, upload.SettleName) {
		t.Errorf("calls %v", calls)
	}
}

func TestTroubleWithTheRecordWritesNoBytes(t *testing.T) {
	d := newDesk()
	d.fail("Create")
	r, err := d.Accept(t.Context(), d.draft(t, request("cat.png")), nil, strings.NewReader("x"), 1)
	if !errors.Is(err, errTrouble) || r != (upload.Record{}) || slices.Contains(d.seen(), "Put") {
		t.Errorf("%+v, %v after %v", r, err, d.seen())
	}
	d.heal()
	draft := d.draft(t, request("cat.png"))
	draft.Kind = "videos"
	var refusal *policy.Refusal
	if _, err := d.Begin(t.Context(), draft, nil); !errors.As(err, &refusal) {
		t.Errorf("a draft of an unknown kind: %v", err)
	}
}

func once(key, fingerprint string) *upload.IdempotencyKey {
	return &upload.IdempotencyKey{Scope: "j1/e1/images/post", Key: key, Fingerprint: fingerprint,
		Expires: noon.Add(24 * time.Hour)}
}

func TestARepeatedRequestMakesTheFirstWhole(t *testing.T) {
	d := newDesk()
	body := picture(t, "png", 1)
	// The first attempt breaks off between record and bytes.
	d.fail("Put")
	if _, err := d.Accept(t.Context(), d.draft(t, request("cat.png")), once("k", "f"), bytes.NewReader(body),
		int64(len(body))); err == nil {
		t.Fatal("no trouble")
	}
	d.heal()
	second := d.draft(t, request("cat.png"))
	r, err := d.Accept(t.Context(), second, once("k", "f"), bytes.NewReader(body), int64(len(body)))
	if err != nil || r.Ref() != d.draftNumber(1) {
		t.Fatalf("%+v, %v; want the first record", r, err)
	}
	if keys := d.objects.Keys(); !slices.Equal(keys, []upload.Key{d.quarantine(r)}) {
		t.Errorf("bytes lie under %v, want the first record's key alone", keys)
	}
	if _, err := d.records.Get(t.Context(), second.Ref()); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("the repeated request has a record of its own (%v)", err)
	}
	// A third time everything is there, and it is the same answer.
	again, err := d.Accept(t.Context(), d.draft(t, request("cat.png")), once("k", "f"), bytes.NewReader(body),
		int64(len(body)))
	if err != nil || again != r {
		t.Errorf("%+v, %v; want %+v", again, err, r)
	}
	if len(d.objects.Arrivals()) != 1 {
		t.Errorf("%d arrivals, want one", len(d.objects.Arrivals()))
	}
}

// unread is a body that nobody may touch.
type unread struct{ t testing.TB }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func (u unread) ReadAt([]byte, int64) (int, error) {
	u.t.Error("the body was read by its place")
	return 0, io.EOF
}

func (u unread) Seek(int64, int) (int64, error) {
	u.t.Error("the body was sought in")
	return 0, nil
}

func TestARepeatedRequestGetsASettledRecordWithoutAWrite(t *testing.T) {
	for _, c := range []struct {
		status upload.Status
		settle func(*desk, upload.Record, upload.Version)
	}{
		{upload.Stored, func(d *desk, r upload.Record, v upload.Version) { d.validate(t, r, v, upload.ResultStored) }},
		{upload.Deleted, func(d *desk, r upload.Record, _ upload.Version) {
			if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(string(c.status), func(t *testing.T) {
			d := newDesk()
			body := picture(t, "png", 1)
			r, err := d.Accept(t.Context(), d.draft(t, request("cat.png")), once("k", "f"), bytes.NewReader(body),
				int64(len(body)))
			if err != nil {
				t.Fatal(err)
			}
			c.settle(d, r, d.objects.Arrivals()[0].Version)
			d.forget()
			again, err := d.Accept(t.Context(), d.draft(t, request("cat.png")), once("k", "f"), unread{t}, int64(len(body)))
			if err != nil || again.Ref() != r.Ref() || again.Status != c.status {
				t.Errorf("%+v, %v; want the first record, %s", again, err, c.status)
			}
			if !slices.Equal(d.seen(), []string{"Create"}) {
				t.Errorf("calls %v, want Create alone", d.seen())
			}
		})
	}
}

func TestAnIdempotencyKeyIsForOneUpload(t *testing.T) {
	d := newDesk()
	if _, err := d.Accept(t.Context(), d.draft(t, request("cat.png")), once("k", "f"), strings.NewReader("x"),
		1); err != nil {
		t.Fatal(err)
	}
	d.forget()
	if r, err := d.Accept(t.Context(), d.draft(t, request("dog.png")), once("k", "g"), unread{t}, 1); !errors.Is(err,
		upload.ErrKeyReused) || r != (upload.Record{}) {
		t.Errorf("%+v, %v; want ErrKeyReused", r, err)
	}
	if slices.Contains(d.seen(), "Put") {
		t.Error("bytes were written")
	}
}

func TestAFullEntryTakesNoMore(t *testing.T) {
	body := picture(t, "png", 1)
	size := int64(len(body))
	for _, c := range []struct {
		what     string
		limit    func(*policy.Kind)
		declared int64
		settled  bool // the first upload is stored, not pending
		refused  bool
	}{
		{"a pending file counts", func(k *policy.Kind) { k.MaxFiles = 1 }, 0, false, true},
		{"a stored file counts", func(k *policy.Kind) { k.MaxFiles = 1 }, 0, true, true},
		{"one more fits", func(k *policy.Kind) { k.MaxFiles = 2 }, 0, true, false},
		{"declared bytes beyond the bound", func(k *policy.Kind) { k.MaxTotalBytes = 2*size - 1 }, size, true, true},
		{"declared bytes just within", func(k *policy.Kind) { k.MaxTotalBytes = 2 * size }, size, true, false},
		{"bytes not declared", func(k *policy.Kind) { k.MaxTotalBytes = size }, 0, true, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := newDesk()
			d.kind(c.limit)
			r, v := d.accept(t, "cat.png", body)
			if c.settled {
				d.validate(t, r, v, upload.ResultStored)
			}
			q := request("dog.png")
			q.Declared.Size = c.declared
			draft := d.draft(t, q)
			d.forget()
			_, err := d.Accept(t.Context(), draft, nil, strings.NewReader("x"), 1)
			var refusal *policy.Refusal
			switch {
			case !c.refused && err != nil:
				t.Errorf("error %v", err)
			case c.refused && (!errors.As(err, &refusal) || refusal.Problem != policy.ProblemQuota):
				t.Errorf("error %v, want the problem %q", err, policy.ProblemQuota)
			case c.refused && !slices.Equal(d.seen(), []string{"Usage"}):
				t.Errorf("calls %v, want Usage alone", d.seen())
			}
			// Another entry has room of its own.
			q.Entry = "e2"
			if _, err := d.Accept(t.Context(), d.draft(t, q), nil, strings.NewReader("x"), 1); err != nil {
				t.Errorf("another entry: %v", err)
			}
		})
	}
	t.Run("room that cannot be measured is trouble", func(t *testing.T) {
		d := newDesk()
		d.kind(func(k *policy.Kind) { k.MaxFiles = 1 })
		d.fail("Usage")
		_, err := d.Begin(t.Context(), d.draft(t, request("cat.png")), nil)
		var refusal *policy.Refusal
		if !errors.Is(err, errTrouble) || errors.As(err, &refusal) {
			t.Errorf("error %v", err)
		}
	})
}
