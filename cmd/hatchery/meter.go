package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"hatchery/shared/migrate"
)

// meter shows how far a command is: at a terminal in one line that is written over, as a
// bar where the total is known; anywhere else in a line now and then. Other output is
// written through it, so that it gets lines of its own. It may be used concurrently.
type meter struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	now      func() time.Time

	at           progress
	began, drawn time.Time // when at.what took its value, and when it was last shown
	first        int64     // what was done already when it began
	line         string    // what stands in the terminal's line
}

// progress is how far something is.
type progress struct {
	what string // Reading
	// done and total are counted in records, or in bytes; a total of 0 is not known.
	done, total int64
	bytes       bool
}

// amount writes a number of what is counted.
func (p progress) amount(n int64) string {
	if p.bytes {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return grouped(n)
}

// How often a meter shows something, on a terminal and elsewhere.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

const barCells = 30

func newMeter(term terminal, now func() time.Time) *meter {
	return &meter{out: term.err, terminal: isTerminal(term.err) && term.getenv("TERM") != "dumb", now: now}
}

// isTerminal says whether w is a terminal.
func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	about, err := file.Stat()
	return err == nil && about.Mode()&os.ModeCharDevice != 0
}

// show takes one step of a migration.
func (m *meter) show(p migrate.Progress) {
	what := "Reading"
	if p.Back {
		what = "Comparing"
	}
	m.step(progress{what: what, done: int64(p.Done), total: int64(p.Total)})
}

// step takes one step.
func (m *meter) step(p progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.began.IsZero() || p.what != m.at.what {
		m.leave()
		m.began, m.drawn, m.first = now, now, p.done-1
	}
	m.at = p
	switch {
	case m.terminal && now.Sub(m.drawn) >= barEvery:
		m.draw(now)
	case !m.terminal && now.Sub(m.drawn) >= lineEvery:
		m.drawn = now
		fmt.Fprintln(m.out, m.text(now))
	}
}

// end leaves the last state on the terminal.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave()
}

// leave ends the line, unless nothing was shown in it.
func (m *meter) leave() {
	if m.line != "" {
		m.draw(m.now())
		fmt.Fprintln(m.out)
		m.line = ""
	}
}

// draw writes over the terminal's line.
func (m *meter) draw(now time.Time) {
	was := m.line
	m.drawn, m.line = now, m.text(now)
	fmt.Fprintf(m.out, "\r%-*s", len(was), m.line)
}

// Write lets somebody else say something.
func (m *meter) Write(p []byte) (int, error) { return m.writeTo(m.out, p) }

// writeTo lets somebody else say something on another writer of the same terminal.
func (m *meter) writeTo(w io.Writer, p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.line != "" {
		fmt.Fprintf(m.out, "\r%*s\r", len(m.line), "")
		m.line = ""
	}
	return w.Write(p)
}

// text says it in less than a terminal's 80 columns.
func (m *meter) text(now time.Time) string {
	took, done, total := now.Sub(m.began), m.at.done, max(m.at.total, m.at.done)
	if m.at.total == 0 {
		return fmt.Sprintf("%s: %s, %s", m.at.what, countOf(int(done), "record"), took.Round(time.Second))
	}
	bar := ""
	if m.terminal {
		full := int(barCells * done / total)
		bar = "[" + strings.Repeat("#", full) + strings.Repeat(".", barCells-full) + "] "
	}
	left := time.Duration(float64(took) / float64(done-m.first) * float64(total-done)).Round(time.Second)
	return fmt.Sprintf("%s %s%d%%  %s of %s, %s left", m.at.what, bar, 100*done/total, m.at.amount(done),
		m.at.amount(total), left)
}
