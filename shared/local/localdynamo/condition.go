package localdynamo

import (
	"strings"
	"unicode/utf16"
)

// condition is a parsed ConditionExpression, FilterExpression or KeyConditionExpression, or a part of one.
type condition interface {
	holds(it item) bool
}

// operand is what a condition compares; ok is false when the item has no such value.
type operand interface {
	of(it item) (v value, ok bool)
}

type (
	literal struct{ value }
	place   struct{ path }
	sizeOf  struct{ inner operand }
)

func (l literal) of(item) (value, bool)  { return l.value, true }
func (p place) of(it item) (value, bool) { return p.in(it) }

// of is the length of a string in UTF-16 code units, of a binary in bytes, of a set, list or map in members.
func (s sizeOf) of(it item) (value, bool) {
	v, ok := s.inner.of(it)
	n := 0
	switch v.kind {
	case kindString:
		n = len(utf16.Encode([]rune(v.text)))
	case kindBinary:
		n = len(v.text)
	case kindMap:
		n = len(v.fields)
	case kindNumber, kindBool, kindNull:
		ok = false
	default:
		n = len(v.list)
	}
	return value{kind: kindNumber, number: numberOf(n)}, ok
}

type (
	and        struct{ left, right condition }
	or         struct{ left, right condition }
	not        struct{ of condition }
	comparison struct {
		operator    string
		left, right operand
	}
	between struct{ what, low, high operand }
	oneOf   struct {
		what operand
		list []operand
	}
	exists struct {
		path path
		want bool
	}
	hasType struct {
		what operand
		kind string
	}
	beginsWith struct{ what, prefix operand }
	contains   struct{ what, member operand }
)

func (c and) holds(it item) bool { return c.left.holds(it) && c.right.holds(it) }
func (c or) holds(it item) bool  { return c.left.holds(it) || c.right.holds(it) }
func (c not) holds(it item) bool { return !c.of.holds(it) }

func (c comparison) holds(it item) bool {
	left, ok := c.left.of(it)
	right, okRight := c.right.of(it)
	if c.operator == "<>" {
		return !ok || !okRight || !left.equal(right)
	}
	return ok && okRight && compares(left, c.operator, right)
}

// compares applies an operator to two values that are there; values of different kinds compare as false.
func compares(left value, operator string, right value) bool {
	if operator == "=" {
		return left.equal(right)
	}
	if left.kind != right.kind || !ordered(left.kind) {
		return false
	}
	order := left.compare(right)
	switch operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (c between) holds(it item) bool {
	return comparison{">=", c.what, c.low}.holds(it) && comparison{"<=", c.what, c.high}.holds(it)
}

func (c oneOf) holds(it item) bool {
	for _, other := range c.list {
		if (comparison{"=", c.what, other}).holds(it) {
			return true
		}
	}
	return false
}

func (c exists) holds(it item) bool {
	_, ok := c.path.in(it)
	return ok == c.want
}

func (c hasType) holds(it item) bool {
	v, ok := c.what.of(it)
	return ok && v.kind == c.kind
}

func (c beginsWith) holds(it item) bool {
	v, ok := c.what.of(it)
	prefix, okPrefix := c.prefix.of(it)
	return ok && okPrefix && v.kind == prefix.kind && (v.kind == kindString || v.kind == kindBinary) &&
		strings.HasPrefix(v.text, prefix.text)
}

func (c contains) holds(it item) bool {
	v, ok := c.what.of(it)
	member, okMember := c.member.of(it)
	if !ok || !okMember {
		return false
	}
	if v.kind == member.kind && (v.kind == kindString || v.kind == kindBinary) {
		return strings.Contains(v.text, member.text)
	}
	if v.kind != kindList && memberKind(v.kind) != member.kind {
		return false
	}
	for _, m := range v.list {
		if m.equal(member) {
			return true
		}
	}
	return false
}

// attributes are the names of the attributes that a condition looks at, some perhaps twice.
func attributes(c condition) []string {
	switch c := c.(type) {
	case and:
		return append(attributes(c.left), attributes(c.right)...)
	case or:
		return append(attributes(c.left), attributes(c.right)...)
	case not:
		return attributes(c.of)
	case comparison:
		return named(c.left, c.right)
	case between:
		return named(c.what, c.low, c.high)
	case oneOf:
		return append(named(c.what), named(c.list...)...)
	case exists:
		return []string{c.path[0].name}
	case hasType:
		return named(c.what)
	case beginsWith:
		return named(c.what, c.prefix)
	case contains:
		return named(c.what, c.member)
	}
	return nil
}

// named are the names of the attributes among operands.
func named(operands ...operand) []string {
	var names []string
	for _, o := range operands {
		switch o := o.(type) {
		case place:
			names = append(names, o.path[0].name)
		case sizeOf:
			names = append(names, named(o.inner)...)
		}
	}
	return names
}
