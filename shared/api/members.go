package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// members are the values of a JSON object, by name.
type members map[string]json.RawMessage

// readMembers reads a JSON object that has no members but these, each at most once and in this spelling. encoding/json
// alone takes "Name" for "name", and the last of two.
func readMembers(data []byte, known ...string) (members, error) {
	malformed := newProblem(badJSON, `The body is not a JSON object like {"name":"cat.png",`+
		`"size":1234,"type":"image/png","sha256":"…"}; only name is needed.`)
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, malformed
	}
	found := members{}
	for decoder.More() {
		token, err := decoder.Token()
		name, isName := token.(string)
		var value json.RawMessage
		if err != nil || !isName || decoder.Decode(&value) != nil {
			return nil, malformed
		}
		if !slices.Contains(known, name) {
			return nil, newProblem(badJSON, "The member %.64q is not known: the members are %s, spelled like this.", name,
				strings.Join(known, ", "))
		}
		if _, twice := found[name]; twice {
			return nil, newProblem(badJSON, "The member %q stands twice: send it once.", name)
		}
		found[name] = value
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return nil, malformed
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed
	}
	return found, nil
}

// has says whether a member says something: null does not.
func (m members) has(name string) bool { return m[name] != nil && string(m[name]) != "null" }

// text reads a member that is text; "" when it says nothing.
func (m members) text(name string) (text string, err error) {
	if m.has(name) && json.Unmarshal(m[name], &text) != nil {
		return "", newProblem(badJSON, `The member %q is %.64s: send text, in quotes.`, name, m[name])
	}
	return text, nil
}

// maxExact is the largest whole number up to which every number of JSON keeps its value in all languages.
const maxExact = 1 << 53

// size reads a member that is a whole number, as JSON Schema understands one: 20, 20.0 and 2e1 are the same. It is nil
// when the member says nothing.
func (m members) size(name string) (*int64, error) {
	if !m.has(name) {
		return nil, nil
	}
	number, err := strconv.ParseFloat(string(m[name]), 64)
	switch {
	case m[name][0] == '"':
		return nil, newProblem(badJSON, `The member %q is the text %.64s: send a number, without quotes.`, name, m[name])
	case err != nil && !errors.Is(err, strconv.ErrRange), number != math.Trunc(number):
		return nil, newProblem(badJSON, `The member %q is %.64s: send a whole number, of bytes.`, name, m[name])
	}
	size := int64(max(-maxExact, min(number, maxExact)))
	return &size, nil
}
