// Package localsqs is an Amazon SQS endpoint for one process: the JSON 1.0 protocol that AWS SDKs speak, over
// loopback, on a SQLite file. It lets `hatchery dev` run the deployed code unchanged, pointed at this endpoint.
//
// What it keeps of SQS (standard queues; facts from the SQS API reference and developer guide):
//   - a received message is hidden for the visibility timeout and comes back unless it is deleted;
//   - every receive gives a new receipt handle, and only the newest one acts on the message;
//   - a message that was received maxReceiveCount times moves to the dead-letter queue on the receive that would
//     exceed it, in the same transaction, with its message id and its original enqueue time; a message move task
//     sends it back as a new message with a new id and time;
//   - retention counts from the enqueue time and is enforced on every read;
//   - long polls return as soon as a message can be had;
//   - signature version 4 is checked on every request: key, scope, date (15 minutes), headers and body.
//
// # Durability
//
// The file is in WAL mode with synchronous=NORMAL: a commit is a completed write(2) into the log before the call is
// answered. A killed process loses nothing that it answered; losing power may lose the last commits, never the file's
// integrity. The file is opened with locking_mode=EXCLUSIVE, because queue settings and waiting receivers live in
// memory: a second server on the same file is refused, and the lock dies with its process.
//
// # What differs from SQS
//
//   - Standard queues only; no FIFO, message groups, tags, permissions or KMS: these are refused, not ignored. Policy
//     and SqsManagedSseEnabled are kept and given back but do nothing: there is one caller, and the file is in clear.
//   - Counts are exact, delivery is in order of the time at which messages became receivable, settings work at once.
//   - The limit of 120,000 messages in flight and request throttling are not imitated.
package localsqs
