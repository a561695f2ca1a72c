package main

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"hatchery/shared/wording"
)

// shown makes a file's name safe for a terminal.
func shown(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}

func grouped(n int64) string { return wording.Grouped(n) }

func countOf(n int, thing string) string { return wording.Count(n, thing) }

func age(d time.Duration) string { return wording.Age(d) }

func stamp(t time.Time) string { return wording.Stamp(t) }

// safe replaces what would break a line or control a terminal.
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

func shellWord(word string) string { return wording.ShellWord(word) }
