package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/client"
	"hatchery/shared/api"
	"hatchery/shared/upload"
)

func begin(t *testing.T, change ...func(*api.Config)) *fixture {
	t.Helper()
	f, end := newFixture(change...)
	t.Cleanup(func() {
		end()
		if len(f.leaked) > 0 {
			t.Errorf("the token was sent to the bucket: %v", f.leaked)
		}
	})
	return f
}

// uploaded uploads and waits.
func (f *fixture) uploaded(t *testing.T, file client.File) client.Record {
	t.Helper()
	record, err := f.entry.Upload(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if record, err = f.entry.Wait(t.Context(), record.ID); err != nil {
		t.Fatal(err)
	}
	return record
}

// read opens a file and reads all of it.
func (f *fixture) read(t *testing.T, id string) (string, error) {
	t.Helper()
	_, body, err := f.entry.Open(t.Context(), id)
	if err != nil {
		return "", err
	}
	defer body.Close()
	var all bytes.Buffer
	_, err = io.CopyBuffer(&all, struct{ io.Reader }{body}, make([]byte, 1000))
	return all.String(), err
}

// wantOne checks that one upload was made, whatever was repeated.
func (f *fixture) wantOne(t *testing.T) {
	t.Helper()
	page, err := f.records.Scan(t.Context(), upload.ScanQuery{Limit: upload.MaxPage})
	if err != nil || len(page.Records) != 1 {
		t.Errorf("there are %d uploads (%v), want one", len(page.Records), err)
	}
}

func TestAFileIsUploadedListedReadAndDeleted(t *testing.T) {
	f := begin(t)
	record := f.uploaded(t, file("Größe 1.GIF", gif))
	if record.Status != client.Stored || record.ContentType != "image/gif" || record.SHA256 != sha(gif) ||
		record.Size != int64(len(gif)) || record.FullName() != "Größe 1.GIF" || record.SettledAt.IsZero() {
		t.Errorf("the record is %+v", record)
	}
	var listed []client.Record
	for r, err := range f.entry.List(t.Context(), client.Stored) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, r)
	}
	if !slices.Equal(listed, []client.Record{record}) {
		t.Errorf("listed are %+v", listed)
	}
	if text, err := f.read(t, record.ID); err != nil || text != gif {
		t.Errorf("read were %q, %v", text, err)
	}
	if gone, err := f.entry.Delete(t.Context(), record.ID); err != nil || gone.Status != client.Deleted {
		t.Errorf("deleted: %+v, %v", gone, err)
	}
	_, err := f.entry.Delete(t.Context(), record.ID)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 404 || e.Code != "not_found" {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestARejectedFileSaysWhy(t *testing.T) {
	f := begin(t)
	record := f.uploaded(t, file("cat.png", "#!/bin/sh\n"))
	if record.Status != client.Rejected || record.Reason == nil || record.Reason.Code != "type_mismatch" ||
		record.Reason.Message == "" {
		t.Errorf("the record is %+v", record)
	}
	_, err := f.read(t, record.ID)
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Status != 410 || e.Code != "rejected" || e.Reason == nil || *e.Reason != *record.Reason ||
		e.Record == nil || e.Record.ID != record.ID {
		t.Errorf("reading it: %+v", err)
	}
}

func TestALargeFileIsSentToTheBucket(t *testing.T) {
	f := begin(t)
	picture := bmp(5_000_000)
	record := f.uploaded(t, file("large.bmp", picture))
	if record.Status != client.Stored {
		t.Fatalf("the record is %+v", record)
	}
	want := []string{"POST /files/j/entries/e/images/uploads", "bucket POST /"}
	if got := f.requests(); !slices.Equal(got[:2], want) {
		t.Errorf("sent were %q", got)
	}
	if text, err := f.read(t, record.ID); err != nil || text != picture {
		t.Errorf("read were %d bytes, %v", len(text), err)
	}
}

func TestWhatPostDoesNotTakeIsSentToTheBucketAndTheNextOneAtOnce(t *testing.T) {
	f := begin(t, func(c *api.Config) { c.PostBytes = 30 })
	const forms, post, bucket = "POST /files/j/entries/e/images/uploads", "POST /files/j/entries/e/images", "bucket POST /"
	for _, want := range [][]string{{post, forms, bucket}, {forms, bucket}} {
		if _, err := f.entry.Upload(t.Context(), file("cat.gif", gif)); err != nil {
			t.Fatal(err)
		}
		if got := f.requests(); !slices.Equal(got, want) {
			t.Errorf("sent were %q, want %q", got, want)
		}
	}
	if _, err := f.entry.Upload(t.Context(), file("tiny.gif", gif[:20])); err != nil {
		t.Fatal(err)
	}
	if got := f.requests(); !slices.Equal(got, []string{post}) {
		t.Errorf("a smaller one was sent as %q", got)
	}
}

// fails are ways in which the answer to a request is lost. Each is undone at the next try.
var fails = map[string]struct {
	answer hook
	pause  time.Duration // what the server asks for
	stored bool          // what was sent has arrived all the same
}{
	"the server dies before": {answer: func(_ int, _ http.ResponseWriter, _ *http.Request, _ http.Handler) {
		panic(http.ErrAbortHandler)
	}},
	"the server dies after": {answer: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(discarded{w.Header().Clone()}, r)
		panic(http.ErrAbortHandler)
	}, stored: true},
	"the answer is cut off": {answer: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(discarded{http.Header{}}, r)
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"id":`)
		panic(http.ErrAbortHandler)
	}, stored: true},
	"503 with Retry-After": {answer: says(503, "7", `{"code":"busy","detail":"Later."}`), pause: 7 * time.Second},
	"429 with Retry-After": {answer: says(429, "60", ""), pause: time.Minute},
	"429 of a gateway":     {answer: says(429, "", `{"message":"Too Many Requests"}`)},
	"500 of a gateway":     {answer: says(500, "", `{"message":"Internal Server Error"}`)},
	"502 in HTML":          {answer: says(502, "soon", "<html><body><h1>502"), pause: 0},
	"408":                  {answer: says(408, "", `{"code":"too_slow"}`)},
	"503 of the bucket":    {answer: says(503, "", "<Error><Code>SlowDown</Code><Message>Slower.</Message></Error>")},
}

type discarded struct{ header http.Header }

func (d discarded) Header() http.Header         { return d.header }
func (d discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d discarded) WriteHeader(int)             {}

func says(status int, retryAfter, body string) hook {
	return func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// unless answers the first requests with a failure.
func unless(first int, fail hook) hook {
	return func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if n <= first {
			fail(n, w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

func TestAnUploadThatFailsForAWhileIsSentAgainAndMadeOnce(t *testing.T) {
	for name, fail := range fails {
		for _, way := range []string{"by POST", "by form, at the API", "by form, at the bucket"} {
			t.Run(name+", "+way, func(t *testing.T) {
				picture, kind := gif, "cat.gif"
				f := begin(t)
				switch way {
				case "by form, at the bucket":
					f.onBucket = unless(2, fail.answer)
				default:
					f.onAPI = unless(2, fail.answer)
				}
				if way != "by POST" {
					picture, kind = bmp(client.PostBytes+4000), "cat.bmp"
				}
				record, err := f.entry.Upload(t.Context(), file(kind, picture))
				if err != nil {
					t.Fatal(err)
				}
				f.onAPI = nil
				if record, err = f.entry.Wait(t.Context(), record.ID); err != nil || record.Status != client.Stored {
					t.Errorf("%+v, %v", record, err)
				}
				f.wantOne(t)
				wait := 2
				if fail.stored && way == "by form, at the bucket" {
					wait = 1 // the next form says that the upload has its verdict
				}
				if len(f.slept) != wait {
					t.Errorf("it waited %v, want %d pauses", f.slept, wait)
				}
				for i, pause := range f.slept {
					least := 250 * time.Millisecond << i
					if fail.pause > 0 && pause != fail.pause || fail.pause == 0 && (pause < least || pause > 2*least) {
						t.Errorf("it waited %v", f.slept)
					}
				}
			})
		}
	}
}

func TestAFailureThatLastsIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		answer hook
		tries  int
	}{
		"503":                          {fails["503 with Retry-After"].answer, client.Tries},
		"dead":                         {fails["the server dies before"].answer, client.Tries},
		"come back in an hour":         {says(429, "3600", ""), 1},
		"come back in a hundred years": {says(503, "3155760000", ""), client.Tries}, // no number that is meant
		"403":                          {says(403, "", ""), 1},
		"a page for people":            {says(200, "", "<html>"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := begin(t)
			f.onAPI = c.answer
			if _, err := f.entry.Upload(t.Context(), file("cat.gif", gif)); err == nil {
				t.Fatal("no error")
			}
			if got := len(f.requests()); got != c.tries {
				t.Errorf("%d requests, want %d", got, c.tries)
			}
		})
	}
}

func TestNothingIsSentAgainOnceItsCallerIsGone(t *testing.T) {
	f := begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.onAPI = func(_ int, _ http.ResponseWriter, _ *http.Request, _ http.Handler) {
		cancel()
		panic(http.ErrAbortHandler)
	}
	if _, err := f.entry.Upload(ctx, file("cat.gif", gif)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if got := f.requests(); len(got) > 1 {
		t.Errorf("sent were %q", got)
	}
}

func TestTheSameKeyIsTheSameUpload(t *testing.T) {
	f := begin(t)
	for range 2 {
		one := file("cat.gif", gif)
		one.Key = "key-1"
		if record := f.uploaded(t, one); record.Status != client.Stored {
			t.Errorf("%+v", record)
		}
	}
	f.wantOne(t)
}

func TestARedirectToALinkTakesNoTokenAlong(t *testing.T) {
	f := begin(t, func(c *api.Config) { c.RedirectBytes = 1 })
	record := f.uploaded(t, file("cat.gif", gif))
	f.requests()
	if text, err := f.read(t, record.ID); err != nil || text != gif {
		t.Errorf("read were %q, %v", text, err)
	}
	if got := f.requests(); len(got) != 3 || !strings.HasPrefix(got[2], "bucket GET ") {
		t.Errorf("sent were %q", got)
	}
}

func TestARedirectOfTheAPIIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		f := begin(t)
		f.onAPI = func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "https://bucket.test/elsewhere", status)
		}
		_, err := f.entry.Get(t.Context(), "x")
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != status ||
			!strings.Contains(e.Detail, "https://bucket.test/elsewhere") {
			t.Errorf("%d: %v", status, err)
		}
		if got := f.requests(); len(got) != 1 {
			t.Errorf("%d: sent were %q", status, got)
		}
	}
}

// cutting sends a part of each answer with more than so many bytes, which is of a file.
func cutting(after int) hook {
	return func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&cut{ResponseWriter: w, left: after}, r)
	}
}

type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func TestADownloadThatIsCutOffGoesOnWhereItEnded(t *testing.T) {
	picture := bmp(100_000)
	for name, redirect := range map[string]int64{"by the API": 0, "by the bucket": 1} {
		t.Run(name, func(t *testing.T) {
			f := begin(t, func(c *api.Config) { c.RedirectBytes = redirect })
			record := f.uploaded(t, file("cat.bmp", picture))
			f.onAPI, f.onBucket = cutting(40_000), cutting(40_000)
			if text, err := f.read(t, record.ID); err != nil || text != picture {
				t.Errorf("read were %d bytes, %v", len(text), err)
			}
			f.onAPI, f.onBucket = cutting(2_000), cutting(2_000)
			if text, err := f.read(t, record.ID); err == nil {
				t.Errorf("after many cuts %d bytes were read", len(text))
			}
		})
	}
}

func TestOtherBytesThanThoseOfTheRecordAreAnError(t *testing.T) {
	for name, other := range map[string]string{"other": strings.Replace(gif, "GIF87a", "GIF89a", 1), "fewer": gif[:30],
		"more": gif + "!"} {
		t.Run(name, func(t *testing.T) {
			f := begin(t)
			record := f.uploaded(t, file("cat.gif", gif))
			f.onAPI = func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if strings.HasSuffix(r.URL.Path, "/status") {
					next.ServeHTTP(w, r)
					return
				}
				_, _ = io.WriteString(w, other)
			}
			if _, err := f.read(t, record.ID); !errors.Is(err, client.ErrDamaged) {
				t.Errorf("reading ended with %v", err)
			}
		})
	}
}

func TestARefusalHasItsCodeAndItsSentence(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(*fixture) error
		code   string
		status int
		says   string
	}{
		"an extension": {func(f *fixture) error {
			_, err := f.entry.Upload(context.Background(), file("note.txt", "text"))
			return err
		}, "extension", 406, `".txt" are not accepted`},
		"no bytes": {func(f *fixture) error {
			_, err := f.entry.Upload(context.Background(), file("cat.png", ""))
			return err
		}, "size", 406, "is empty"},
		"too many bytes, by form": {func(f *fixture) error {
			_, err := f.entry.Upload(context.Background(), file("cat.bmp", bmp(6_000_000)))
			return err
		}, "size", 406, "5,500,000"},
		"another token": {func(f *fixture) error {
			f.client.Authorization = client.Token("Bearer other")
			_, err := f.entry.Get(context.Background(), "00000000-0000-7000-8000-000000000001")
			return err
		}, "forbidden", 403, "No."},
		"a path in an id": {func(f *fixture) error {
			_, err := f.entry.Delete(context.Background(), "../../x?y")
			return err
		}, "not_found", 404, "UUID"},
		"a gateway": {func(f *fixture) error {
			f.onAPI = says(403, "", `{"message":"Forbidden"}`)
			_, err := f.entry.Get(context.Background(), "x")
			return err
		}, "", 403, "Forbidden"},
		"the bucket": {func(f *fixture) error {
			f.onBucket = says(400, "", "<?xml version=\"1.0\"?><Error><Code>EntityTooLarge</Code><Message>Too large.</Message></Error>")
			_, err := f.entry.Upload(context.Background(), file("cat.bmp", bmp(client.PostBytes+4000)))
			return err
		}, "EntityTooLarge", 400, "Too large."},
		"a page for people": {func(f *fixture) error {
			f.onAPI = says(404, "", "<!doctype html><p>Nothing")
			_, err := f.entry.Get(context.Background(), "x")
			return err
		}, "", 404, "Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			f := begin(t)
			err := c.do(f)
			e, ok := errors.AsType[*client.Error](err)
			if !ok || e.Code != c.code || e.Status != c.status || !strings.Contains(e.Detail, c.says) {
				t.Fatalf("%+v", err)
			}
			if !strings.Contains(err.Error(), fmt.Sprintf("(%d", c.status)) || strings.Contains(err.Error(), "canary") {
				t.Errorf("it reads %v", err)
			}
		})
	}
}

func TestAListIsAllItsPages(t *testing.T) {
	f := begin(t)
	const many = 1203
	for i := range many {
		_, err := f.records.Create(t.Context(), upload.Record{ID: upload.ID(fmt.Sprintf("00000000-0000-7000-8000-%012d", i)),
			Journal: "j", Entry: "e", Kind: "images", Name: "cat", Extension: "gif", CreatedAt: time.Unix(int64(i), 0),
			Status: upload.Pending}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for record, err := range f.entry.List(t.Context(), client.Pending) {
		if err != nil || seen[record.ID] || record.Status != client.Pending {
			t.Fatalf("%+v, %v", record, err)
		}
		seen[record.ID] = true
	}
	if len(seen) != many {
		t.Errorf("%d records, want %d", len(seen), many)
	}
	if got := f.requests(); len(got) != 3 {
		t.Errorf("%d requests", len(got))
	}
	for range f.entry.List(t.Context(), client.Pending) {
		break
	}
	if got := f.requests(); len(got) != 1 {
		t.Errorf("a list that is not read on was asked for %d times", len(got))
	}
}

func TestAListThatDoesNotEndIsAnError(t *testing.T) {
	f := begin(t)
	f.onAPI = says(200, "", `{"images":[],"next_cursor":"a"}`)
	var last error
	for _, err := range f.entry.List(t.Context(), client.Stored) {
		last = err
	}
	if last == nil || len(f.requests()) != 2 {
		t.Errorf("ended with %v", last)
	}
}

func TestWaitEndsWithItsCaller(t *testing.T) {
	f := begin(t, func(c *api.Config) { c.MaxWait = 0 })
	f.objects.Notify(nil)
	record, err := f.entry.Upload(t.Context(), file("cat.gif", gif))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	polls := 0
	f.client.SetSleep(func(ctx context.Context, _ time.Duration) error {
		if polls++; polls == 3 {
			cancel()
		}
		return ctx.Err()
	})
	if record, err = f.entry.Wait(ctx, record.ID); !errors.Is(err, context.Canceled) || record.Status != client.Pending {
		t.Errorf("%+v, %v", record, err)
	}
}

func TestADeletionWhoseAnswerWasLostSucceeds(t *testing.T) {
	f := begin(t)
	record := f.uploaded(t, file("cat.gif", gif))
	var deletions atomic.Int64
	f.onAPI = func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete {
			if deletions.Add(1) == 1 {
				fails["the server dies after"].answer(n, w, r, next)
			}
		}
		next.ServeHTTP(w, r)
	}
	if gone, err := f.entry.Delete(t.Context(), record.ID); err != nil || gone.Status != client.Deleted || gone.ID != record.ID {
		t.Errorf("%+v, %v", gone, err)
	}
}

func TestAServerThatFallsSilentIsGivenUp(t *testing.T) {
	for name, first := range map[string]string{"no answer": "", "half an answer": `{"id":`} {
		t.Run(name, func(t *testing.T) {
			f := begin(t)
			f.client.SetSilence(20 * time.Millisecond)
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			f.onAPI = func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				if first != "" {
					w.Header().Set("Content-Length", "100")
					_, _ = io.WriteString(w, first)
					_ = http.NewResponseController(w).Flush()
				}
				<-release
			}
			if _, err := f.entry.Get(t.Context(), "x"); !errors.Is(err, client.ErrSilence) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestAFileThatCannotBeReadIsNotSentAgain(t *testing.T) {
	broken := errors.New("the disk is broken")
	for name, content := range map[string]io.ReaderAt{"shorter": strings.NewReader(gif[:10]), "broken": brokenFile{broken}} {
		t.Run(name, func(t *testing.T) {
			f := begin(t)
			_, err := f.entry.Upload(t.Context(), client.File{Name: "cat.gif", Content: content, Size: int64(len(gif))})
			if err == nil || len(f.slept) > 0 || name == "broken" && !errors.Is(err, broken) {
				t.Errorf("ended with %v after %d pauses", err, len(f.slept))
			}
		})
	}
}

type brokenFile struct{ err error }

func (b brokenFile) ReadAt([]byte, int64) (int, error) { return 0, b.err }

func TestADamagedUploadIsFoundOut(t *testing.T) {
	f := begin(t)
	damaged := file("cat.gif", gif)
	damaged.SHA256 = sha("other")
	_, err := f.entry.Upload(t.Context(), damaged)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "digest_mismatch" {
		t.Errorf("by POST: %v", err)
	}
	large := file("cat.bmp", bmp(client.PostBytes+4000))
	large.SHA256 = sha("other")
	if record := f.uploaded(t, large); record.Reason == nil || record.Reason.Code != "checksum_mismatch" {
		t.Errorf("by form: %+v", record)
	}
}

func TestNoAddressIsAnErrorAtOnceWithoutItsSecrets(t *testing.T) {
	f := begin(t)
	f.client.URL = "://" + token
	if _, err := f.entry.Get(t.Context(), "x"); err == nil || strings.Contains(err.Error(), "?") {
		t.Errorf("%v", err)
	}
	f.client.URL = "https://nowhere.test"
	if _, err := f.entry.Upload(t.Context(), file("secret.gif", gif)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	f.client.Authorization = func(context.Context) (string, error) { return "", errors.New("the vault is closed") }
	f.slept = nil
	if _, err := f.entry.Get(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "vault") || len(f.slept) > 0 {
		t.Errorf("%v", err)
	}
}

// FuzzRefusal: an answer may be anything, and stays a sentence of bounded length.
func FuzzRefusal(f *testing.F) {
	for _, body := range []string{`{"code":"extension","detail":"No.","reason":{"code":"corrupt","message":"m"}}`,
		`{"code":5}`, "<Error><Code>X</Code>", "<html>", "", "[", `"text"`, "\xff\xfe", "<?xml version='1.0'?><!DOCTYPE a>"} {
		f.Add(400, "7", body)
	}
	f.Fuzz(func(t *testing.T, status int, retryAfter, body string) {
		e := client.Refusal(&http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}},
			Body: io.NopCloser(strings.NewReader(body))})
		if e.Error() == "" || e.Detail == "" || e.RetryAfter < 0 || len(e.Detail) > 128<<10 {
			t.Errorf("%+v", e)
		}
	})
}

func TestAFileIsCalledByWhatItWasFoundToBe(t *testing.T) {
	for want, r := range map[string]client.Record{
		"cat.png":    {Name: "cat", Extension: "png"},
		"Cat 1.PNG":  {Name: "Cat 1", Extension: "png", Filename: "Cat 1.PNG"},
		"cat.jfif":   {Name: "cat", Extension: "jpg", Filename: "cat.jfif"},
		"Film 1.mp4": {Name: "Film 1", Extension: "mp4", Filename: "Film 1.wav"},
		"scan.pdf":   {Name: "scan", Extension: "pdf", Filename: "scan"},
	} {
		if got := r.FullName(); got != want {
			t.Errorf("%+v is called %s, want %s", r, got, want)
		}
	}
}
