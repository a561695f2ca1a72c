package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// consoleHandler writes log records for a person at a terminal: one line each, the
// time, what happened, to which upload, and then the rest. Debug records are left out.
type consoleHandler struct {
	mu    *sync.Mutex
	out   io.Writer
	attrs []slog.Attr
}

func newConsoleHandler(out io.Writer) *consoleHandler {
	return &consoleHandler{mu: new(sync.Mutex), out: out}
}

// Enabled implements slog.Handler.
func (h *consoleHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// WithAttrs implements slog.Handler.
func (h *consoleHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &consoleHandler{mu: h.mu, out: h.out, attrs: slices.Concat(h.attrs, attrs)}
}

// WithGroup is not used by the pipeline; names stay as they are.
func (h *consoleHandler) WithGroup(string) slog.Handler { return h }

// Handle implements slog.Handler.
func (h *consoleHandler) Handle(_ context.Context, r slog.Record) error {
	values := map[string]string{}
	var order []string
	add := func(a slog.Attr) bool {
		if _, seen := values[a.Key]; !seen {
			order = append(order, a.Key)
		}
		values[a.Key] = a.Value.Resolve().String()
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)

	var line strings.Builder
	line.WriteString(r.Time.Format("15:04:05.000"))
	if r.Level >= slog.LevelWarn {
		line.WriteString("  " + r.Level.String())
	}
	text, complete := sentence(r.Message, values)
	line.WriteString("  " + safe(text))
	if !complete {
		for _, key := range order {
			if values[key] != "" && key != "stack" {
				fmt.Fprintf(&line, "  %s=%s", key, quoted(values[key]))
			}
		}
	}
	if stack := values["stack"]; stack != "" {
		line.WriteString("\n" + strings.TrimRight(stack, "\n"))
	}
	line.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, line.String())
	return err
}

// sentence puts a record about an upload into words. It is complete when the
// attributes need not follow.
func sentence(message string, v map[string]string) (text string, complete bool) {
	switch {
	case message == "validated" && v["result"] == "stored":
		return fmt.Sprintf("stored    %s  %s  %s, %s bytes, %s ms after it was accepted",
			v["upload_id"], v["name"], v["content_type"], sized(v["size"]), v["since_accepted_ms"]), true
	case message == "validated" && v["result"] == "rejected":
		return fmt.Sprintf("rejected  %s  %s  %s: %s", v["upload_id"], v["name"], v["code"], v["reason"]), true
	case message == "validated":
		what := v["upload_id"] + "  " + v["name"]
		if v["upload_id"] == "" {
			what = v["key"]
		}
		return fmt.Sprintf("%-8s  %s", v["result"], what), true
	case message == "request" && v["status"] == "202":
		return "accepted  " + v["upload_id"], true
	case message == "request" && v["status"] != "":
		words := []string{v["status"], v["method"], v["route"], v["upload_id"], v["code"], v["error"], v["note"]}
		return strings.Join(strings.Fields(strings.Join(words, " ")), " "), true
	}
	return message, false
}

func sized(bytes string) string {
	n, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil {
		return bytes
	}
	return grouped(n)
}
