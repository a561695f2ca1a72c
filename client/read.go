package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Get gives the record of an upload, also of a deleted one while it is remembered.
func (e *Entry) Get(ctx context.Context, id string) (Record, error) { return e.status(ctx, id, nil) }

func (e *Entry) status(ctx context.Context, id string, query url.Values) (record Record, err error) {
	err = e.client.json(ctx, e.client.api(http.MethodGet, e.file(id)+"/status", query), &record, &record)
	return record, err
}

// pollPause is between two questions for a verdict: most servers hold the answer themselves.
const pollPause = time.Second

// Wait gives the record of an upload once it has its verdict, or the error with which ctx ended.
func (e *Entry) Wait(ctx context.Context, id string) (Record, error) {
	for {
		record, err := e.status(ctx, id, url.Values{"wait": {"20"}})
		if err != nil || record.Status != Pending {
			return record, err
		}
		if err := e.client.wait(ctx, pollPause); err != nil {
			return record, fmt.Errorf("wait for the verdict on %s: %w", id, err)
		}
	}
}

// List gives the records of a status, newest first. It asks for one page after the other while they are taken, and
// ends with an error that it meets.
func (e *Entry) List(ctx context.Context, status Status) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		query := url.Values{"status": {string(status)}, "limit": {"500"}}
		for {
			records, next, err := e.page(ctx, query)
			for _, record := range records {
				if !yield(record, nil) {
					return
				}
			}
			switch {
			case err != nil:
				yield(Record{}, err)
				return
			case next == "":
				return
			case next == query.Get("cursor"):
				yield(Record{}, fmt.Errorf("list %s: the next page is this page", e.path))
				return
			}
			query.Set("cursor", next)
		}
	}
}

// page reads one page. Its records stand under the name of the kind, beside next_cursor.
func (e *Entry) page(ctx context.Context, query url.Values) (records []Record, next string, err error) {
	var members map[string]json.RawMessage
	if err := e.client.json(ctx, e.client.api(http.MethodGet, e.path, query), &members, nil); err != nil {
		return nil, "", err
	}
	for name, member := range members {
		if name == "next_cursor" {
			err = json.Unmarshal(member, &next) // null leaves it empty
		} else {
			err = json.Unmarshal(member, &records)
		}
		if err != nil {
			break
		}
	}
	if err != nil || records == nil {
		return nil, "", fmt.Errorf("list %s: %w", e.path, errForeign)
	}
	return records, next, nil
}

// Delete deletes an upload, whatever its status, and gives its record.
func (e *Entry) Delete(ctx context.Context, id string) (record Record, err error) {
	q := e.client.api(http.MethodDelete, e.file(id), nil)
	err = e.client.repeat(ctx, func(try int) error {
		err := e.client.jsonOnce(ctx, q, &record, &record)
		if refused, ok := errors.AsType[*Error](err); try > 1 && ok && refused.Status == http.StatusNotFound {
			// An earlier try may have deleted it although its answer was lost.
			if now, getErr := e.Get(ctx, id); getErr == nil && now.Status == Deleted {
				record, err = now, nil
			}
		}
		return err
	})
	return record, err
}

// Open gives a stored file: its record and its bytes, which the caller closes. What was cut off is asked for from
// there on. Reading ends with [ErrDamaged] when the bytes are not those of the record. A file that is not stored is an
// *Error.
func (e *Entry) Open(ctx context.Context, id string) (Record, io.ReadCloser, error) {
	record, err := e.Get(ctx, id)
	if err != nil {
		return record, nil, err
	}
	body, err := e.Read(ctx, record)
	return record, body, err
}

// Read is [Entry.Open] of a file whose record is known.
func (e *Entry) Read(ctx context.Context, record Record) (io.ReadCloser, error) {
	d := &download{entry: e, ctx: ctx, record: record, sum: sha256.New()}
	if err := d.open(); err != nil {
		return nil, err
	}
	return d, nil
}

// download reads a file, over several connections if it must.
type download struct {
	entry  *Entry
	ctx    context.Context //nolint:containedctx // of the call that opened it: a reader has none
	record Record
	body   io.ReadCloser
	offset int64
	sum    hash.Hash
	cut    int // how often the answer was cut off
}

// open asks for the bytes from offset on.
func (d *download) open() error {
	c := d.entry.client
	return c.repeat(d.ctx, func(int) error {
		q := c.api(http.MethodGet, d.entry.file(d.record.ID), nil)
		q.redirects = true
		q.header.Set("Accept-Encoding", "identity") // the bytes as they are, with their length
		if d.offset > 0 {
			q.header.Set("Range", fmt.Sprintf("bytes=%d-", d.offset))
		}
		answer, err := c.once(d.ctx, q)
		if err == nil && answer.StatusCode == http.StatusFound {
			// The link is the authorization: the token is not for whoever serves it.
			_ = answer.Body.Close()
			link, linkErr := answer.Location() // a relative one too
			if linkErr != nil {
				return fmt.Errorf("%s: redirected to no address: %w", q, errForeign)
			}
			q.url, q.public, q.redirects = link.String(), true, false
			answer, err = c.once(d.ctx, q)
		}
		if err != nil {
			return err
		}
		d.body = answer.Body
		want := http.StatusOK
		if d.offset > 0 {
			want = http.StatusPartialContent
		}
		if answer.StatusCode != want {
			_ = answer.Body.Close()
			return fmt.Errorf("%s: answered %d, want %d", q, answer.StatusCode, want)
		}
		return nil
	})
}

// Read gives the next bytes. It is io.EOF only when they are the file's.
func (d *download) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.offset += int64(n)
	d.sum.Write(p[:n])
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) || d.offset == d.record.Size && d.offset > 0:
		known := d.record.SHA256 != "" // of every file that was validated
		if known && (d.offset != d.record.Size || hex.EncodeToString(d.sum.Sum(nil)) != d.record.SHA256) {
			return n, fmt.Errorf("read %s: %w", d.record.ID, ErrDamaged)
		}
		return n, io.EOF
	case d.cut == tries || d.ctx.Err() != nil:
		return n, fmt.Errorf("read %s: %w", d.record.ID, err)
	}
	d.cut++
	_ = d.body.Close()
	if err := d.open(); err != nil {
		return n, err
	}
	return n, nil
}

// Close ends reading.
func (d *download) Close() error { return d.body.Close() }
