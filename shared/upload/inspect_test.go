package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

func cancelled(t testing.TB) (context.Context, context.CancelFunc) {
	c, cancel := context.WithCancel(t.Context())
	cancel()
	return c, cancel
}

func defaultKind() policy.Kind { return policy.Default().Kinds["images"] }

func TestInspectTellsTheFacts(t *testing.T) {
	body := picture(t, "png", 1)
	facts, reason, err := upload.Inspect(t.Context(), defaultKind(), bytes.NewReader(body), "png", int64(len(body)),
		upload.Declared{Size: int64(len(body)), Type: "image/png", SHA256: sumOf(body)})

	want := upload.Facts{Size: int64(len(body)), ContentType: "image/png", Extension: "png", Width: 3, Height: 2, SHA256: sumOf(body)}
	if err != nil || reason != nil || facts != want {
		t.Errorf("%+v, %v, %v; want %+v", facts, reason, err, want)
	}
}

func TestInspectRefusesWithoutReading(t *testing.T) {
	kind := defaultKind()
	kind.MinBytes, kind.MaxBytes = 10, 1000
	for _, c := range []struct {
		what, extension string
		size            int64
		declared        upload.Declared
		code            upload.Code
		says            string
	}{
		{"an extension that the policy has no more", "svg", 100, upload.Declared{}, upload.NotAllowed, ".svg"},
		{"one byte too many", "png", 1001, upload.Declared{}, upload.TooLarge, "1,001 bytes, and at most 1,000"},
		{"far too many", "png", 1 << 62, upload.Declared{}, upload.TooLarge, "at most 1,000"},
		{"one byte too few", "png", 9, upload.Declared{}, upload.TooSmall, "9 bytes, and at least 10"},
		{"nothing", "png", 0, upload.Declared{}, upload.TooSmall, "empty (0 bytes)"},
		{"another size than announced", "png", 100, upload.Declared{Size: 101}, upload.ChecksumMismatch,
			"100 bytes, and 101 were announced"},
	} {
		t.Run(c.what, func(t *testing.T) {
			facts, reason, err := upload.Inspect(t.Context(), kind, unread{t}, c.extension, c.size, c.declared)
			if err != nil || reason == nil || reason.Code != c.code || !strings.Contains(reason.Message, c.says) {
				t.Fatalf("%v, %v; want %q and %q", reason, err, c.code, c.says)
			}
			if facts != (upload.Facts{Size: c.size}) {
				t.Errorf("facts %+v, want the size alone", facts)
			}
		})
	}
}

func TestTheBoundsThemselvesAreAllowed(t *testing.T) {
	body := picture(t, "png", 1)
	kind := defaultKind()
	kind.MinBytes, kind.MaxBytes = int64(len(body)), int64(len(body))
	if _, reason, err := upload.Inspect(t.Context(), kind, bytes.NewReader(body), "png", int64(len(body)),
		upload.Declared{}); reason != nil || err != nil {
		t.Errorf("%v, %v", reason, err)
	}
}

func TestInspectRefusesWhatTheBytesSay(t *testing.T) {
	png := picture(t, "png", 1)
	for _, c := range []struct {
		what, extension string
		body            []byte
		change          func(*policy.Kind)
		code            upload.Code
	}{
		{"a script", "png", []byte("#!/bin/sh\nrm -rf /\n"), nil, upload.TypeMismatch},
		{"another type", "gif", png, nil, upload.TypeMismatch},
		{"cut short by the uploader", "png", png[:len(png)-5], nil, upload.Truncated},
		{"damaged", "png", append(append([]byte{}, png[:40]...), append([]byte{png[40] ^ 1}, png[41:]...)...), nil,
			upload.Corrupt},
		{"something appended", "png", append(append([]byte{}, png...), "<?php"...), nil, upload.TrailingData},
		{"too many pixels", "png", png, func(k *policy.Kind) { k.MaxPixels = 5 }, upload.TooManyPixels},
		{"too long a side", "png", png, func(k *policy.Kind) { k.MaxSide = 2 }, upload.TooManyPixels},
		{"zeros appended, where they are not allowed", "png", append(append([]byte{}, png...), 0, 0),
			func(k *policy.Kind) { k.AfterEnd = nil }, upload.TrailingData},
		{"nothing at all", "png", nil, func(k *policy.Kind) { k.MinBytes = 0 }, upload.Truncated},
	} {
		t.Run(c.what, func(t *testing.T) {
			kind := defaultKind()
			if c.change != nil {
				c.change(&kind)
			}
			facts, reason, err := upload.Inspect(t.Context(), kind, bytes.NewReader(c.body), c.extension, int64(len(c.body)),
				upload.Declared{})
			if err != nil || reason == nil || reason.Code != c.code || reason.Message == "" {
				t.Fatalf("%v, %v; want %q and a sentence", reason, err, c.code)
			}
			if facts != (upload.Facts{Size: int64(len(c.body))}) {
				t.Errorf("facts %+v, want the size alone", facts)
			}
		})
	}
	if _, reason, err := upload.Inspect(t.Context(), defaultKind(),
		bytes.NewReader(append(append([]byte{}, png...), 0, 0)), "png", int64(len(png)+2),
		upload.Declared{}); reason != nil || err != nil {
		t.Errorf("zeros appended, where they are allowed: %v, %v", reason, err)
	}
}

func TestOtherBytesThanAnnouncedAreRefused(t *testing.T) {
	body := picture(t, "png", 1)
	facts, reason, err := upload.Inspect(t.Context(), defaultKind(), bytes.NewReader(body), "png", int64(len(body)),
		upload.Declared{SHA256: someSum})
	if err != nil || reason == nil || reason.Code != upload.ChecksumMismatch {
		t.Fatalf("%v, %v; want %q", reason, err, upload.ChecksumMismatch)
	}
	if facts.SHA256 != sumOf(body) {
		t.Errorf("facts %+v, want what was found", facts)
	}
}

// TestTroubleWithReadingSaysNothingAboutTheBytes: invariant 3.
func TestTroubleWithReadingSaysNothingAboutTheBytes(t *testing.T) {
	body := picture(t, "png", 1)
	size := int64(len(body))
	stopped, cancel := cancelled(t)
	defer cancel()
	for _, c := range []struct {
		what string
		ctx  context.Context
		body io.Reader
		size int64
		want error
	}{
		{"an error at once", t.Context(), iotest.ErrReader(errTrouble), size, errTrouble},
		{"an error half way", t.Context(), io.MultiReader(bytes.NewReader(body[:30]), iotest.ErrReader(errTrouble)), size,
			errTrouble},
		{"an error before the end", t.Context(),
			io.MultiReader(bytes.NewReader(body[:size-1]), iotest.ErrReader(errTrouble)), size, errTrouble},
		{"an error where the end should be", t.Context(),
			io.MultiReader(bytes.NewReader(body), iotest.ErrReader(errTrouble)), size, errTrouble},
		{"a connection that breaks off", t.Context(),
			io.MultiReader(bytes.NewReader(body[:30]), iotest.ErrReader(io.ErrUnexpectedEOF)), size, io.ErrUnexpectedEOF},
		// The store ends early and calls it the end.
		{"half of it", t.Context(), bytes.NewReader(body[:30]), size, io.ErrUnexpectedEOF},
		{"one byte short", t.Context(), bytes.NewReader(body[:size-1]), size, io.ErrUnexpectedEOF},
		{"nothing", t.Context(), bytes.NewReader(nil), size, io.ErrUnexpectedEOF},
		{"a whole picture, but announced longer", t.Context(), bytes.NewReader(body), size + 1, io.ErrUnexpectedEOF},
		{"more than announced", t.Context(), io.MultiReader(bytes.NewReader(body), strings.NewReader("x")), size, nil},
		{"more than announced, in one read", t.Context(), bytes.NewReader(append(append([]byte{}, body...), 0, 0, 0)), size,
			nil},
		{"cancelled", stopped, bytes.NewReader(body), size, context.Canceled},
	} {
		t.Run(c.what, func(t *testing.T) {
			facts, reason, err := upload.Inspect(c.ctx, defaultKind(), streamed{c.body, unread{t}}, "png", c.size, upload.Declared{})
			if err == nil || reason != nil {
				t.Fatalf("%+v, %v, %v; want trouble", facts, reason, err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// streamed is a body whose type is checked by its stream alone.
type streamed struct {
	io.Reader
	io.ReaderAt
}

// TestWhateverTheReadsTheVerdictIsTheSame: a store may hand out bytes as it
// likes.
func TestWhateverTheReadsTheVerdictIsTheSame(t *testing.T) {
	body := picture(t, "jpg", 1)
	for name, reader := range map[string]func(io.Reader) io.Reader{"one byte": iotest.OneByteReader,
		"halves": iotest.HalfReader, "data with the end": iotest.DataErrReader} {
		facts, reason, err := upload.Inspect(t.Context(), defaultKind(),
			streamed{reader(bytes.NewReader(body)), unread{t}}, "jpg", int64(len(body)), upload.Declared{})
		if err != nil || reason != nil || facts.SHA256 != sumOf(body) {
			t.Errorf("%s: %+v, %v, %v", name, facts, reason, err)
		}
	}
}

// The same, seen through Validate: trouble leaves everything as it is, a refusal
// settles.
func TestValidateTellsTroubleFromRefusal(t *testing.T) {
	body := picture(t, "png", 1)
	for _, c := range []struct {
		what string
		open func(upload.Object) upload.Object
		code upload.Code // "" is trouble
	}{
		{"the body cannot be read", func(o upload.Object) upload.Object {
			o.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:20]), iotest.ErrReader(errTrouble)))
			return o
		}, ""},
		{"the body ends early", func(o upload.Object) upload.Object {
			o.Body = io.NopCloser(bytes.NewReader(body[:20]))
			return o
		}, ""},
		{"too large is known from the size", func(o upload.Object) upload.Object {
			o.Size, o.Body = 5_500_001, io.NopCloser(unread{t})
			return o
		}, upload.TooLarge},
		{"too small is known from the size", func(o upload.Object) upload.Object {
			o.Size, o.Body = 0, io.NopCloser(unread{t})
			return o
		}, upload.TooSmall},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := newDesk()
			r, v := d.accept(t, "cat.png", body)
			d.Objects = openedAs{d.Objects, c.open}
			if c.code == "" {
				d.validateInTrouble(t, r, v)
				d.wantStatus(t, r, upload.Pending)
			} else {
				d.validate(t, r, v, upload.ResultRejected)
				d.wantCode(t, r, c.code)
			}
			d.wantVersions(t, d.quarantine(r), v)
			d.wantVersions(t, d.files(r))
		})
	}
}

// openedAs changes what Open gives.
type openedAs struct {
	upload.Objects
	change func(upload.Object) upload.Object
}

func (o openedAs) Open(ctx context.Context, key upload.Key, v upload.Version) (upload.Object, error) {
	object, err := o.Objects.Open(ctx, key, v)
	if err != nil {
		return object, fmt.Errorf("open: %w", err)
	}
	return o.change(object), nil
}

func TestWhatWasAnnouncedIsCompared(t *testing.T) {
	body := picture(t, "png", 1)
	for what, declared := range map[string]upload.Declared{"size": {Size: int64(len(body)) + 1},
		"sha256": {SHA256: someSum}} {
		t.Run(what, func(t *testing.T) {
			d := newDesk()
			q := request("cat.png")
			q.Declared = declared
			r, v := d.acceptAs(t, q, body)
			d.validate(t, r, v, upload.ResultRejected)
			d.wantCode(t, r, upload.ChecksumMismatch)
			if got := d.record(t, r); got.Size != int64(len(body)) || got.SHA256 == someSum {
				t.Errorf("what was announced became a fact: %+v", got)
			}
		})
	}
}

func TestWhatThePolicyHasNoMoreIsNotAllowed(t *testing.T) {
	for what, policy := range map[string]policy.Policy{
		"kind": {Kinds: map[policy.KindName]policy.Kind{"videos": defaultKind()}},
		"extension": {Kinds: map[policy.KindName]policy.Kind{
			"images": {Extensions: []string{"gif"}, MinBytes: 1, MaxBytes: 1000}}},
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk()
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			d.Policy = policy
			d.validate(t, r, v, upload.ResultRejected)
			if reason := d.wantCode(t, r, upload.NotAllowed); !strings.Contains(reason.Message,
				map[string]string{"kind": "kind images", "extension": "ending in .png"}[what]) {
				t.Errorf("the %s is gone, and the reason is %q", what, reason.Message)
			}
			if d.read != 0 {
				t.Errorf("%d bytes were read", d.read)
			}
			d.wantVersions(t, d.quarantine(r), v)
		})
	}
}
