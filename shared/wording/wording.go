// Package wording writes numbers, times and words of commands as a person reads them, alike in a terminal and on a
// page.
package wording

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Grouped writes 1234567 as 1,234,567.
func Grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && digits[i-1] != '-' && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Sprintf is [fmt.Sprintf], but that %d writes numbers as Grouped does.
func Sprintf(format string, args ...any) string {
	if false {
		_ = fmt.Sprintf(format, args...) // so that go vet checks the formats of all callers
	}
	shown := make([]any, len(args))
	for i, arg := range args {
		switch n := arg.(type) {
		case int:
			shown[i] = number(n)
		case int64:
			shown[i] = number(n)
		default:
			shown[i] = arg
		}
	}
	return fmt.Sprintf(format, shown...)
}

type number int64

// Format implements [fmt.Formatter].
func (n number) Format(s fmt.State, verb rune) {
	if verb != 'd' {
		_, _ = fmt.Fprintf(s, fmt.FormatString(s, verb), int64(n))
		return
	}
	_, _ = s.Write([]byte(Grouped(int64(n))))
}

// Count writes a number of things: 1 record, 2 records.
func Count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return Grouped(int64(n)) + " " + thing
}

// List writes what may be chosen from: a, b, c.
func List[S ~string](all []S) string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = string(one)
	}
	return strings.Join(words, ", ")
}

// Age writes a duration in its two largest units.
func Age(d time.Duration) string {
	switch d = d.Truncate(time.Second); {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// Stamp writes a time in UTC, to the second.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Ordinal writes 1st, 2nd, 11th.
func Ordinal(n int) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// ShellWord writes a word as a shell reads it.
func ShellWord(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:-"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
