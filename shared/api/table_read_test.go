package api_test

import (
	"strings"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const (
	etag     = `"` + storedHash + `"`
	modified = "Sun, 01 Mar 2026 12:01:00 GMT"
)

func redirects(w *fixture) { w.config.RedirectBytes = 1000 }

// called gives the upload idNamed a name as a person wrote it.
func called(filename string) func(*fixture, func(method, path, body string, header ...string) reply) {
	return func(w *fixture, _ func(method, path, body string, header ...string) reply) {
		r, err := w.records.Get(w.t.Context(), ref("named", idNamed))
		if err != nil {
			w.t.Fatal(err)
		}
		r.Filename = filename
		w.records.Overwrite(r)
	}
}

// readTable is what GET and HEAD answer.
func readTable() []exchange {
	file, large := files+"/"+idStored, "/files/j/entries/large/images/"+idLarge
	return []exchange{
		{name: "ping", method: "GET", path: "/ping", header: []string{"Authorization", "-"}, status: 200,
			exact: exactly(`{"status":"ok"}`), want: []string{"Content-Type", "application/json"}},
		{name: "ping with a slash", method: "GET", path: "/ping/", header: []string{"Authorization", "-"}, status: 200},
		{name: "ping by HEAD", method: "HEAD", path: "/ping", header: []string{"Authorization", "-"}, status: 200,
			exact: exactly("")},

		{name: "a file", method: "GET", path: file, status: 200, exact: exactly(stored), want: []string{
			"Content-Type", "image/png", "Content-Length", "20", "Content-Disposition", `inline; filename="cat.png"`,
			"Content-Security-Policy", "sandbox; default-src 'none'", "X-Bugout-Image-Fullname", "cat.png", "ETag", etag,
			"Last-Modified", modified, "Cache-Control", "private, no-cache", "Accept-Ranges", "bytes"}},
		{name: "a file with a slash", method: "GET", path: file + "/", status: 200, exact: exactly(stored)},
		{name: "a file by an id in capitals", method: "GET", path: files + "/" + strings.ToUpper(idStored), status: 200},
		{name: "a file by HEAD", method: "HEAD", path: file, status: 200, exact: exactly(""),
			want: []string{"Content-Length", "20", "ETag", etag, "Content-Type", "image/png"}},
		{name: "a name beyond ASCII", method: "GET", path: "/files/j/entries/named/images/" + idNamed, status: 200,
			exact: exactly("\x00\x01\x02"), want: []string{
				"X-Bugout-Image-Fullname", "katze_gr%C3%B6%C3%9Fe.png", "Content-Disposition",
				`inline; filename="katze_gr__e.png"; filename*=UTF-8''katze_gr%C3%B6%C3%9Fe.png`}},
		{name: "a name as the person wrote it", method: "GET", path: "/files/j/entries/named/images/" + idNamed, status: 200,
			before: called("Katze.Größe.PNG"), want: []string{
				"X-Bugout-Image-Fullname", "katze_gr%C3%B6%C3%9Fe.png", "Content-Disposition",
				`inline; filename="Katze.Gr__e.PNG"; filename*=UTF-8''Katze.Gr%C3%B6%C3%9Fe.PNG`}},
		{name: "a name under another extension", method: "GET", path: "/files/j/entries/named/images/" + idNamed,
			status: 200, before: called("Katze.JPG"), want: []string{"Content-Disposition", `inline; filename="Katze.png"`}},

		{name: "a range", method: "GET", path: file, header: []string{"Range", "bytes=5-9"}, status: 206,
			exact: exactly("56789"), want: []string{"Content-Range", "bytes 5-9/20", "Content-Length", "5"}},
		{name: "a range to the end", method: "GET", path: file, header: []string{"Range", "bytes=15-"}, status: 206,
			exact: exactly("fghij")},
		{name: "a range from the end", method: "GET", path: file, header: []string{"Range", "bytes=-3"}, status: 206,
			exact: exactly("hij"), want: []string{"Content-Range", "bytes 17-19/20"}},
		{name: "a range beyond the end is cut", method: "GET", path: file, header: []string{"Range", "bytes=18-99"},
			status: 206, exact: exactly("ij")},
		{name: "a range that ends before it begins is none", method: "GET", path: file,
			header: []string{"Range", "bytes=5-2"}, status: 200},
		{name: "the last no bytes", method: "GET", path: file, header: []string{"Range", "bytes=-0"}, status: 416,
			code: "range_not_satisfiable", want: []string{"Content-Range", "bytes */20"}},
		{name: "a range outside", method: "GET", path: file, header: []string{"Range", "bytes=20-"}, status: 416,
			code: "range_not_satisfiable", want: []string{"Content-Range", "bytes */20", "ETag", "-"}},
		{name: "several ranges are ignored", method: "GET", path: file, header: []string{"Range", "bytes=0-1,5-6"},
			status: 200, exact: exactly(stored), want: []string{"Content-Range", "-"}},
		{name: "an unknown unit is ignored", method: "GET", path: file, header: []string{"Range", "lines=0-1"}, status: 200,
			exact: exactly(stored)},
		{name: "HEAD has no range", method: "HEAD", path: file, header: []string{"Range", "bytes=0-1"}, status: 200,
			want: []string{"Content-Length", "20"}},
		{name: "If-Range holds", method: "GET", path: file, header: []string{"Range", "bytes=0-1", "If-Range", etag},
			status: 206, exact: exactly("01")},
		{name: "If-Range does not hold", method: "GET", path: file,
			header: []string{"Range", "bytes=0-1", "If-Range", `"other"`}, status: 200, exact: exactly(stored)},
		{name: "If-None-Match", method: "GET", path: file, header: []string{"If-None-Match", etag}, status: 304,
			exact: exactly(""), want: []string{"ETag", etag}},
		{name: "If-None-Match, weak among others", method: "GET", path: file,
			header: []string{"If-None-Match", `"a", W/` + etag}, status: 304},
		{name: "If-None-Match with another", method: "GET", path: file, header: []string{"If-None-Match", `"a"`},
			status: 200},
		{name: "If-None-Match wins over If-Modified-Since", method: "GET", path: file,
			header: []string{"If-None-Match", `"a"`, "If-Modified-Since", modified}, status: 200},
		{name: "If-Modified-Since", method: "GET", path: file, header: []string{"If-Modified-Since", modified}, status: 304},
		{name: "If-Modified-Since before", method: "GET", path: file,
			header: []string{"If-Modified-Since", "Sun, 01 Mar 2026 12:00:59 GMT"}, status: 200},
		{name: "If-Match", method: "GET", path: file, header: []string{"If-Match", etag}, status: 200},
		{name: "If-Match with another", method: "GET", path: file, header: []string{"If-Match", `"a"`}, status: 412,
			code: "precondition_failed", want: []string{"ETag", "-", "Content-Disposition", "-"}},
		{name: "If-Unmodified-Since before", method: "HEAD", path: file,
			header: []string{"If-Unmodified-Since", "Sun, 01 Mar 2026 12:00:59 GMT"}, status: 412},

		{name: "a pending file", method: "GET", path: files + "/" + idPending, status: 409, code: "pending",
			want: []string{"Retry-After", "2"}, holds: []string{`"status":"pending"`, idPending}},
		{name: "a rejected file", method: "GET", path: files + "/" + idRejected, status: 410, code: "rejected",
			holds: []string{`"reason":{"code":"type_mismatch","message":"The file is no png."}`}},
		{name: "a deleted file", method: "GET", path: files + "/" + idDeleted, status: 404, code: "not_found",
			holds: []string{`"detail":"There is no such file in this entry: it was deleted, or never was."`}},
		{name: "an absent file", method: "GET", path: files + "/" + idAbsent, status: 404,
			holds: []string{`"detail":"There is no such file in this entry: it was deleted, or never was."`}},
		{name: "a file of another entry", method: "GET", path: "/files/j/entries/other/images/" + idStored, status: 404,
			holds: []string{`"detail":"There is no such file in this entry: it was deleted, or never was."`}},
		{name: "a file of another journal", method: "GET", path: "/files/k/entries/e/images/" + idStored, status: 404},
		{name: "a file whose bytes are gone", method: "GET", path: files + "/" + idLost, status: 500, code: "internal",
			want: []string{"ETag", "-", "Content-Disposition", "-"}},

		{name: "a large file is redirected", method: "GET", path: large, change: redirects, status: 302, exact: exactly(""),
			want: []string{"Content-Type", "-", "ETag", "-", "Cache-Control", "no-store",
				"Location", "https://bucket.test/files/j/entries/large/images/" + idLarge + "?versionId=" + largeVersion() +
					"&response-content-type=image%2Fjpeg&response-content-disposition=inline%3B+filename%3D%22large.png%22&X-Amz-Expires=300"}},
		{name: "a link as JSON", method: "GET", path: large, change: redirects,
			header: []string{"Accept", "text/html, application/json;q=0.9"}, status: 200,
			holds: []string{`{"url":"https://bucket.test/`, `"expires_at":"2026-03-01T12:05:00Z"}`},
			want:  []string{"Content-Type", "application/json", "Vary", "Accept", "Location", "-"}},
		{name: "JSON refused by q=0 is a redirect", method: "GET", path: large, change: redirects,
			header: []string{"Accept", "application/json;q=0.000, */*"}, status: 302},
		{name: "any type is a redirect", method: "GET", path: large, change: redirects,
			header: []string{"Accept", "application/*, image/*;q=0.8, */*;q=0.1"}, status: 302},
		{name: "a large file known to the caller", method: "GET", path: large, change: redirects,
			header: []string{"If-None-Match", etag}, status: 304},
		{name: "HEAD of a large file", method: "HEAD", path: large, change: redirects, status: 200,
			want: []string{"Content-Length", "3000"}},
		{name: "a file at the bound is sent", method: "GET", path: large,
			change: func(w *fixture) { w.config.RedirectBytes = largeSize }, status: 200,
			exact: exactly(strings.Repeat("L", largeSize))},

		{name: "a link to a picture, whatever its size", method: "GET", path: file + "/link", status: 200,
			exact: exactly(linkJSON(idStored, "e", storedVersion(), "image%2Fpng", "cat.png")),
			want:  []string{"Content-Type", "application/json", "Cache-Control", "no-store", "Content-Disposition", "-"}},
		{name: "a link to a large picture", method: "GET", path: large + "/link", change: redirects, status: 200,
			exact: exactly(linkJSON(idLarge, "large", largeVersion(), "image%2Fjpeg", "large.png"))},
		{name: "a link has the name as the person wrote it", method: "GET", path: "/files/j/entries/named/images/" + idNamed + "/link",
			before: called("Katze.PNG"), status: 200, holds: []string{"filename%3D%22Katze.PNG%22"}},
		{name: "a link with a slash", method: "GET", path: file + "/link/", status: 200},
		{name: "a link by HEAD", method: "HEAD", path: file + "/link", status: 200, exact: exactly("")},
		{name: "a link to a pending file", method: "GET", path: files + "/" + idPending + "/link", status: 409,
			code: "pending", want: []string{"Retry-After", "2"}, holds: []string{`"status":"pending"`, idPending}},
		{name: "a link to a rejected file", method: "GET", path: files + "/" + idRejected + "/link", status: 410,
			code: "rejected", holds: []string{`"reason":{"code":"type_mismatch","message":"The file is no png."}`}},
		{name: "a link to a deleted file", method: "GET", path: files + "/" + idDeleted + "/link", status: 404,
			code: "not_found"},
		{name: "a link to an absent file", method: "GET", path: files + "/" + idAbsent + "/link", status: 404},
		{name: "a link to another entry's file", method: "GET", path: "/files/j/entries/other/images/" + idStored + "/link",
			status: 404},
		{name: "a link to a file that is not shown in place", method: "GET", path: files + "/" + idAbsent + "/link",
			change: func(w *fixture) {
				w.create(ref("e", idAbsent), "paper", start)
				w.store(ref("e", idAbsent), []byte("%PDF"), "application/pdf")
			}, status: 406, code: "no_link", holds: []string{"Files of the type application/pdf are not shown in place"}},

		{name: "the list", method: "GET", path: files, status: 200, want: []string{"Content-Type", "application/json"},
			exact: exactly(`{"images":[` + lostJSON + `,` + storedJSON + `]}`)},
		{name: "the list with a slash", method: "GET", path: files + "/", status: 200},
		{name: "the list by HEAD", method: "HEAD", path: files, status: 200, exact: exactly("")},
		{name: "an empty list", method: "GET", path: "/files/j/entries/none/images", status: 200,
			exact: exactly(`{"images":[]}`)},
		{name: "a list with a limit above what is there", method: "GET", path: files + "?limit=1000", status: 200,
			exact: exactly(`{"images":[` + lostJSON + `,` + storedJSON + `],"next_cursor":null}`)},
		{name: "a list of rejected", method: "GET", path: files + "?status=rejected", status: 200,
			holds: []string{idRejected, `"reason":{"code":"type_mismatch"`}},
		{name: "a list of pending", method: "GET", path: files + "?status=pending", status: 200, holds: []string{idPending}},
		{name: "a list of an unknown status", method: "GET", path: files + "?status=lost", status: 400, code: "bad_request"},
		{name: "a list with limit 0", method: "GET", path: files + "?limit=0", status: 400},
		{name: "a list with limit 1001", method: "GET", path: files + "?limit=1001", status: 400},
		{name: "a list with a word as limit", method: "GET", path: files + "?limit=all", status: 400},
		{name: "a list with an empty limit", method: "GET", path: files + "?limit=", status: 400},
		{name: "a list with a foreign cursor", method: "GET", path: files + "?cursor=zzz", status: 400},
		{name: "a list with an endless cursor, which never reaches the store", method: "GET", change: brokenRecords,
			path: files + "?cursor=" + strings.Repeat("a", 3000), status: 400},

		{name: "the status of a stored file", method: "GET", path: file + "/status", status: 200, exact: exactly(storedJSON)},
		{name: "the status with a slash", method: "GET", path: file + "/status/", status: 200},
		{name: "the status of a pending file", method: "GET", path: files + "/" + idPending + "/status", status: 200,
			holds: []string{`"status":"pending","size":null,"content_type":null,"sha256":null,"reason":null,"settled_at":null`}},
		{name: "the status of a deleted file", method: "GET", path: files + "/" + idDeleted + "/status", status: 200,
			holds: []string{`"status":"deleted"`}},
		{name: "the status of an absent file", method: "GET", path: files + "/" + idAbsent + "/status", status: 404},
		{name: "the status of another entry's file", method: "GET",
			path: "/files/j/entries/other/images/" + idStored + "/status", status: 404},
		{name: "the status of a settled file with wait", method: "GET", path: file + "/status?wait=20", status: 200},
		{name: "the status with an empty wait", method: "GET", path: file + "/status?wait=", status: 400},
		{name: "the status with a negative wait", method: "GET", path: file + "/status?wait=-1", status: 400},
		{name: "the status with a word as wait", method: "GET", path: file + "/status?wait=long", status: 400},
	}
}

// largeVersion and storedVersion are the versions that the memory bucket gives the files.
func largeVersion() string {
	return string(uploadtest.NewObjects().Post(upload.DefaultLayout.FilesKey(ref("large", idLarge)), nil))
}

func storedVersion() string {
	return string(uploadtest.NewObjects().Post(upload.DefaultLayout.FilesKey(ref("e", idStored)), nil))
}

// linkJSON is the answer with a link to one version.
func linkJSON(id, entry, version, contentType, name string) string {
	return `{"url":"https://bucket.test/files/j/entries/` + entry + `/images/` + id + `?versionId=` + version +
		`&response-content-type=` + contentType + `&response-content-disposition=inline%3B+filename%3D%22` + name +
		`%22&X-Amz-Expires=300","expires_at":"2026-03-01T12:05:00Z"}`
}

var (
	storedJSON = `{"id":"` + idStored +
		`","journal_id":"j","entry_id":"e","name":"cat","extension":"png","created_at":"2026-03-01 12:00:00.437163","kind":"images",` +
		`"status":"stored","size":20,"content_type":"image/png","sha256":"` + storedHash + `","reason":null,"settled_at":"` +
		start.Add(time.Minute).Format(time.RFC3339Nano) + `"}`
	lostJSON = `{"id":"` + idLost +
		`","journal_id":"j","entry_id":"e","name":"lost","extension":"png","created_at":"2026-03-01 12:00:04.437163","kind":"images",` +
		`"status":"stored","size":5,"content_type":"image/png","sha256":"` + storedHash + `","reason":null,"settled_at":"` +
		start.Add(time.Minute).Format(time.RFC3339Nano) + `"}`
)
