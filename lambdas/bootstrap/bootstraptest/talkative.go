package bootstraptest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Talkative is an application that sends more than its answer, with the caller's token in it. The journal says how:
// "body" is a 204 with a body, "long" is more than Content-Length, "idle" is more on a connection that nobody asks on.
type Talkative struct {
	URL string
	// Speak is sent to when the answer to "idle" has been read.
	Speak chan<- struct{}
	// Closed receives each journal once who asked has closed its connection: net/http has logged by then.
	Closed <-chan string
}

// TalkativeApplication serves one until the test ends.
func TalkativeApplication(t *testing.T) Talkative {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	speak, closed := make(chan struct{}), make(chan string)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(t.Context(), func() { _ = conn.Close() })
			go talk(t.Context(), conn, speak, closed)
		}
	}()
	return Talkative{URL: "http://" + listener.Addr().String(), Speak: speak, Closed: closed}
}

// talk answers one question, and waits until the connection is closed.
func talk(ctx context.Context, conn net.Conn, speak <-chan struct{}, closed chan<- string) {
	reader := bufio.NewReader(conn)
	r, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	journal, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/journals/"), "/")
	token := r.Header.Get("Authorization")
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
	switch journal {
	case "body":
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 204 No Content\r\n\r\n%s", token)
	case "long":
		_, _ = fmt.Fprint(conn, answer+token)
	case "idle":
		_, _ = fmt.Fprint(conn, answer)
		select {
		case <-speak:
		case <-ctx.Done():
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-Token: %s\r\n\r\n", token)
	}
	_, _ = reader.ReadByte()
	select {
	case closed <- journal:
	case <-ctx.Done():
	}
}
