package localsqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of the SQS API reference.
const (
	maxMessageBytes      = 1 << 20 // body and attributes of one message; also of a whole batch
	maxMessageAttributes = 10
)

// attributeValue is a message attribute on the wire. BinaryValue is base64 there.
type attributeValue struct {
	DataType         string
	StringValue      *string  `json:",omitempty"`
	BinaryValue      []byte   `json:",omitempty"`
	StringListValues []string `json:",omitempty"`
	BinaryListValues [][]byte `json:",omitempty"`
}

var (
	attributeNames  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,256}$`)
	attributeTypes  = regexp.MustCompile(`^(String|Number|Binary)(\.[A-Za-z0-9_.-]+)?$`)
	attributeNumber = regexp.MustCompile(`^[+-]?(\d{1,128}(\.\d{0,128})?|\.\d{1,128})([eE][+-]?\d{1,3})?$`)
)

// checkBody applies SQS's rule for text: the characters that XML 1.0 allows.
func checkBody(body string) error {
	if body == "" {
		return errMissingParameter("MessageBody")
	}
	if !allowedText(body) {
		return plain("InvalidMessageContents", "Invalid characters found in the message body.")
	}
	return nil
}

func allowedText(s string) bool {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			// Either the character U+FFFD itself or a byte that is no UTF-8; one has three bytes, the other none.
			if !strings.HasPrefix(s[i:], "\uFFFD") {
				return false
			}
		case r >= 0x20 && r != 0xFFFE && r != 0xFFFF, r == '\t', r == '\n', r == '\r':
		default:
			return false
		}
	}
	return true
}

// checkAttributes checks message attributes and returns their size as SQS counts it: names, types and values.
func checkAttributes(attributes map[string]attributeValue) (size int, err error) {
	if len(attributes) > maxMessageAttributes {
		return 0, errInvalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].",
			len(attributes), maxMessageAttributes)
	}
	for name, v := range attributes {
		lower := strings.ToLower(name)
		if !attributeNames.MatchString(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") ||
			strings.Contains(name, "..") || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
			return 0, errInvalidParameter("The message attribute name %.300q is invalid.", name)
		}
		if err := checkAttribute(name, v); err != nil {
			return 0, err
		}
		size += len(name) + len(v.DataType) + len(v.BinaryValue)
		if v.StringValue != nil {
			size += len(*v.StringValue)
		}
	}
	return size, nil
}

func checkAttribute(name string, v attributeValue) error {
	if len(v.DataType) > 256 || !attributeTypes.MatchString(v.DataType) {
		return errInvalidParameter("The type of message attribute '%s' is invalid. "+
			"You must use only the following supported type prefixes: Binary, Number, String.", name)
	}
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return modelled("UnsupportedOperation", "Message attribute lists in '%s' are not supported.", name)
	}
	if strings.HasPrefix(v.DataType, "Binary") {
		if len(v.BinaryValue) == 0 || v.StringValue != nil {
			return errInvalidParameter(
				"The message attribute '%s' with type 'Binary' must have a non-empty BinaryValue alone.", name)
		}
		return nil
	}
	if v.StringValue == nil || *v.StringValue == "" || len(v.BinaryValue) > 0 {
		return errInvalidParameter("The message attribute '%s' must have a non-empty StringValue alone.", name)
	}
	if !allowedText(*v.StringValue) {
		return plain("InvalidMessageContents", "Invalid characters found in message attribute '%s'.", name)
	}
	if strings.HasPrefix(v.DataType, "Number") && !attributeNumber.MatchString(*v.StringValue) {
		return errInvalidParameter("Can't cast the value of message attribute '%s' to a number.", name)
	}
	return nil
}

// attributesMD5 is the digest that SDKs compare: for each attribute by name, the length and bytes of name and type, a
// byte for the transport (1 text, 2 binary), the length and bytes of the value. Empty for no attributes.
func attributesMD5(attributes map[string]attributeValue) string {
	if len(attributes) == 0 {
		return ""
	}
	var buf []byte
	put := func(b string) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b)))
		buf = append(buf, b...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		v := attributes[name]
		put(name)
		put(v.DataType)
		if v.StringValue != nil {
			buf = append(buf, 1)
			put(*v.StringValue)
		} else {
			buf = append(buf, 2)
			put(string(v.BinaryValue))
		}
	}
	return hexMD5(string(buf))
}

func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// selectAttributes returns those that ReceiveMessage asked for: by name, by prefix ("bar.*"), or all ("All", ".*").
func selectAttributes(all map[string]attributeValue, wanted []string) map[string]attributeValue {
	selected := map[string]attributeValue{}
	for name, v := range all {
		for _, w := range wanted {
			prefix, isPrefix := strings.CutSuffix(w, ".*")
			if w == "All" || w == name || isPrefix && (prefix == "" || strings.HasPrefix(name, prefix+".")) {
				selected[name] = v
				break
			}
		}
	}
	return selected
}
