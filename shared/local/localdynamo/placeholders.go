package localdynamo

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// placeholders are the names and values that the expressions of one request share. What is given must be used.
type placeholders struct {
	names      map[string]string
	values     map[string]value
	usedNames  map[string]bool
	usedValues map[string]bool
}

// expressionInput is the part of a request that every operation with expressions has.
type expressionInput struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues boundValues
}

// boundValues are ExpressionAttributeValues; what is wrong with one of them is said with its name.
type boundValues map[string]value

// UnmarshalJSON reads the values by their names.
func (b *boundValues) UnmarshalJSON(raw []byte) error {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	if parts == nil {
		return nil
	}
	*b = make(boundValues, len(parts))
	for _, key := range sortedKeys(parts) {
		v, err := decodeValue(parts[key], 0)
		var failure *apiError
		if errors.As(err, &failure) && failure.is("ValidationException") {
			return invalid("ExpressionAttributeValues contains invalid value: %s for key %s", failure.message, key)
		}
		if err != nil {
			return err
		}
		(*b)[key] = v
	}
	return nil
}

// placeholders checks what was given, against whether there is an expression to use it. missing says which
// expressions could have used values.
func (in *expressionInput) placeholders(hasExpression bool, missing string) (*placeholders, error) {
	if in.ExpressionAttributeNames != nil {
		switch {
		case !hasExpression:
			return nil, invalid("ExpressionAttributeNames can only be specified when using expressions")
		case len(in.ExpressionAttributeNames) == 0:
			return nil, invalid("ExpressionAttributeNames must not be empty")
		}
	}
	if in.ExpressionAttributeValues != nil {
		switch {
		case !hasExpression:
			return nil, invalid("ExpressionAttributeValues can only be specified when using expressions: %s", missing)
		case len(in.ExpressionAttributeValues) == 0:
			return nil, invalid("ExpressionAttributeValues must not be empty")
		}
	}
	for _, key := range sortedKeys(in.ExpressionAttributeNames) {
		if !isPlaceholder(key, '#') {
			return nil, invalid("ExpressionAttributeNames contains invalid key: Syntax error; key: %q", key)
		}
		if in.ExpressionAttributeNames[key] == "" {
			return nil, invalid("ExpressionAttributeNames contains invalid value: Empty attribute name for key %s", key)
		}
	}
	for _, key := range sortedKeys(in.ExpressionAttributeValues) {
		if !isPlaceholder(key, ':') {
			return nil, invalid("ExpressionAttributeValues contains invalid key: Syntax error; key: %q", key)
		}
	}
	return &placeholders{in.ExpressionAttributeNames, in.ExpressionAttributeValues, map[string]bool{}, map[string]bool{}}, nil
}

func isPlaceholder(key string, first byte) bool {
	return len(key) > 1 && key[0] == first && spanEnd(key, 1, isWord) == len(key)
}

// allUsed is an error for what no expression used.
func (p *placeholders) allUsed() error {
	if unused := unused(p.names, p.usedNames); unused != "" {
		return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", unused)
	}
	if unused := unused(p.values, p.usedValues); unused != "" {
		return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", unused)
	}
	return nil
}

func unused[V any](given map[string]V, used map[string]bool) string {
	return strings.Join(slices.DeleteFunc(sortedKeys(given), func(key string) bool { return used[key] }), ", ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
