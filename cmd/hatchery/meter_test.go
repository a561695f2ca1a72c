package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hatchery/shared/migrate"
)

// metered is a meter on a screen and a clock that moves by hand.
func metered(terminal bool) (*meter, *bytes.Buffer, func(time.Duration)) {
	screen, at := &bytes.Buffer{}, time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	return &meter{out: screen, terminal: terminal, now: func() time.Time { return at }}, screen,
		func(d time.Duration) { at = at.Add(d) }
}

func TestATerminalShowsABarWhereTheTotalIsKnown(t *testing.T) {
	m, screen, pass := metered(true)
	for n := 1; n <= 2000; n++ {
		if pass(10 * time.Millisecond); n == 1001 {
			if _, err := fmt.Fprintln(m, "a damaged record"); err != nil {
				t.Fatal(err)
			}
		}
		m.show(migrate.Progress{Done: n, Total: 2000})
	}
	m.show(migrate.Progress{Back: true, Done: 1})
	pass(time.Second)
	m.show(migrate.Progress{Back: true, Done: 1500})
	m.end()
	text := screen.String()
	for _, want := range []string{
		"\rReading [###############...............] 50%  1,001 of 2,000, 10s left",
		" \ra damaged record\n", // on a line of its own
		"\rReading [##############################] 100%  2,000 of 2,000, 0s left",
		"\n\rComparing: 1,500 records, 1s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in %q", want, text)
		}
	}
	// One in ten steps is drawn, within a terminal's width, and nothing is left of what stood there.
	if drawn := strings.Count(text, "\rReading"); drawn < 190 || drawn > 210 {
		t.Errorf("it was drawn %d times", drawn)
	}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if len(line) > 79 {
			t.Errorf("%d columns: %q", len(line), line)
		}
	}
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
}

func TestWhereverElseThereIsALineNowAndThen(t *testing.T) {
	m, screen, pass := metered(false)
	for n := 1; n <= 25; n++ {
		m.show(migrate.Progress{Done: 100 + n, Total: 200})
		pass(time.Second)
	}
	m.end()
	if want := "Reading 55%  111 of 200, 1m21s left\nReading 60%  121 of 200, 1m15s left\n"; screen.String() != want {
		t.Errorf("%q, want %q", screen, want)
	}
}

// TestAMeterBearsWhateverItIsTold: records come while others are counted.
func TestAMeterBearsWhateverItIsTold(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		m, screen, pass := metered(terminal)
		for _, p := range []migrate.Progress{{Done: 1, Total: 1}, {Done: 1}, {Done: 7, Total: 3},
			{Back: true, Done: 1, Total: 1 << 40}} {
			m.show(p)
			pass(time.Minute)
			m.show(p)
		}
		m.end()
		if !strings.Contains(screen.String(), "100%  7 of 7") {
			t.Errorf("%q", screen)
		}
	}
	m, screen, _ := metered(true)
	if m.end(); screen.Len() > 0 {
		t.Errorf("of nothing it shows %q", screen)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(&bytes.Buffer{}) {
		t.Error("it is taken for one")
	}
}
