package api_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const idOld = "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a77"

// oldWorld has an image that the replaced service stored with these bytes.
func oldWorld(t *testing.T, extension, bytes string, change ...func(*fixture)) (*fixture, *uploadtest.LegacyImages) {
	t.Helper()
	old := uploadtest.NewLegacyImages()
	w := newFixture(t, append(change, func(w *fixture) {
		w.pipeline.LegacyImages = old
		w.records.Overwrite(upload.Record{ID: idOld, Journal: "j", Entry: "e", Kind: "images", Name: "my_cat",
			Extension: extension, CreatedAt: start, Status: upload.Stored})
	})...)
	old.Put(ref("e", idOld), []byte(bytes))
	return w, old
}

// fullname is the replaced service's header, spelled as it was.
var fullname = "x-bugout-image-fullname"

const pngHead = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"

func TestALegacyImageIsShownOnlyWhenItsBytesAreWhatItsNameSays(t *testing.T) {
	for _, c := range []struct {
		name, extension, bytes string
		contentType            string
		inline                 bool
	}{
		{"a png", "png", pngHead + "rest", "image/png", true},
		{"a jpeg", "jpg", "\xff\xd8\xff\xe0 and so on", "image/jpeg", true},
		{"a page named png", "png", "<html><script>alert(1)</script>", "application/octet-stream", false},
		{"a gif named png", "png", "GIF89a....", "application/octet-stream", false},
		{"nothing", "png", "", "application/octet-stream", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := oldWorld(t, c.extension, c.bytes)
			got := w.do("GET", files+"/"+idOld, nil)
			if got.status != 200 || got.body != c.bytes || got.header.Get("Content-Type") != c.contentType {
				t.Errorf("%d %q %q", got.status, got.header.Get("Content-Type"), got.body)
			}
			if inline := strings.HasPrefix(got.header.Get("Content-Disposition"), "inline"); inline != c.inline {
				t.Errorf("Content-Disposition: %s", got.header.Get("Content-Disposition"))
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" ||
				!slices.Equal(got.header[fullname], []string{"my_cat." + c.extension}) {
				t.Errorf("the header is %v", got.header)
			}
		})
	}
}

func TestPartsOfALegacyImageAreServed(t *testing.T) {
	w, _ := oldWorld(t, "png", pngHead+strings.Repeat("x", 1000))
	got := w.do("GET", files+"/"+idOld, nil, "Range", "bytes=1-3")
	if got.status != 206 || got.body != "PNG" || got.header.Get("Content-Range") != "bytes 1-3/1016" {
		t.Errorf("%d %q %q", got.status, got.body, got.header.Get("Content-Range"))
	}
	if got := w.do("HEAD", files+"/"+idOld, nil); got.status != 200 || got.header.Get("Content-Length") != "1016" ||
		got.body != "" {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}
	if got := w.do("GET", files+"/"+idOld, nil, "If-Modified-Since",
		start.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")); got.status != 304 {
		t.Errorf("not modified: %d", got.status)
	}
}

func TestALargeLegacyImageIsRedirected(t *testing.T) {
	w, _ := oldWorld(t, "png", pngHead+strings.Repeat("x", 1000), func(w *fixture) { w.config.RedirectBytes = 500 })
	got := w.do("GET", files+"/"+idOld, nil)
	if got.status != 302 || got.header.Get("Location") != "https://old.example.com/"+ref("e", idOld).String() {
		t.Errorf("%d to %s", got.status, got.header.Get("Location"))
	}
}

func TestThereIsNoLinkToAnImageThatNobodyHasValidated(t *testing.T) {
	w, _ := oldWorld(t, "png", pngHead)
	got := w.do("GET", files+"/"+idOld+"/link", nil)
	if got.status != 406 || got.member(t, "code") != "no_link" || !strings.Contains(got.body, "nobody has validated it") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestALegacyImageIsListedAndDeletedWithItsBytes(t *testing.T) {
	w, old := oldWorld(t, "png", pngHead)
	if got := w.do("GET", files, nil); !strings.Contains(got.body, idOld) {
		t.Errorf("the list is %s", got.body)
	}
	if got := w.do("DELETE", files+"/"+idOld, nil); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if _, err := old.Head(t.Context(), ref("e", idOld)); !errors.Is(err, upload.ErrGone) {
		t.Errorf("its bytes: %v", err)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if got := w.do(method, files+"/"+idOld, nil); got.status != 404 {
			t.Errorf("%s after its deletion: %d", method, got.status)
		}
	}
}

func TestAnotherUploadsDeletionDoesNotTouchLegacyImages(t *testing.T) {
	w, old := oldWorld(t, "png", pngHead)
	old.Put(ref("e", idStored), []byte(pngHead))
	if got := w.do("DELETE", files+"/"+idStored, nil); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if _, err := old.Head(t.Context(), ref("e", idStored)); err != nil {
		t.Errorf("what lies in the old bucket: %v", err)
	}
}

func TestALegacyImageThatIsNotThereIsTroubleThatTheLogNames(t *testing.T) {
	w, old := oldWorld(t, "png", pngHead)
	if err := old.RemoveLegacy(t.Context(), ref("e", idOld)); err != nil {
		t.Fatal(err)
	}
	if got := w.do("GET", files+"/"+idOld, nil); got.status != 500 || !strings.Contains(w.log.String(), idOld) {
		t.Errorf("%d, the log: %s", got.status, w.log)
	}
	w.pipeline.LegacyImages = nil
	if got := w.do("GET", files+"/"+idOld, nil); got.status != 500 ||
		!strings.Contains(w.log.String(), "HATCHERY_LEGACY_BUCKET") {
		t.Errorf("%d, the log: %s", got.status, w.log)
	}
}

// deletedFirst is legacy images of which one is deleted, with its record, just before it
// is looked at.
type deletedFirst struct {
	*uploadtest.LegacyImages
	delete func()
	denied bool
}

func (d deletedFirst) Head(ctx context.Context, r upload.Ref) (upload.LegacyImage, error) {
	d.delete()
	image, err := d.LegacyImages.Head(ctx, r)
	if d.denied {
		err = errors.New("access denied")
	}
	return image, err
}

func TestALegacyImageThatIsDeletedMeanwhileIsNotThere(t *testing.T) {
	for _, c := range []struct {
		name          string
		whole, denied bool
		want          int
	}{
		{"with its record", true, false, 404},
		{"with its record, from a bucket that may not be listed", true, true, 404},
		{"alone, behind our back", false, false, 500},
		{"alone, from a bucket that may not be listed", false, true, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, old := oldWorld(t, "png", pngHead)
			w.pipeline.LegacyImages = deletedFirst{old, func() {
				if err := old.RemoveLegacy(t.Context(), ref("e", idOld)); err != nil {
					t.Error(err)
				}
				if c.whole {
					if _, err := w.records.Update(t.Context(), ref("e", idOld), upload.Delete(start, start)); err != nil {
						t.Error(err)
					}
				}
			}, c.denied}
			if got := w.do("GET", files+"/"+idOld, nil); got.status != c.want {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}
