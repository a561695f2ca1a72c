package locals3_test

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"hatchery/shared/arrival"
	"hatchery/shared/local/locals3"
)

// childEnv names the folder that the test binary is to serve, as a child.
const childEnv = "LOCALS3_TEST_CHILD"

// filesEnv is how many files the child may have open; without it, as many as it can.
const filesEnv = "LOCALS3_TEST_FILES"

var (
	kills    = flag.Int("kills", 10, "how often the server is killed under load")
	killSeed = flag.Int64("killseed", time.Now().UnixNano(), "the seed of the load and of the moments of the kills")
)

// child serves a folder until it is killed or its standard input ends, and prints its address.
func child(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := limitFiles(os.Getenv(filesEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o := options(dir)
	o.Created = func(context.Context, arrival.Created) error { return nil }
	s, err := locals3.Open(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// serving is a child process that serves a folder.
type serving struct {
	*exec.Cmd
	client *s3.Client
	url    string
}

func startChild(t testing.TB, dir string, env ...string) *serving {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"="+dir), env...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &serving{Cmd: cmd}
	t.Cleanup(func() { stdin.Close(); s.kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	s.url = strings.TrimSpace(line)
	s.client = clientFor(s.url, secretKey)
	return s
}

func (s *serving) kill() {
	_ = s.Process.Kill()
	_ = s.Wait()
}

// A kept version is one that was acknowledged and not yet deleted.
type kept struct{ key, id, body string }

// ledger is what the client knows after each answer.
type ledger struct {
	mu      sync.Mutex
	kept    map[string]kept // by key and id
	fresh   []kept          // acknowledged since the last restart
	deleted map[string]kept
	open    map[string]bool // keys with an unanswered request
}

func (l *ledger) stored(k kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept[k.key+" "+k.id] = k
	l.fresh = append(l.fresh, k)
}

// deleting takes a version out of what must be there; deletedIt says that it must be gone.
func (l *ledger) deleting(k kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, k.key+" "+k.id)
}

func (l *ledger) deletedIt(k kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deleted[k.key+" "+k.id] = k
}

func (l *ledger) unanswered(key string, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if is {
		l.open[key] = true
	} else {
		delete(l.open, key)
	}
}

// TestWhatWasAcknowledgedSurvivesAKill kills the server at random moments under load. After each restart, every
// version that was acknowledged is there with its bytes and metadata, every deleted one is gone, and what was not
// acknowledged is there wholly or not at all.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	t.Logf("-kills %d -killseed %d", *kills, *killSeed)
	random := rand.New(rand.NewPCG(uint64(*killSeed), 1))
	dir := filepath.Join(t.TempDir(), "s3")
	book := &ledger{kept: make(map[string]kept), deleted: make(map[string]kept), open: make(map[string]bool)}
	undone := 0
	for round := range *kills {
		s := startChild(t, dir)
		running := 50*time.Millisecond + time.Duration(random.IntN(200_000))*time.Microsecond
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for worker := range 6 {
			workerSeed := random.Uint64()
			load.Go(func() { work(ctx, s.client, book, fmt.Sprintf("%d/%d", round, worker), workerSeed) })
		}
		// A moment of running is the thing under test here, so it is waited for and not simulated.
		<-time.After(running)
		s.kill()
		cancel()
		load.Wait()
		undone += locals3.Unfinished(t, dir)
		again := startChild(t, dir)
		if verify(t, again.client, book, book.fresh); round == *kills-1 {
			verify(t, again.client, book, slices.Collect(maps.Values(book.kept)))
		}
		book.fresh = nil
		again.kill()
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
	}
	t.Logf("%d versions kept, %d deleted, %d changes cut short", len(book.kept), len(book.deleted), undone)
	if len(book.kept) == 0 || len(book.deleted) == 0 {
		t.Error("the load did not do enough to mean anything")
	}
}

// work does what the pipeline does to its keys, and some of what it does not, until the server is gone.
func work(ctx context.Context, c *s3.Client, book *ledger, place string, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	for n := 0; ctx.Err() == nil; n++ {
		from, to := fmt.Sprintf("quarantine/%s/%d", place, n), fmt.Sprintf("files/%s/%d", place, n)
		first, ok := storeBody(ctx, c, book, from, random)
		if !ok {
			return
		}
		if n%3 == 1 { // the same form sent again
			if _, ok = storeBody(ctx, c, book, from, random); !ok {
				return
			}
		}
		book.unanswered(to, true)
		out, err := c.CopyObject(ctx, promotion(from, first.id, to))
		if err != nil {
			return
		}
		book.unanswered(to, false)
		book.stored(kept{to, *out.VersionId, first.body})
		if n%4 == 3 { // a deleted record: the copy goes too
			if !deleteVersion(ctx, c, book, kept{to, *out.VersionId, first.body}) {
				return
			}
		}
		if !deleteVersion(ctx, c, book, first) {
			return
		}
	}
}

func storeBody(ctx context.Context, c *s3.Client, book *ledger, key string, random *rand.Rand) (kept, bool) {
	body := strings.Repeat(fmt.Sprintf("%016x", random.Uint64()), 1+random.IntN(8000))
	sum := sha256.Sum256([]byte(body))
	book.unanswered(key, true)
	out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(body),
		Metadata: map[string]string{"sum": hex.EncodeToString(sum[:])}, ContentType: aws.String("image/gif")})
	if err != nil {
		return kept{}, false
	}
	book.unanswered(key, false)
	k := kept{key, *out.VersionId, body}
	book.stored(k)
	return k, true
}

func deleteVersion(ctx context.Context, c *s3.Client, book *ledger, k kept) bool {
	book.deleting(k)
	book.unanswered(k.key, true)
	if _, err := c.DeleteObject(ctx,
		&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &k.key, VersionId: &k.id}); err != nil {
		return false
	}
	book.unanswered(k.key, false)
	book.deletedIt(k)
	return true
}

func verify(t *testing.T, c *s3.Client, book *ledger, versions []kept) {
	t.Helper()
	for _, k := range versions {
		if _, still := book.kept[k.key+" "+k.id]; !still {
			continue
		}
		if body := wholeVersion(t, c, k.key, k.id); body != k.body {
			t.Errorf("%s version %s: %d bytes, want the %d that were acknowledged", k.key, k.id, len(body), len(k.body))
		}
	}
	for _, k := range book.deleted {
		if _, err := c.HeadObject(t.Context(),
			&s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &k.key, VersionId: &k.id}); code(err) != "NotFound" {
			t.Errorf("%s version %s was deleted, but: %v", k.key, k.id, err)
		}
	}
	for key := range book.open {
		list, err := c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: &key})
		if err != nil {
			t.Fatal(err)
		}
		versions := 0
		for _, version := range list.Versions {
			if *version.Key == key {
				wholeVersion(t, c, key, *version.VersionId)
				versions++
			}
		}
		// A key is free exactly when nothing of it is there.
		_, err = c.PutObject(t.Context(),
			&s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("again"),
				IfNoneMatch: aws.String("*")})
		if (versions == 0) != (err == nil) || err != nil && code(err) != "PreconditionFailed" {
			t.Errorf("%s has %d versions, and a create-only put says: %v", key, versions, err)
		}
	}
	clear(book.open)
}

// wholeVersion reads a version and checks that its bytes and its metadata belong together.
func wholeVersion(t *testing.T, c *s3.Client, key, id string) string {
	t.Helper()
	out, err := c.GetObject(t.Context(),
		&s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key, VersionId: &id, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Errorf("%s version %s: %v", key, id, err)
		return ""
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Errorf("%s version %s: %v", key, id, err)
		return ""
	}
	sum, etag := sha256.Sum256(body), md5.Sum(body)
	if got := strings.Trim(aws.ToString(out.ETag), `"`); got != hex.EncodeToString(etag[:]) {
		t.Errorf("%s version %s: ETag %s is not the MD5 of its %d bytes", key, id, got, len(body))
	}
	if strings.HasPrefix(key, "files/") {
		if got := aws.ToString(out.ChecksumSHA256); got != base64.StdEncoding.EncodeToString(sum[:]) ||
			out.Metadata["source-version"] == "" || aws.ToString(out.ContentType) != "image/png" {
			t.Errorf("%s version %s: SHA-256 %q, metadata %v, type %v", key, id, got, out.Metadata,
				aws.ToString(out.ContentType))
		}
	} else if out.Metadata["sum"] != hex.EncodeToString(sum[:]) || aws.ToString(out.ContentType) != "image/gif" {
		t.Errorf("%s version %s: metadata %v, type %v", key, id, out.Metadata, aws.ToString(out.ContentType))
	}
	return string(body)
}
