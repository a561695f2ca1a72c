// Package deadletter is what an operator does with the dead letters of a deployment: list and
// explain them ([Review.List]), and act on what was listed ([Review.Act]).
//
// A dead letter is a message that validators failed on as often as its queue allows. It holds
// no state of its upload: it only says "look at this version". So whatever is done to it can
// be done twice, and giving one up gives up no upload.
//
// Looking is receiving: a message that was handed out is hidden from everybody for a while.
// That is why a listing gives back what it received, and is kept as a snapshot, which others
// can read meanwhile; and why an action works on a snapshot: it receives until it has met the
// messages that were chosen there, diagnoses each of them again, and skips what has changed.
//
// What is kept in the bucket, all of it under upload.DeadLetterPrefix:
//
//	attempts/{upload id|-}/{message id}/{receive count}   by validators: package attempts
//	snapshots/{snapshot id}/head.json                     a listing: who, when, groups
//	snapshots/{snapshot id}/{part, 6 digits}.json.gz      its letters, one JSON object a line, at most PartLetters
//	intents/{message id}.json                             an action that was begun on a message
//	discarded/{message id}.json                           a message that was discarded, whole
//	audit/{run id}.json                                   an action: who, when, what, and what became of each message
package deadletter
