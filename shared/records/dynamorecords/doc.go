// Package dynamorecords keeps the records of uploads in one DynamoDB table.
//
// # What lies in the table
//
// The table is as TableInput describes it. Journal, entry, kind and id are
// escaped as in a URL, so that no two uploads share a key.
//
//	item             pk                       sk          besides
//	record           e#j-7/entry-3/images     r#019a2b…   the fields, the index keys below, by
//	claim on bytes   e#j-7/entry-3/images     c#9f86d0…   owner (an id), by
//	lock item        e#j-7/entry-3/images     q           owner (who went through last), by
//	idempotency key  o#5b1c… (its hash)       o           owner_pk, owner_sk, fingerprint, expires, by, forget
//	note             n#reconcile              n           text
//
//	index                  keys of a record in it                                              projected
//	by-list (local)        pk, list_key = stored#2026-01-02T03:04:05.678901Z#019a2b…            all
//	by-bytes (local)       pk, bytes_key = 9f86d0…#2026-01-02T03:04:05.678901Z (stored alone)   size
//	by-status (global)     status_shard = pending#3,                                           keys
//	                       status_at = 2026-01-02T03:04:05.678901Z#019a2b…#hash of the pk
//
// A record's fields are name, extension, created_at, status, declared_size,
// declared_type, declared_sha256, form_expires, size, content_type, sha256,
// judged_version, served_version, settled_at, reason_code, reason_message,
// claims, failures, failed_at, failure, reenqueued, reenqueued_at, deleted_at,
// forget_after and forget; zero values are left out. Times are text in UTC with
// six decimals.
//
// Local indexes, because they can be read consistently: who has been answered
// finds the record in the next list. They bound what one entry holds of one kind
// to 10 GB, some four million records, and to one partition's thousand writes a
// second; entries do not bound one another. by-status is a moment behind, as
// global indexes are: what it points to is read again from the table, and given
// as it stands there.
//
// # Changes
//
// Every write but a note's is conditional. A change reads the record and writes it
// back if it is as it was read, which its attribute by tells: every write signs it
// with a token of its own, before those of the last three. A request whose answer
// was lost is sent again as it was; when it had been carried out, its own token is
// found, and the change is made, not refused as if another had been faster.
//
// DynamoDB removes tombstones and idempotency keys by the attribute forget
// (epoch seconds), which nothing else has, some days late. Until then they lie
// there and count as gone: Get does not find them, lists leave them out, and
// conditions of writes know them.
//
// A file may be stored with Unique, or with bounds on what its entry holds. What
// is stored is then read from by-bytes, and a lock item is written with the
// record, so that only one goes through at a time: the claim on the bytes, or the
// entry's. Files stored without such wishes write no lock item, and files of one
// entry do not wait for one another; all the same they count, because by-bytes is
// made of the records. A claim goes when its owner is deleted; one whose owner is
// not stored any more, for whatever reason, is taken over.
//
// # What a call costs
//
// In requests and units (one RRU reads 4 KB consistently, one WRU writes 1 KB; a
// record has 700 to 900 bytes). A plain Create, Settle and Get is what each
// upload does; nothing of that scans, or reads more than one record.
//
//	Create                              1 PutItem: 3 WRU (table, by-list, by-status)
//	Create under an idempotency key     1 TransactWriteItems: 2 items, 4 WRU, and 2 for the indexes (counted double: 4)
//	Get                                 1 GetItem: 1 RRU
//	Settle as rejected                  GetItem, PutItem: 1 RRU; 5 WRU (table 1, by-list 2, by-status 2)
//	Settle as stored                    the same and 1 WRU for by-bytes: 1 RRU; 6 WRU
//	  with Unique                       BatchGetItem, Query and a transaction besides: 3 RRU; 4 WRU, and 5 for the indexes (double: 10)
//	  with bounds                       as with Unique, and 1 RRU for every 17 files that the entry has stored
//	List                                1 Query: 1 RRU for every 5 records
//	Usage                               2 Query: 1 RRU for every 17 stored files and for every 5 pending
//	Delete, Reopen                      as Settle; NoteFailure, NoteReenqueue 1 RRU; 2 WRU
//	PendingBefore, ByStatus             a Query in every shard, BatchGetItem: 1 RRU a record
//	All                                 Scan of the table; for operators alone
//
// The bounds are summed anew for each file, since a counter would have to be
// written with every file of an entry, whether bounded or not, and would make
// them wait for one another. An entry of 100 files costs 6 RRU a file; bounds of
// many thousand files want something else.
//
// # Damaged items
//
// An item that lies where a record does and is none, because somebody wrote it by
// hand, or a later version of this store did, is an error to whoever asks for that
// one; never ErrNotFound. Lists pass over it and tell Options.Damaged: it keeps
// nobody from the others.
//
// # Faults
//
// Throttling, conflicts with other transactions, faults within DynamoDB and
// answers that do not come are asked again after random waits that grow, until
// Options.Patience or the context's deadline. The errors that upload.Records
// names are returned bare; every other error says what was done, to which upload
// and in which table.
package dynamorecords
