package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// lifeLog writes log records for a person at a terminal: one line each, the time,
// what happened, to which upload, and then the rest.
type lifeLog struct {
	mu    *sync.Mutex
	out   io.Writer
	attrs []slog.Attr
}

func newLifeLog(out io.Writer) *lifeLog { return &lifeLog{mu: new(sync.Mutex), out: out} }

// Enabled leaves out debug records.
func (l *lifeLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// WithAttrs adds attributes to every record.
func (l *lifeLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lifeLog{mu: l.mu, out: l.out, attrs: append(append([]slog.Attr{}, l.attrs...), attrs...)}
}

// WithGroup is not used by the pipeline; names stay as they are.
func (l *lifeLog) WithGroup(string) slog.Handler { return l }

// Handle writes one line.
func (l *lifeLog) Handle(_ context.Context, r slog.Record) error {
	values := map[string]string{}
	var order []string
	add := func(a slog.Attr) bool {
		if _, again := values[a.Key]; !again {
			order = append(order, a.Key)
		}
		values[a.Key] = a.Value.Resolve().String()
		return true
	}
	for _, a := range l.attrs {
		add(a)
	}
	r.Attrs(add)

	var line strings.Builder
	line.WriteString(r.Time.Format("15:04:05.000"))
	if r.Level >= slog.LevelWarn {
		line.WriteString("  " + r.Level.String())
	}
	told := lifeOf(r.Message, values)
	line.WriteString("  " + safe(told.line))
	if !told.whole {
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
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.out, line.String())
	return err
}

type telling struct {
	line string
	// whole: the line says everything; the attributes need not follow.
	whole bool
}

// lifeOf tells the steps of an upload's life in words.
func lifeOf(message string, v map[string]string) telling {
	switch {
	case message == "validated" && v["result"] == "stored":
		return telling{fmt.Sprintf("stored    %s  %s  %s, %s bytes, %s ms after it was accepted", v["upload_id"], v["name"], v["content_type"], sized(v["size"]), v["since_accepted_ms"]), true}
	case message == "validated" && v["result"] == "rejected":
		return telling{fmt.Sprintf("rejected  %s  %s  %s: %s", v["upload_id"], v["name"], v["code"], v["reason"]), true}
	case message == "validated":
		what := v["upload_id"] + "  " + v["name"]
		if v["upload_id"] == "" {
			what = v["key"]
		}
		return telling{fmt.Sprintf("%-8s  %s", v["result"], what), true}
	case message == "request" && v["status"] == "202":
		return telling{"accepted  " + v["upload_id"], true}
	case message == "request" && v["status"] != "":
		return telling{strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %s", v["status"], v["method"], v["route"], v["upload_id"], v["code"], v["error"])), " "), true}
	}
	return telling{message, false}
}

func sized(bytes string) string {
	n, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil {
		return bytes
	}
	return grouped(n)
}

// safe keeps a line one line, and a terminal a terminal.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

func quoted(s string) string {
	if s == safe(s) && !strings.ContainsAny(s, ` "=`) {
		return s
	}
	return strconv.Quote(s)
}
