package dynamorecords

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// The beginnings of keys say what an item is.
const (
	entryPrefix       = "e#" // pk: all that one entry has of one kind
	idempotencyPrefix = "o#" // pk: an idempotency key
	recordPrefix      = "r#" // sk: a record
	claimPrefix       = "c#" // sk: the claim on bytes, which is a lock item
	quotaKey          = "q"  // sk: the lock item of an entry with bounds
	idempotencySort   = "o"  // sk: of an idempotency key
)

// lastOfAll comes after everything that can follow a prefix in a key.
const lastOfAll = "~"

// What DynamoDB takes as keys, in bytes.
const (
	maxPartitionBytes = 2048
	maxSortBytes      = 1024
)

// itemKey finds one item.
type itemKey struct{ pk, sk string }

// keyOf is where the record of ref lies. Every part is escaped, so that no two refs share a
// key.
func keyOf(ref upload.Ref) itemKey {
	return itemKey{entryKey(ref.Journal, ref.Entry, ref.Kind), recordPrefix + url.PathEscape(string(ref.ID))}
}

func entryKey(journal upload.Journal, entry upload.Entry, kind policy.KindName) string {
	return entryPrefix + url.PathEscape(string(journal)) + "/" + url.PathEscape(string(entry)) + "/" +
		url.PathEscape(string(kind))
}

// possible says whether DynamoDB takes the key at all; under another one nothing can be.
func (k itemKey) possible() bool { return len(k.pk) <= maxPartitionBytes && len(k.sk) <= maxSortBytes }

// ref reads a key that keyOf made.
func (k itemKey) ref() (upload.Ref, error) {
	entry, isEntry := strings.CutPrefix(k.pk, entryPrefix)
	id, isRecord := strings.CutPrefix(k.sk, recordPrefix)
	parts := append(strings.Split(entry, "/"), id)
	if !isEntry || !isRecord || len(parts) != 4 {
		return upload.Ref{}, fmt.Errorf("key %q, %q is not that of a record", k.pk, k.sk)
	}
	for i := range parts {
		var err error
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return upload.Ref{}, fmt.Errorf("key %q, %q: %w", k.pk, k.sk, err)
		}
	}
	ref := upload.Ref{Journal: upload.Journal(parts[0]), Entry: upload.Entry(parts[1]), Kind: policy.KindName(parts[2]),
		ID: upload.ID(parts[3])}
	if keyOf(ref) != k {
		// It is escaped otherwise: Get would not find it.
		return upload.Ref{}, fmt.Errorf("key %q, %q is not where the record of %s lies", k.pk, k.sk, ref)
	}
	return ref, nil
}

// claimKey is where the claim on bytes lies, within their entry.
func claimKey(pk, sha256 string) itemKey { return itemKey{pk, claimPrefix + url.PathEscape(sha256)} }

// idempotencyKeyOf is where an idempotency key lies. Scope and key may be anything of any
// length: only their hash is kept.
func idempotencyKeyOf(key *upload.IdempotencyKey) itemKey {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", key.Scope, key.Key))
	return itemKey{idempotencyPrefix + hex.EncodeToString(sum[:]), idempotencySort}
}

// instant is the form in which times are kept: of one length, so that text sorts
// as time does.
const instant = "2006-01-02T15:04:05.000000Z"

func textOf(t time.Time) string { return t.UTC().Format(instant) }

// ceil gives the first time in whole units that is not before t, so that comparing what is
// kept with it is comparing with t.
func ceil(t time.Time, unit time.Duration) time.Time {
	return t.Add(unit - 1).Truncate(unit)
}

// The sort keys of the indexes. Each begins with what is asked for and goes on with the time
// of creation, so that it is read in that order.

// listPrefix begins every key of by-list that is asked for. Earlier versions wrote others, for records of other
// statuses.
const listPrefix = string(upload.Stored) + "#"

func listKeyOf(r upload.Record) string {
	return listPrefix + textOf(r.CreatedAt) + "#" + url.PathEscape(string(r.ID))
}

func bytesKeyOf(r upload.Record) string {
	return url.PathEscape(r.SHA256) + "#" + textOf(r.CreatedAt)
}

// statusAtOf ends in a hash of the entry: several entries may have the same id, and lists go
// on right after a key.
func statusAtOf(r upload.Record) string {
	sum := sha256.Sum256([]byte(entryKey(r.Journal, r.Entry, r.Kind)))
	return textOf(r.CreatedAt) + "#" + url.PathEscape(string(r.ID)) + "#" + base64.RawURLEncoding.EncodeToString(sum[:6])
}

// shardOf is the partition of by-status that a record is in whenever it is pending.
func (s *Store) shardOf(r upload.Record) int {
	h := fnv.New32a()
	h.Write([]byte(r.Ref().String()))
	return int(h.Sum32() % uint32(s.o.shards))
}

func shardKey(shard int) string { return string(upload.Pending) + "#" + strconv.Itoa(shard) }
