//go:build acceptance

package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/local/demoapp"
	"hatchery/shared/local/localdynamo"
	"hatchery/shared/records/dynamorecords"
)

const (
	cloudBucket    = "hatchery-uploads"
	cloudTable     = "hatchery-records"
	cloudAccessKey = "AKIDSPEED"
	cloudSecretKey = "a secret of the measurements"
)

// latencies are what a service's answers are held back by.
type latencies struct{ s3, dynamodb time.Duration }

// cloud is S3, DynamoDB and an application in this process's memory, for functions whose speed is measured. The records
// are in the DynamoDB of `hatchery dev`.
type cloud struct {
	bucket *memoryBucket
	table  *dynamodb.Client
	env    []string // of functions that use it
	held   atomic.Pointer[latencies]
}

func newCloud(t testing.TB, secure bool) *cloud {
	t.Helper()
	c := &cloud{bucket: &memoryBucket{objects: map[string][]*memoryObject{}}}
	c.held.Store(&latencies{})
	tables, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: region,
		AccessKey: cloudAccessKey, SecretKey: cloudSecretKey})
	check(t, err)
	t.Cleanup(func() { _ = tables.Close(context.WithoutCancel(t.Context())) })
	c.table = dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(tables.URL()), Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(cloudAccessKey, cloudSecretKey, "")})
	_, err = c.table.CreateTable(t.Context(), dynamorecords.TableInput(cloudTable))
	check(t, err)

	env := []string{"AWS_REGION=" + region, "AWS_ACCESS_KEY_ID=" + cloudAccessKey,
		"AWS_SECRET_ACCESS_KEY=" + cloudSecretKey, "HATCHERY_BUCKET=" + cloudBucket, "HATCHERY_RECORDS=dynamodb",
		"HATCHERY_TABLE=" + cloudTable, "HATCHERY_POST_BYTES=4400000", "HATCHERY_REDIRECT_BYTES=4000000"}
	for name, service := range map[string]struct {
		handler http.Handler
		of      func(latencies) time.Duration
	}{
		"AWS_ENDPOINT_URL_S3":       {c.bucket, func(l latencies) time.Duration { return l.s3 }},
		"AWS_ENDPOINT_URL_DYNAMODB": {tables, func(l latencies) time.Duration { return l.dynamodb }},
		"HATCHERY_APPLICATION_URL":  {demoapp.Handler(), func(latencies) time.Duration { return 0 }},
	} {
		server := httptest.NewUnstartedServer(c.hold(service.handler, service.of))
		if secure {
			server.StartTLS()
			authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			file := filepath.Join(t.TempDir(), "authority.pem")
			check(t, os.WriteFile(file, authority, 0o600))
			env = append(env, "SSL_CERT_FILE="+file) // the same for all
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		env = append(env, name+"="+server.URL)
	}
	c.env = env
	return c
}

// hold answers later.
func (c *cloud) hold(handler http.Handler, of func(latencies) time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := of(*c.held.Load()); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return
			}
		}
		handler.ServeHTTP(w, r)
	})
}

// memoryBucket answers the calls of S3 that the functions make for an upload that goes well, with the conditions,
// versions and checksums that they count on. It checks no signature. Whatever else it is asked for is a 501.
type memoryBucket struct {
	mu      sync.Mutex
	objects map[string][]*memoryObject // the versions of a key, the newest last
	made    int
}

type memoryObject struct {
	version string
	body    []byte
	header  http.Header // as GetObject answers: type, disposition, metadata and checksum
}

// answers as S3 gives them; the text is its error code.
var (
	errNoSuchKey      = errors.New("NoSuchKey")
	errPrecondition   = errors.New("PreconditionFailed")
	errIncompleteBody = errors.New("IncompleteBody")
	errNotImplemented = errors.New("NotImplemented")
)

var statusOf = map[error]int{errNoSuchKey: http.StatusNotFound, errPrecondition: http.StatusPreconditionFailed,
	errIncompleteBody: http.StatusBadRequest, errNotImplemented: http.StatusNotImplemented}

func (b *memoryBucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, inBucket := strings.CutPrefix(r.URL.Path, "/"+cloudBucket+"/")
	query := r.URL.Query()
	version := query.Get("versionId")
	query.Del("versionId")
	query.Del("x-id") // the operation's name, which the SDK adds
	err := errNotImplemented
	switch {
	case !inBucket || len(query) > 0:
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		err = b.copyObject(w, key, r.Header)
	case r.Method == http.MethodPut:
		err = b.putObject(w, key, r)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		err = b.getObject(w, r, key, version)
	case r.Method == http.MethodDelete && version != "":
		b.remove(key, version)
		w.WriteHeader(http.StatusNoContent)
		err = nil
	}
	if err != nil {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(statusOf[err])
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s %s</Message></Error>", err, r.Method, r.URL.Path)
	}
}

func (b *memoryBucket) putObject(w http.ResponseWriter, key string, r *http.Request) error {
	o := &memoryObject{header: keptHeader(r.Header)}
	var err error
	if r.Header.Get("X-Amz-Trailer") != "" {
		err = o.readChunks(r)
	} else {
		o.body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, o.body)
	}
	if err != nil {
		return errIncompleteBody
	}
	return b.add(w, key, o, r.Header.Get("If-None-Match"))
}

// keptHeader has the headers of a request that a read of the object answers with.
func keptHeader(request http.Header) http.Header {
	header := maps.Clone(request)
	maps.DeleteFunc(header, func(name string, _ []string) bool {
		return !strings.HasPrefix(name, "X-Amz-Meta-") && !strings.HasPrefix(name, "X-Amz-Checksum-Crc") &&
			name != "Content-Type" && name != "Content-Disposition"
	})
	return header
}

// readChunks reads a body in chunks, with the checksum behind it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func (o *memoryObject) readChunks(r *http.Request) error {
	size, err := strconv.Atoi(r.Header.Get("X-Amz-Decoded-Content-Length"))
	if err != nil {
		return err
	}
	o.body = make([]byte, 0, size)
	in := bufio.NewReader(r.Body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		chunk, err := strconv.ParseUint(strings.TrimSpace(line), 16, 31)
		if err != nil || len(o.body)+int(chunk) > size {
			return fmt.Errorf("a chunk of %q: %w", line, err)
		}
		if chunk == 0 {
			break
		}
		o.body = o.body[:len(o.body)+int(chunk)]
		if _, err := io.ReadFull(in, o.body[len(o.body)-int(chunk):]); err != nil {
			return err
		}
		if _, err := in.Discard(len("\r\n")); err != nil {
			return err
		}
	}
	trailer, err := in.ReadString('\n')
	name, value, found := strings.Cut(strings.TrimSpace(trailer), ":")
	if err != nil || !found || len(o.body) != size || !strings.EqualFold(name, r.Header.Get("X-Amz-Trailer")) {
		return fmt.Errorf("%d bytes of %d, and then %q: %w", len(o.body), size, trailer, err)
	}
	o.header.Set(name, value)
	return nil
}

func (b *memoryBucket) copyObject(w http.ResponseWriter, key string, header http.Header) error {
	source, version, _ := strings.Cut(header.Get("X-Amz-Copy-Source"), "?versionId=")
	from, err := url.PathUnescape(strings.TrimPrefix(source, cloudBucket+"/"))
	if err != nil || header.Get("X-Amz-Checksum-Algorithm") != "SHA256" ||
		header.Get("X-Amz-Metadata-Directive") != "REPLACE" {
		return errNotImplemented
	}
	original := b.find(from, version)
	if original == nil {
		return errNoSuchKey
	}
	sum := sha256.Sum256(original.body)
	o := &memoryObject{body: original.body, header: keptHeader(header)}
	o.header.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	if err := b.add(w, key, o, header.Get("If-None-Match")); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "<CopyObjectResult><ChecksumSHA256>%s</ChecksumSHA256></CopyObjectResult>",
		o.header.Get("X-Amz-Checksum-Sha256"))
	return err
}

// add keeps a new version. "*" is a write that must be the first.
func (b *memoryBucket) add(w http.ResponseWriter, key string, o *memoryObject, ifNoneMatch string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ifNoneMatch == "*" && len(b.objects[key]) > 0 {
		return errPrecondition
	}
	b.made++
	o.version = fmt.Sprintf("version-%d", b.made)
	b.objects[key] = append(b.objects[key], o)
	w.Header().Set("X-Amz-Version-Id", o.version)
	return nil
}

// find gives a version, or the newest; nil when there is none.
func (b *memoryBucket) find(key, version string) *memoryObject {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range slices.Backward(b.objects[key]) {
		if version == "" || o.version == version {
			return o
		}
	}
	return nil
}

func (b *memoryBucket) getObject(w http.ResponseWriter, r *http.Request, key, version string) error {
	o := b.find(key, version)
	if o == nil {
		return errNoSuchKey
	}
	maps.Copy(w.Header(), o.header)
	w.Header().Set("X-Amz-Version-Id", o.version)
	if r.Header.Get("Range") != "" { // a checksum is of the whole object
		maps.DeleteFunc(w.Header(), func(name string, _ []string) bool { return strings.HasPrefix(name, "X-Amz-Checksum-") })
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.body))
	return nil
}

func (b *memoryBucket) remove(key, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[key] = slices.DeleteFunc(b.objects[key], func(o *memoryObject) bool { return o.version == version })
	if len(b.objects[key]) == 0 {
		delete(b.objects, key)
	}
}

// keys are those that begin so.
func (b *memoryBucket) keys(prefix string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) {
			found = append(found, key)
		}
	}
	return found
}

// empty removes the keys that begin so.
func (b *memoryBucket) empty(prefix string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.objects, func(key string, _ []*memoryObject) bool { return strings.HasPrefix(key, prefix) })
}
