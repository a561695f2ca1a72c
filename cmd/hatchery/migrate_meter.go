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

// migrationMeter shows how far a migration is: at a terminal in one line that is written
// over, as a bar where the total is known; anywhere else in a line now and then. Other
// output is written through it, so that it gets lines of its own. It may be used
// concurrently.
type migrationMeter struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	now      func() time.Time

	at           migrate.Progress
	began, drawn time.Time // when at.Back took its value, and when it was last shown
	first        int       // what was done already when it began
	line         string    // what stands in the terminal's line
}

// How often a meter shows something, on a terminal and elsewhere.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

const barCells = 30

func newMigrationMeter(term terminal, now func() time.Time) *migrationMeter {
	return &migrationMeter{out: term.err, terminal: isTerminal(term.err) && term.getenv("TERM") != "dumb", now: now}
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

// show takes one step.
func (m *migrationMeter) show(p migrate.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.began.IsZero() || p.Back != m.at.Back {
		m.leave()
		m.began, m.drawn, m.first = now, now, p.Done-1
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
func (m *migrationMeter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave()
}

// leave ends the line, unless nothing was shown in it.
func (m *migrationMeter) leave() {
	if m.line != "" {
		m.draw(m.now())
		fmt.Fprintln(m.out)
		m.line = ""
	}
}

// draw writes over the terminal's line.
func (m *migrationMeter) draw(now time.Time) {
	was := m.line
	m.drawn, m.line = now, m.text(now)
	fmt.Fprintf(m.out, "\r%-*s", len(was), m.line)
}

// Write lets somebody else say something.
func (m *migrationMeter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.line != "" {
		fmt.Fprintf(m.out, "\r%*s\r", len(m.line), "")
		m.line = ""
	}
	return m.out.Write(p)
}

// text says it in less than a terminal's 80 columns.
func (m *migrationMeter) text(now time.Time) string {
	what := "Reading"
	if m.at.Back {
		what = "Comparing"
	}
	took, done, total := now.Sub(m.began), m.at.Done, max(m.at.Total, m.at.Done)
	if m.at.Total == 0 {
		return fmt.Sprintf("%s: %s, %s", what, countOf(done, "record"), took.Round(time.Second))
	}
	bar := ""
	if m.terminal {
		full := barCells * done / total
		bar = "[" + strings.Repeat("#", full) + strings.Repeat(".", barCells-full) + "] "
	}
	left := (took / time.Duration(done-m.first) * time.Duration(total-done)).Round(time.Second)
	return fmt.Sprintf("%s %s%d%%  %s of %s, %s left", what, bar, 100*done/total, grouped(int64(done)),
		grouped(int64(total)), left)
}
