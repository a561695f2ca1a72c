package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

func TestOnlyTheSpanThatWasAskedForIsReadAndOnce(t *testing.T) {
	for _, c := range []struct {
		name, method string
		header       []string
		reads        []string
	}{
		{"whole", "GET", nil, []string{"0+20"}},
		{"a range", "GET", []string{"Range", "bytes=5-9"}, []string{"5+5"}},
		{"from the end", "GET", []string{"Range", "bytes=-3"}, []string{"17+3"}},
		{"several ranges", "GET", []string{"Range", "bytes=0-1,4-5"}, []string{"0+20"}},
		{"HEAD", "HEAD", nil, nil},
		{"not modified", "GET", []string{"If-None-Match", etag}, nil},
		{"precondition failed", "GET", []string{"If-Match", `"x"`}, nil},
		{"range outside", "GET", []string{"Range", "bytes=20-"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var watched *watchedDownloads
			w := newFixture(t, func(w *fixture) {
				watched = &watchedDownloads{Downloads: w.objects}
				w.config.Downloads = watched
			})
			w.do(c.method, files+"/"+idStored, nil, c.header...)
			if !slices.Equal(watched.reads, c.reads) {
				t.Errorf("read %v, want %v", watched.reads, c.reads)
			}
		})
	}
}

func TestAFileThatCannotBeSentWholeBreaksTheConnection(t *testing.T) {
	for name, misbehave := range map[string]func(*watchedDownloads){
		"too short": func(d *watchedDownloads) { d.instead = shortBody },
		"silent at once": func(d *watchedDownloads) {
			d.instead = func(ctx context.Context) (io.ReadCloser, error) { return &silentBody{ctx: ctx, begun: true}, nil }
		},
		"silent": func(d *watchedDownloads) {
			d.instead = func(ctx context.Context) (io.ReadCloser, error) { return &silentBody{ctx: ctx}, nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, func(w *fixture) {
				watched := &watchedDownloads{Downloads: w.objects}
				misbehave(watched)
				w.config.Downloads, w.config.Limits().BodyIdle = watched, 50*time.Millisecond
			})
			server := serveOn(t, w.handler)
			r := request(t, "GET", server.URL+files+"/"+idStored, nil)
			response, err := server.Client().Do(r)
			if err == nil {
				_, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if err == nil {
				t.Error("a file that was cut looks whole")
			}
			eventually(t, "it is logged", func() bool {
				return strings.Contains(w.log.String(), " of 20 bytes") && strings.Contains(w.log.String(), `"level":"ERROR"`)
			})
		})
	}
}

func TestAFileDeletedWhileItIsAskedForIsNotFound(t *testing.T) {
	var w *fixture
	w = newFixture(t, func(w2 *fixture) {
		watched := &watchedDownloads{Downloads: w2.objects, instead: func(ctx context.Context) (io.ReadCloser, error) {
			if _, err := w.pipeline.Delete(ctx, ref("e", idStored)); err != nil {
				t.Error(err)
			}
			return nil, upload.ErrGone
		}}
		w2.config.Downloads = watched
	})
	if got := w.do("GET", files+"/"+idStored, nil); got.status != 404 {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

func TestAListIsWholeHoweverManyPagesItTakes(t *testing.T) {
	const many = 1203
	w := newFixture(t)
	for i := range many {
		r := upload.Ref{Journal: "j", Entry: "many", Kind: "images",
			ID: upload.ID(fmt.Sprintf("00000000-0000-7000-8000-1%011d", i))}
		w.create(r, fmt.Sprintf("n%d", i), start.Add(time.Duration(i)*time.Second))
		w.settleStored(r)
	}
	list := "/files/j/entries/many/images?status=stored"
	all := w.do("GET", list, nil)
	records, _ := all.member(t, "images").([]any)
	if len(records) != many {
		t.Fatalf("listed %d, want %d", len(records), many)
	}
	if all.member(t, "next_cursor") != nil || strings.Contains(all.body, "next_cursor") {
		t.Error("a list without limit has a cursor")
	}
	var names []string
	for _, r := range records {
		names = append(names, r.(map[string]any)["name"].(string))
	}
	if names[0] != "n1202" || names[many-1] != "n0" {
		t.Errorf("from %s to %s, want the newest first", names[0], names[many-1])
	}

	var paged []string
	cursor, pages := "", 0
	for {
		pages++
		page := w.do("GET", list+"&limit=500&cursor="+cursor, nil)
		records, _ := page.member(t, "images").([]any)
		for _, r := range records {
			paged = append(paged, r.(map[string]any)["name"].(string))
		}
		next, more := page.member(t, "next_cursor").(string)
		if !more {
			break
		}
		cursor = next
	}
	if pages != 3 || !slices.Equal(paged, names) {
		t.Errorf("%d pages hold %d records, want 3 with the same %d", pages, len(paged), many)
	}
}

func TestAListThatBreaksOffDoesNotLookWhole(t *testing.T) {
	w := newFixture(t)
	for i := range 600 {
		r := upload.Ref{Journal: "j", Entry: "many", Kind: "images",
			ID: upload.ID(fmt.Sprintf("00000000-0000-7000-8000-1%011d", i))}
		w.create(r, "n", start)
		w.settleStored(r)
	}
	w.pipeline.Records = &secondPageFails{Records: w.records}
	server := serveOn(t, w.handler)
	response, err := server.Client().Do(request(t, "GET", server.URL+"/files/j/entries/many/images", nil))
	if err == nil {
		_, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
	}
	if err == nil {
		t.Error("a list that was cut looks whole")
	}
	eventually(t, "it is logged", func() bool { return strings.Contains(w.log.String(), errInternals.Error()) })
}

func TestDeletingRemovesTheBytes(t *testing.T) {
	w := newFixture(t)
	if got := w.do("DELETE", files+"/"+idStored, nil); got.status != http.StatusOK {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if _, exists := w.objects.Bytes(w.pipeline.Layout.FilesKey(ref("e", idStored)), ""); exists {
		t.Error("the bytes are still there")
	}
	if got := w.do("GET", files+"/"+idStored, nil); got.status != 404 {
		t.Errorf("GET afterwards: %d", got.status)
	}
	if got := w.do("DELETE", files+"/"+idStored, nil); got.status != 404 {
		t.Errorf("DELETE afterwards: %d", got.status)
	}
}

func TestAFileThatIsCutIsNeverHandedOnAsWhole(t *testing.T) {
	w := newFixture(t, func(w *fixture) {
		w.config.Downloads = &watchedDownloads{Downloads: w.objects, instead: shortBody}
	})
	defer func() {
		// Whatever carries the answer must be told, not only a server that counts.
		if recover() != http.ErrAbortHandler { //nolint:errorlint // the sentinel itself is panicked
			t.Error("the handler returned as if the answer were complete")
		}
	}()
	w.do("GET", files+"/"+idStored, nil)
}

// forbidding answers reading with trouble that says nothing about what is there, as S3
// does to whoever may not list its bucket.
type forbidding struct {
	upload.Downloads
	before func()
}

func (d forbidding) ReadRange(context.Context, upload.Key, upload.Version, int64, int64) (io.ReadCloser, error) {
	d.before()
	return nil, errors.New("forbidden")
}

func TestTroubleWithReadingIsLookedInto(t *testing.T) {
	for name, c := range map[string]struct {
		id     string
		before func(*fixture)
		status int
	}{
		"deleted meanwhile": {idStored, func(w *fixture) {
			if _, err := w.pipeline.Delete(w.t.Context(), ref("e", idStored)); err != nil {
				w.t.Fatal(err)
			}
		}, 404},
		"the version is not there": {idLost, func(*fixture) {}, 500},
		"the version is there":     {idStored, func(*fixture) {}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, func(w *fixture) {
				w.config.Downloads = forbidding{w.objects, func() { c.before(w) }}
			})
			if got := w.do("GET", files+"/"+c.id, nil); got.status != c.status {
				t.Errorf("%d %s, want %d", got.status, got.body, c.status)
			}
		})
	}
}
