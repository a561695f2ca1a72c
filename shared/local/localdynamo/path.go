package localdynamo

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// step is one part of a document path: a name, or the index of a list when name is "".
type step struct {
	name  string
	index int
}

// path is where a value is in an item; the first step is the name of an attribute.
type path []step

// String is the path as DynamoDB shows it: [a, b, [1]].
func (p path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.name
		if s.name == "" {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// overlaps tells whether one path leads to or through the other.
func (p path) overlaps(q path) bool {
	n := min(len(p), len(q))
	return slices.Equal(p[:n], q[:n])
}

// conflicts tells whether the paths part at a place that cannot be both a map and a list.
func (p path) conflicts(q path) bool {
	for i := range min(len(p), len(q)) {
		if p[i] != q[i] {
			return (p[i].name == "") != (q[i].name == "")
		}
	}
	return false
}

// in finds the value; ok is false when there is none.
func (p path) in(it item) (v value, ok bool) {
	v, ok = it[p[0].name]
	for _, s := range p[1:] {
		if !ok {
			return v, false
		}
		v, ok = s.in(v)
	}
	return v, ok
}

// in is one step into a value.
func (s step) in(v value) (value, bool) {
	if s.name != "" {
		field, ok := v.fields[s.name]
		return field, ok
	}
	if v.kind != kindList || s.index >= len(v.list) {
		return value{}, false
	}
	return v.list[s.index], true
}

// compare orders paths by their names, and by the indexes of each list.
func (p path) compare(q path) int {
	return slices.CompareFunc(p, q, func(s, t step) int { return cmp.Or(cmp.Compare(s.name, t.name), cmp.Compare(s.index, t.index)) })
}

// sortedPaths are the paths in their order.
func sortedPaths(paths []path) []path {
	return slices.SortedFunc(slices.Values(paths), path.compare)
}

// graft puts the value at the path's place in a document of what is shown: maps are made on the way, and lists that
// hold what is shown without gaps. Paths must come as sortedPaths gives them.
func (p path) graft(into, v value) value {
	if len(p) == 0 {
		return v
	}
	if p[0].name != "" {
		return into.with(p[0].name, p[1:].graft(into.fields[p[0].name], v))
	}
	into.kind = kindList
	if n := len(into.list); n > 0 && into.last == p[0].index {
		into.list = append(into.list[:n-1:n-1], p[1:].graft(into.list[n-1], v))
	} else {
		into.list = append(into.list[:n:n], p[1:].graft(value{}, v))
	}
	into.last = p[0].index
	return into
}

// with is the map with one more field.
func (v value) with(name string, field value) value {
	fields := make(item, len(v.fields)+1)
	maps.Copy(fields, v.fields)
	fields[name] = field
	return value{kind: kindMap, fields: fields}
}
