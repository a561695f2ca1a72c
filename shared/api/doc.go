// Package api is the HTTP side of Hatchery: an [http.Handler] with which callers upload, list, read and delete files.
//
// The routes stand in one table (routes.go), and what an error becomes for a caller in another (errors.go).
// docs/openapi.yaml describes both; a test compares it with what the handler really answers.
//
// # What the handler takes care of
//
// Every request but GET /ping and a CORS preflight is authorized by the application before its body is read. A body
// is spooled: kept in memory while it is small, in an unlinked temporary file beyond that, and bounded while it
// arrives. In a function it is in memory already, and there is no file. So its size and SHA-256 are known before a
// record exists. No error text of a store reaches a caller: an answer about an internal error has a request id, and
// the log line with that id says what it was. A log line never holds a header, a query, a name, or a path of an
// unknown route.
//
// # The server around it
//
// The handler sets the read and write deadlines of a connection itself, because an upload may take minutes but may not
// be silent for minutes. The [http.Server] around it should set neither ReadTimeout nor WriteTimeout, and these:
//
//	ReadHeaderTimeout: 10 * time.Second
//	IdleTimeout:       120 * time.Second
//	MaxHeaderBytes:    32 << 10
//
// At shutdown close [Config].Stopping first, then call Shutdown: requests that wait for a verdict end at once, uploads
// are finished.
package api
