package locals3_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// line is one version or delete marker of a listing, as a test compares it.
func line(key, version *string, latest *bool, kind string) string {
	return fmt.Sprintf("%s %s %s %t", aws.ToString(key), aws.ToString(version), kind, aws.ToBool(latest))
}

// listVersions lists everything under a prefix in pages of a size.
func listVersions(t *testing.T, prefix string, size int32) (lines []string, pages int) {
	t.Helper()
	in := &s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: &prefix, MaxKeys: &size}
	for {
		out, err := client.ListObjectVersions(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		if n := len(out.Versions) + len(out.DeleteMarkers); n > int(size) {
			t.Fatalf("a page of %d holds %d", size, n)
		}
		var page []string
		for _, v := range out.Versions {
			page = append(page, line(v.Key, v.VersionId, v.IsLatest,
				fmt.Sprintf("%d %s", aws.ToInt64(v.Size), aws.ToString(v.ETag))))
			if v.LastModified == nil || v.LastModified.IsZero() {
				t.Errorf("%s has no time", aws.ToString(v.Key))
			}
		}
		for _, m := range out.DeleteMarkers {
			page = append(page, line(m.Key, m.VersionId, m.IsLatest, "marker"))
		}
		lines = append(lines, page...)
		if !aws.ToBool(out.IsTruncated) {
			return lines, pages
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
	}
}

func TestAListingOfVersionsIsTheSameInPagesOfEverySize(t *testing.T) {
	in, _ := places()
	// In the order of their bytes; a folder comes where its slash does.
	keys := []string{"listing/A", "listing/a-b", "listing/a.b", "listing/a/b", "listing/a/c/d", "listing/a0", "listing/b",
		"listing/é"}
	want := map[string]bool{}
	var order []string
	for _, name := range keys {
		key := in(name)
		for n := range 3 {
			out := put(t, key, strings.Repeat("x", n))
			latest := n == 2 && name != "listing/b"
			want[line(&key, out.VersionId, &latest, fmt.Sprintf("%d %s", n, aws.ToString(out.ETag)))] = true
		}
		order = append(order, key)
	}
	hidden := in("listing/b")
	marker, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &hidden})
	if err != nil {
		t.Fatal(err)
	}
	want[line(&hidden, marker.VersionId, aws.Bool(true), "marker")] = true

	whole, _ := listVersions(t, in("listing/"), 1000)
	var seen []string
	for _, l := range whole {
		if !want[l] {
			t.Errorf("listed %q, which was not expected", l)
		}
		if key, _, _ := strings.Cut(l, " "); len(seen) == 0 || seen[len(seen)-1] != key {
			seen = append(seen, key)
		}
	}
	if len(whole) != len(want) {
		t.Errorf("%d lines, want %d", len(whole), len(want))
	}
	// The marker is the newest of its key, and the SDK gives markers apart.
	if got := slices.Compact(slices.DeleteFunc(slices.Clone(seen),
		func(k string) bool { return k == hidden })); !slices.Equal(got,
		slices.DeleteFunc(slices.Clone(order), func(k string) bool { return k == hidden })) {
		t.Errorf("keys come as %q, want %q", got, order)
	}
	sorted := slices.Sorted(slices.Values(whole))
	for _, size := range []int32{1, 2, 3, 4, 7, 24, 25, 26} {
		lines, pages := listVersions(t, in("listing/"), size)
		if slices.Sort(lines); !slices.Equal(lines, sorted) {
			t.Errorf("in pages of %d: %d lines, not the same as in one page", size, len(lines))
		}
		if expected := (len(want) + int(size) - 1) / int(size); pages != expected {
			t.Errorf("in pages of %d there are %d, want %d", size, pages, expected)
		}
	}
}

func TestAListingOfVersionsHasAllThatBeginsWithItsPrefixAndNothingElse(t *testing.T) {
	in, _ := places()
	keys := []string{"prefix/a", "prefix/ab", "prefix/abc/x", "prefix/abc/y/z", "prefix/b", "prefixed"}
	for _, name := range keys {
		put(t, in(name), name)
	}
	for _, prefix := range []string{"prefix", "prefix/", "prefix/a", "prefix/ab", "prefix/abc", "prefix/abc/", "prefix/abc/x",
		"prefix/abc/y/z", "prefix/abc/y/zz", "prefix/c", "prefix/none/x", "prefix/a/x", "prefix//a", "prefix/./a",
		"prefix/../prefix/a", "prefix/abc/../../../", "prefixed/",
		"prefix/" + strings.Repeat("x", 300) + "/a"} {
		var want []string
		for _, name := range keys {
			if strings.HasPrefix(name, prefix) {
				want = append(want, in(name))
			}
		}
		slices.Sort(want)
		var got []string
		lines, _ := listVersions(t, in(prefix), 1000)
		for _, l := range lines {
			key, _, _ := strings.Cut(l, " ")
			got = append(got, key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", prefix, got, want)
		}
	}
}

func TestAListingOfVersionsGoesOnAfterWhatIsNotThereAnyMore(t *testing.T) {
	in, _ := places()
	a, b := in("going/a"), in("going/b")
	var ids []string
	for _, body := range []string{"1", "2", "3"} {
		ids = append(ids, *put(t, a, body).VersionId)
	}
	last := *put(t, b, "4").VersionId
	page, err := client.ListObjectVersions(t.Context(),
		&s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: aws.String(in("going/")), MaxKeys: aws.Int32(2)})
	if err != nil || aws.ToString(page.NextVersionIdMarker) != ids[1] {
		t.Fatalf("%+v, %v: want a page that ends with %s", page, err, ids[1])
	}
	if _, err := client.DeleteObject(t.Context(),
		&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &a, VersionId: &ids[1]}); err != nil {
		t.Fatal(err)
	}
	rest := func() (got []string) {
		out, err := client.ListObjectVersions(t.Context(),
			&s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: aws.String(in("going/")),
				KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out.Versions {
			got = append(got, *v.VersionId)
		}
		return got
	}
	if got := rest(); !slices.Equal(got, []string{ids[0], last}) {
		t.Errorf("after the removed version come %q, want %q", got, []string{ids[0], last})
	}
	for _, id := range []string{ids[0], ids[2]} {
		if _, err := client.DeleteObject(t.Context(),
			&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &a, VersionId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	if got := rest(); !slices.Equal(got, []string{last}) {
		t.Errorf("after the removed key come %q, want %q", got, []string{last})
	}
}

func TestAListingOfVersionsRefusesAMarkerThatItNeverGave(t *testing.T) {
	in, _ := places()
	key := in("marker/a")
	put(t, key, "a")
	for name, input := range map[string]*s3.ListObjectVersionsInput{
		"no version id": {KeyMarker: &key, VersionIdMarker: aws.String("../../etc")},
		"without a key": {VersionIdMarker: aws.String("01ARZ3NDEKTSV4RRFFQ69G5FAV")},
	} {
		input.Bucket = aws.String(bucket)
		if _, err := client.ListObjectVersions(t.Context(), input); code(err) != "InvalidArgument" {
			t.Errorf("%s: %v, want InvalidArgument", name, err)
		}
	}
	if _, err := client.ListObjectVersions(t.Context(),
		&s3.ListObjectVersionsInput{Bucket: aws.String("another")}); code(err) != "NoSuchBucket" {
		t.Errorf("another bucket: %v, want NoSuchBucket", err)
	}
	out, err := client.ListObjectVersions(t.Context(),
		&s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: &key, MaxKeys: aws.Int32(0)})
	if err != nil || len(out.Versions) != 0 || aws.ToBool(out.IsTruncated) {
		t.Errorf("a page of none: %+v, %v", out, err)
	}
}

func TestAStoredFolderIsListedWithItsSlash(t *testing.T) {
	in, _ := places()
	folder, file := in("folders/f/"), in("folders/f/a")
	put(t, folder, "")
	put(t, file, "a")
	lines, _ := listVersions(t, in("folders/"), 1)
	if len(lines) != 2 || !strings.HasPrefix(lines[0], folder+" null ") || !strings.HasPrefix(lines[1], file+" ") {
		t.Errorf("listed %q, want %q as null and then %q", lines, folder, file)
	}
}

func TestWhatIsStillBeingUploadedIsNotListed(t *testing.T) {
	in, _ := places()
	key := in("unfinished/a")
	made, err := client.CreateMultipartUpload(t.Context(),
		&s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.UploadPart(t.Context(),
		&s3.UploadPartInput{Bucket: aws.String(bucket), Key: &key, UploadId: made.UploadId, PartNumber: aws.Int32(1),
			Body: strings.NewReader("part")}); err != nil {
		t.Fatal(err)
	}
	existing := put(t, in("unfinished/b"), "b")
	lines, _ := listVersions(t, "", 1000)
	found := false
	for _, l := range lines {
		found = found || strings.Contains(l, aws.ToString(existing.VersionId))
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, key) {
			t.Errorf("listed %q", l)
		}
	}
	if !found {
		t.Errorf("%d lines, and not the one of what is there", len(lines))
	}
	if _, err := client.AbortMultipartUpload(t.Context(),
		&s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: &key, UploadId: made.UploadId}); err != nil {
		t.Fatal(err)
	}
}
