package localdynamo

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// The kinds of values, by their names on the wire.
const (
	kindString, kindNumber, kindBinary          = "S", "N", "B"
	kindBool, kindNull                          = "BOOL", "NULL"
	kindList, kindMap                           = "L", "M"
	kindStringSet, kindNumberSet, kindBinarySet = "SS", "NS", "BS"
)

// maxDepth is how many levels a value may have: the maps and lists that are in one another, and what is in the last.
const maxDepth = 32

// value is one attribute value. It is not changed once it was made: whoever changes a document copies the way to it.
type value struct {
	kind   string
	text   string // of S; of B the bytes
	number number
	truth  bool
	list   []value // of L, and the members of a set
	fields map[string]value
	last   int // while a list is put together from parts: the index of its newest member
}

// item is a whole item, or a part of one.
type item = map[string]value

// memberKind is the kind of a set's members, "" when kind is no set.
func memberKind(kind string) string {
	switch kind {
	case kindStringSet:
		return kindString
	case kindNumberSet:
		return kindNumber
	case kindBinarySet:
		return kindBinary
	}
	return ""
}

// UnmarshalJSON reads {"S":"x"} and its like. Its errors are those that DynamoDB answers.
func (v *value) UnmarshalJSON(raw []byte) (err error) {
	*v, err = decodeValue(raw, 0)
	return err
}

func decodeValue(raw json.RawMessage, depth int) (value, error) {
	if depth >= maxDepth {
		return value{}, invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return value{}, errSerialization("An attribute value must be an object with its type.")
	}
	var found value
	count := 0
	for kind, part := range parts {
		if bytes.Equal(part, []byte("null")) {
			continue
		}
		v, err := decodeKind(kind, part, depth)
		if err != nil {
			return value{}, err
		}
		found = v
		count++
	}
	switch count {
	case 0:
		return value{}, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case 1:
		return found, nil
	}
	return value{}, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
}

func decodeKind(kind string, raw json.RawMessage, depth int) (value, error) {
	v := value{kind: kind}
	wrong := errSerialization("The value of an attribute of type " + kindName(kind) + " has another JSON type.")
	switch kind {
	case kindString, kindNumber, kindBinary:
		var text *string
		if json.Unmarshal(raw, &text) != nil || text == nil {
			return v, wrong
		}
		return scalar(kind, *text)
	case kindBool, kindNull:
		if json.Unmarshal(raw, &v.truth) != nil {
			return v, wrong
		}
		if kind == kindNull && !v.truth {
			return v, invalidParameter("Null attribute value types must have the value of true")
		}
		return v, nil
	case kindMap:
		var parts map[string]json.RawMessage
		if json.Unmarshal(raw, &parts) != nil {
			return v, wrong
		}
		v.fields = make(item, len(parts))
		for name, part := range parts {
			member, err := decodeValue(part, depth+1)
			if err != nil {
				return v, err
			}
			v.fields[name] = member
		}
		return v, nil
	case kindList:
		var parts []json.RawMessage
		if json.Unmarshal(raw, &parts) != nil {
			return v, wrong
		}
		v.list = make([]value, len(parts))
		for i, part := range parts {
			var err error
			if v.list[i], err = decodeValue(part, depth+1); err != nil {
				return v, err
			}
		}
		return v, nil
	case kindStringSet, kindNumberSet, kindBinarySet:
		var members []*string
		if json.Unmarshal(raw, &members) != nil || slices.Contains(members, nil) {
			return v, wrong
		}
		return decodeSet(kind, members)
	}
	return v, errSerialization("An attribute value has the unknown type " + kindName(kind) + ".")
}

// kindName is the kind for a message: a caller's nonsense is not repeated at length.
func kindName(kind string) string {
	if len(kind) > 4 {
		return "?"
	}
	return kind
}

// scalar makes a value of a string, number or binary as it is on the wire.
func scalar(kind, text string) (value, error) {
	v := value{kind: kind, text: text}
	var err error
	switch kind {
	case kindNumber:
		v.text = ""
		v.number, err = parseNumber(text)
	case kindBinary:
		raw, decodeErr := base64.StdEncoding.Strict().DecodeString(text)
		if decodeErr != nil || strings.ContainsAny(text, "\r\n") {
			return v, errSerialization("A binary value is not proper base64.")
		}
		v.text = string(raw)
	}
	return v, err
}

func decodeSet(kind string, members []*string) (value, error) {
	v := value{kind: kind}
	if len(members) == 0 {
		names := map[string]string{kindStringSet: "string", kindNumberSet: "number", kindBinarySet: "binary"}
		return v, invalidParameter("An %s set  may not be empty", names[kind])
	}
	seen := make(map[string]bool, len(members))
	for _, text := range members {
		member, err := scalar(memberKind(kind), *text)
		if err != nil {
			return v, err
		}
		id := string(member.key())
		if seen[id] {
			return v, errDuplicates(kind, members)
		}
		seen[id] = true
		v.list = append(v.list, member)
	}
	return v, nil
}

func errDuplicates(kind string, members []*string) error {
	if kind != kindStringSet {
		return invalid("Input collection contains duplicates")
	}
	texts := make([]string, len(members))
	for i, m := range members {
		texts[i] = *m
	}
	return invalidParameter("Input collection [%.1000s] contains duplicates", strings.Join(texts, ", "))
}

// MarshalJSON writes the value as the protocol does.
func (v value) MarshalJSON() ([]byte, error) { return v.appendJSON(nil), nil }

func (v value) appendJSON(b []byte) []byte {
	b = append(append(append(b, `{"`...), v.kind...), `":`...)
	switch v.kind {
	case kindString, kindNumber, kindBinary:
		b = appendString(b, v.wire())
	case kindBool, kindNull:
		if v.truth {
			b = append(b, "true"...)
		} else {
			b = append(b, "false"...)
		}
	case kindMap:
		b = appendItem(b, v.fields)
	default:
		b = append(b, '[')
		for i, member := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			if v.kind == kindList {
				b = member.appendJSON(b)
			} else {
				b = appendString(b, member.wire())
			}
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// wire is a scalar's text on the wire.
func (v value) wire() string {
	switch v.kind {
	case kindNumber:
		return v.number.String()
	case kindBinary:
		return base64.StdEncoding.EncodeToString([]byte(v.text))
	}
	return v.text
}

// appendItem writes the item with its names in order, so that equal items are equal bytes.
func appendItem(b []byte, it item) []byte {
	names := make([]string, 0, len(it))
	for name := range it {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = it[name].appendJSON(b)
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can always be written
	}
	return append(b, quoted...)
}

// equal compares as DynamoDB's = does: kind and content, sets without regard to order.
func (v value) equal(w value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case kindMap:
		if len(v.fields) != len(w.fields) {
			return false
		}
		for name, field := range v.fields {
			other, ok := w.fields[name]
			if !ok || !field.equal(other) {
				return false
			}
		}
		return true
	case kindList:
		return slices.EqualFunc(v.list, w.list, value.equal)
	case kindStringSet, kindNumberSet, kindBinarySet:
		if len(v.list) != len(w.list) {
			return false
		}
		others := w.members()
		return !slices.ContainsFunc(v.list, func(m value) bool { return !others[string(m.key())] })
	}
	return v.text == w.text && v.number == w.number && v.truth == w.truth
}

// members are the keys of a set's members.
func (v value) members() map[string]bool {
	keys := make(map[string]bool, len(v.list))
	for _, member := range v.list {
		keys[string(member.key())] = true
	}
	return keys
}

// ordered tells whether values of the kind can be compared with < and its like.
func ordered(kind string) bool {
	return kind == kindString || kind == kindNumber || kind == kindBinary
}

// compare orders two values of the same ordered kind.
func (v value) compare(w value) int {
	if v.kind == kindNumber {
		return bytes.Compare(v.number.key(), w.number.key())
	}
	return cmp.Compare(v.text, w.text)
}

// key is a byte string that sorts as the values of one ordered kind do.
func (v value) key() []byte {
	if v.kind == kindNumber {
		return v.number.key()
	}
	return []byte(v.text)
}

// size is what the value counts for in the item limit (developer guide, "item sizes and formats").
func (v value) size() int {
	switch v.kind {
	case kindString, kindBinary:
		return len(v.text)
	case kindNumber:
		size := (len(v.number.digits)+1)/2 + 1
		if v.number.negative {
			size++
		}
		return size
	case kindMap:
		return 3 + itemSize(v.fields) + len(v.fields)
	case kindList:
		size := 3
		for _, member := range v.list {
			size += member.size() + 1
		}
		return size
	case kindStringSet, kindNumberSet, kindBinarySet:
		size := 0
		for _, member := range v.list {
			size += member.size()
		}
		return size
	}
	return 1
}

func itemSize(it item) int {
	size := 0
	for name, v := range it {
		size += len(name) + v.size()
	}
	return size
}
