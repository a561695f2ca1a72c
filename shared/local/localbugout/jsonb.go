package localbugout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// object is the data of a resource as PostgreSQL's jsonb keeps it: without the order of keys, without duplicates,
// floating-point numbers as Python writes them. A value is nil, bool, json.Number, string, []any or object.
type object map[string]any

var (
	errNotJSON = errors.New("not JSON")
	// errNotJSONB: JSON to Python, but nothing that jsonb can hold.
	errNotJSONB = errors.New("not for jsonb")
)

// parseJSON reads one JSON value. Python also takes NaN and Infinity, which jsonb then cannot hold.
func parseJSON(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if bytes.Contains(body, []byte("NaN")) || bytes.Contains(body, []byte("Infinity")) {
			return nil, errNotJSONB
		}
		return nil, errNotJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return normal(v)
}

func normal(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return nil, errNotJSONB
		}
		return v, nil
	case json.Number:
		return normalNumber(string(v))
	case []any:
		for i := range v {
			var err error
			if v[i], err = normal(v[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		o := object{}
		for key, value := range v {
			kept, err := normal(value)
			if err != nil || strings.ContainsRune(key, 0) {
				return nil, errNotJSONB
			}
			o[key] = kept
		}
		return o, nil
	}
	return v, nil // nil or bool
}

// normalNumber: integers are exact, everything else is a float64 that Python writes.
func normalNumber(text string) (any, error) {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			text = "0"
		}
		return json.Number(text), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, errNotJSONB
	}
	text = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return json.Number(text), nil
}

// write writes a value as jsonb's text.
func write(b *strings.Builder, v any) {
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, element)
		}
		b.WriteByte(']')
	case object:
		b.WriteByte('{')
		for i, key := range v.keys() {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, key)
			b.WriteString(": ")
			write(b, v[key])
		}
		b.WriteByte('}')
	default: // nil, bool, json.Number or string, which always marshal
		text, _ := json.Marshal(v)
		b.Write(text)
	}
}

// keys in jsonb's order: the shorter first.
func (o object) keys() []string {
	return slices.SortedFunc(maps.Keys(o), func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	write(&b, o)
	return []byte(b.String()), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(text []byte) error {
	v, err := parseJSON(text)
	if err != nil {
		return err
	}
	var ok bool
	if *o, ok = v.(object); !ok {
		return errors.New("the data is no object")
	}
	return nil
}

// matches says whether the texts of top-level keys are as asked, as in SQL resource_data ->> key = text: null matches
// nothing.
func (o object) matches(want map[string]string) bool {
	for key, text := range want {
		is, isText := o[key].(string)
		if !isText {
			var b strings.Builder
			write(&b, o[key])
			is = b.String()
		}
		if o[key] == nil || is != text {
			return false
		}
	}
	return true
}
