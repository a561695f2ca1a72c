package locals3_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// postForm posts a form whose fields before the file are these, then more fields, then the file.
func postForm(t *testing.T, key string, more func(w *multipart.Writer)) (status int, answer string) {
	t.Helper()
	form := signedFormUpTo(t, key, time.Minute, 1<<20)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range form.Values {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	more(w)
	file, err := w.CreateFormFile("file", "a.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(bytes.Repeat([]byte("bytes\r\n"), 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, form.URL, &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func field(t *testing.T, size int) func(w *multipart.Writer) {
	return func(w *multipart.Writer) {
		t.Helper()
		if err := w.WriteField("x-ignore-padding", strings.Repeat("a", size)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFormTakesAsMuchBeforeItsFileAsS3Does(t *testing.T) {
	in, _ := places()
	if status, answer := postForm(t, in("room"), field(t, 16<<10)); status != http.StatusNoContent {
		t.Fatalf("16 KiB more before the file: %d %s", status, answer)
	}
	if body, _ := get(t, in("room"), ""); len(body) != 7000 {
		t.Errorf("stored %d bytes", len(body))
	}
	for name, more := range map[string]func(w *multipart.Writer){
		"one field":   field(t, 20<<10),
		"a large one": field(t, 3<<20),
		"many fields": func(w *multipart.Writer) {
			for range 200 {
				field(t, 50)(w)
			}
		},
	} {
		status, answer := postForm(t, in("full"), more)
		if status != http.StatusBadRequest || !strings.Contains(answer, "<Code>MaxPostPreDataLengthExceededError</Code>") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if !gone(t, in("full"), "") {
		t.Error("a refused form was stored")
	}
}

func TestAHostOfSomebodyElseIsRefused(t *testing.T) {
	for host, want := range map[string]int{"": http.StatusForbidden, "bucket.localhost": http.StatusForbidden,
		"rebind.example": http.StatusMisdirectedRequest} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/"+bucket, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host // "" is that of the URL
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != want {
			t.Errorf("%q: %d %s, %v", host, response.StatusCode, text, err)
		}
		if want == http.StatusMisdirectedRequest && !strings.Contains(string(text), "<Code>InvalidHostHeader</Code>") {
			t.Errorf("%q is told %s", host, text)
		}
	}
}

// What is left of the body of a refused request is not the next request.
func TestTheRestOfABodyIsNoRequest(t *testing.T) {
	const next = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	fields := "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n"
	fields += strings.Repeat("a", 20<<10-len(fields)) // as much as is looked at
	for name, request := range map[string]string{
		"a form with large fields": fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"+
			"Content-Type: multipart/form-data; boundary=b\r\n\r\n%s%s", bucket, 1<<30, fields, next),
		"chunks": fmt.Sprintf("PUT /%s/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			bucket, len(next), next),
		"another host": fmt.Sprintf("PUT /%s/a HTTP/1.1\r\nHost: rebind.example\r\nContent-Length: %d\r\n\r\n%s", bucket,
			len(next), next),
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request+next); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil { // a connection that stays open is wrong
			t.Fatal(err)
		}
		var answers bytes.Buffer
		_, _ = io.Copy(&answers, conn) // it may be reset, because not all was read
		if got := answers.String(); strings.Count(got, "HTTP/1.1 ") > 1 || strings.Contains(got, "smuggled") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
