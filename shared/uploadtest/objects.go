package uploadtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hatchery/shared/upload"
)

// Objects is one versioned bucket in memory. It may be used concurrently.
//
// Version ids are counted per key, so the same calls on one key always give the
// same ids, and no id is ever given to two keys.
type Objects struct {
	mu       sync.Mutex
	keys     map[upload.Key][]version // oldest first
	made     map[upload.Key]int       // versions ever made under a key
	arrivals []Arrival
	notify   func(Arrival)
	now      func() time.Time
}

var (
	_ upload.Objects   = (*Objects)(nil)
	_ upload.Downloads = (*Objects)(nil)
	_ upload.Forms     = (*Objects)(nil)
	_ upload.Inventory = (*Objects)(nil)
)

// version is one version of an object; it is never changed.
type version struct {
	id          upload.Version
	number      int       // of those ever made under its key, from 1
	at          time.Time // when it was written; zero without a clock
	marker      bool      // a delete marker: no bytes
	body        []byte
	sha256      string
	source      upload.Version
	round       upload.Round
	contentType string
	disposition string
}

// Arrival is what a bucket notifies of: bytes that came from outside.
type Arrival struct {
	Key     upload.Key
	Version upload.Version
	Size    int64
}

// NewObjects makes an empty bucket.
func NewObjects() *Objects {
	return &Objects{keys: map[upload.Key][]version{}, made: map[upload.Key]int{}}
}

// Clone copies the bucket with all it holds, without who is notified.
func (o *Objects) Clone() *Objects {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &Objects{keys: make(map[upload.Key][]version, len(o.keys)), made: maps.Clone(o.made),
		arrivals: slices.Clone(o.arrivals), now: o.now}
	for k, versions := range o.keys {
		c.keys[k] = slices.Clone(versions)
	}
	return c
}

// Notify calls f for every arrival from now on: once, after the bytes are
// there, in the goroutine that brought them.
func (o *Objects) Notify(f func(Arrival)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notify = f
}

// Arrivals lists what Put and Post brought, in order. What Promote copied is not
// among it: a bucket notifies for quarantine alone.
func (o *Objects) Arrivals() []Arrival {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.arrivals)
}

// Put implements upload.Objects.
func (o *Objects) Put(ctx context.Context, key upload.Key, body io.ReadSeeker, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(body, size+1))
	if err != nil {
		return err
	}
	if int64(len(data)) != size {
		return fmt.Errorf("body does not have the %d bytes that were announced", size)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	if o.newest(key) != nil {
		o.mu.Unlock()
		return upload.ErrExists
	}
	o.arrive(key, data)
	return nil
}

// Post does what a client does with a signed form: the bytes become a new
// version, whatever is there.
func (o *Objects) Post(key upload.Key, body []byte) upload.Version {
	o.mu.Lock()
	return o.arrive(key, bytes.Clone(body)).Version
}

// arrive adds a version, unlocks, and notifies.
func (o *Objects) arrive(key upload.Key, data []byte) Arrival {
	id := o.add(key, version{body: data, sha256: sumOf(data)})
	a := Arrival{key, id, int64(len(data))}
	o.arrivals = append(o.arrivals, a)
	notify := o.notify
	o.mu.Unlock()
	if notify != nil {
		notify(a)
	}
	return a
}

// Mark puts a delete marker on a key, as a deletion without a version id does.
func (o *Objects) Mark(key upload.Key) upload.Version {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.add(key, version{marker: true})
}

func (o *Objects) add(key upload.Key, v version) upload.Version {
	o.made[key]++
	h := fnv.New32a()
	io.WriteString(h, string(key)) //nolint:errcheck // a hash takes everything
	v.id = upload.Version(fmt.Sprintf("v%d-%08x", o.made[key], h.Sum32()))
	v.number = o.made[key]
	if o.now != nil {
		v.at = o.now()
	}
	o.keys[key] = append(o.keys[key], v)
	return v.id
}

// newest is the current object of a key, nil when there is none or it is hidden
// by a delete marker.
func (o *Objects) newest(key upload.Key) *version {
	versions := o.keys[key]
	if len(versions) == 0 || versions[len(versions)-1].marker {
		return nil
	}
	return &versions[len(versions)-1]
}

// find is one version with bytes; id "" is the newest.
func (o *Objects) find(key upload.Key, id upload.Version) *version {
	if id == "" {
		return o.newest(key)
	}
	for i, v := range o.keys[key] {
		if v.id == id && !v.marker {
			return &o.keys[key][i]
		}
	}
	return nil
}

// Open implements upload.Objects.
func (o *Objects) Open(ctx context.Context, key upload.Key, id upload.Version) (upload.Object, error) {
	if err := ctx.Err(); err != nil {
		return upload.Object{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.find(key, id)
	if v == nil {
		return upload.Object{}, upload.ErrGone
	}
	read := &body{ctx: ctx, rest: bytes.NewReader(v.body)}
	return upload.Object{Version: v.id, Size: int64(len(v.body)), Body: read}, nil
}

// body reads until it is closed or its context ends.
type body struct {
	ctx    context.Context
	rest   *bytes.Reader
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.closed {
		return 0, fmt.Errorf("read a body that is closed")
	}
	return b.rest.Read(p)
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

// Promote implements upload.Objects.
func (o *Objects) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	if err := ctx.Err(); err != nil {
		return upload.Copy{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	from := o.find(p.From, p.Version)
	if from == nil {
		return upload.Copy{}, upload.ErrGone
	}
	if o.newest(p.To) != nil {
		return upload.Copy{}, upload.ErrExists
	}
	o.add(p.To, version{body: from.body, sha256: from.sha256, source: from.id, round: p.Round,
		contentType: p.ContentType, disposition: p.Disposition})
	return o.newest(p.To).copied(), nil
}

// promote is Promote of bytes that lie elsewhere.
func (o *Objects) promote(body []byte, p upload.Promotion) (upload.Copy, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.newest(p.To) != nil {
		return upload.Copy{}, upload.ErrExists
	}
	o.add(p.To, version{body: body, sha256: sumOf(body), source: p.Version, round: p.Round, contentType: p.ContentType,
		disposition: p.Disposition})
	return o.newest(p.To).copied(), nil
}

func (v *version) copied() upload.Copy {
	return upload.Copy{Version: v.id, Source: v.source, Round: v.round, SHA256: v.sha256}
}

// Stat implements upload.Objects.
func (o *Objects) Stat(ctx context.Context, key upload.Key) (upload.Copy, error) {
	if err := ctx.Err(); err != nil {
		return upload.Copy{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.newest(key)
	if v == nil {
		return upload.Copy{}, upload.ErrGone
	}
	return v.copied(), nil
}

// Remove implements upload.Objects.
func (o *Objects) Remove(ctx context.Context, key upload.Key, id upload.Version) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if id == "" {
		return fmt.Errorf("remove needs a version id")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys[key] = slices.DeleteFunc(o.keys[key], func(v version) bool { return v.id == id })
	if len(o.keys[key]) == 0 {
		delete(o.keys, key)
	}
	return nil
}

// Versions implements upload.Objects: oldest first.
func (o *Objects) Versions(ctx context.Context, key upload.Key) ([]upload.Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return o.ids(key), nil
}

func (o *Objects) ids(key upload.Key) []upload.Version {
	o.mu.Lock()
	defer o.mu.Unlock()
	var ids []upload.Version
	for _, v := range o.keys[key] {
		ids = append(ids, v.id)
	}
	return ids
}

// Keys lists the keys with any version or marker, in order.
func (o *Objects) Keys() []upload.Key {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.keys))
}

// Bytes gives the bytes of one version ("" is the newest) to look at, not to
// change. It is false when there are none.
func (o *Objects) Bytes(key upload.Key, id upload.Version) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.find(key, id)
	if v == nil {
		return nil, false
	}
	return v.body, true
}

// ETag gives the ETag of one version. It is weaker than any real one: the
// length and the first eight bytes, so that different files of one format and
// length have the same.
func (o *Objects) ETag(key upload.Key, id upload.Version) (string, bool) {
	data, ok := o.Bytes(key, id)
	if !ok {
		return "", false
	}
	return fmt.Sprintf("%d-%x", len(data), data[:min(8, len(data))]), true
}

// Described gives the content type and disposition that a version was promoted
// with.
func (o *Objects) Described(key upload.Key, id upload.Version) (contentType, disposition string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.find(key, id)
	if v == nil {
		return "", "", false
	}
	return v.contentType, v.disposition, true
}

// ReadRange implements upload.Downloads.
func (o *Objects) ReadRange(ctx context.Context, key upload.Key, id upload.Version,
	offset, length int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, ok := o.Bytes(key, id)
	if !ok {
		return nil, upload.ErrGone
	}
	if offset < 0 || offset > int64(len(data)) || length < -1 {
		return nil, fmt.Errorf("range of %d bytes from %d is not within %d bytes", length, offset, len(data))
	}
	data = data[offset:]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return &body{ctx: ctx, rest: bytes.NewReader(data)}, nil
}

// Link implements upload.Downloads. The URL leads nowhere; it names the key,
// the version and the lifetime, for a test to look at.
func (o *Objects) Link(ctx context.Context, l upload.Link) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	q := make([]string, 0, 4)
	for _, p := range [][2]string{{"versionId", string(l.Version)}, {"response-content-type", l.ContentType},
		{"response-content-disposition", l.Disposition}, {"X-Amz-Expires", fmt.Sprint(int64(l.Lifetime / time.Second))}} {
		q = append(q, p[0]+"="+url.QueryEscape(p[1]))
	}
	return "https://bucket.test/" + string(l.Key) + "?" + strings.Join(q, "&"), nil
}

// Sign implements upload.Forms. The fields have the names that S3 gives them;
// the policy says in clear what is allowed, and nobody checks it: see Post.
func (o *Objects) Sign(ctx context.Context, f upload.FormRequest) (upload.Form, error) {
	if err := ctx.Err(); err != nil {
		return upload.Form{}, err
	}
	policy := fmt.Sprintf("%s %s %d-%d until %s", f.Key, f.ContentType, f.MinBytes, f.MaxBytes,
		f.Expires.UTC().Format(time.RFC3339))
	return upload.Form{Method: "POST", URL: "https://bucket.test/", Expires: f.Expires,
		Fields: map[string]string{"key": string(f.Key), "Content-Type": f.ContentType, "policy": policy}}, nil
}

// Digest is equal for two buckets that hold the same.
func (o *Objects) Digest() [sha256.Size]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	var text []byte
	for _, key := range slices.Sorted(maps.Keys(o.made)) {
		text = fmt.Appendf(text, "%s %d\n", key, o.made[key])
		for _, v := range o.keys[key] {
			for _, s := range []string{string(v.id), v.sha256, string(v.source), v.contentType, v.disposition} {
				text = append(append(text, s...), ' ')
			}
			text = append(strconv.AppendInt(text, int64(v.round), 10), '\n')
		}
	}
	return sha256.Sum256(text)
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
