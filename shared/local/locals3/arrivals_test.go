package locals3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"hatchery/shared/arrival"
)

// wantArrival checks that a key arrived exactly once, as what is stored now.
func wantArrival(t *testing.T, key, name string) {
	t.Helper()
	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatalf("head %q: %v", key, err)
	}
	got := seen.of(key)
	if len(got) != 1 {
		t.Fatalf("%q: %d arrivals, want 1: %+v", key, len(got), got)
	}
	want := arrival.Created{
		Name: name, Time: got[0].Time, Region: region, Bucket: bucket, Key: key, VersionID: aws.ToString(head.VersionId),
		ETag: strings.Trim(*head.ETag, `"`), Sequencer: got[0].Sequencer, Size: *head.ContentLength,
	}
	if got[0] != want || want.VersionID == "" {
		t.Errorf("arrived\n%+v\nwant\n%+v", got[0], want)
	}
	if age := time.Since(got[0].Time); age < 0 || age > time.Minute {
		t.Errorf("arrived %s ago", age)
	}
	if _, err := arrival.Format(got...); err != nil {
		t.Errorf("the arrival cannot be written as S3 writes it: %v", err)
	}
}

func TestEachWayInIsAnnouncedBeforeTheClientHasItsAnswer(t *testing.T) {
	in, filed := places()
	t.Run("put, with a key that needs encoding", func(t *testing.T) {
		key := in("arrive/red flower+100%/é@&=?#ü.jpg")
		put(t, key, "a picture")
		wantArrival(t, key, "ObjectCreated:Put")
	})
	t.Run("signed form", func(t *testing.T) {
		key := in("arrive/form é+1")
		response := send(t, signedForm(t, key, time.Minute), nil, []byte("a picture"))
		if response.StatusCode != http.StatusNoContent {
			t.Fatalf("form: %d", response.StatusCode)
		}
		wantArrival(t, key, "ObjectCreated:Post")
	})
	t.Run("copy", func(t *testing.T) {
		from, to := filed("arrive/source"), in("arrive/copy")
		version := *put(t, from, "copied bytes").VersionId
		if _, err := client.CopyObject(t.Context(), promotion(from, version, to)); err != nil {
			t.Fatal(err)
		}
		wantArrival(t, to, "ObjectCreated:Copy")
		if got := seen.of(from); len(got) != 0 {
			t.Errorf("a key outside quarantine was announced: %+v", got)
		}
	})
	t.Run("multipart", func(t *testing.T) {
		key := in("arrive/multipart")
		parts := multipartUpload(t, key, strings.Repeat("p", 5<<20), "tail")
		wantArrival(t, key, "ObjectCreated:CompleteMultipartUpload")
		if got := seen.of(key)[0]; !strings.HasSuffix(got.ETag, "-2") || got.Size != 5<<20+4 {
			t.Errorf("arrived %+v, want an ETag of two parts", got)
		}
		if body, _ := get(t, key, ""); body != parts {
			t.Error("the object has other bytes than its parts")
		}
	})
}

func multipartUpload(t *testing.T, key string, parts ...string) string {
	t.Helper()
	upload, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	for i, part := range parts {
		number := aws.Int32(int32(i + 1))
		out, err := client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String(bucket), Key: &key,
			UploadId: upload.UploadId, PartNumber: number, Body: strings.NewReader(part),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	}
	if _, err := client.CompleteMultipartUpload(t.Context(),
		&s3.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: &key,
			UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(parts, "")
}

func TestAnArrivalThatCouldNotBeAnnouncedIsFoundBySweeping(t *testing.T) {
	in, _ := places()
	key := in("unannounced/a")
	out := put(t, key, "bytes") // succeeds all the same
	if !strings.Contains(logged.String(), key) || !strings.Contains(logged.String(), errUnannounced.Error()) {
		t.Errorf("the log does not say that %s was not announced: %s", key, logged)
	}
	var found []arrival.Created
	if err := server.Quarantined(t.Context(), func(c arrival.Created) error {
		if c.Key == key {
			found = append(found, c)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := arrival.Created{Name: "ObjectCreated:Put", Region: region, Bucket: bucket, Key: key,
		VersionID: *out.VersionId, ETag: strings.Trim(*out.ETag, `"`), Size: 5}
	if len(found) == 1 {
		want.Time, want.Sequencer = found[0].Time, found[0].Sequencer
	}
	if !reflect.DeepEqual(found, []arrival.Created{want}) {
		t.Errorf("found %+v, want %+v", found, want)
	}
}

func TestASweepYieldsEveryVersionUnderQuarantineAndNothingElse(t *testing.T) {
	in, filed := places()
	var want []string
	for i := range 7 {
		put(t, fmt.Sprintf("quarantine-beside/%d", i), "not under the prefix")
		key := fmt.Sprintf(in("sweep/%d/entries/x/k"), i)
		for range 1 + i%3*10 {
			want = append(want, key+" "+*put(t, key, "x").VersionId)
		}
	}
	hidden := in("sweep/hidden")
	want = append(want, hidden+" "+*put(t, hidden, "x").VersionId)
	if _, err := client.DeleteObject(t.Context(),
		&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &hidden}); err != nil {
		t.Fatal(err)
	}
	put(t, filed("sweep/1"), "x")
	slices.Sort(want)
	var got []string
	if err := server.Quarantined(t.Context(), func(c arrival.Created) error {
		if !strings.HasPrefix(c.Key, "quarantine/") {
			t.Errorf("yielded %q", c.Key)
		}
		if strings.HasPrefix(c.Key, in("sweep/")) {
			got = append(got, c.Key+" "+c.VersionID)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %d versions\n%v\nwant %d\n%v", len(got), got, len(want), want)
	}
}

func TestASweepEndsWithTheErrorOfItsCaller(t *testing.T) {
	in, _ := places()
	put(t, in("sweep-error"), "x")
	stop := errors.New("stop")
	calls := 0
	err := server.Quarantined(t.Context(), func(arrival.Created) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("got %v after %d calls, want the error itself after 1", err, calls)
	}
}

const formLimit = 1000

// signedForm is a form as the product signs it: one key, one type, 1 to formLimit bytes.
func signedForm(t *testing.T, key string, life time.Duration) *s3.PresignedPostRequest {
	t.Helper()
	return signedFormUpTo(t, key, life, formLimit)
}

func signedFormUpTo(t *testing.T, key string, life time.Duration, limit int64) *s3.PresignedPostRequest {
	t.Helper()
	form, err := s3.NewPresignClient(client).PresignPostObject(t.Context(),
		&s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key},
		func(o *s3.PresignPostOptions) {
			o.Expires = life
			o.Conditions = []any{
				[]any{"content-length-range", 1, limit},
				map[string]string{"Content-Type": "image/png"},
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	form.Values["Content-Type"] = "image/png"
	return form
}

// send posts a form as a browser does. changes replaces fields.
func send(t *testing.T, form *s3.PresignedPostRequest, changes map[string]string, file []byte) *http.Response {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range form.Values {
		if changed, ok := changes[name]; ok {
			value = changed
		}
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "cat.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(file); err != nil {
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
	request.Header.Set("Origin", site)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestASignedFormBindsKeyTypeSizeAndTime(t *testing.T) {
	in, filed := places()
	bytesOf := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	tests := []struct {
		name    string
		life    time.Duration
		changes map[string]string
		file    []byte
		status  int
		code    string
	}{
		{"as signed", time.Minute, nil, bytesOf(formLimit), http.StatusNoContent, ""},
		{"too large", time.Minute, nil, bytesOf(formLimit + 1), http.StatusBadRequest, "EntityTooLarge"},
		{"too small", time.Minute, nil, nil, http.StatusBadRequest, "EntityTooSmall"},
		{"another type", time.Minute, map[string]string{"Content-Type": "text/html"}, bytesOf(1), http.StatusForbidden,
			"AccessDenied"},
		{"another key", time.Minute, map[string]string{"key": filed("forms/stolen")}, bytesOf(1), http.StatusForbidden,
			"AccessDenied"},
		{"another signature", time.Minute, map[string]string{"X-Amz-Signature": strings.Repeat("0", 64)}, bytesOf(1),
			http.StatusForbidden, "SignatureDoesNotMatch"},
		{"expired", -time.Minute, nil, bytesOf(1), http.StatusForbidden, "AccessDenied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := in("forms/") + strings.ReplaceAll(tt.name, " ", "-")
			response := send(t, signedForm(t, key, tt.life), tt.changes, tt.file)
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != tt.status || !strings.Contains(string(body), "<Code>"+tt.code) && tt.code != "" {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, tt.status, tt.code)
			}
			if stored := !gone(t, key, ""); stored != (tt.status == http.StatusNoContent) {
				t.Errorf("stored: %v", stored)
			}
			if tt.status == http.StatusNoContent {
				if response.Header.Get("Access-Control-Allow-Origin") != site {
					t.Errorf("a browser cannot read the answer: %v", response.Header)
				}
				if got, out := get(t, key, ""); got != string(tt.file) || *out.ContentType != "image/png" {
					t.Errorf("stored %d bytes as %s", len(got), *out.ContentType)
				}
			}
		})
	}
	if !gone(t, filed("forms/stolen"), "") {
		t.Error("a form wrote a key that it was not signed for")
	}
}

func TestAFormSentAgainMakesAnotherVersionAndAnotherArrival(t *testing.T) {
	in, _ := places()
	key := in("forms/replayed")
	form := signedForm(t, key, time.Minute)
	for _, body := range []string{"first", "second"} {
		if response := send(t, form, nil, []byte(body)); response.StatusCode != http.StatusNoContent {
			t.Fatalf("form: %d", response.StatusCode)
		}
	}
	got := seen.of(key)
	if len(got) != 2 || got[0].VersionID == got[1].VersionID || got[0].Sequencer >= got[1].Sequencer {
		t.Fatalf("arrived %+v, want two versions in order", got)
	}
	for i, want := range []string{"first", "second"} {
		if body, _ := get(t, key, got[i].VersionID); body != want {
			t.Errorf("version %d reads %q, want %q", i+1, body, want)
		}
	}
}
