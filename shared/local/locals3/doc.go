// Package locals3 is an S3 server inside the process, on a folder: versitygw as a library, with what the product needs
// of S3 and versitygw lacks. Clients reach it over loopback with the AWS SDK, as they would reach the real one.
//
// There is one bucket, with versioning and, for the origins given, CORS. Everything that arrives under the quarantine
// prefix is announced through Options.Created before the client has its answer, as S3 announces it to a queue. There
// is no lifecycle: what is in quarantine stays.
//
// # What differs from versitygw
//
//   - If-None-Match and If-Match hold for the target of a copy, and a key behind a delete marker counts as absent.
//   - A new version has nothing of the version before it: no tags, no disposition, no delete marker.
//   - Deleting a version also deletes its attributes, and deleting one that is not there is no error.
//   - A reader gets the bytes and the attributes of one version, whatever is being written meanwhile.
//   - A listing of versions is in the order of keys and goes on where its page ended, without repeating a version.
//   - A form is streamed to the disk, however large.
//   - All attributes of a version are in one sidecar file.
//
// What remains: keys that are a folder of another key ("a" beside "a/b") cannot both exist, a part of a key between two
// slashes has at most 255 bytes, headers 8 KiB in all; an empty folder stays when its last key is deleted.
//
// # What a crash leaves
//
// The process may be killed at any moment. What a client was told is stored is there at the next start, with its bytes,
// attributes and version id; what it was told is deleted is gone; and what it was not told is the one or the other,
// never a part. (This holds for the death of the process. Nothing is flushed, so it does not hold for the machine's.)
// The undo log does this: before a change, it names the files that are about to be touched and holds on to them.
//
//	the process dies while                          it leaves                            the next start
//	the bytes come in                               staged bytes (mostly unnamed)        removes them
//	a PUT, form, copy or completed upload           bytes without attributes, or half    removes both; the key is free
//	   makes a new key                              of the attributes
//	one of these replaces the current version       a version put aside twice; new       puts the version back in its
//	                                                bytes with old attributes; new       place, removes the copy and
//	                                                bytes under a second name            the new bytes
//	the current version is deleted and an earlier   nothing in its place, or an          puts both back
//	   one takes its place                          earlier one without attributes
//	any other version is deleted                    attributes without bytes             removes them too
//	a delete marker is set                          a version put aside twice            puts it back
//	a line of the undo log is written               half a line                          ignores it: nothing was done
//	the change is noted as done                     links in the undo folder             removes them
//	the parts of an upload are put together         an upload without some of its parts  nothing: the client gets
//	                                                                                     NoSuchUpload and starts over
//	an arrival is announced                         an object that nobody was told of    Server.Quarantined finds it
package locals3
