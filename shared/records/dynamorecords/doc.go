// Package dynamorecords keeps the records of uploads in one DynamoDB table.
//
// # What the table holds
//
// The table is as TableInput describes it. Journal, entry, kind and id are escaped as in a
// URL, so that no two uploads share a key.
//
//	item             pk                       sk          besides
//	record           e#j-7/entry-3/images     r#019a2b…   the fields, the index keys below, by
//	claim on bytes   e#j-7/entry-3/images     c#9f86d0…   owner (an id), by
//	lock item        e#j-7/entry-3/images     q           owner (the last one stored), by
//	idempotency key  o#5b1c… (its hash)       o           owner_pk, owner_sk, fingerprint, expires, by, forget
//	note             n#reconcile              n           text
//
//	index                  keys of a record in it                                              projected
//	by-list (local)        pk, list_key = stored#2026-01-02T03:04:05.678901Z#019a2b… (stored alone)   all
//	by-bytes (local)       pk, bytes_key = 9f86d0…#2026-01-02T03:04:05.678901Z (stored alone)   size
//	by-status (global)     status_shard = pending#3, (pending alone)                           keys
//	                       status_at = 2026-01-02T03:04:05.678901Z#019a2b…#hash of the pk
//
// itemOf names the fields; zero values are left out. Times are text in UTC with six decimals.
//
// The indexes are sparse: an item has the keys of an index only while it has the status that
// the index is for, because each is a write of its own. What no index holds is found in the
// table: an entry's other records by a Query of its partition, which reads 1,000 records a
// page, and the records of all entries by a Scan. Versions before these indexes were sparse
// wrote the keys for every status. Such keys name that status, so nothing here asks for them;
// they go when their record is written again.
//
// Local indexes, because they can be read consistently: a caller who got an answer finds the
// record in the next list. They bound what one entry holds of one kind to 10 GB, some four
// million records, and to one partition's thousand writes a second; entries do not bound one
// another. by-status is eventually consistent, as global indexes are: the records that it
// points to are read from the table, and given as they stand there.
//
// # Changes
//
// Every write but a note's is conditional (optimistic locking). A change reads the record and
// writes it back if its attribute by is still the same: every write puts a token of its own
// there, before the last three. That attribute is the Revision that Get gives of a pending
// record: with it the change does without its reading. A request whose answer was lost is sent
// again as it was; when it had been carried out, its own token is found, and the change is
// made, not refused.
//
// DynamoDB removes tombstones and idempotency keys by the attribute forget (epoch seconds),
// which nothing else has, some days late. Until then they count as gone: Get does not find
// them, lists leave them out, and the conditions of writes allow for them.
//
// A file may be stored with Unique, or with bounds on what its entry holds. What is stored is
// then read from by-bytes, and a lock item is written with the record, so that only one at a
// time passes: the claim on the bytes, or the entry's. Files stored without such wishes write
// no lock item, and do not wait for one another; they count all the same, because by-bytes is
// made of the records. A claim is removed when its owner is deleted; one whose owner is not
// stored any more, for whatever reason, is taken over.
//
// # What a call costs
//
// In requests and units (one RRU reads 4 KB consistently, one WRU writes 1 KB; a record has
// 700 to 900 bytes). Each upload does a plain Create, Get and Settle of what was seen; none of
// them scans, or reads more than one record.
//
//	Create                              1 PutItem: 2 WRU (table, by-status)
//	Create under an idempotency key     1 TransactWriteItems: 2 items, 4 WRU, and 1 for the index (double: 2)
//	Get                                 1 GetItem: 1 RRU
//	Settle as rejected                  GetItem, PutItem: 1 RRU; 2 WRU (table, by-status)
//	Settle as stored                    the same and 1 WRU each for by-list and by-bytes: 1 RRU; 4 WRU
//	  of what was seen                  1 RRU less: PutItem alone
//	  with Unique                       BatchGetItem, Query and a transaction besides: 3 RRU; 4 WRU,
//	                                    and 3 for the indexes (double: 6)
//	  with bounds                       as with Unique, and 1 RRU for every 17 files that the entry has stored
//	List of stored                      1 Query: 1 RRU for every 5 records
//	List of another status              1 Query: 1 RRU for every 5 of the 1,000 records that it reads
//	Usage                               2 Query: 1 RRU for every 17 stored files, and for every 5 of the
//	                                    1,000 newest records
//	Delete                              of a stored one 1 RRU; 3 WRU; of a pending one 2 WRU, of a rejected one 1 WRU
//	Reopen                              1 RRU; 2 WRU
//	CountFailure, CountResend           1 RRU; 1 WRU, and 1 for by-list of a stored one
//	Scan of pending                     a Query in every shard, BatchGetItem: 1 RRU a record
//	Scan                                Scan of the table: 1 RRU for every 5 items; for the survey and for operators
//
// The bounds are summed anew for each file: a counter would have to be written with every
// file of an entry, whether bounded or not, and would make them wait for one another. An
// entry of 100 files costs 6 RRU a file; bounds of many thousand files want something else.
//
// # Damaged items
//
// An item in a record's place that is none, because somebody wrote it by hand, or a later
// version of this store did, is an error to whoever asks for that one; never ErrNotFound.
// Lists pass over it and tell Options.Damaged: it hides no other record.
//
// # Faults
//
// Throttling, conflicts with other transactions, faults within DynamoDB and time-outs are
// retried with exponential backoff and jitter, for 15 s or until the context's deadline. The
// errors that upload.Records names are returned bare; every other error says what was done,
// to which upload and in which table.
package dynamorecords
