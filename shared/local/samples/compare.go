package samples

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// placeholders are what may stand for a part of a text that differs from call to call.
var placeholders = map[string]string{
	"id":         `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
	"created_at": `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}`,
	"time":       `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`,
	"http_date":  `[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`,
	"amz_date":   `\d{8}T\d{6}Z`,
	"request_id": `[A-Za-z0-9=_-]+`,
	"endpoint":   `https?://[A-Za-z0-9.-]+(?::\d+)?`,
	"base64":     `[A-Za-z0-9+/]+=*`,
	"hex":        `[0-9a-f]+`,
	"credential": `[A-Za-z0-9]+/\d{8}/[a-z0-9-]+/s3/aws4_request`,
	"number":     `\d+`,
}

// Placeholders are the names of what Compare knows.
func Placeholders() []string { return slices.Sorted(maps.Keys(placeholders)) }

var placeholderForm = regexp.MustCompile(`\{\{([a-z_0-9]+)((?:\.[0-9]+)?)\}\}`)

// Compare says how a reply differs from what is expected of it; nil when it does not.
//
// Both are JSON, and the order of members does not matter. In the texts of what is expected, {{time}} and the like
// (the table is in the folder's README.md) stand for something that differs from call to call. The same placeholder
// means the same text everywhere in a reply: where two may differ they are numbered, {{time.1}} and {{time.2}}. Alone
// in a text, one may stand for a number.
func Compare(expected, reply []byte) error {
	var want, got any
	if err := decode(expected, &want); err != nil {
		return fmt.Errorf("what is expected: %w", err)
	}
	if err := decode(reply, &got); err != nil {
		return fmt.Errorf("the reply %.200q: %w", reply, err)
	}
	c := comparison{bound: map[string]string{}}
	c.compare("", want, got)
	return errors.Join(c.differences...)
}

// decode reads the one JSON value in text. It keeps numbers as they are written, and takes no unknown member.
func decode(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it is no JSON: something follows")
	}
	return nil
}

type comparison struct {
	bound       map[string]string // what a placeholder stood for first
	differences []error
}

func (c *comparison) report(at, format string, args ...any) {
	if at == "" {
		at = "the reply"
	}
	c.differences = append(c.differences, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

func (c *comparison) compare(at string, want, got any) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			c.report(at, "found %v, want an object", got)
			return
		}
		names := maps.Clone(want)
		maps.Copy(names, object)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			w, expected := want[name]
			g, found := object[name]
			switch below := strings.TrimPrefix(at+"."+name, "."); {
			case !found:
				c.report(below, "it is missing, want %v", w)
			case !expected:
				c.report(below, "found %v, want no such member", g)
			default:
				c.compare(below, w, g)
			}
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			c.report(at, "found %v, want a list of %d", got, len(want))
			return
		}
		for i := range want {
			c.compare(fmt.Sprintf("%s[%d]", at, i), want[i], list[i])
		}
	case string:
		text, ok := got.(string)
		if n, number := got.(json.Number); number && placeholderForm.MatchString(want) {
			text, ok = n.String(), true
		}
		if !ok {
			c.report(at, "found %v, want a text", got)
			return
		}
		c.text(at, want, text)
	default:
		if !reflect.DeepEqual(want, got) {
			c.report(at, "found %v, want %v", got, want)
		}
	}
}

// text holds a text against one with placeholders.
func (c *comparison) text(at, want, got string) {
	var pattern strings.Builder
	var names []string
	rest := want
	for _, found := range placeholderForm.FindAllStringSubmatch(want, -1) {
		before, after, _ := strings.Cut(rest, found[0])
		form, known := placeholders[found[1]]
		if !known {
			c.report(at, "there is no placeholder %s", found[0])
			return
		}
		pattern.WriteString(regexp.QuoteMeta(before) + "(" + form + ")")
		names = append(names, found[0])
		rest = after
	}
	form, err := regexp.Compile("^" + pattern.String() + regexp.QuoteMeta(rest) + "$")
	if err != nil {
		c.report(at, "%v", err)
		return
	}
	match := form.FindStringSubmatch(got)
	if match == nil {
		c.report(at, "found %q, want %q", got, want)
		return
	}
	for i, name := range names {
		value := match[i+1]
		if first, again := c.bound[name]; again && first != value {
			c.report(at, "%s is %q, but was %q before", name, value, first)
			continue
		}
		c.bound[name] = value
	}
}
