package localdynamo

import "strings"

// parseUpdate reads an UpdateExpression.
func parseUpdate(text string, ph *placeholders) (*update, error) {
	p, err := newParser("UpdateExpression", text, ph)
	if err != nil {
		return nil, err
	}
	u := &update{}
	sections := map[string]func(*update) error{"SET": p.set, "REMOVE": p.remove, "ADD": p.add, "DELETE": p.delete}
	seen := map[string]bool{}
	for p.peek().kind != tokenEnd {
		name := strings.ToUpper(p.peek().text)
		section := sections[name]
		if section == nil || p.peek().kind != tokenWord {
			return nil, p.syntax()
		}
		if seen[name] {
			return nil, p.fail("The \"%s\" section can only be used once in an update expression;", name)
		}
		seen[name] = true
		p.next++
		for more := true; more; more = p.accept(",") {
			if err := section(u); err != nil {
				return nil, err
			}
		}
	}
	return u, nil
}

// target reads the path of an action, which no other action may touch.
func (p *parser) target(u *update) (path, error) {
	found, err := p.path()
	if err != nil {
		return nil, err
	}
	if err := p.apart(u.paths, found); err != nil {
		return nil, err
	}
	u.paths = append(u.paths, found)
	return found, p.operator()
}

func (p *parser) set(u *update) error {
	target, err := p.target(u)
	if err != nil {
		return err
	}
	if err := p.expect("="); err != nil {
		return err
	}
	f, err := p.sum()
	u.sets = append(u.sets, setAction{target, f})
	return err
}

func (p *parser) remove(u *update) error {
	target, err := p.target(u)
	u.removes = append(u.removes, target)
	return err
}

func (p *parser) add(u *update) error {
	a, err := p.withLiteral(u, "ADD", kindNumber)
	u.adds = append(u.adds, a)
	return err
}

func (p *parser) delete(u *update) error {
	a, err := p.withLiteral(u, "DELETE", "")
	u.deletes = append(u.deletes, a)
	return err
}

// withLiteral reads a path and a value, which must be a set or of the other kind.
func (p *parser) withLiteral(u *update, name, other string) (setAction, error) {
	target, err := p.target(u)
	if err != nil {
		return setAction{}, err
	}
	v, err := p.value()
	if err != nil {
		return setAction{}, err
	}
	if memberKind(v.kind) == "" && v.kind != other {
		return setAction{}, p.fail("Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", name, longKind(v.kind), name)
	}
	return setAction{target, plain{literal{v}}}, nil
}

// longKind is a kind as the messages about ADD and DELETE have it.
func longKind(kind string) string {
	return map[string]string{kindString: "STRING", kindNumber: "NUMBER", kindBinary: "BINARY", kindBool: "BOOLEAN",
		kindNull: "NULL", kindList: "LIST", kindMap: "MAP"}[kind]
}

// sum reads one operand of SET, or two with + or - between them.
func (p *parser) sum() (formula, error) {
	if p.accept("(") {
		inner, err := p.sum()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	left, err := p.formula()
	if err != nil {
		return nil, err
	}
	operator := p.peek().text
	if !p.accept("+") && !p.accept("-") {
		return left, nil
	}
	right, err := p.formula()
	if err != nil {
		return nil, err
	}
	if err := p.checkFormulas(operator, kindNumber, left, right); err != nil {
		return nil, err
	}
	return sum{left, right, operator == "-"}, p.operator()
}

// formula reads a path, a value or a function of SET.
func (p *parser) formula() (formula, error) {
	if p.isCall() {
		return p.setFunction()
	}
	if p.peek().kind == tokenValue {
		v, err := p.value()
		return plain{literal{v}}, err
	}
	found, err := p.path()
	return plain{place{found}}, err
}

func (p *parser) setFunction() (formula, error) {
	name := p.take().text
	switch name {
	case "if_not_exists", "list_append":
	case "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size":
		return nil, p.fail("The function is not allowed in an update expression; function: %s", name)
	default:
		return nil, p.fail("Invalid function name; function: %s", name)
	}
	p.next++ // the bracket that isCall saw
	var operands []formula
	for more := true; more; more = p.accept(",") {
		f, err := p.formula()
		if err != nil {
			return nil, err
		}
		operands = append(operands, f)
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if len(operands) != 2 {
		return nil, p.fail("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(operands))
	}
	if name == "list_append" {
		if err := p.checkFormulas(name, kindList, operands...); err != nil {
			return nil, err
		}
		return listAppend{operands[0], operands[1]}, p.operator()
	}
	if f, ok := operands[0].(plain); ok {
		if where, ok := f.operand.(place); ok {
			return ifNotExists{where.path, operands[1]}, p.operator()
		}
	}
	return nil, p.fail("Operator or function requires a document path; operator or function: if_not_exists")
}

// checkFormulas refuses values of another kind before any item is looked at.
func (p *parser) checkFormulas(operator, kind string, operands ...formula) error {
	for _, o := range operands {
		if f, ok := o.(plain); ok {
			if l, ok := f.operand.(literal); ok && l.kind != kind {
				return p.wrongType(operator, l)
			}
		}
	}
	return nil
}
