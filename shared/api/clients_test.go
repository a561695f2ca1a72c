package api_test

import (
	"strings"
	"testing"

	"hatchery/shared/api"
	"hatchery/shared/policy"
)

// picture is what every client sends: bytes that are no text, with what looks like framing in them.
const picture = "\x89PNG\r\n\x1a\n\x00\xff\r\n--\r\n--y\r\n\xfe\r\n"

// clientShape is how one client writes the request that uploads a file.
type clientShape struct {
	client      string
	contentType string // "" is no header
	// body in which FILE stands for the picture and a newline for CRLF.
	body string
	// What the client said of the file.
	filename, declared string
	// status and code when it is not 202.
	status int
	code   string
}

// text is the body as the client writes it.
func (s clientShape) text() string {
	lines := strings.ReplaceAll(s.body, "\n", "\r\n")
	if strings.Contains(s.client, "LF alone") {
		lines = s.body
	}
	return strings.ReplaceAll(lines, "FILE", picture)
}

// one is a body of one part.
func one(boundary string, header ...string) string {
	return "--" + boundary + "\n" + strings.Join(header, "\n") + "\n\nFILE\n--" + boundary + "--\n"
}

const (
	formData = "multipart/form-data; boundary="
	plain    = `Content-Disposition: form-data; name="file"; filename="cat.png"`
	png      = "Content-Type: image/png"
)

// properClients are HTTP libraries and programs as people use them.
func properClients() []clientShape {
	row := func(client, boundary, filename, declared string, header ...string) clientShape {
		return clientShape{client: client, contentType: formData + boundary, body: one(boundary, header...), filename: filename,
			declared: declared}
	}
	quoted := func(s clientShape) clientShape {
		boundary := strings.TrimPrefix(s.contentType, formData)
		s.contentType = formData + `"` + boundary + `"`
		return s
	}
	raw := func(client, contentType, declared string) clientShape {
		return clientShape{client: client, contentType: contentType, body: "FILE", declared: declared}
	}
	return []clientShape{
		row("curl -F", "------------------------d74496d66958873e", "cat.png", "image/png", plain, png),
		row("curl -F before 7.81, a quote in the name", "------------------------d74496d66958873e", `a"b\c.png`, "image/png",
			`Content-Disposition: form-data; name="file"; filename="a\"b\\c.png"`, png),
		row("curl -F from 7.81, a quote in the name", "------------------------0fKAiH4nzJKGJb7Vd7bXyP", `a"b.png`, "image/png",
			`Content-Disposition: form-data; name="file"; filename="a%22b.png"`, png),
		raw("curl --data-binary", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
		raw("curl --data-binary with its type", "image/png", "image/png"),
		raw("curl -T", "", ""),
		raw("wget --post-file", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
		row("HTTPie", "6c3d1b0e6dd24f5f9d1c9f8d2d7e5a3b", "cat.png", "image/png", plain, png),
		row("Python requests", "0b1f6d0f5d2a4b7c9e3f1a2b3c4d5e6f", "cat.png", "", plain),
		row("Python requests, another alphabet", "0b1f6d0f5d2a4b7c9e3f1a2b3c4d5e6f", "größe.png", "",
			`Content-Disposition: form-data; name="file"; filename="größe.png"`),
		row("Python requests with urllib3 before 1.25", "0b1f6d0f5d2a4b7c9e3f1a2b3c4d5e6f", "größe.png", "",
			`Content-Disposition: form-data; name="file"; filename*=utf-8''gr%C3%B6%C3%9Fe.png`),
		raw("Python requests, data=", "", ""),
		row("Python httpx", "0b1f6d0f5d2a4b7c9e3f1a2b3c4d5e6f", "cat.png", "image/png", plain, png),
		row("Python aiohttp", "3f1b2a4c5d6e7f8091a2b3c4d5e6f708", "größe.png", "image/png", png,
			`Content-Disposition: form-data; name="file"; filename="gr%C3%B6%C3%9Fe.png"`),
		quoted(row("Python email.mime", "===============7330845974216740156==", "cat.png", "image/png", png,
			"MIME-Version: 1.0", "Content-Transfer-Encoding: binary", plain)),
		row("Chrome and Safari, FormData", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "cat.png", "image/png", plain, png),
		row("Chrome, a quote and a line end in the name", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "a\"\r\nb.png", "image/png",
			`Content-Disposition: form-data; name="file"; filename="a%22%0D%0Ab.png"`, png),
		row("Firefox, FormData", "----geckoformboundaryc23c66a2b8bfe0a9e3c7d5e8f1a2b3c4", "cat.png", "image/png", plain, png),
		row("Firefox before 130", "---------------------------9051914041544843365972754266", "cat.png", "image/png", plain, png),
		row("a browser, a Blob", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "blob", "image/png",
			`Content-Disposition: form-data; name="file"; filename="blob"`, png),
		row("Internet Explorer, a path", "---------------------------7e13a1b2c0d3e", `C:\Users\me\cat.png`, "image/x-png",
			`Content-Disposition: form-data; name="file"; filename="C:\Users\me\cat.png"`, "Content-Type: image/x-png"),
		raw("fetch with a File", "image/png", "image/png"),
		raw("fetch with a File of no type", "", ""),
		raw("XMLHttpRequest, octet-stream", "application/octet-stream", ""),
		row("axios and request in Node, form-data", "--------------------------515890814546601021194782", "cat.png", "image/png",
			plain, png),
		row("Node's own fetch, FormData", "----formdata-undici-071948226352", "cat.png", "image/png", plain, png),
		quoted(row("React Native", "kPjQ5Jm1wZ2Y0XbA7cD8eF9gH", "cat.png", "image/png",
			`content-disposition: form-data; name="file"; filename="cat.png"; filename*=utf-8''cat.png`,
			"content-type: image/png")),
		row("OkHttp and Retrofit", "b2f8c0de-1d5a-4e6b-9a7c-3f2e1d0c9b8a", "1000000036", "image/jpeg",
			`Content-Disposition: form-data; name="file"; filename="1000000036"`, "Content-Type: image/jpeg", "Content-Length: 34"),
		row("Retrofit, image/*", "b2f8c0de-1d5a-4e6b-9a7c-3f2e1d0c9b8a", "cat.png", "image/*",
			plain, "Content-Transfer-Encoding: binary", "Content-Type: image/*", "Content-Length: 34"),
		{client: "Android, HttpURLConnection by hand", contentType: "multipart/form-data;boundary=*****",
			body:     one("*****", `Content-Disposition: form-data; name="file";filename="cat.png"`),
			filename: "cat.png"},
		{client: "Cordova FileTransfer", contentType: "multipart/form-data;boundary=+++++",
			body: one("+++++", plain, "Content-Type: image/jpeg", "Content-Length: 34"), filename: "cat.png",
			declared: "image/jpeg"},
		row("URLSession by hand", "Boundary-2E6F8A1C-3B5D-4C7E-9F10-A2B3C4D5E6F7", "image.jpg", "image/jpeg",
			`Content-Disposition: form-data; name="file"; filename="image.jpg"`, "Content-Type: image/jpeg"),
		raw("URLSession, uploadTask from a file", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
		row("Alamofire", "alamofire.boundary.5a1b2c3d4e5f6a7b", "cat.png", "image/png", plain, png),
		row("AFNetworking", "Boundary+ABCDEF0123456789", "cat.png", "image/png", plain, png),
		row("Dart http", "dart-http-boundary-Ab+Cd_Ef.Gh-1234567890", "cat.png", "", "content-type: application/octet-stream",
			`content-disposition: form-data; name="file"; filename="cat.png"`),
		row("dio", "--dio-boundary-3788053716", "cat.png", "image/png",
			`content-disposition: form-data; name="file"; filename="cat.png"`, "content-type: image/png"),
		quoted(row(".NET HttpClient", "5f4dcc3b-5aa7-65d6-1d83-27deb882cf99", "cat.png", "",
			"Content-Disposition: form-data; name=file; filename=cat.png; filename*=utf-8''cat.png")),
		quoted(row(".NET HttpClient, another alphabet", "5f4dcc3b-5aa7-65d6-1d83-27deb882cf99", "größe 1.png", "",
			`Content-Disposition: form-data; name=file; filename="=?utf-8?B?Z3LDtsOfZSAxLnBuZw==?="; `+
				`filename*=utf-8''gr%C3%B6%C3%9Fe%201.png`)),
		quoted(row("RestSharp, another alphabet", "---------28947758029299", "größe.png", "image/png",
			png, `Content-Disposition: form-data; name="file"; filename="=?utf-8?B?Z3LDtsOfZS5wbmc=?="`)),
		quoted(row("PowerShell -Form", "f1a2b3c4-d5e6-4f70-8192-a3b4c5d6e7f8", "cat.png", "",
			"Content-Disposition: form-data; name=file; filename=cat.png; filename*=utf-8''cat.png",
			"Content-Type: application/octet-stream")),
		{client: "Apache HttpClient", contentType: formData + "Vt0E_hf-7pK9mQ2x; charset=ISO-8859-1",
			body: one("Vt0E_hf-7pK9mQ2x", plain, "Content-Type: application/octet-stream",
				"Content-Transfer-Encoding: binary"), filename: "cat.png"},
		{client: "Spring RestTemplate", contentType: "multipart/form-data;charset=UTF-8;boundary=7Rk_3zPq",
			body:     one("7Rk_3zPq", plain, "Content-Type: image/png", "Content-Length: 34"),
			filename: "cat.png", declared: "image/png"},
		row("Jersey", "Boundary_1_1234_1600000000000", "cat.png", "image/png", png,
			`Content-Disposition: form-data; filename="cat.png"; modification-date="Tue, 01 Sep 2026 12:00:00 GMT"; `+
				`size=34; name="file"`),
		quoted(row("Jakarta Mail", "----=_Part_0_1837543557.1600000000000", "cat.png", "image/png",
			`Content-Type: image/png; name="cat.png"`, plain)),
		row("Postman", "--------------------------032472134563826549761437", "cat.png", "image/png", plain, png),
		row("Insomnia", "X-INSOMNIA-BOUNDARY", "cat.png", "image/png", plain, png),
		row("PHP, Guzzle", "0cc175b9c0f1b6a831c399e269772661d8a9f0b2", "cat.png", "image/png", plain, "Content-Length: 34", png),
		row("Ruby, multipart-post and Faraday", "-------------RubyMultipartPost-9f86d081884c7d65", "cat.png", "image/png",
			plain, "Content-Length: 34", png, "Content-Transfer-Encoding: binary"),
		row("Ruby, rest-client", "----RubyFormBoundaryQ1w2E3r4T5y6U7i8", "cat.png", "image/png", plain, png),
		row("Go, mime/multipart", strings.Repeat("0f1e2d", 10), "cat.png", "", plain, "Content-Type: application/octet-stream"),
		row("Rust, reqwest", "6f4e2d1c0b9a8877-6655443322110099-aabbccddeeff0011-2233445566778899", "cat.png", "image/png",
			plain, png),
		row("Perl, LWP", "xYzZY", "cat.png", "image/png", plain, png),
		quoted(row("Qt, QHttpMultiPart", "boundary_.oOo._MTIzNDU2Nzg5MC8=", "cat.png", "image/png", png, plain)),
		row("Delphi, Indy", "--------070120140947342", "cat.png", "image/png", plain, png, "Content-Transfer-Encoding: binary"),
		emptyField("other", one("x", plain, png)),
		emptyField("file", one("x", plain, png)),
		emptyField("file", one("x", `Content-Disposition: form-data; name="camera"; filename="cat.png"`, png)),
		emptyField("other", emptyField("file", one("x", plain, png)).body),
	}
}

// emptyField is a browser's form with a field in which no file was chosen before the rest.
func emptyField(name, rest string) clientShape {
	return clientShape{client: "a browser's form with an empty field " + name, contentType: formData + "x",
		body: "--x\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"\"\nContent-Type: application/octet-stream\n\n\n" +
			rest, filename: "cat.png", declared: "image/png"}
}

// oddClients write what mime/multipart and mime.ParseMediaType alone do not read, or what has to be decided.
func oddClients() []clientShape {
	row := func(client, header, boundary, filename string, part ...string) clientShape {
		return clientShape{client: client, contentType: formData + header, body: one(boundary, part...), filename: filename}
	}
	part := func(name, filename, content string) string {
		header := "--x\nContent-Disposition: form-data; name=\"" + name + `"`
		if filename != "" {
			header += `; filename="` + filename + `"`
		}
		return header + "\n\n" + content + "\n"
	}
	json := func(name, filename, content string) string {
		return strings.Replace(part(name, filename, content), "\n\n", "\nContent-Type: application/json\n\n", 1)
	}
	large := strings.Repeat("l", 100_000)
	beside := func(what, filename string, status int, code string, parts ...string) clientShape {
		return clientShape{client: what, contentType: formData + "x", body: strings.Join(parts, "") + "--x--\n", filename: filename,
			status: status, code: code}
	}
	return []clientShape{
		row("boundary: quoted in the body, too", `"abc"`, `"abc"`, "cat.png", plain),
		row("boundary: quoted in the header alone", `"abc"`, "abc", "cat.png", plain),
		row("boundary: apostrophes in the header and the body", "'abc'", "'abc'", "cat.png", plain),
		row("boundary: apostrophes in the header alone", "'abc'", "abc", "cat.png", plain),
		row("boundary: equals signs without quotes", "===============733==", "===============733==", "cat.png", plain),
		row("boundary: equals signs without quotes, and another parameter", "----=_Part_0_1.2; charset=utf-8", "----=_Part_0_1.2",
			"cat.png", plain),
		row("boundary: a colon and a slash without quotes", "a:b/c?d", "a:b/c?d", "cat.png", plain),
		row("boundary: a space without quotes", "a b", "a b", "cat.png", plain),
		{client: "boundary: of an upper-case header", contentType: "Multipart/Form-Data; Boundary=x", body: one("x", plain),
			filename: "cat.png"},
		{client: "a preamble and an epilogue", contentType: formData + `"x"`,
			body: "This is MIME.\n" + one("x", plain) + "The end.\n", filename: "cat.png"},
		{client: "an empty line before the first boundary", contentType: formData + `'x'`, body: "\n" + one("x", plain),
			filename: "cat.png"},
		row("lines that end in LF alone", "x", "x", "cat.png", plain),
		row("a folded header", "x", "x", "cat.png", "Content-Disposition: form-data;\n name=\"file\";\n filename=\"cat.png\""),
		row("filename: a quote that is not escaped", "x", "x", `a"b.png`, `Content-Disposition: form-data; name="file"; filename="a"b.png"`),
		row("filename: such a quote, and the name behind it", "x", "x", `a"b.png`, `Content-Disposition: form-data; filename="a"b.png"; name="file"`),
		row("filename: spaces without quotes", "x", "x", "my cat.png", "Content-Disposition: form-data; name=file; filename=my cat.png"),
		row("filename: a semicolon", "x", "x", "a; b.png", `Content-Disposition: form-data; name="file"; filename="a; b.png"`),
		row("filename: a semicolon without quotes", "x", "x", "a; b.png", "Content-Disposition: form-data; name=file; filename=a; b.png"),
		row("filename: no closing quote", "x", "x", "my cat.png", `Content-Disposition: form-data; name="file"; filename="my cat.png`),
		row("filename: a backslash at its end", "x", "x", `C:\dir\`, `Content-Disposition: form-data; name="file"; filename="C:\dir\"`),
		row("filename*: not as it should be", "x", "x", "cat.png", plain+"; filename*=cat%zz.png"),
		row("filename*: in quotes", "x", "x", "größe.png", plain+`; filename*="UTF-8''gr%C3%B6%C3%9Fe.png"`),
		row("filename: not UTF-8", "x", "x", "gr\xf6\xdfe.png", "Content-Disposition: form-data; name=\"file\"; filename=\"gr\xf6\xdfe.png\""),
		row("filename: an escaped quote before what looks like a parameter", "x", "x", `a"; b=c.png`,
			`Content-Disposition: form-data; filename="a\"; b=c.png"; name="file"`),
		row("filename: given twice", "x", "x", "cat.png", plain+`; filename="dog.png"`),
		row("name: given twice", "x", "x", "cat.png", plain+`; name="other"`),
		row("attachment in place of form-data", "x", "x", "cat.png", `Content-Disposition: attachment; name="file"; filename="cat.png"`),
		{client: "a type with parameters", contentType: formData + "x", body: one("x", plain, "Content-Type: Image/PNG; charset=binary"),
			filename: "cat.png", declared: "image/png"},

		beside("the only part with a filename", "cat.png", 0, "", part("a", "", "1"), part("upload", "cat.png", "FILE")),
		beside("a small file before the part file", "", 422, "several_files", part("thumb", "t.png", "small"), part("file", "cat.png", "FILE")),
		beside("a small file behind the part file", "", 422, "several_files", part("file", "cat.png", "FILE"), part("thumb", "t.png", "small")),
		beside("a large file before the part file", "", 422, "several_files", part("thumb", "t.png", large), part("file", "cat.png", "FILE")),
		beside("a large file behind the part file", "", 422, "several_files", part("file", "cat.png", "FILE"), part("thumb", "t.png", large)),
		beside("a file of one byte before the part file", "", 422, "several_files", part("thumb", "t.png", "1"), part("file", "cat.png", "FILE")),
		beside("a file of one byte behind the part file", "", 422, "several_files", part("file", "cat.png", "FILE"), part("thumb", "t.png", "1")),
		beside("a file and a part file without a filename", "", 422, "several_files", part("thumb", "t.png", "small"), part("file", "", "FILE")),
		beside("a part file without a filename and a file", "", 422, "several_files", part("file", "", "FILE"), part("thumb", "t.png", "small")),
		beside("a page's JSON beside the part file", "cat.png", 0, "", json("meta", "blob", "{}"), part("file", "cat.png", "FILE"), json("more", "blob", "{}")),
		beside("a JSON file beside the part file", "", 422, "several_files", part("file", "cat.png", "FILE"), json("data", "data.json", "{}")),
		beside("a page's picture beside the part file", "", 422, "several_files", part("file", "cat.png", "FILE"), part("thumb", "blob", "small")),
		beside("two parts file", "", 422, "several_files", part("file", "a.png", "FILE"), part("file", "b.png", "FILE")),
		beside("two parts file, fields between them", "", 422, "several_files", part("file", "a.png", "FILE"), part("a", "", "1"), part("file", "", "FILE")),
		beside("two parts with filenames", "", 422, "several_files", part("a", "a.png", "FILE"), part("b", "b.png", "FILE")),
		beside("two large parts with filenames", "", 422, "several_files", part("a", "a.png", large), part("b", "b.png", large)),
		beside("a part file with a filename and no byte, before a file", "", 422, "several_files", part("file", "a.png", ""), part("b", "b.png", "FILE")),
		beside("a part file with a filename and no byte, behind a file", "", 422, "several_files", part("b", "b.png", "FILE"), part("file", "a.png", "")),
		beside("a part file without a filename", "", 0, "", part("a", "", "1"), part("file", "", "FILE")),
		beside("parts without a byte around the part file", "cat.png", 0, "", part("a", "a.png", ""), part("file", "cat.png", "FILE"),
			part("b", "b.png", ""), part("file", "", "")),
		beside("parts without a byte around the only part with a filename", "cat.png", 0, "", part("a", "a.png", ""),
			part("file", "", ""), part("upload", "cat.png", "FILE"), part("file", "", ""), part("b", "b.png", "")),
		beside("no part with a byte", "", 406, "size", part("file", "", ""), part("a", "a.png", "")),
		beside("a part file without a byte", "", 406, "size", part("file", "cat.png", "")),
		{client: "a body that ends where a second file begins", contentType: formData + "x", status: 400, code: "bad_multipart",
			body: part("file", "a.png", "FILE") + strings.TrimSuffix(part("b", "b.png", ""), "\n")},
		beside("a large field", "", 400, "bad_multipart", part("a", "", large), part("file", "b.png", "FILE")),
		beside("no file", "", 400, "bad_multipart", part("a", "", "FILE")),
		beside("a part without a header", "", 400, "bad_multipart", "--x\n\nFILE\n"),
		beside("a header that is none", "", 400, "bad_multipart", "--x\nContent-Disposition form-data\n\nFILE\n"),
		beside("a control character in the filename", "", 400, "bad_multipart", part("file", "a\x01b.png", "FILE")),
		row("boundary: endless", strings.Repeat("b", 201), strings.Repeat("b", 201), "", plain).refused(400, "bad_multipart"),
		row("boundary: empty quotes", `""`, "", "", plain).refused(400, "bad_multipart"),
		{client: "boundary: none", contentType: "multipart/form-data", body: one("x", plain), status: 400, code: "bad_multipart"},

		textType("text/plain"), textType("text/plain;charset=UTF-8"), textType("TEXT/HTML"), textType("application/json"),
		textType("application/xml"), textType("application/javascript"), textType("image/svg+xml"),
		textType("application/ld+json; profile=x"),
	}
}

func (s clientShape) refused(status int, code string) clientShape {
	s.status, s.code = status, code
	return s
}

// textType is a raw body under a type whose bytes AWS damages.
func textType(contentType string) clientShape {
	return clientShape{client: "raw, " + contentType, contentType: contentType, body: "FILE", status: 415,
		code: "unsupported_media_type"}
}

func TestEveryClientGetsItsFileInOnEveryWay(t *testing.T) {
	shapes := append(properClients(), oddClients()...)
	for way, transport := range transports {
		t.Run(way, func(t *testing.T) {
			for _, s := range shapes {
				t.Run(s.client, func(t *testing.T) {
					w := newFixture(t)
					contentType := s.contentType
					if contentType == "" {
						contentType = "-"
					}
					got := readReply(t, transport(t, w.handler)(request(t, "POST", named("cat.png"), strings.NewReader(s.text()),
						"Content-Type", contentType)))
					if s.status != 0 {
						if got.status != s.status || got.member(t, "code") != s.code {
							t.Fatalf("status %d, want %d %s: %s", got.status, s.status, s.code, got.body)
						}
						w.wantNothingNew()
					} else if got.status != 202 {
						t.Fatalf("status %d: %s", got.status, got.body)
					} else if kept, _ := w.objects.Bytes(w.pipeline.Layout.QuarantineKey(ref("e", idNew)), ""); string(kept) != picture {
						t.Errorf("quarantine holds %q, want %q", kept, picture)
					}
					w.wantClean()
				})
			}
		})
	}
}

func TestWhatAClientSaysOfItsFileIsRead(t *testing.T) {
	for _, s := range append(properClients(), oddClients()...) {
		if s.status != 0 || !strings.HasPrefix(strings.ToLower(s.contentType), "multipart/") {
			continue
		}
		t.Run(s.client, func(t *testing.T) {
			filename, declared, err := api.ReadMultipart(s.contentType, strings.NewReader(s.text()), t.TempDir())
			if err != nil || filename != s.filename || declared != s.declared {
				t.Errorf("read %q of type %q, %v; want %q of type %q", filename, declared, err, s.filename, s.declared)
			}
		})
	}
}

func TestARefusalOfABodySaysWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ contentType, body, says string }{
		{formData + "x", "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nb\r\n--x--", `The body has no file part: send the file as a part named \"file\"`},
		{formData + "x", "--x--\r\n", "The body has no file part"},
		{formData + "x", "--x\r\n\r\nb\r\n--x--", `The header of a part cannot be read: Content-Disposition: form-data; name=\"file\"`},
		{formData + "x", "--x\r\nContent-Disposition form-data\r\n\r\nb\r\n--x--", "The header of a part cannot be read"},
		{formData + "x", "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nb", "ends before its last boundary"},
		{"multipart/form-data", "--x--", "Most clients set it themselves when the header is left out"},
		{"text/plain", "b", "send it as image/png, application/octet-stream or multipart/form-data"},
	} {
		got := newFixture(t).do("POST", named("cat.png"), strings.NewReader(c.body), "Content-Type", c.contentType)
		if got.status < 400 || !strings.Contains(got.body, c.says) {
			t.Errorf("%s %q: %d %s, want %q", c.contentType, c.body, got.status, got.body, c.says)
		}
	}
}

// In AWS a body of a type of text comes as UTF-8, so that any other charset would be stored damaged.
func TestARawTextIsTakenInUTF8AloneOnEveryWay(t *testing.T) {
	const latin = "Gr\xfc\xdfe\n"
	form := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n" + latin + "\r\n--x--\r\n"
	for way, transport := range transports {
		for _, c := range []struct {
			contentType, body string
			status            int
		}{
			{"text/csv", "Grüße\n", 202}, {"text/csv; charset=windows-1252", latin, 415}, {"text/plain", latin, 415},
			{"application/octet-stream", latin, 202}, {"application/vnd.ms-excel", latin, 202}, {formData + "x", form, 202},
		} {
			w := newFixture(t)
			kind := w.pipeline.Policy.Kinds["images"]
			kind.Extensions = []string{"csv"}
			w.pipeline.Policy = policy.Policy{Kinds: map[policy.KindName]policy.Kind{"images": kind}}
			got := readReply(t, transport(t, w.handler)(request(t, "POST", named("a.csv"), strings.NewReader(c.body),
				"Content-Type", c.contentType)))
			if got.status != c.status {
				t.Errorf("%s, %s %q: %d %s, want %d", way, c.contentType, c.body, got.status, got.body, c.status)
			}
			if c.status != 202 {
				w.wantNothingNew()
			}
			w.wantClean()
		}
	}
}
