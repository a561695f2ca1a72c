package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"

	"hatchery/shared/policy"
)

// maxImage is the default policy's bound of one image.
const maxImage = 5_500_000

func named(name string) string { return files + "?image_name=" + url.QueryEscape(name) }

// posts are the two ways to POST the same bytes.
func posts(name, target, content string, more exchange) []exchange {
	contentType, body := form("file@", content)
	raw, multipart := more, more
	raw.name, raw.method, raw.path, raw.body = name+", raw", "POST", target, content
	raw.header = append([]string{"Content-Type", "image/png"}, more.header...)
	multipart.name, multipart.method, multipart.path, multipart.body = name+", multipart", "POST", target, body
	multipart.header = append([]string{"Content-Type", contentType}, more.header...)
	return []exchange{raw, multipart}
}

func postBytes(n int64) func(*fixture) { return func(w *fixture) { w.config.PostBytes = n } }

// writeTable is what POST and DELETE answer.
func writeTable() []exchange {
	accepted := `{"id":"` + idNew +
		`","journal_id":"j","entry_id":"e","name":"my_cat","extension":"png","filename":"My.Cat.PNG","created_at":"2026-03-01 12:00:00.437163","kind":"images","status":"pending",` +
		`"size":null,"content_type":null,"sha256":null,"reason":null,"settled_at":null}`
	location := []string{"Location", files + "/" + idNew + "/status", "Content-Type", "application/json", "Cache-Control",
		"no-store"}

	table := posts("a picture", named("My.Cat.PNG"), "bytes",
		exchange{status: 202, exact: exactly(accepted), want: location})
	add := func(more ...exchange) { table = append(table, more...) }
	add(posts("a picture with a slash", files+"/?name=cat.png", "bytes", exchange{status: 202})...)
	add(posts("the same name twice", files+"?name=cat.png&image_name=cat.png", "b", exchange{status: 202})...)
	add(posts("a semicolon in the name", files+"?name=c;a.png", "b",
		exchange{status: 202, holds: []string{`"name":"c;a"`}})...)
	add(posts("5,500,000 bytes", named("cat.png"), strings.Repeat("x", maxImage), exchange{status: 202})...)
	add(posts("5,500,001 bytes", named("cat.png"), strings.Repeat("x", maxImage+1),
		exchange{status: 406, code: "size", holds: []string{`"error":"Unacceptable image size"`}})...)
	add(posts("twice too much", named("cat.png"), strings.Repeat("x", 2*maxImage), exchange{status: 406, code: "size"})...)
	add(posts("no bytes", named("cat.png"), "", exchange{status: 406, code: "size", holds: []string{"The file is empty (0 bytes): "}})...)
	add(posts("as much as POST takes", named("cat.png"), strings.Repeat("x", 300_000),
		exchange{status: 202, change: postBytes(300_000)})...)
	add(posts("more than POST takes", named("cat.png"), strings.Repeat("x", 300_001),
		exchange{status: 413, code: "use_form", change: postBytes(300_000),
			holds: []string{`"upload_form":"` + files + `/uploads"`, "ask POST " + files + "/uploads for a form"}})...)
	add(posts("far more than POST takes", named("cat.png"), strings.Repeat("x", 900_000),
		exchange{status: 413, code: "use_form", change: postBytes(300_000)})...)
	add(posts("POST_BYTES above the kind's bound", named("cat.png"), strings.Repeat("x", maxImage+1),
		exchange{status: 406, code: "size", change: postBytes(2 * maxImage)})...)

	for what, query := range map[string]string{
		"an empty name": "?image_name=", "a leading dot": "?image_name=.png", "blank": "?name=%20%E3%80%80.png",
		"two names": "?name=a.png&image_name=b.png", "two of one": "?name=a.png&name=b.png",
	} {
		add(posts("name: "+what, files+query, "bytes",
			exchange{status: 406, code: "name", holds: []string{`"error":"Unacceptable image name"`}})...)
	}
	for what, query := range map[string]string{"another": "?name=cat.exe", "hidden": "?name=cat.png.svg",
		"with a NUL": "?name=cat.png%00.exe", "with a NUL's look-alike": "?name=cat.png%2500"} {
		add(posts("extension: "+what, files+query, "bytes",
			exchange{status: 406, code: "extension", holds: []string{`"error":"Unacceptable image extension"`}})...)
	}
	moreKinds := func(w *fixture) {
		all, _ := policy.Named("all", policy.LargestObject)
		all.Kinds["scans"] = policy.Kind{Extensions: []string{"pdf"}}
		w.pipeline.Policy = all
	}
	add(posts("an extension of another kind", named("clip.mp4"), "bytes", exchange{status: 406, code: "extension",
		change: moreKinds, holds: []string{`"error":"Unacceptable image extension"`, `"kind":"media"`,
			`Files ending in \".mp4\" are not accepted as images: upload them as media."`}})...)
	add(posts("an extension of two other kinds", named("page.pdf"), "bytes", exchange{status: 406, code: "extension",
		change: moreKinds, holds: []string{`as images: upload them as documents or scans."`, `"code":"extension"}`}})...)
	for what, c := range map[string]struct{ query, name string }{
		"two dots": {"a..png", "a"}, "a leading dot": {".cat.png", "cat"}, "a separator": {"a%2Fb.png", "a_b"},
		"a backslash": {"a%5Cb.png", "a_b"}, "a NUL": {"a%00b.png", "a_b"}, "a newline": {"a%0D%0Ax:1.png", "a__x:1"},
		"a bidi mark": {"a%E2%80%AEgnp.png", "agnp"}, "not UTF-8": {"caf%E9.png", "caf_"}, "not NFC": {"a%CC%88.png", "ä"},
		"a zero-width space": {"a%E2%80%8Bb.png", "ab"}, "a space at the end": {"cat.png%20", "cat"},
		"too long": {strings.Repeat("a", 252) + ".png", strings.Repeat("a", 251)},
	} {
		add(posts("a name is repaired: "+what, files+"?name="+c.query, "bytes",
			exchange{status: 202, holds: []string{`"name":"` + c.name + `","extension":"png","created_at"`}})...)
	}
	add(posts("a name with odd characters is repaired", files+"?name=%20Mein%2FBild.PNG", "bytes", exchange{status: 202,
		holds: []string{`"name":"mein_bild","extension":"png","filename":"Mein_Bild.PNG"`}})...)
	add(posts("a query that is not encoded", files+"?name=%zz.png", "b", exchange{status: 400, code: "bad_request"})...)
	add(posts("an unreadable key", named("cat.png"), "b",
		exchange{status: 400, code: "bad_idempotency_key", header: []string{"Idempotency-Key", "a b"}})...)
	add(posts("an endless key", named("cat.png"), "b",
		exchange{status: 400, code: "bad_idempotency_key", header: []string{"Idempotency-Key", strings.Repeat("k", 256)}})...)
	add(posts("two keys", named("cat.png"), "b",
		exchange{status: 400, code: "bad_idempotency_key",
			header: []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}})...)
	add(posts("a key", named("cat.png"), "b",
		exchange{status: 202, header: []string{"Idempotency-Key", strings.Repeat("k", 255)}})...)
	add(posts("a compressed body", named("cat.png"), "b",
		exchange{status: 415, code: "unsupported_media_type", header: []string{"Content-Encoding", "gzip"}})...)
	add(posts("an entry that is full", named("cat.png"), "b",
		exchange{status: 406, code: "quota", change: func(w *fixture) {
			kind := w.pipeline.Policy.Kinds["images"]
			kind.MaxFiles = 1
			w.pipeline.Policy = policy.Policy{Kinds: map[policy.KindName]policy.Kind{"images": kind}}
		}})...)

	sum := sha256.Sum256([]byte("bytes"))
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	raw := func(name, digest string, more exchange) exchange {
		more.name, more.method, more.path, more.body, more.header = "digest: "+name, "POST", named("cat.png"), "bytes",
			[]string{"Content-Type", "image/png", "Content-Digest", digest}
		return more
	}
	add(raw("right", digest, exchange{status: 202}),
		raw("right, among others", "sha-512=:AAAA:, "+digest, exchange{status: 202}),
		raw("unknown", "md5=:AAAA:", exchange{status: 202}),
		raw("malformed", "sha-256=AAAA", exchange{status: 400, code: "digest_mismatch"}),
		raw("of other bytes", "sha-256=:"+base64.StdEncoding.EncodeToString(make([]byte, 32))+":",
			exchange{status: 400, code: "digest_mismatch"}))

	add(nameTable()...)
	add(multipartTable()...)
	add(formTable()...)
	return append(table,
		exchange{name: "delete", method: "DELETE", path: files + "/" + idStored, status: 200,
			holds: []string{`"id":"` + idStored, `"status":"deleted"`}},
		exchange{name: "delete with a slash", method: "DELETE", path: files + "/" + idStored + "/", status: 200},
		exchange{name: "delete what is pending", method: "DELETE", path: files + "/" + idPending, status: 200},
		exchange{name: "delete twice", method: "DELETE", path: files + "/" + idDeleted, status: 404},
		exchange{name: "delete what is not there", method: "DELETE", path: files + "/" + idAbsent, status: 404},
		exchange{name: "delete another entry's", method: "DELETE", path: "/files/j/entries/x/images/" + idStored,
			status: 404},
	)
}

// nameTable is where the name and its extension come from.
func nameTable() []exchange {
	named := func(name, extension, filename string) exchange {
		members := `"name":"` + name + `","extension":"` + extension + `",`
		if filename != "" {
			members += `"filename":"` + filename + `",`
		}
		return exchange{status: 202, holds: []string{members + `"created_at"`}}
	}
	raw := func(name, query, contentType string, e exchange) exchange {
		e.name, e.method, e.path, e.header, e.body = "name: "+name, "POST", files+query,
			[]string{"Content-Type", contentType}, "bytes"
		return e
	}
	part := func(name, query, parameters string, e exchange) exchange {
		e = raw(name, query, "multipart/form-data; boundary=b", e)
		e.body = "--b\r\nContent-Disposition: form-data; name=file" + parameters + "\r\n\r\nbytes\r\n--b--\r\n"
		return e
	}
	nameless := exchange{status: 406, code: "name", holds: []string{`"error":"Unacceptable image name"`}}
	unnamed := exchange{status: 406, code: "name",
		holds: []string{`"error":"Unacceptable image name"`, "?image_name=cat.png"}}
	endsInADot := exchange{status: 406, code: "extension", holds: []string{`"error":"Unacceptable image extension"`}}
	return []exchange{
		raw("none, raw", "", "image/png", unnamed),
		part("none, multipart", "", "", unnamed),
		part("none but a type", "", "\r\nContent-Type: image/png", unnamed),
		part("an empty one in the part", "", `; filename=""`, unnamed),
		part("of the part", "", `; filename="My.Cat.PNG"`, named("my_cat", "png", "My.Cat.PNG")),
		part("of the part, with a path", "", `; filename="C:\x\cat.png"`, named("c:_x_cat", "png", "C:_x_cat.png")),
		part("of the part, with slashes", "", `; filename="../a/cat.png"`, named("_a_cat", "png", "")),
		part("of the part, as browsers escape it", "", `; filename="a %22b%0D%0A%41.png"`,
			named(`a \"b__%41`, "png", "")),
		part("of the part, percent-encoded", "", `; filename="%C3%84%22%20%2Fb~1.png"`,
			named(`ä\" _b~1`, "png", `Ä\" _b~1.png`)),
		part("of the part, percent-encoded twice", "", `; filename="a%2520b.png"`, named("a%20b", "png", "")),
		part("of the part, percent-encoded in Latin-1", "", `; filename="gr%F6%DFe.png"`, named("gr%f6%dfe", "png", "gr%F6%DFe.png")),
		part("of the part, escaped by backslashes", "", `; filename="a\"b.png"`, named(`a\"b`, "png", "")),
		part("of the part, in UTF-8", "", `; filename="größe.png"`, named("größe", "png", "")),
		part("of the part, in Latin-1", "", "; filename=\"gr\xf6\xdfe.png\"", named("gr__e", "png", "")),
		part("of the part, by RFC 8187", "", `; filename="_.png"; filename*=UTF-8''gr%C3%B6%C3%9Fe.png`,
			named("größe", "png", "")),
		part("of the query before that of the part", "?name=a.png", `; filename="b.gif"`, named("a", "png", "")),
		part("of the part, refused", "", `; filename=".png"`, nameless),
		part("of the part, another extension", "", `; filename="cat.exe"`, exchange{status: 406, code: "extension"}),
		raw("without an extension", "?name=1000000036", "image/jpeg", named("1000000036", "jpg", "")),
		raw("without an extension, its type with parameters", "?name=Bild", `IMAGE/PNG; q="a b"`,
			named("bild", "png", "Bild.png")),
		raw("without an extension, another name of the type", "?name=1", "image/pjpeg", named("1", "jpg", "")),
		raw("that ends in a dot", "?name=cat.", "image/png", named("cat", "png", "")),
		raw("without an extension, of unknown type", "?name=cat", "application/octet-stream", nameless),
		raw("without an extension, of another type", "?name=cat", "application/pdf", nameless),
		raw("without an extension, of any type", "?name=cat", "image/*", nameless),
		raw("that ends in a dot, of unknown type", "?name=cat.", "", endsInADot),
		raw("an extension before the type", "?name=cat.gif", "image/png", named("cat", "gif", "")),
		part("without an extension, the part's type", "?name=1000000036", "\r\nContent-Type: image/jpeg",
			named("1000000036", "jpg", "")),
		part("of the part, without an extension", "", "; filename=1000000036\r\nContent-Type: image/jpeg",
			named("1000000036", "jpg", "")),
		part("without an extension, the part's name", "?name=cat", "; filename=b.png", nameless),
		raw("a JFIF", "?name=Photo.JFIF", "image/jpeg", named("photo", "jpg", "Photo.JFIF")),
		raw("a JPE", "?name=photo.jpe", "image/jpeg", named("photo", "jpg", "photo.jpe")),
	}
}

func multipartTable() []exchange {
	post := func(name string, e exchange, parts ...string) exchange {
		contentType, body := form(parts...)
		e.name, e.method, e.path, e.header, e.body = "multipart: "+name, "POST", named("cat.png"),
			[]string{"Content-Type", contentType}, body
		return e
	}
	by := func(name, contentType, body string, e exchange) exchange {
		e.name, e.method, e.path, e.header, e.body = "multipart: "+name, "POST", named("cat.png"),
			[]string{"Content-Type", contentType}, body
		return e
	}
	bad := exchange{status: 400, code: "bad_multipart"}
	fields := make([]string, 0, 80)
	for range 40 {
		fields = append(fields, "f", "v")
	}
	contentType, whole := form("file@", "bytes")
	return []exchange{
		post("a field named file", exchange{status: 202}, "file", "bytes"),
		post("other fields before and after", exchange{status: 202}, "a", "1", "file@", "bytes", "b",
			strings.Repeat("2", 30_000)),
		post("several files", exchange{status: 422, code: "several_files"}, "file@", "bytes", "file@", "more"),
		post("several files, one of them a field", exchange{status: 422, code: "several_files"}, "file@", "bytes", "x", "y",
			"file", strings.Repeat("x", 1<<20)),
		post("several files, with names of their own", exchange{status: 422, code: "several_files"}, "file@", "bytes",
			"thumb@", "t"),
		post("no file", bad, "image", "bytes"),
		post("too many fields", bad, append(fields, "file@", "bytes")...),
		post("a field that is too large", bad, "a", strings.Repeat("1", 70_000), "file@", "bytes"),
		post("a large field after the file", bad, "file@", "bytes", "a", strings.Repeat("1", 70_000)),
		by("no boundary", "multipart/form-data", whole, bad),
		by("an odd boundary", "multipart/form-data; boundary=\"a", whole, bad),
		by("another boundary", "multipart/form-data; boundary=other", whole, bad),
		by("cut in the file", contentType, whole[:len(whole)-22], bad),
		by("cut in the headers", contentType, whole[:30], bad),
		by("cut before the last boundary ends", contentType, strings.TrimSuffix(whole, "--\r\n"), bad),
		by("a header section of megabytes", contentType,
			"------boundary\r\nX: "+strings.Repeat("y", 2<<20)+"\r\n\r\nz\r\n------boundary--\r\n", bad),
		by("an epilogue without end", contentType, whole+strings.Repeat("e", 80_000), bad),
		by("a transfer encoding is not undone", contentType,
			"------boundary\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: "+
				"quoted-printable\r\n\r\na=3D=\r\n------boundary--\r\n", exchange{status: 202}),
		by("nothing at all", contentType, "", bad),
		by("another multipart type is a raw body", "multipart/mixed; boundary=x", "bytes",
			exchange{status: 202, beyond: true}),
		by("an unreadable content type is a raw body", "image/png; =", "bytes", exchange{status: 202}),
	}
}

func formTable() []exchange {
	ask := func(name, body string, e exchange) exchange {
		e.name, e.method, e.path, e.body = "form: "+name, "POST", files+"/uploads", body
		if e.header == nil {
			e.header = []string{"Content-Type", "application/json"}
		}
		return e
	}
	badJSON := exchange{status: 400, code: "bad_json"}
	says := func(sentence string) exchange {
		return exchange{status: 400, code: "bad_json", holds: []string{sentence}}
	}
	key := "quarantine/j/entries/e/images/" + idNew
	return []exchange{
		ask("a name", `{"name":"My.Cat.JPG"}`,
			exchange{status: 201, want: []string{"Location", files + "/" + idNew + "/status"}, holds: []string{
				`{"record":{"id":"` + idNew + `"`, `"name":"my_cat"`,
				`"form":{"method":"POST","url":"https://bucket.test/","fields":{`, `"key":"` + key + `"`,
				`"Content-Type":"image/jpeg"`,
				key + " image/jpeg 1-5500000 until 2026-03-01T12:15:00Z", `"expires_at":"2026-03-01T12:15:00Z"}}`}}),
		ask("no bytes at all", `{"name":"cat.png","size":0}`, exchange{status: 406, code: "size"}),
		ask("all members", `{"name":"cat.png","size":1234,"type":"image/png","sha256":"`+storedHash+`"}`,
			exchange{status: 201, header: []string{"Content-Type", "application/json; charset=utf-8"},
				holds: []string{key + " image/png 1234-1234 until"}}),
		ask("5,500,000 bytes", `{"name":"cat.png","size":5500000}`, exchange{status: 201}),
		ask("5,500,000 bytes although POST takes less", `{"name":"cat.png","size":5500000}`,
			exchange{status: 201, change: postBytes(1000)}),
		ask("5,500,001 bytes", `{"name":"cat.png","size":5500001}`, exchange{status: 406, code: "size"}),
		ask("0 bytes", `{"name":"cat.png","size":0}`, exchange{status: 406, code: "size"}),
		ask("negative bytes", `{"name":"cat.png","size":-1}`, exchange{status: 406, code: "size"}),
		ask("no name", `{"size":1}`,
			exchange{status: 406, code: "name", holds: []string{`"error":"Unacceptable image name"`}}),
		ask("a name with a separator", `{"name":"a/b.png"}`, exchange{status: 201, holds: []string{`"name":"a_b"`}}),
		ask("a name with a NUL", `{"name":"a\u0000.png"}`, exchange{status: 201, holds: []string{`"name":"a_"`}}),
		ask("a name of half a surrogate pair", `{"name":"a\ud800.png"}`, exchange{status: 201, holds: []string{`"name":"a_"`}}),
		ask("a name of which nothing is left", `{"name":"\u200b.png"}`, exchange{status: 406, code: "name"}),
		ask("a name without an extension", `{"name":"1000000036","type":"image/jpeg"}`, exchange{status: 201,
			holds: []string{`"name":"1000000036","extension":"jpg","created_at"`, `"Content-Type":"image/jpeg"`}}),
		ask("a name without an extension or type", `{"name":"1000000036"}`, exchange{status: 406, code: "name"}),
		ask("another extension", `{"name":"cat.svg"}`,
			exchange{status: 406, code: "extension", holds: []string{`"error":"Unacceptable image extension"`}}),
		ask("another type", `{"name":"cat.png","type":"text/html"}`, exchange{status: 406, code: "type"}),
		ask("a broken checksum", `{"name":"cat.png","sha256":"abc"}`, exchange{status: 406, code: "checksum"}),
		ask("an unknown member", `{"name":"cat.png","key":"quarantine/x"}`, badJSON),
		ask("a number as name", `{"name":1}`, says(`The member \"name\" is 1: send text, in quotes.`)),
		ask("a size in quotes", `{"name":"cat.png", "size": "20"}`,
			says(`The member \"size\" is the text \"20\": send a number, without quotes.`)),
		ask("a fraction as size", `{"name":"cat.png","size":1.5}`, says(`The member \"size\" is 1.5: send a whole number, of bytes.`)),
		ask("true as size", `{"name":"cat.png","size":true}`, says(`The member \"size\" is true`)),
		ask("an object as type", `{"name":"cat.png","type":{}}`, says(`The member \"type\" is {}`)),
		ask("a number as sha256", `{"name":"cat.png","sha256":5}`, says(`The member \"sha256\" is 5`)),
		ask("a whole number with a point as size", `{"name":"cat.png","size": 20.0 }`, exchange{status: 201, holds: []string{"20-20 until"}}),
		ask("a whole number with an exponent as size", `{"name":"cat.png","size":2e1}`, exchange{status: 201, holds: []string{"20-20 until"}}),
		ask("a size beyond all numbers", `{"name":"cat.png","size":1e999}`, exchange{status: 406, code: "size"}),
		ask("a size below all numbers", `{"name":"cat.png","size":-1e999}`, exchange{status: 406, code: "size"}),
		ask("null where nothing is said", `{"name":"cat.png","size":null,"type":null,"sha256":null}`,
			exchange{status: 201, holds: []string{" 1-5500000 until"}}),
		ask("nothing where nothing is said", `{"name":"cat.png","type":"","sha256":""}`, exchange{status: 201}),
		ask("null as name", `{"name":null}`, exchange{status: 406, code: "name"}),
		ask("octet-stream as type", `{"name":"cat.png","type":"application/octet-stream"}`, exchange{status: 201}),
		ask("a type with parameters", `{"name":"cat.png","type":"image/PNG; charset=binary"}`, exchange{status: 201}),
		ask("another type of bytes", `{"name":"cat.png","type":"binary/octet-stream"}`, exchange{status: 406, code: "type"}),
		ask("a member in another spelling", `{"Name":"cat.png"}`,
			says(`The member \"Name\" is not known: the members are name, size, type, sha256, spelled like this.`)),
		ask("both spellings", `{"name":"cat.png","NAME":"dog.png"}`, says(`The member \"NAME\" is not known`)),
		ask("a member with a long name", `{"`+strings.Repeat("n", 9000)+`":1}`,
			says(`The member \"`+strings.Repeat("n", 64)+`\" is not known`)),
		ask("a member twice", `{"name":"cat.png","name":"dog.png"}`, says(`The member \"name\" stands twice`)),
		ask("a member twice, once escaped", `{"name":"cat.png","n\u0061me":"cat.png"}`, says(`The member \"name\" stands twice`)),
		ask("an object that does not end", `{"name":"cat.png"`, badJSON),
		ask("a comma too many", `{"name":"cat.png",}`, badJSON),
		ask("an array", `["cat.png"]`, badJSON),
		ask("two values", `{"name":"cat.png"} {}`, badJSON),
		ask("no JSON", `name=cat.png`, badJSON),
		ask("nothing", ``, badJSON),
		ask("too much", `{"name":"`+strings.Repeat("a", 17<<10)+`"}`, exchange{status: 413, code: "too_large"}),
		ask("another content type", `{"name":"cat.png"}`,
			exchange{status: 415, code: "unsupported_media_type", header: []string{"Content-Type", "text/plain"}}),
		ask("no content type", `{"name":"cat.png"}`,
			exchange{status: 415, code: "unsupported_media_type", header: []string{"Content-Type", "-"}}),
		ask("an unreadable key", `{"name":"cat.png"}`,
			exchange{status: 400, code: "bad_idempotency_key",
				header: []string{"Content-Type", "application/json", "Idempotency-Key", ""}}),
	}
}
