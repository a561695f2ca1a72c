// Package localbrood stands in for Brood, Bugout's server of users and resources,
// so that records can be kept as Bugout resources without an account there. It
// answers the part of Brood's API that a keeper of resources meets, with the
// oddities that a client has to live with: a bad token is a 404 (or a 500), there
// is no uniqueness, no condition, no paging and no order, a missing slash is a 307,
// and more requests at once than its database has connections end in silence.
//
// On request it misbehaves: see [Trouble].
//
// Everything is kept in memory and, with a path, in a journal of changes: a change
// is on disk before it is answered, and read again at the next start.
package localbrood
