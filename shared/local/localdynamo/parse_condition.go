package localdynamo

import (
	"fmt"
	"slices"
	"strings"
)

// part is what brackets may hold: a condition, or an operand of one.
type part struct {
	condition condition
	operand   operand
}

// parseCondition reads a ConditionExpression, FilterExpression or KeyConditionExpression, as the parameter says.
func parseCondition(parameter, text string, ph *placeholders) (condition, error) {
	p, err := newParser(parameter, text, ph)
	if err != nil {
		return nil, err
	}
	found, err := p.or()
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return p.asCondition(found)
}

// asCondition wants a condition. An operand that stands alone is one that its operator does not follow.
func (p *parser) asCondition(found part) (condition, error) {
	if found.condition != nil {
		return found.condition, nil
	}
	if _, ok := found.operand.(sizeOf); ok {
		return nil, p.fail("The function is not allowed to be used this way in an expression; function: size")
	}
	return nil, p.syntax()
}

// asOperand wants an operand.
func (p *parser) asOperand(found part) (operand, error) {
	if found.operand == nil {
		return nil, p.syntax()
	}
	return found.operand, nil
}

func (p *parser) or() (part, error) {
	return p.chain("OR", (*parser).and, func(l, r condition) condition { return or{l, r} })
}

func (p *parser) and() (part, error) {
	return p.chain("AND", (*parser).not, func(l, r condition) condition { return and{l, r} })
}

// chain reads one or more conditions with the keyword between them.
func (p *parser) chain(keyword string, next func(*parser) (part, error), join func(l, r condition) condition) (part, error) {
	left, err := next(p)
	if err != nil || !p.peek().is(keyword) {
		return left, err
	}
	joined, err := p.asCondition(left)
	for err == nil && p.accept(keyword) {
		if err = p.operator(); err != nil {
			break
		}
		var right part
		if right, err = next(p); err != nil {
			break
		}
		var c condition
		if c, err = p.asCondition(right); err == nil {
			joined = join(joined, c)
		}
	}
	return part{condition: joined}, err
}

func (p *parser) not() (part, error) {
	if !p.accept("NOT") {
		return p.compared()
	}
	if err := p.operator(); err != nil {
		return part{}, err
	}
	inner, err := p.not()
	if err != nil {
		return part{}, err
	}
	c, err := p.asCondition(inner)
	return part{condition: not{c}}, err
}

// compared reads an operand with what it is compared to, or a condition that needs nothing more.
func (p *parser) compared() (part, error) {
	left, err := p.term()
	if err != nil || left.operand == nil {
		return left, err
	}
	t := p.peek()
	switch {
	case t.kind == tokenSymbol && slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, t.text):
		p.next++
		right, err := p.operandTerm()
		if err != nil {
			return part{}, err
		}
		if err := p.checkComparison(t.text, left.operand, right); err != nil {
			return part{}, err
		}
		return part{condition: comparison{t.text, left.operand, right}}, p.operator()
	case p.accept("BETWEEN"):
		c, err := p.between(left.operand)
		return part{condition: c}, err
	case p.accept("IN"):
		c, err := p.oneOf(left.operand)
		return part{condition: c}, err
	}
	return left, nil
}

func (p *parser) operandTerm() (operand, error) {
	found, err := p.term()
	if err != nil {
		return nil, err
	}
	return p.asOperand(found)
}

func (p *parser) between(what operand) (condition, error) {
	low, err := p.operandTerm()
	if err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	high, err := p.operandTerm()
	if err != nil {
		return nil, err
	}
	l, lok := low.(literal)
	h, hok := high.(literal)
	for _, bound := range []operand{low, high} {
		if err := p.checkOrdered("BETWEEN", bound); err != nil {
			return nil, err
		}
	}
	if lok && hok {
		shown := fmt.Sprintf("lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", l.show(), h.show())
		if l.kind != h.kind {
			return nil, p.fail("The BETWEEN operator requires same data type for lower and upper bounds; %s", shown)
		}
		if l.compare(h.value) > 0 {
			return nil, p.fail("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; %s", shown)
		}
	}
	return between{what, low, high}, p.operator()
}

// show is a scalar as error messages have it.
func (l literal) show() string { return "{" + l.kind + ":" + l.wire() + "}" }

func (p *parser) oneOf(what operand) (condition, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	list, err := p.operands()
	if err != nil {
		return nil, err
	}
	if len(list) > maxInOperands {
		return nil, p.fail("The IN operator is provided with too many operands; number of operands: %d", len(list))
	}
	return oneOf{what, list}, p.operator()
}

// operands reads one or more operands and the closing bracket.
func (p *parser) operands() ([]operand, error) {
	var list []operand
	for {
		next, err := p.operandTerm()
		if err != nil {
			return nil, err
		}
		list = append(list, next)
		if p.accept(",") {
			continue
		}
		return list, p.expect(")")
	}
}

// term reads what stands between operators: brackets, a function, a path or a value.
func (p *parser) term() (part, error) {
	switch {
	case p.peek().is("("):
		return p.group()
	case p.isCall():
		return p.call()
	case p.peek().kind == tokenValue:
		v, err := p.value()
		return part{operand: literal{v}}, err
	}
	found, err := p.path()
	return part{operand: place{found}}, err
}

// group reads brackets. Brackets around nothing but brackets are refused.
func (p *parser) group() (part, error) {
	open := p.next
	p.next++
	inner, err := p.or()
	if err != nil {
		return part{}, err
	}
	closing := p.next
	if err := p.expect(")"); err != nil {
		return part{}, err
	}
	if p.groups[open+1] == closing-1 {
		return part{}, p.fail("The expression has redundant parentheses;")
	}
	p.groups[open] = closing
	return inner, nil
}

// call reads a function of a condition.
func (p *parser) call() (part, error) {
	name := p.take().text
	build, known := map[string]func([]operand) (part, error){
		"attribute_exists":     func(o []operand) (part, error) { return p.exists(name, o, true) },
		"attribute_not_exists": func(o []operand) (part, error) { return p.exists(name, o, false) },
		"attribute_type":       p.attributeType,
		"begins_with":          p.beginsWith,
		"contains":             p.contains,
		"size":                 p.size,
	}[name]
	if !known {
		if name == "if_not_exists" || name == "list_append" {
			return part{}, p.fail("The function is not allowed in a condition expression; function: %s", name)
		}
		return part{}, p.fail("Invalid function name; function: %s", name)
	}
	p.next++ // the bracket that isCall saw
	operands, err := p.operands()
	if err != nil {
		return part{}, err
	}
	want := 2
	if strings.HasSuffix(name, "exists") || name == "size" {
		want = 1
	}
	if len(operands) != want {
		return part{}, p.fail("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(operands))
	}
	found, err := build(operands)
	if err != nil {
		return part{}, err
	}
	return found, p.operator()
}

func (p *parser) exists(name string, o []operand, want bool) (part, error) {
	where, ok := o[0].(place)
	if !ok {
		return part{}, p.fail("Operator or function requires a document path; operator or function: %s", name)
	}
	return part{condition: exists{where.path, want}}, nil
}

func (p *parser) attributeType(o []operand) (part, error) {
	kinds := []string{"N", "BS", "L", "B", "NULL", "M", "S", "SS", "NS", "BOOL"}
	l, ok := o[1].(literal)
	if !ok || l.kind != kindString {
		return part{}, p.wrongType("attribute_type", o[1])
	}
	if !slices.Contains(kinds, l.text) {
		return part{}, p.fail("Invalid attribute type name found; type: %s, valid types: {%s}", l.text, strings.Join(kinds, ","))
	}
	return part{condition: hasType{o[0], l.text}}, nil
}

func (p *parser) beginsWith(o []operand) (part, error) {
	for _, each := range o {
		if l, ok := each.(literal); ok && l.kind != kindString && l.kind != kindBinary {
			return part{}, p.wrongType("begins_with", each)
		}
	}
	return part{condition: beginsWith{o[0], o[1]}}, p.checkDistinct("begins_with", o[0], o[1])
}

func (p *parser) contains(o []operand) (part, error) {
	return part{condition: contains{o[0], o[1]}}, p.checkDistinct("contains", o[0], o[1])
}

func (p *parser) size(o []operand) (part, error) {
	if l, ok := o[0].(literal); ok && (l.kind == kindNumber || l.kind == kindBool || l.kind == kindNull) {
		return part{}, p.wrongType("size", o[0])
	}
	return part{operand: sizeOf{o[0]}}, nil
}

func (p *parser) wrongType(name string, o operand) error {
	kind := "a document path"
	if l, ok := o.(literal); ok {
		kind = l.kind
	}
	return p.fail("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", name, kind)
}

// checkComparison refuses what can never be compared.
func (p *parser) checkComparison(operator string, left, right operand) error {
	if operator != "=" && operator != "<>" {
		for _, o := range []operand{left, right} {
			if err := p.checkOrdered(operator, o); err != nil {
				return err
			}
		}
	}
	return p.checkDistinct(operator, left, right)
}

func (p *parser) checkOrdered(operator string, o operand) error {
	if l, ok := o.(literal); ok && !ordered(l.kind) {
		return p.wrongType(operator, o)
	}
	return nil
}

// checkDistinct refuses to compare a path with itself.
func (p *parser) checkDistinct(operator string, left, right operand) error {
	l, lok := left.(place)
	r, rok := right.(place)
	if lok && rok && slices.Equal(l.path, r.path) {
		return p.fail("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", operator, l.path)
	}
	return nil
}
