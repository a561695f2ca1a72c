// Package reconcile compares what the records say with what the bucket holds, and brings uploads to their end
// whose messages came to nothing.
//
// The walk goes over the pending uploads, oldest first, in every run:
//
//   - With bytes in quarantine, and older than any message of theirs can still be ([Limits.Overdue], counted from
//     the newest of the bytes' arrival and the last time that it was sent again): sent again. The record counts
//     that first, by compare-and-swap, so that two reconcilers, or a crash in between, never send more often than
//     [Limits.Resends]. After that the upload is reported and not sent any more.
//   - Without bytes, [Limits.Missing] after they could last have come: expired, as never_arrived, or as bytes_lost
//     where the record says that they came ([upload.Record.BytesCame]): then somebody removed them, which is reported
//     until then. When there is a promoted copy all the same, the verdict was lost or never came, and it is sent
//     again instead: the validator judges the copy.
//
// The survey goes over everything else, as far as one run comes, and goes on from there in the next. Scheduled
// runs begin one every [Options.SurveyEvery], because it costs calls for all that is kept:
//
//   - Quarantine. Bytes of an upload that has its verdict or is deleted, which should have been removed, are sent
//     again under the same count: the validator finishes them. The bytes that a rejection is about stay, and
//     nothing is done. Objects without a record and keys that Hatchery never makes are reported.
//   - Files. Objects without a stored record, or in another version than their record serves, are reported.
//   - Stored records whose version is not there are reported. A version that the same run has seen among the files
//     needs no call.
//
// What is reported is never touched: the missing record may be the mistake of a store, and to remove the last copy
// of something is a person's decision.
//
// Everything may be repeated. A message that is sent again carries [arrival.ResendAttribute]: the validator
// acknowledges it after a few receptions, whatever came of them, so that it never becomes a dead letter beside the
// first one.
package reconcile
