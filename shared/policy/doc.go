// Package policy says which files a deployment takes: the kinds of file with their
// bounds, the names that files may have, and what is wrong with a setting or a request.
// It looks at no bytes.
package policy
