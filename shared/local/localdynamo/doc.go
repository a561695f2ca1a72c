// Package localdynamo is an Amazon DynamoDB endpoint for one process: the JSON 1.0 protocol that AWS SDKs speak, over
// loopback, on a SQLite file or in memory. It lets the deployed code run unchanged, pointed at this endpoint.
//
// Package dynamotest holds what it must answer, request by request; AWS's own DynamoDB Local answers the same.
//
// What it keeps of DynamoDB (facts from the DynamoDB API reference and developer guide):
//   - tables with a hash and a sort key of the types S, N and B, with global and local secondary indexes;
//   - PutItem, GetItem, UpdateItem, DeleteItem, Query, Scan (also in segments), BatchGetItem, BatchWriteItem,
//     TransactWriteItems and TransactGetItems, with all of the expressions and their refusals;
//   - numbers of 38 digits that compare and add as decimals;
//   - transactions that are made whole or cancelled with a reason for each item, and once for each client token within
//     ten minutes;
//   - time to live: expired items linger, and are read, until Expire or Options.ExpireEvery removes them;
//   - the bounds of requests (16 MB), items (400 KB), keys (2048 and 1024 bytes), pages (1 MB) and transactions (100
//     items, 4 MB), and the price of calls in ConsumedCapacity;
//   - signature version 4 is checked on every request: key, scope, date (15 minutes), headers and body.
//
// # Durability
//
// As with localsqs: the file is in WAL mode with synchronous=NORMAL, so a commit is a completed write(2) before the call
// is answered. A killed process loses nothing that it answered; losing power may lose the last commits, never the file's
// integrity. The file is opened with locking_mode=EXCLUSIVE, and the lock dies with its process.
//
// # What differs from DynamoDB
//
//   - Every read is consistent, a global index is never behind, and a table is ACTIVE at once: code that needs a consistent
//     read must be tested for asking for one. What shares an index key comes in the order of the items' own keys.
//   - There is one writer at a time, so that TransactionConflict, throttling and the limits of a partition never happen.
//   - A Scan is in the order of the keys, not of their hashes.
//   - Refused, not ignored: provisioned capacity, streams, PartiQL, backups, global tables, tags, UpdateTable, and the
//     parameters that expressions replaced (Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter,
//     ConditionalOperator, AttributesToGet). Tables are addressed by name, not by ARN.
//   - Encryption settings, table classes and tags of a CreateTable are not kept: the file is in clear. Item collections
//     are not measured, nor the items of an index counted.
//   - Where DynamoDB Local and DynamoDB differ, this follows the latter's documentation: an update that fits an item badly
//     cancels its transaction with the reason ValidationError, UPDATED_NEW and UPDATED_OLD of a document path give that
//     part of the document alone, and SIZE is a reserved word.
package localdynamo
