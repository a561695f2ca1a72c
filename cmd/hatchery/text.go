package main

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
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

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// countOf writes a number of things: 1 record, 2 records.
func countOf(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(int64(n)) + " " + thing
}

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

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:-]+$`)

// shellWord writes a word as a shell reads it.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
