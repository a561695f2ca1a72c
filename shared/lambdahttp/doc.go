// Package lambdahttp runs an [http.Handler] as an AWS Lambda function behind an HTTP API (payload format 2.0), a
// Function URL or an Application Load Balancer.
//
// [Adapter.Invoke] takes the event that AWS hands to the function, tells by its shape which of the three it is, makes
// it the [http.Request] that net/http would have made of the client's bytes, and makes what the handler writes the
// answer that the caller in AWS understands. [RequestID] and [http.Request].RemoteAddr are what AWS itself says about a
// request; no header is believed for either.
//
// # What a handler meets
//
// The body is there whole, with its length, and in memory: it has the methods Len and ReadAt of a [bytes.Reader]. There
// is no connection: deadlines and hijacking answer [http.ErrNotSupported], a flush does nothing, and a context ends
// when the function's own time does. A handler that writes nothing answers 200; one that panics, or writes less than
// the Content-Length it announced, 500. Content-Type is found by the bytes when the handler names none, and HEAD, 204
// and 304 have no body, all as net/http has it. Informational answers, trailers, and headers that belong to a
// connection are dropped.
//
// # What AWS changes on the way
//
// Nothing brings back what the front has changed in a request:
//
//   - An HTTP API undoes percent-encoding in rawPath: a client's %2F is a slash. A Function URL and a load balancer
//     pass the path on as it was sent, and such a path keeps its %2F here ([net/url.URL.EscapedPath]).
//   - An HTTP API and a Function URL join a header that was sent twice with a comma. It is never split again: a comma
//     may be part of a value.
//   - A load balancer passes on the last value of a header or query parameter that was sent twice, unless its target
//     group has lambda.multi_value_headers.enabled. It gives query parameters without their order, and encoded as the
//     client sent them.
//   - A load balancer names the client in X-Forwarded-For alone, which the client can write into: RemoteAddr is then
//     0.0.0.0:0.
//   - A stage that is not $default is the first segment of rawPath, and is taken off. So no such stage may be called
//     like a route's first segment.
//
// # How much fits
//
// Lambda hands over and takes back at most 6 MB, a load balancer 1 MB, both with base64, which makes three bytes four.
// A larger request is answered 413. Instead of a larger answer, a 500 is sent that says what to set about it. A handler
// that asks its [http.ResponseWriter] for TextRoom() int or FileRoom() int64 knows before what fits.
package lambdahttp
