package localdynamo

import (
	"bytes"
	"slices"
)

// Bounds of items and keys (developer guide, "service quotas").
const (
	maxItemBytes = 400 << 10
	maxHashBytes = 2048
	maxSortBytes = 1024
)

// keyPart is one attribute of a primary or index key; its name is "" where a key has no sort attribute.
type keyPart struct{ name, kind string }

// keySchema is the key of a table or an index.
type keySchema struct{ hash, sort keyPart }

// key is an item's key as bytes that sort as DynamoDB sorts; without a sort attribute, sort is empty.
type key struct{ hash, sort []byte }

func (k key) equal(l key) bool { return bytes.Equal(k.hash, l.hash) && bytes.Equal(k.sort, l.sort) }

// parts are the schema's attributes, one or two.
func (s keySchema) parts() []keyPart {
	if s.sort.name == "" {
		return []keyPart{s.hash}
	}
	return []keyPart{s.hash, s.sort}
}

// has tells whether the attribute is part of the key.
func (s keySchema) has(name string) bool {
	return name != "" && (name == s.hash.name || name == s.sort.name)
}

// of is the key of an item that was checked to have it.
func (s keySchema) of(it item) key {
	k := key{hash: it[s.hash.name].key(), sort: []byte{}}
	if s.sort.name != "" {
		k.sort = it[s.sort.name].key()
	}
	return k
}

// index is a secondary index. Its entries are always up to date here.
type index struct {
	keySchema
	name       string
	number     int  // among the table's indexes
	local      bool // shares the table's hash attribute, and can be read consistently
	projection string
	include    []string
}

// holds tells whether an item is in the index: it has all of the index's key.
func (x *index) holds(it item) bool {
	for _, part := range x.parts() {
		if _, ok := it[part.name]; !ok {
			return false
		}
	}
	return true
}

// table is a table's definition.
type table struct {
	keySchema
	id      int64
	name    string
	indexes []*index
	ttl     string // the attribute of time to live, "" when it is off
	created int64  // milliseconds since 1970
	input   createTableInput
}

// index finds an index by its name, nil when there is none.
func (t *table) index(name string) *index {
	for _, x := range t.indexes {
		if x.name == name {
			return x
		}
	}
	return nil
}

// projects tells whether reading through the index gives the attribute.
func (t *table) projects(x *index, attribute string) bool {
	return x.projection == "ALL" || t.has(attribute) || x.has(attribute) || slices.Contains(x.include, attribute)
}

// through is the item as the index shows it.
func (t *table) through(x *index, it item) item {
	if x == nil || x.projection == "ALL" {
		return it
	}
	shown := item{}
	for name, v := range it {
		if t.projects(x, name) {
			shown[name] = v
		}
	}
	return shown
}

// keyOf checks what a caller gave as the key of an item, and nothing else, and reads it.
func (t *table) keyOf(given item) (key, error) {
	if len(given) != len(t.parts()) {
		return key{}, errKeySchema()
	}
	for _, part := range t.parts() {
		v, ok := given[part.name]
		if !ok || v.kind != part.kind {
			return key{}, errKeySchema()
		}
	}
	if err := t.checkKey(given); err != nil {
		return key{}, err
	}
	return t.of(given), nil
}

func errKeySchema() *apiError { return invalid("The provided key element does not match the schema") }

// checkKey checks types, emptiness and length of an item's key.
func (t *table) checkKey(it item) error {
	for i, part := range t.parts() {
		v, ok := it[part.name]
		switch {
		case !ok:
			return invalidParameter("Missing the key %s in the item", part.name)
		case v.kind != part.kind:
			return invalidParameter("Type mismatch for key %s expected: %s actual: %s", part.name, part.kind, v.kind)
		case isEmpty(v):
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kindWord(v.kind), part.name)
		}
		if err := checkKeyLength(v, i == 0); err != nil {
			return err
		}
	}
	return nil
}

func checkKeyLength(v value, hash bool) error {
	switch {
	case hash && v.size() > maxHashBytes:
		return invalidParameter("Size of hashkey has exceeded the maximum size limit of2048 bytes")
	case !hash && v.size() > maxSortBytes:
		return invalidParameter("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	return nil
}

func isEmpty(v value) bool { return v.kind != kindNumber && v.text == "" }

func kindWord(kind string) string {
	if kind == kindBinary {
		return "binary"
	}
	return "string"
}

// checkItem checks a whole item as it is to be kept, but for its index keys.
func (t *table) checkItem(it item) error {
	if err := t.checkKey(it); err != nil {
		return err
	}
	if _, ok := it[""]; ok {
		return invalidParameter("Empty attribute name")
	}
	if itemSize(it) > maxItemBytes {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	return nil
}

func (t *table) checkIndexKeys(it item) error {
	for _, x := range t.indexes {
		for i, part := range x.parts() {
			v, ok := it[part.name]
			switch {
			case !ok || t.has(part.name):
				continue
			case v.kind != part.kind:
				return invalidParameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", part.name, part.kind, v.kind, x.name)
			case isEmpty(v):
				return invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. "+
					"The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", kindWord(v.kind), x.name, part.name)
			}
			if err := checkKeyLength(v, i == 0); err != nil {
				return err
			}
		}
	}
	return nil
}
