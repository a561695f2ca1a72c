package localdynamo

import (
	"strconv"
	"strings"
)

// Bounds of expressions (developer guide, "service quotas").
const (
	maxExpressionBytes = 4 << 10
	maxOperators       = 300
	maxInOperands      = 100
)

// parser reads one expression by recursive descent. The first error ends it.
type parser struct {
	parameter string // the request's parameter that holds the expression
	text      string
	tokens    []token
	next      int
	operators int
	groups    map[int]int // for each "(" that was closed, its ")"
	*placeholders
}

func newParser(parameter, text string, p *placeholders) (*parser, error) {
	parse := &parser{parameter: parameter, text: text, groups: map[int]int{}, placeholders: p}
	if len(text) > maxExpressionBytes {
		return nil, parse.fail("Expression size has exceeded the maximum allowed size; expression size: %d", len(text))
	}
	parse.tokens = tokenize(text)
	if len(parse.tokens) == 1 {
		return nil, parse.fail("The expression can not be empty;")
	}
	return parse, nil
}

// fail is an error of this expression.
func (p *parser) fail(format string, args ...any) error {
	return invalid("Invalid "+p.parameter+": "+format, args...)
}

// peek is the next token, which stays the next one.
func (p *parser) peek() token { return p.tokens[p.next] }

// take is the next token, and goes on; the end stays the next token for ever.
func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != tokenEnd {
		p.next++
	}
	return t
}

// accept takes the next token if it is that symbol or keyword.
func (p *parser) accept(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.next++
	return true
}

// expect takes the next token, which must be that symbol or keyword.
func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.syntax()
	}
	return nil
}

// syntax is an error about the next token, with its neighbours.
func (p *parser) syntax() error {
	t := p.peek()
	shown := t.text
	if t.kind == tokenEnd {
		shown = "<EOF>"
	}
	from, to := t.start, t.end
	if p.next > 0 {
		from = p.tokens[p.next-1].start
	}
	if p.next+1 < len(p.tokens) {
		to = p.tokens[p.next+1].end
	}
	return p.fail("Syntax error; token: \"%s\", near: \"%s\"", shown, p.text[from:to])
}

// operator counts an operator or function.
func (p *parser) operator() error {
	if p.operators++; p.operators > maxOperators {
		return p.fail("The expression contains too many operators; operator count: %d", p.operators)
	}
	return nil
}

// path reads a document path.
func (p *parser) path() (path, error) {
	first, err := p.name()
	if err != nil {
		return nil, err
	}
	found := path{first}
	for {
		switch {
		case p.accept("."):
			s, err := p.name()
			if err != nil {
				return nil, err
			}
			found = append(found, s)
		case p.accept("["):
			if p.peek().kind != tokenNumber {
				return nil, p.syntax()
			}
			index, err := strconv.Atoi(p.peek().text)
			if err != nil || index > 1<<30 {
				return nil, p.fail("List index is not within the allowable range; index: [%s]", p.peek().text)
			}
			p.next++
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			found = append(found, step{index: index})
		default:
			if len(found) > maxDepth {
				return nil, p.fail("The document path has too many nesting levels; nesting levels: %d", len(found))
			}
			return found, nil
		}
	}
}

// name reads one name of a path.
func (p *parser) name() (step, error) {
	t := p.peek()
	switch t.kind {
	case tokenName:
		p.next++
		name, ok := p.names[t.text]
		if !ok {
			return step{}, p.fail("An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
		}
		p.usedNames[t.text] = true
		return step{name: name}, nil
	case tokenWord:
		if isOperator(t.text) {
			return step{}, p.syntax()
		}
		if isReserved(t.text) {
			return step{}, p.fail("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		p.next++
		return step{name: t.text}, nil
	}
	return step{}, p.syntax()
}

// isOperator tells whether a word is one of the operators that are words.
func isOperator(word string) bool {
	switch strings.ToUpper(word) {
	case "AND", "OR", "NOT", "IN", "BETWEEN":
		return true
	}
	return false
}

// value reads a placeholder of a value.
func (p *parser) value() (value, error) {
	t := p.peek()
	if t.kind != tokenValue {
		return value{}, p.syntax()
	}
	p.next++
	v, ok := p.values[t.text]
	if !ok {
		return v, p.fail("An expression attribute value used in expression is not defined; attribute value: %s", t.text)
	}
	p.usedValues[t.text] = true
	return v, nil
}

// isCall tells whether the next tokens are a function's name and its bracket.
func (p *parser) isCall() bool {
	return p.peek().kind == tokenWord && p.tokens[p.next+1].is("(")
}

// end wants that nothing follows.
func (p *parser) end() error {
	if p.peek().kind != tokenEnd {
		return p.syntax()
	}
	return nil
}

// parseProjection reads a list of document paths.
func parseProjection(text string, ph *placeholders) ([]path, error) {
	p, err := newParser("ProjectionExpression", text, ph)
	if err != nil {
		return nil, err
	}
	var paths []path
	for {
		found, err := p.path()
		if err != nil {
			return nil, err
		}
		if err := p.apart(paths, found); err != nil {
			return nil, err
		}
		paths = append(paths, found)
		if !p.accept(",") {
			return paths, p.end()
		}
	}
}

// apart is an error when a path overlaps one of the earlier ones, or contradicts it.
func (p *parser) apart(earlier []path, found path) error {
	for _, other := range earlier {
		if found.overlaps(other) {
			return p.fail("Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", other, found)
		}
		if found.conflicts(other) {
			return p.fail("Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", other, found)
		}
	}
	return nil
}
