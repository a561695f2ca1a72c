package localdynamo

import (
	"slices"
	"strings"
)

// keyRange is what a KeyConditionExpression asks for: one hash key, and sort keys from low up to but not including high;
// high nil is no bound.
type keyRange struct {
	hash, low, high []byte
}

// after is the first byte string behind k.
func after(k []byte) []byte { return append(slices.Clone(k), 0) }

// behind is the first byte string that is behind all that begin with prefix, nil when there is none.
func behind(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xFF {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return nil
	}
	end[len(end)-1]++
	return end
}

// newKeyRange reads a parsed KeyConditionExpression: hash = value, and at most one condition on the sort key.
func newKeyRange(c condition, s keySchema) (keyRange, error) {
	conditions := conjuncts(c)
	r := keyRange{low: []byte{}}
	seen := map[string]bool{}
	for i, each := range conditions {
		name, operator, values, err := keyTerm(each)
		if err != nil {
			return r, err
		}
		if seen[name] {
			return r, invalid("KeyConditionExpressions must only contain one condition per key")
		}
		seen[name] = true
		if i > 1 {
			return r, invalid("Conditions can be of length 1 or 2 only")
		}
		if !s.has(name) {
			return r, errKeyMissing(s, seen)
		}
		part := s.sort
		if name == s.hash.name {
			part = s.hash
		}
		for _, v := range values {
			if v.kind != part.kind {
				return r, invalidParameter("Condition parameter type does not match schema type")
			}
			if isEmpty(v) && operator != "begins_with" {
				return r, invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kindWord(v.kind), name)
			}
		}
		if name == s.hash.name {
			if operator != "=" {
				return r, invalid("Query key condition not supported")
			}
			r.hash = values[0].key()
			continue
		}
		if r.low, r.high, err = sortRange(operator, values); err != nil {
			return r, err
		}
	}
	if !seen[s.hash.name] {
		return r, errKeyMissing(s, seen)
	}
	return r, nil
}

// errKeyMissing names the part of the key that has no condition.
func errKeyMissing(s keySchema, seen map[string]bool) error {
	for _, part := range s.parts() {
		if !seen[part.name] {
			return invalid("Query condition missed key schema element: %s", part.name)
		}
	}
	return invalid("Query key condition not supported")
}

// conjuncts are the conditions between ANDs.
func conjuncts(c condition) []condition {
	if both, ok := c.(and); ok {
		return append(conjuncts(both.left), conjuncts(both.right)...)
	}
	return []condition{c}
}

// keyTerm takes one condition on a key apart.
func keyTerm(c condition) (name, operator string, values []value, err error) {
	var what operand
	var bounds []operand
	switch c := c.(type) {
	case comparison:
		what, operator, bounds = c.left, c.operator, []operand{c.right}
		if _, ok := what.(literal); ok { // :v = name
			what, bounds[0] = c.right, c.left
			operator = strings.NewReplacer("<", ">", ">", "<").Replace(operator)
		}
	case between:
		what, operator, bounds = c.what, "BETWEEN", []operand{c.low, c.high}
	case beginsWith:
		what, operator, bounds = c.what, "begins_with", []operand{c.prefix}
	}
	if what == nil || operator == "<>" {
		return "", "", nil, invalid("Invalid operator used in KeyConditionExpression: %s", operatorOf(c))
	}
	where, ok := what.(place)
	if !ok {
		return "", "", nil, invalid("KeyConditionExpressions cannot contain nested operations")
	}
	if len(where.path) != 1 {
		return "", "", nil, invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", where.path[0].name)
	}
	for _, b := range bounds {
		l, ok := b.(literal)
		if !ok {
			return "", "", nil, invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
		values = append(values, l.value)
	}
	return where.path[0].name, operator, values, nil
}

// operatorOf is the name of what keys cannot be asked with.
func operatorOf(c condition) string {
	switch c := c.(type) {
	case or:
		return "OR"
	case not:
		return "NOT"
	case oneOf:
		return "IN"
	case contains:
		return "contains"
	case hasType:
		return "attribute_type"
	case exists:
		if !c.want {
			return "attribute_not_exists"
		}
		return "attribute_exists"
	}
	return "<>"
}

// sortRange is the range of sort keys that the condition is about.
func sortRange(operator string, values []value) (low, high []byte, err error) {
	first := values[0].key()
	switch operator {
	case "=":
		return first, after(first), nil
	case "<":
		return []byte{}, first, nil
	case "<=":
		return []byte{}, after(first), nil
	case ">":
		return after(first), nil, nil
	case ">=":
		return first, nil, nil
	case "BETWEEN":
		return first, after(values[1].key()), nil
	}
	if values[0].kind == kindNumber {
		return nil, nil, invalid("Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N")
	}
	return first, behind(first), nil
}
