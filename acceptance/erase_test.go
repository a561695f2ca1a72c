//go:build acceptance

package acceptance

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/upload"
)

// erasure types the commands of docs/data-protection.md.
type erasure struct {
	vars, scan, fetch, discard, records, bytes, notes, again string
	deleteOne, deleteAll                                     string
}

func readErasure(t *testing.T) erasure {
	t.Helper()
	vars, show, erase := codeBlocks(t, "docs/data-protection.md", "## The commands below"),
		codeBlocks(t, "docs/data-protection.md", "## Showing what is kept"), codeBlocks(t, "docs/data-protection.md", "## Erasing")
	if len(vars) != 1 || len(show) != 2 || len(erase) != 7 {
		t.Fatalf("the page has %d, %d and %d blocks of commands, and this test knows 1, 2 and 7", len(vars), len(show), len(erase))
	}
	_, under, _ := strings.Cut(vars[0], "\n") // the first line are the values
	return erasure{vars: under, scan: show[0], fetch: show[1], deleteOne: erase[0], deleteAll: erase[1],
		records: erase[2], bytes: erase[3], discard: erase[4], notes: erase[5], again: erase[6]}
}

// erasesByHand: one upload, and then a whole journal, which the application may not know any more, are found nowhere
// afterwards, and what has a similar name is left alone.
func erasesByHand(t *testing.T, s *stack) {
	person := "person-" + entryID()
	in := func(journal, id string) entry { return entry{stack: s, journal: journal, id: id, token: "Bearer demo"} }
	e := in(person, "e1")
	neighbours := []entry{in(person+"0", "e1"), in("x-"+person, "e1")}
	one, other := e.leavesAll(t), in(person, "e10").leavesAll(t)
	var kept []record
	for _, n := range neighbours {
		kept = append(kept, n.leavesAll(t)[0])
	}
	restore := s.without(t, "ValidatorRole", "ReadQuarantine")
	died, err := e.post(t.Context(), "images", "cat.gif", picture(t))
	check(t, err)
	s.haveDied(t, 1)
	restore()

	c, folder := readErasure(t), t.TempDir()
	types := func(values string, blocks ...string) string {
		t.Helper()
		return mustRun(t, command{folder: folder, limit: 5 * time.Minute, args: []string{tool(t, "bash"), "-uc", values + "\n" + c.vars + strings.Join(blocks, "")},
			env: s.environment(t, "PATH="+filepath.Dir(hatcheryProgram(t))+":"+filepath.Dir(tool(t, "aws"))+":"+os.Getenv("PATH"),
				"stack="+s.name, "bucket="+s.bucket, "table="+s.table)}).stdout
	}
	gone := one[0]
	values := fmt.Sprintf("journal=%s entry=e1 kind=images id=%s", person, gone.ID)
	if shown := types(values, c.scan); strings.Count(shown, "\n") != 2 { // and its idempotency key
		t.Errorf("of one upload is shown:\n%s", shown)
	}
	types(values, c.records, c.bytes, c.notes)
	s.knowsNothing(t, gone.ID)
	check(t, e.stands(t.Context(), one[1]))

	values = fmt.Sprintf("journal=%s entry= kind= id=", person)
	types(values, c.scan, c.fetch)
	if files, err := filepath.Glob(filepath.Join(folder, "stored/entries/*/*/*")); err != nil || len(files) != 3 {
		t.Errorf("%d stored files were fetched, want 3: %v, %v", len(files), files, err)
	}
	types(values, c.records, c.bytes+c.discard, c.notes)
	if left := types(values, c.again, "true"); left != "" {
		t.Errorf("found again: %s", left)
	}
	s.knowsNothing(t, "/"+person+"/", "#"+person+"/")
	for _, r := range append(append(one, other...), died) {
		s.knowsNothing(t, r.ID)
	}
	for i, n := range neighbours {
		check(t, n.stands(t.Context(), kept[i]))
	}
	check(t, s.noDeadLetters(t.Context()))
}

// leavesAll leaves a stored upload with an idempotency key, one whose bytes are claimed, one that was rejected, one that
// was deleted, and one that waits for its form to be posted.
func (e entry) leavesAll(t *testing.T) []record {
	t.Helper()
	ctx := t.Context()
	stored, err := e.post(ctx, "images", "cat.gif", picture(t), "Idempotency-Key", e.journal+e.id)
	check(t, err)
	claimed, err := e.post(ctx, "pairs", "cat.gif", picture(t))
	check(t, err)
	refused, err := e.post(ctx, "images", "cat.png", noPicture)
	check(t, err)
	deleted, err := e.post(ctx, "images", "cat.gif", picture(t))
	check(t, err)
	waits, err := e.form(ctx, "images", map[string]any{"name": "cat.gif"})
	check(t, err)
	for _, r := range []record{stored, claimed, deleted} {
		_, err := e.stored(ctx, r)
		check(t, err)
	}
	check(t, e.rejected(ctx, refused, upload.TypeMismatch))
	_, err = e.want(ctx, http.StatusOK, nil, http.MethodDelete, e.path("images", deleted.ID), nil)
	check(t, err)
	return []record{stored, claimed, refused, deleted, waits.Record}
}

// stands: a stored upload is served.
func (e entry) stands(ctx context.Context, r record) error {
	_, err := e.want(ctx, http.StatusOK, nil, http.MethodGet, e.path(r.Kind, r.ID), nil)
	return err
}

// knowsNothing: no text is in the table, in the name of an object, or in a note about dead letters.
func (s *stack) knowsNothing(t *testing.T, texts ...string) {
	t.Helper()
	has := func(where string, in []byte) {
		for _, text := range texts {
			if bytes.Contains(in, []byte(text)) {
				t.Errorf("%s is in %s", text, where)
			}
		}
	}
	items := dynamodb.NewScanPaginator(s.database, &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true)})
	for items.HasMorePages() {
		page, err := items.NextPage(t.Context())
		check(t, err)
		for _, item := range page.Items {
			has("the table", fmt.Append(nil, shown(item)))
		}
	}
	objects := s3.NewListObjectVersionsPaginator(s.objects, &s3.ListObjectVersionsInput{Bucket: &s.bucket})
	for objects.HasMorePages() {
		page, err := objects.NextPage(t.Context())
		check(t, err)
		for _, v := range page.Versions {
			has("the bucket", []byte(*v.Key))
			if strings.HasPrefix(*v.Key, string(upload.DeadLetterPrefix)) {
				has(*v.Key, s.note(t, *v.Key, *v.VersionId))
			}
		}
		for _, m := range page.DeleteMarkers {
			has("the bucket", []byte(*m.Key))
		}
	}
}

// note is the content of one version of a note.
func (s *stack) note(t *testing.T, key, version string) []byte {
	t.Helper()
	out, err := s.objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, VersionId: &version})
	check(t, err)
	defer out.Body.Close()
	var from io.Reader = out.Body
	if strings.HasSuffix(key, ".gz") {
		from, err = gzip.NewReader(out.Body)
		check(t, err)
	}
	text, err := io.ReadAll(from)
	check(t, err)
	return text
}

// TestADeletionThroughTheAPIErasesTheBytes: `hatchery dev` does what the page says of one upload and of an entry.
func TestADeletionThroughTheAPIErasesTheBytes(t *testing.T) {
	r, c := startRehearsal(t, "erase"), readErasure(t)
	var ids []string
	for range 4 {
		id, _ := r.uploads()
		ids = append(ids, id)
	}
	check(t, os.WriteFile(filepath.Join(r.folder, "script.png"), noPicture, 0o600))
	refused, _ := r.uploadsTo("demo/entries/1", "script.png")
	status := func(id string) string {
		return r.runs(fmt.Sprintf(`curl -fsS -H 'Authorization: demo' '%s/files/demo/entries/1/images/%s/status?wait=10' | jq -r .status`, r.api, id))
	}
	for _, id := range append(slices.Clone(ids), refused) {
		if got := strings.TrimSpace(status(id)); got == string(upload.Pending) {
			t.Fatalf("%s is %s", id, got)
		}
	}
	r.before = fmt.Sprintf("api=%s TOKEN=demo journal=demo entry=1 kind=images id=%s\n", r.api, ids[0])
	r.runs(c.deleteOne)
	if got := strings.TrimSpace(status(ids[1])); got != string(upload.Stored) {
		t.Errorf("the neighbour is %s", got)
	}
	r.runs(c.deleteAll)
	for _, id := range append(ids, refused) {
		if got := strings.TrimSpace(status(id)); got != string(upload.Deleted) {
			t.Errorf("%s is %s", id, got)
		}
	}
	gif, err := os.ReadFile(filepath.Join(r.folder, "cat.gif"))
	check(t, err)
	check(t, filepath.WalkDir(filepath.Join(r.folder, ".hatchery"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, gif[:min(len(gif), 200)]) || bytes.Contains(text, noPicture) {
			t.Errorf("%s has bytes of what was deleted", path)
		}
		return err
	}))
}
