package lambdahttp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
)

// decode reads an event. A body in base64 is nearly all of a large event, and encoding/json takes most of an
// invocation to read it: it is cut out first. Any other event, and every error, is left to encoding/json.
func decode(payload []byte) (*event, error) {
	if body, rest, ok := cutBody(payload); ok {
		var e event
		if json.Unmarshal(rest, &e) == nil && e.IsBase64Encoded {
			if e.decoded, ok = decodeBase64(body); ok {
				return &e, nil
			}
		}
	}
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// cutBody gives what is between the quotes of the member "body", and the event without that. The name is matched as
// encoding/json matches it. Nothing is cut out unless there is one such member at the top, whose value is a string, and
// no name at the top has a backslash. Whether payload is JSON is not checked: whoever decodes rest learns it.
func cutBody(payload []byte) (body, rest []byte, ok bool) {
	depth, from, to := 0, 0, 0
	for i := 0; i < len(payload); i++ {
		switch payload[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			text, end := stringAt(payload, i)
			if end < 0 {
				return nil, nil, false
			}
			i = end
			if depth != 1 {
				continue
			}
			value := afterColon(payload, end+1)
			if value < 0 {
				continue // it was a value
			}
			if bytes.IndexByte(text, '\\') >= 0 {
				return nil, nil, false
			}
			if !bytes.EqualFold(text, []byte("body")) {
				continue
			}
			body, end = stringAt(payload, value)
			if end < 0 || to > 0 {
				return nil, nil, false
			}
			from, to, i = value+1, end, end
		}
	}
	if to == 0 {
		return nil, nil, false
	}
	return body, slices.Concat(payload[:from], payload[to:]), true
}

// stringAt gives the JSON string that begins at a quote, as it is between its quotes, and where it ends. The end is -1
// where no string begins, or none ends.
func stringAt(payload []byte, start int) (text []byte, end int) {
	if start == len(payload) || payload[start] != '"' {
		return nil, -1
	}
	start++
	for end = start; ; end++ {
		next := bytes.IndexByte(payload[end:], '"')
		if next < 0 {
			return nil, -1
		}
		end += next
		text = payload[start:end]
		if backslashes := len(text) - len(bytes.TrimRight(text, `\`)); backslashes%2 == 0 {
			return text, end
		}
	}
}

// afterColon gives where the value begins if what is at i is a colon, else -1. Space is passed over.
func afterColon(payload []byte, i int) int {
	rest := bytes.TrimLeft(payload[i:], " \t\r\n")
	if len(rest) == 0 || rest[0] != ':' {
		return -1
	}
	return len(payload) - len(bytes.TrimLeft(rest[1:], " \t\r\n"))
}

// decodeBase64 decodes text if it is base64 and can be between the quotes of a JSON string. The decoder passes over
// line ends, which cannot be there; the length tells.
func decodeBase64(text []byte) (decoded []byte, ok bool) {
	decoded = make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(decoded, text)
	return decoded[:n], err == nil && base64.StdEncoding.EncodedLen(n) == len(text)
}
