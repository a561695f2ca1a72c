package localdynamo

import (
	"maps"
	"slices"
)

// update is a parsed UpdateExpression. All of it looks at the item as it was before.
type update struct {
	sets    []setAction
	removes []path
	adds    []setAction // the value of ADD and DELETE is a literal
	deletes []setAction
	paths   []path // of all actions
}

type setAction struct {
	path  path
	value formula
}

// formula is what SET gives a path. Its errors are ValidationExceptions.
type formula interface {
	from(it item) (value, error)
}

type (
	plain struct{ operand }
	sum   struct {
		left, right formula
		minus       bool
	}
	ifNotExists struct {
		path  path
		other formula
	}
	listAppend struct{ left, right formula }
)

func (f plain) from(it item) (value, error) {
	v, ok := f.of(it)
	if !ok {
		return v, invalid("The provided expression refers to an attribute that does not exist in the item")
	}
	return v, nil
}

func (f ifNotExists) from(it item) (value, error) {
	if v, ok := f.path.in(it); ok {
		return v, nil
	}
	return f.other.from(it)
}

func (f sum) from(it item) (value, error) {
	left, right, err := both(it, f.left, f.right, kindNumber)
	if err != nil {
		return left, err
	}
	n, err := left.number.plus(right.number, f.minus)
	return value{kind: kindNumber, number: n}, err
}

func (f listAppend) from(it item) (value, error) {
	left, right, err := both(it, f.left, f.right, kindList)
	return value{kind: kindList, list: slices.Concat(left.list, right.list)}, err
}

// both are two values of the kind.
func both(it item, l, r formula, kind string) (left, right value, err error) {
	if left, err = l.from(it); err != nil {
		return left, right, err
	}
	if right, err = r.from(it); err != nil {
		return left, right, err
	}
	if left.kind != kind || right.kind != kind {
		return left, right, errOperandType()
	}
	return left, right, nil
}

func errOperandType() *apiError {
	return invalid("An operand in the update expression has an incorrect data type")
}

func errUpdatePath() *apiError {
	return invalid("The document path provided in the update expression is invalid for update")
}

// apply is the item after the update; old stays as it is.
func (u *update) apply(old item) (item, error) {
	doc := value{kind: kindMap, fields: maps.Clone(old)}
	// In the order of each list, so that what is beyond its end is appended in that order.
	for _, a := range slices.SortedFunc(slices.Values(u.sets), func(a, b setAction) int { return a.path.compare(b.path) }) {
		v, err := a.value.from(old)
		if err != nil {
			return nil, err
		}
		if doc, err = doc.set(a.path, v); err != nil {
			return nil, err
		}
	}
	doc, err := doc.combine(old, u.adds, added)
	if err != nil {
		return nil, err
	}
	if doc, err = doc.combine(old, u.deletes, without); err != nil {
		return nil, err
	}
	// From the end of each list, so that what goes does not move what else is named.
	for _, p := range slices.Backward(sortedPaths(u.removes)) {
		from := doc
		_, ok := p.in(old)
		if !ok { // nothing goes, but the way there must be right; SET may have put something in its place
			from = value{kind: kindMap, fields: old}
		}
		if from, err = from.remove(p); err != nil {
			return nil, err
		}
		if ok {
			doc = from
		}
	}
	if depth(doc) > maxDepth {
		return nil, invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	return doc.fields, nil
}

// combine gives the document what ADD or DELETE makes of values of the old item.
func (v value) combine(old item, actions []setAction, with func(before value, ok bool, given value) (value, error)) (value, error) {
	for _, a := range actions {
		given, err := a.value.from(old)
		if err != nil {
			return v, err
		}
		before, ok := a.path.in(old)
		after, err := with(before, ok, given)
		switch {
		case err != nil:
		case after.kind == "":
			v, err = v.remove(a.path)
		default:
			v, err = v.set(a.path, after)
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

// depth is how many maps and lists are in one another.
func depth(v value) int {
	deepest := 0
	for _, field := range v.fields {
		deepest = max(deepest, depth(field))
	}
	if v.kind == kindList {
		for _, member := range v.list {
			deepest = max(deepest, depth(member))
		}
	}
	if v.kind == kindMap || v.kind == kindList {
		deepest++
	}
	return deepest
}

// added is what ADD makes of a value.
func added(before value, ok bool, given value) (value, error) {
	switch {
	case !ok:
		return given, nil
	case before.kind != given.kind:
		return before, errOperandType()
	case given.kind == kindNumber:
		n, err := before.number.plus(given.number, false)
		return value{kind: kindNumber, number: n}, err
	}
	members := before.members()
	return value{kind: before.kind, list: slices.Concat(before.list, slices.DeleteFunc(slices.Clone(given.list), func(m value) bool { return members[string(m.key())] }))}, nil
}

// without is what DELETE makes of a set; the zero value when nothing is left.
func without(before value, ok bool, given value) (value, error) {
	switch {
	case !ok:
		return value{}, nil
	case before.kind != given.kind:
		return before, errOperandType()
	}
	gone := given.members()
	left := slices.DeleteFunc(slices.Clone(before.list), func(m value) bool { return gone[string(m.key())] })
	if len(left) == 0 {
		return value{}, nil
	}
	return value{kind: before.kind, list: left}, nil
}

// set is the document with a value at the path; an index beyond a list's end appends.
func (v value) set(p path, to value) (value, error) {
	if len(p) == 0 {
		return to, nil
	}
	inner, ok := p[0].in(v)
	if !ok && len(p) > 1 {
		return v, errUpdatePath()
	}
	changed, err := inner.set(p[1:], to)
	switch {
	case err != nil:
		return v, err
	case p[0].name != "" && v.kind == kindMap:
		return v.with(p[0].name, changed), nil
	case p[0].name == "" && v.kind == kindList && ok:
		v.list = slices.Clone(v.list)
		v.list[p[0].index] = changed
		return v, nil
	case p[0].name == "" && v.kind == kindList:
		v.list = append(slices.Clone(v.list), changed)
		return v, nil
	}
	return v, errUpdatePath()
}

// remove is the document without what is at the path.
func (v value) remove(p path) (value, error) {
	inner, ok := p[0].in(v)
	switch {
	case len(p) > 1 && !ok, p[0].name != "" && v.kind != kindMap, p[0].name == "" && v.kind != kindList:
		return v, errUpdatePath()
	case len(p) > 1:
		changed, err := inner.remove(p[1:])
		if err != nil {
			return v, err
		}
		return v.set(p[:1], changed)
	case !ok:
		return v, nil
	case p[0].name != "":
		v.fields = maps.Clone(v.fields)
		delete(v.fields, p[0].name)
		return v, nil
	}
	v.list = slices.Delete(slices.Clone(v.list), p[0].index, p[0].index+1)
	return v, nil
}
