package locals3_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func sha(body string) string {
	sum := sha256.Sum256([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func createOnly(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }

// promotion is the copy that the product makes of an upload that was allowed.
func promotion(from, version, to string) *s3.CopyObjectInput {
	return &s3.CopyObjectInput{
		Bucket: aws.String(bucket), Key: &to, IfNoneMatch: aws.String("*"),
		CopySource:        aws.String(url.QueryEscape(bucket+"/"+from) + "?versionId=" + version),
		MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"source-version": version},
		TaggingDirective: types.TaggingDirectiveReplace, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		ContentType: aws.String("image/png"), ContentDisposition: aws.String(`inline; filename="a.png"`),
	}
}

func TestACreateOnlyPutOntoAKeyThatIsThereIsRefused(t *testing.T) {
	in, _ := places()
	key := in("create-only/a")
	first := put(t, key, "first", createOnly)
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("second"), IfNoneMatch: aws.String("*")})
	if code(err) != "PreconditionFailed" {
		t.Fatalf("second put: %v, want PreconditionFailed", err)
	}
	body, out := get(t, key, "")
	if body != "first" || *out.VersionId != *first.VersionId {
		t.Errorf("the key holds %q version %s, want the first", body, *out.VersionId)
	}
	if n := len(seen.of(key)); n != 1 {
		t.Errorf("%d arrivals, want 1", n)
	}
}

func TestACreateOnlyPutWorksAgainAfterTheLastVersionWasDeleted(t *testing.T) {
	in, _ := places()
	for name, version := range map[string]func(string) *string{
		"by version":     func(v string) *string { return &v },
		"by marker only": func(string) *string { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			key := in("again/") + strings.ReplaceAll(name, " ", "-")
			out := put(t, key, "first", createOnly, func(in *s3.PutObjectInput) {
				in.Metadata = map[string]string{"first": "yes"}
				in.Tagging = aws.String("first=yes")
				in.ContentDisposition = aws.String("attachment")
			})
			if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{
				Bucket: aws.String(bucket), Key: &key, VersionId: version(*out.VersionId)}); err != nil {
				t.Fatal(err)
			}
			if !gone(t, key, "") {
				t.Fatal("the key is still there")
			}
			put(t, key, "second", createOnly)
			body, again := get(t, key, "")
			if body != "second" || len(again.Metadata) != 0 || again.TagCount != nil ||
				aws.ToString(again.ContentDisposition) != "" {
				t.Errorf("got %q with metadata %v, tags %v, disposition %v: want only what the second put set",
					body, again.Metadata, again.TagCount, aws.ToString(again.ContentDisposition))
			}
		})
	}
}

func TestOfManyCreateOnlyPutsAndCopiesExactlyOneWins(t *testing.T) {
	in, filed := places()
	source := in("race/source")
	version := *put(t, source, "bytes").VersionId
	for round := range 5 {
		to := fmt.Sprintf(filed("race/%d"), round)
		var won, lost, other int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for n := range 12 {
			wg.Go(func() {
				var err error
				if n%2 == 0 {
					_, err = client.CopyObject(t.Context(), promotion(source, version, to))
				} else {
					_, err = client.PutObject(t.Context(), &s3.PutObjectInput{
						Bucket: aws.String(bucket), Key: &to, Body: strings.NewReader("bytes"), IfNoneMatch: aws.String("*")})
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case code(err) == "PreconditionFailed":
					lost++
				default:
					other++
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 || lost != 11 {
			t.Errorf("round %d: %d won, %d lost, %d failed: want 1, 11, 0", round, won, lost, other)
		}
	}
}

func TestAPromotionCarriesOnlyWhatItNames(t *testing.T) {
	in, filed := places()
	from, to, bytes := in("promote/é a+b"), filed("promote/1"), strings.Repeat("picture", 1000)
	version := *put(t, from, "an earlier version").VersionId
	wanted := *put(t, from, bytes, func(in *s3.PutObjectInput) {
		in.Metadata = map[string]string{"uploader": "said"}
		in.Tagging = aws.String("uploader=said")
		in.ContentType = aws.String("text/html")
		in.CacheControl = aws.String("max-age=1")
	}).VersionId
	put(t, from, "a later version")

	out, err := client.CopyObject(t.Context(), promotion(from, wanted, to))
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.CopyObjectResult.ChecksumSHA256); got != sha(bytes) {
		t.Errorf("the copy answers SHA-256 %q, want %q", got, sha(bytes))
	}
	if aws.ToString(out.CopySourceVersionId) != wanted || aws.ToString(out.VersionId) == "" {
		t.Errorf("the copy answers source %v version %v, want source %s", out.CopySourceVersionId, out.VersionId, wanted)
	}
	head, err := client.HeadObject(t.Context(),
		&s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &to, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	if len(head.Metadata) != 1 || head.Metadata["source-version"] != wanted {
		t.Errorf("metadata %v, want source-version alone", head.Metadata)
	}
	if aws.ToString(head.ChecksumSHA256) != sha(bytes) || *head.ContentLength != int64(len(bytes)) {
		t.Errorf("head: SHA-256 %q, %d bytes", aws.ToString(head.ChecksumSHA256), *head.ContentLength)
	}
	if *head.ContentType != "image/png" || *head.ContentDisposition != `inline; filename="a.png"` ||
		aws.ToString(head.CacheControl) != "" {
		t.Errorf("head: type %q disposition %q cache %q", *head.ContentType, *head.ContentDisposition,
			aws.ToString(head.CacheControl))
	}
	if tags, err := client.GetObjectTagging(t.Context(),
		&s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: &to}); err != nil || len(tags.TagSet) != 0 {
		t.Errorf("tags %v (%v), want none", tags, err)
	}
	if body, _ := get(t, to, ""); body != bytes {
		t.Error("the copy has other bytes")
	}
	if body, _ := get(t, from, version); body != "an earlier version" {
		t.Errorf("the first version reads %q", body)
	}
	if n := len(seen.of(to)); n != 0 {
		t.Errorf("%d arrivals for a key outside quarantine", n)
	}
}

func TestACopyOfAVersionThatIsGoneIsRefused(t *testing.T) {
	in, filed := places()
	from := in("copy-gone")
	version := *put(t, from, "x").VersionId
	if _, err := client.DeleteObject(t.Context(),
		&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &from, VersionId: &version}); err != nil {
		t.Fatal(err)
	}
	_, err := client.CopyObject(t.Context(), promotion(from, version, filed("copy-gone")))
	if c := code(err); c != "NoSuchKey" && c != "NoSuchVersion" {
		t.Errorf("copy: %v, want NoSuchKey or NoSuchVersion", err)
	}
	if !gone(t, filed("copy-gone"), "") {
		t.Error("there is a copy all the same")
	}
}

func TestVersionsAreListedAndDeletedOneByOne(t *testing.T) {
	in, _ := places()
	key := in("versions/k")
	var ids []string
	for _, body := range []string{"one", "two", "three"} {
		ids = append(ids, *put(t, key, body).VersionId)
	}
	marker, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil || marker.DeleteMarker == nil || !*marker.DeleteMarker {
		t.Fatalf("delete without version: %+v, %v", marker, err)
	}
	if !gone(t, key, "") {
		t.Error("the key can be read behind its delete marker")
	}
	list := func() (versions, markers []string) {
		out, err := client.ListObjectVersions(t.Context(),
			&s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: aws.String(in("versions/"))})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out.Versions {
			versions = append(versions, *v.VersionId)
		}
		for _, m := range out.DeleteMarkers {
			markers = append(markers, *m.VersionId)
		}
		return versions, markers
	}
	versions, markers := list()
	if want := []string{ids[2], ids[1], ids[0]}; !equal(versions, want) || !equal(markers, []string{*marker.VersionId}) {
		t.Fatalf("versions %v markers %v, want %v and %v", versions, markers, want, *marker.VersionId)
	}
	// From the newest to the oldest: each takes the place of the one before, with its own bytes.
	remove := func(id string) {
		if _, err := client.DeleteObject(t.Context(),
			&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key, VersionId: &id}); err != nil {
			t.Fatalf("delete version %s: %v", id, err)
		}
	}
	remove(*marker.VersionId)
	for i := len(ids) - 1; i >= 0; i-- {
		if body, out := get(t, key, ""); body != []string{"one", "two", "three"}[i] || *out.VersionId != ids[i] {
			t.Errorf("with %d versions left the key reads %q version %s", i+1, body, *out.VersionId)
		}
		remove(ids[i])
		remove(ids[i]) // again: no error
	}
	if versions, markers = list(); len(versions)+len(markers) != 0 || !gone(t, key, "") {
		t.Errorf("left: versions %v, markers %v", versions, markers)
	}
}

func TestAReaderNeverGetsTheBytesOfOneVersionWithTheAttributesOfAnother(t *testing.T) {
	in, _ := places()
	key := in("torn")
	put(t, key, "0", func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"body": "0"} })
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := range 60 {
			body := strings.Repeat(fmt.Sprint(n), 1+n*100)
			_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key,
				Body: strings.NewReader(body), Metadata: map[string]string{"body": fmt.Sprint(sha(body))}})
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for reading := true; reading; {
		select {
		case <-written:
			reading = false
		default:
		}
		if body, out := get(t, key, ""); out.Metadata["body"] != body && out.Metadata["body"] != sha(body) {
			t.Fatalf("%d bytes came with the metadata %v", len(body), out.Metadata)
		}
	}
}

func TestAnEarlierVersionIsDeletedWithoutTouchingTheCurrentOne(t *testing.T) {
	in, _ := places()
	key := in("versions-middle")
	first := *put(t, key, "one").VersionId
	put(t, key, "two")
	for range 2 {
		if _, err := client.DeleteObject(t.Context(),
			&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key, VersionId: &first}); err != nil {
			t.Fatal(err)
		}
	}
	if body, _ := get(t, key, ""); body != "two" || !gone(t, key, first) {
		t.Errorf("the key reads %q", body)
	}
}

func TestABatchDeletesVersions(t *testing.T) {
	in, _ := places()
	a, b := in("batch/a"), in("batch/b")
	va, vb := put(t, a, "a").VersionId, put(t, b, "b").VersionId
	out, err := client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: &a, VersionId: va}, {Key: &b, VersionId: vb}}}})
	if err != nil || len(out.Errors) != 0 || len(out.Deleted) != 2 {
		t.Fatalf("got %+v, %v", out, err)
	}
	if !gone(t, a, "") || !gone(t, b, "") {
		t.Error("something is still there")
	}
	put(t, a, "again", createOnly)
}

func TestAPresignedGetWorksUntilItIsChanged(t *testing.T) {
	_, filed := places()
	key := filed("presigned")
	version := put(t, key, "shared").VersionId
	signed, err := s3.NewPresignClient(client).PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: &key, VersionId: version, ResponseContentType: aws.String("image/png")},
		s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{signed.URL: http.StatusOK,
		strings.Replace(signed.URL, "presigned", "promote", 1): http.StatusForbidden} {
		response, err := http.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("got %d, want %d: %s", response.StatusCode, want, body)
		}
		if want == http.StatusOK && (string(body) != "shared" || response.Header.Get("Content-Type") != "image/png") {
			t.Errorf("got %q as %s", body, response.Header.Get("Content-Type"))
		}
	}
}

func TestAWrongSecretIsRefused(t *testing.T) {
	in, _ := places()
	_, err := clientFor(server.URL(), "another secret").PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(in("wrong-secret")), Body: strings.NewReader("x")})
	if code(err) != "SignatureDoesNotMatch" {
		t.Errorf("got %v, want SignatureDoesNotMatch", err)
	}
	if !gone(t, in("wrong-secret"), "") {
		t.Error("it was stored")
	}
}

func TestAKeyThatLeadsOutOfTheBucketIsRefused(t *testing.T) {
	for _, key := range []string{"quarantine/../../outside", ".sgwtmp/x"} {
		if _, err := client.PutObject(t.Context(),
			&s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("x")}); err == nil {
			t.Errorf("%q was stored", key)
		}
	}
}

func TestABodyWithAnotherChecksumIsNotStored(t *testing.T) {
	in, _ := places()
	key := in("checksum")
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key,
		Body: strings.NewReader("bytes"), ChecksumSHA256: aws.String(sha("other bytes"))})
	if code(err) != "BadDigest" || !gone(t, key, "") {
		t.Errorf("got %v, want BadDigest and nothing stored", err)
	}
	put(t, key, "bytes", createOnly)
}

func TestBrowsersOfTheAllowedOriginsMayUseTheBucket(t *testing.T) {
	in, _ := places()
	key := in("cors")
	put(t, key, "bytes")
	link, err := s3.NewPresignClient(client).PresignGetObject(t.Context(),
		&s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, url, origin string, header ...string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", origin)
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	for _, c := range []struct {
		origin, method string
		allowed        bool
	}{
		{site, "POST", true}, {site, "GET", true}, {besides, "POST", true}, {besides, "GET", true}, {site, "PUT", false},
		{"http://evil.example", "POST", false}, {"null", "GET", false}, {besides + "0", "GET", false},
	} {
		before := strings.Count(logged.String(), "HATCHERY_CORS_ORIGINS")
		response := ask(http.MethodOptions, server.URL()+"/"+bucket, c.origin, "Access-Control-Request-Method", c.method,
			"Access-Control-Request-Headers", "content-type")
		want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[c.allowed]
		if response.StatusCode != want {
			t.Errorf("preflight of %s from %s: %d, want %d", c.method, c.origin, response.StatusCode, want)
		}
		if said := strings.Count(logged.String(), "HATCHERY_CORS_ORIGINS") - before; (said == 0) != c.allowed {
			t.Errorf("preflight of %s from %s: the log names the setting %d times", c.method, c.origin, said)
		}
		wantAllowed(t, response, c.origin, c.allowed)
		if c.method == "GET" {
			wantAllowed(t, ask(http.MethodGet, link.URL, c.origin), c.origin, c.allowed)
		}
	}
}

// wantAllowed checks whether a page of the origin may read an answer.
func wantAllowed(t *testing.T, response *http.Response, origin string, allowed bool) {
	t.Helper()
	got, exposed := response.Header.Get("Access-Control-Allow-Origin"), response.Header.Get("Access-Control-Expose-Headers")
	if allowed != (got == origin) || !allowed && got != "" || allowed && (!strings.Contains(exposed, "ETag") ||
		!strings.Contains(exposed, "Content-Disposition")) {
		t.Errorf("a page of %s, allowed %v, is answered %v", origin, allowed, response.Header)
	}
}

func equal(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
