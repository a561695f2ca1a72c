// Package access answers one question: may this caller touch this entry?
//
// It knows no users and no rights. It asks the application that keeps the journals, with the caller's own Authorization
// header:
//
//	GET {application}/journals/{journal}/entries/{entry}
//
// 200, and nothing but 200, means that the caller may read, add and delete the files of that entry. Every other answer,
// and every kind of silence, is a [Denied].
//
// # What is done with the caller's token
//
// It is sent to the application and to nobody else, with one exception: Bugout's own application answers 500 for a bad
// token, and where it is the application (Options.Bugout), Bugout's auth server, whose token it is, is asked after such
// a 500. No redirect is followed, whatever its target. Proxies named by environment variables (HTTP_PROXY and its kin)
// are not used: such a setting easily leaks from a developer's shell into a deployment, and one more party would see
// every token. An application that can only be reached by a proxy needs a gateway address of its own as base URL.
//
// Nothing is logged or kept here: no token, no answer, no grant, so a right that the application takes away is gone
// with the next call. Callers who wait to ask the same share one question, which is sent after they came.
// Options.GrantLife makes grants be remembered for some seconds, under a keyed hash of the token.
//
// # What a grant proves
//
// It is a grant for the pair. An application may look an entry up by its id alone, so a 200 for (A, E) says nothing
// about (B, E): whoever stores files must key them by journal and entry, both.
package access
