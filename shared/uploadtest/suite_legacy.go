package uploadtest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"hatchery/shared/upload"
)

// RunLegacyImages checks every sentence of the contract of upload.LegacyImages. put does
// what the replaced service did.
func RunLegacyImages(t *testing.T, old upload.LegacyImages, put func(t *testing.T, ref upload.Ref, body []byte)) {
	at := func(id upload.ID) upload.Ref {
		return upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: id}
	}
	const first, second, empty, absent = upload.ID("8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a01"),
		upload.ID("8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a02"),
		upload.ID("8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a03"), upload.ID("8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a04")
	long := bytes.Repeat([]byte("0123456789"), 100)
	put(t, at(first), long)
	put(t, at(second), []byte("short"))
	put(t, at(empty), nil)

	t.Run("the size and the first bytes are known without reading all", func(t *testing.T) {
		for id, body := range map[upload.ID][]byte{first: long, second: []byte("short"), empty: nil} {
			got, err := old.Head(t.Context(), at(id))
			if err != nil || got.Size != int64(len(body)) || !bytes.Equal(got.Head, body[:min(len(body), upload.LegacyHead)]) {
				t.Errorf("%s: %d bytes beginning with %q, %v", id, got.Size, got.Head, err)
			}
		}
	})
	t.Run("any part is read", func(t *testing.T) {
		for _, span := range [][2]int64{{0, -1}, {0, 10}, {995, 5}, {995, -1}, {3, 0}, {0, 1000}} {
			body, err := old.Read(t.Context(), at(first), span[0], span[1])
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			end := int64(len(long))
			if span[1] >= 0 {
				end = span[0] + span[1]
			}
			if err = errors.Join(err, body.Close()); err != nil || !bytes.Equal(got, long[span[0]:end]) {
				t.Errorf("%d bytes from %d: %q, %v", span[1], span[0], got, err)
			}
		}
	})
	t.Run("what is not there is gone", func(t *testing.T) {
		elsewhere := at(first)
		elsewhere.Entry = "e2"
		for _, ref := range []upload.Ref{at(absent), elsewhere} {
			if _, err := old.Head(t.Context(), ref); !errors.Is(err, upload.ErrGone) {
				t.Errorf("look: %v", err)
			}
			if _, err := old.Read(t.Context(), ref, 0, -1); !errors.Is(err, upload.ErrGone) {
				t.Errorf("read: %v", err)
			}
			if err := old.RemoveLegacy(t.Context(), ref); err != nil {
				t.Errorf("remove: %v", err)
			}
		}
	})
	t.Run("what is removed is gone and its neighbour is not", func(t *testing.T) {
		for range 2 {
			if err := old.RemoveLegacy(t.Context(), at(first)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := old.Head(t.Context(), at(first)); !errors.Is(err, upload.ErrGone) {
			t.Errorf("look: %v", err)
		}
		if _, err := old.Head(t.Context(), at(second)); err != nil {
			t.Errorf("the neighbour: %v", err)
		}
	})
}
