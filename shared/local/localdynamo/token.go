package localdynamo

import "strings"

// tokenKind tells what a token of an expression is.
type tokenKind int

const (
	tokenEnd      tokenKind = iota
	tokenWord               // an attribute name, a keyword or a function
	tokenName               // #name
	tokenValue              // :value
	tokenNumber             // an index
	tokenSymbol             // an operator, a bracket, a comma, a dot
	tokenNonsense           // a character that no expression has
)

// token is one word of an expression, with where it stands in the text.
type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// is tells whether the token is that symbol, or that keyword in any case.
func (t token) is(text string) bool {
	return t.kind == tokenSymbol && t.text == text || t.kind == tokenWord && strings.EqualFold(t.text, text)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }

// tokenize cuts an expression into tokens; the last one is tokenEnd. Nonsense is left to the parser, which knows what
// to say about it.
func tokenize(text string) []token {
	var tokens []token
	for i := 0; i < len(text); {
		c := text[i]
		if strings.IndexByte(" \t\r\n", c) >= 0 {
			i++
			continue
		}
		t := token{start: i, end: i + 1, kind: tokenNonsense}
		switch {
		case isLetter(c):
			t.kind = tokenWord
			t.end = spanEnd(text, i, isWord)
		case isDigit(c):
			t.kind = tokenNumber
			t.end = spanEnd(text, i, isDigit)
		case (c == '#' || c == ':') && i+1 < len(text) && isWord(text[i+1]):
			t.kind = tokenName
			if c == ':' {
				t.kind = tokenValue
			}
			t.end = spanEnd(text, i+1, isWord)
		case strings.HasPrefix(text[i:], "<>") || strings.HasPrefix(text[i:], "<=") || strings.HasPrefix(text[i:], ">="):
			t.kind, t.end = tokenSymbol, i+2
		case strings.IndexByte("()[],.=<>+-", c) >= 0:
			t.kind = tokenSymbol
		case c >= 0x80: // the whole character, so that an error shows it whole
			t.end = spanEnd(text, i, func(c byte) bool { return c >= 0x80 })
		}
		t.text = text[i:t.end]
		tokens = append(tokens, t)
		i = t.end
	}
	return append(tokens, token{start: len(text), end: len(text)})
}

// spanEnd is where the run of bytes that fit ends.
func spanEnd(text string, from int, fits func(byte) bool) int {
	for from < len(text) && fits(text[from]) {
		from++
	}
	return from
}
