// Package upload is the domain: what an upload is, how its record may change, and
// what is done with its bytes.
//
// # The life of an upload
//
//	Accept      a pending record, then one create-only write into quarantine
//	  │         (or a signed form with which the client writes there itself)
//	Validate    the validator reads exactly one version of the object, once:
//	  │         signature, container, dimensions, SHA-256
//	  ├─ rejected  settle pending → rejected; the bytes stay in quarantine
//	  └─ allowed   copy that version, create-only, to its place under files/,
//	               settle pending → stored, then delete the quarantine version
//	Delete      make it a tombstone first, then remove every version of both keys
//
// Every change of a record is a [Transition]; lifecycle.go has all of them. Only a
// stored record is served, and always by the version id of the copy that its verdict
// names.
//
// # What always holds
//
//  1. No byte is served unless the validator read exactly those bytes and
//     allowed them.
//  2. An upload that was accepted ends stored or rejected with a reason, or it
//     is pending with its bytes still in quarantine, whatever became of its
//     message. Crashes between any two steps, ambiguous time-outs and repeated,
//     reordered or late deliveries do not change that.
//  3. A rejection is a result. Only a failure (of a store, of the network) is an
//     error, and only an error is retried.
//  4. What the caller says (name, type, size, checksum) is compared, never
//     stored as a fact.
//
// The package knows no vendor: it speaks to [Records] and [Objects], returns an
// [Outcome] or an error, and logs nothing. Package uploadtest holds memory
// fakes, the suites that every implementation passes, and an explorer that runs
// these functions against each other in every order with a crash at each call.
package upload
