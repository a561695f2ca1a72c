package localdynamo

import (
	"context"
	"encoding/json"
	"slices"
)

// legacyInput are the parameters that expressions replaced in 2014. They are refused, never ignored: an Expected that
// nobody looks at would be a lost condition.
type legacyInput struct {
	Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter, ConditionalOperator, AttributesToGet json.RawMessage
}

func (in *legacyInput) refuse() error {
	for name, given := range map[string]json.RawMessage{
		"Expected": in.Expected, "AttributeUpdates": in.AttributeUpdates, "KeyConditions": in.KeyConditions, "QueryFilter": in.QueryFilter,
		"ScanFilter": in.ScanFilter, "ConditionalOperator": in.ConditionalOperator, "AttributesToGet": in.AttributesToGet,
	} {
		if given != nil && string(given) != "null" {
			return unsupported("The legacy parameter " + name)
		}
	}
	return nil
}

// writeInput is what the operations that change one item have in common.
type writeInput struct {
	TableName           string
	ConditionExpression *string
	expressionInput
	legacyInput
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
	ReturnConsumedCapacity              string
	ReturnItemCollectionMetrics         string
}

type putItemInput struct {
	writeInput
	Item item
}

type deleteItemInput struct {
	writeInput
	Key item
}

type updateItemInput struct {
	writeInput
	Key              item
	UpdateExpression *string
}

type writeOutput struct {
	Attributes       item      `json:",omitempty"`
	ConsumedCapacity *capacity `json:",omitempty"`
}

// action is one change of one item, or a look at it, ready to run in a transaction of the database.
type action struct {
	table     *table
	key       key
	condition condition                // nil for none
	showOld   bool                     // when the condition fails
	change    func(item) (item, error) // of the item as it is, nil for none, to what it is to be, nil for none; nil changes nothing
	update    *update                  // of an UpdateItem
	refusal   error                    // found before it ran, about the item: a transaction tells it among its reasons
	old, new  item                     // after it ran
}

// prepare reads what all writes have in common; missing is as in placeholders. The change is left to the caller.
func (s *Server) prepare(in *writeInput, hasUpdate bool, missing string) (*action, *placeholders, error) {
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, nil, err
	}
	if err := in.refuse(); err != nil {
		return nil, nil, err
	}
	if err := oneOfWords("ReturnValuesOnConditionCheckFailure", in.ReturnValuesOnConditionCheckFailure, "NONE", "ALL_OLD"); err != nil {
		return nil, nil, err
	}
	if err := oneOfWords("ReturnItemCollectionMetrics", in.ReturnItemCollectionMetrics, "NONE", "SIZE"); err != nil {
		return nil, nil, err
	}
	if err := checkCapacityWord(in.ReturnConsumedCapacity); err != nil {
		return nil, nil, err
	}
	ph, err := in.placeholders(in.ConditionExpression != nil || hasUpdate, missing)
	if err != nil {
		return nil, nil, err
	}
	a := &action{table: t, showOld: in.ReturnValuesOnConditionCheckFailure == "ALL_OLD"}
	if in.ConditionExpression != nil {
		if a.condition, err = parseCondition("ConditionExpression", *in.ConditionExpression, ph); err != nil {
			return nil, nil, err
		}
	}
	return a, ph, nil
}

// oneOfWords checks a parameter that has a few words; "" is none given.
func oneOfWords(parameter, given string, words ...string) error {
	if given != "" && !slices.Contains(words, given) {
		return invalid("1 validation error detected: Value '%.40s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: %v", given, parameter, words)
	}
	return nil
}

func (s *Server) preparePut(in *putItemInput) (*action, error) {
	a, ph, err := s.prepare(&in.writeInput, false, "ConditionExpression is null")
	if err != nil {
		return nil, err
	}
	if err := ph.allUsed(); err != nil {
		return nil, err
	}
	if err := a.table.checkItem(in.Item); err != nil {
		return nil, err
	}
	a.key = a.table.of(in.Item)
	a.refusal = a.table.checkIndexKeys(in.Item)
	a.change = func(item) (item, error) { return in.Item, nil }
	return a, nil
}

func (s *Server) prepareDelete(in *deleteItemInput) (*action, error) {
	a, err := s.prepareCheck(in)
	if err == nil {
		a.change = func(item) (item, error) { return nil, nil }
	}
	return a, err
}

// prepareCheck is a look at an item, with a condition that may fail.
func (s *Server) prepareCheck(in *deleteItemInput) (*action, error) {
	a, ph, err := s.prepare(&in.writeInput, false, "ConditionExpression is null")
	if err != nil {
		return nil, err
	}
	if err := ph.allUsed(); err != nil {
		return nil, err
	}
	a.key, err = a.table.keyOf(in.Key)
	return a, err
}

func (s *Server) prepareUpdate(in *updateItemInput) (*action, error) {
	a, ph, err := s.prepare(&in.writeInput, in.UpdateExpression != nil, "UpdateExpression and ConditionExpression are null")
	if err != nil {
		return nil, err
	}
	a.update = &update{}
	if in.UpdateExpression != nil {
		if a.update, err = parseUpdate(*in.UpdateExpression, ph); err != nil {
			return nil, err
		}
	}
	if err := ph.allUsed(); err != nil {
		return nil, err
	}
	for _, p := range a.update.paths {
		if a.table.has(p[0].name) {
			a.refusal = invalidParameter("Cannot update attribute %s. This attribute is part of the key", p[0].name)
		}
	}
	if a.key, err = a.table.keyOf(in.Key); err != nil {
		return nil, err
	}
	a.change = func(old item) (item, error) {
		if old == nil {
			old = in.Key
		}
		changed, err := a.update.apply(old)
		if err != nil {
			return nil, err
		}
		if err := a.table.checkIndexKeys(changed); err != nil {
			return nil, err
		}
		if itemSize(changed) > maxItemBytes {
			return nil, invalid("Item size to update has exceeded the maximum allowed size")
		}
		return changed, nil
	}
	return a, nil
}

// run looks at the item, checks the condition and makes the change. To be called in a database's Write.
func (a *action) run(d *database) error {
	if a.refusal != nil {
		return a.refusal
	}
	var err error
	if a.old, err = d.item(a.table, a.key); err != nil {
		return err
	}
	if a.condition != nil && !a.condition.holds(a.old) {
		var shown item
		if a.showOld {
			shown = a.old
		}
		return errConditionFailed(shown)
	}
	if a.change == nil {
		return nil
	}
	if a.new, err = a.change(a.old); err != nil {
		return err
	}
	if a.old == nil && a.new == nil {
		return nil
	}
	return d.store(a.table, a.key, a.old, a.new)
}

// writeOne runs one action as an operation of its own.
func (s *Server) writeOne(a *action, in *writeInput) (*writeOutput, error) {
	if err := s.db.Write(func() error { return a.run(s.db) }); err != nil {
		return nil, err
	}
	out := &writeOutput{}
	switch in.ReturnValues {
	case "ALL_OLD":
		out.Attributes = a.old
	case "ALL_NEW":
		out.Attributes = a.new
	case "UPDATED_OLD":
		out.Attributes = project(a.update.paths, a.old)
	case "UPDATED_NEW":
		out.Attributes = project(a.update.paths, a.new)
	}
	out.ConsumedCapacity = a.cost(1).shown(in.ReturnConsumedCapacity, a.table)
	return out, nil
}

func checkReturnValues(given string, words ...string) error {
	if given != "" && given != "NONE" && !slices.Contains(words, given) {
		return invalid("Return values set to invalid value")
	}
	return nil
}

func (s *Server) putItem(_ context.Context, in *putItemInput) (*writeOutput, error) {
	if err := checkReturnValues(in.ReturnValues, "ALL_OLD"); err != nil {
		return nil, err
	}
	a, err := s.preparePut(in)
	if err != nil {
		return nil, err
	}
	return s.writeOne(a, &in.writeInput)
}

func (s *Server) deleteItem(_ context.Context, in *deleteItemInput) (*writeOutput, error) {
	if err := checkReturnValues(in.ReturnValues, "ALL_OLD"); err != nil {
		return nil, err
	}
	a, err := s.prepareDelete(in)
	if err != nil {
		return nil, err
	}
	return s.writeOne(a, &in.writeInput)
}

func (s *Server) updateItem(_ context.Context, in *updateItemInput) (*writeOutput, error) {
	if err := checkReturnValues(in.ReturnValues, "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"); err != nil {
		return nil, err
	}
	a, err := s.prepareUpdate(in)
	if err != nil {
		return nil, err
	}
	return s.writeOne(a, &in.writeInput)
}

// readInput is what the operations that read have in common.
type readInput struct {
	TableName            string
	ProjectionExpression *string
	ConsistentRead       bool
	expressionInput
	legacyInput
	ReturnConsumedCapacity string
}

type getItemInput struct {
	readInput
	Key item
}

type getItemOutput struct {
	Item             *item     `json:",omitempty"`
	ConsumedCapacity *capacity `json:",omitempty"`
}

// reading is one item to be read, ready to run.
type reading struct {
	table *table
	key   key
	paths []path // to be shown; nil for all
	// refusal was found before it ran, about the key: a transaction tells it among its reasons.
	refusal error
}

func (s *Server) prepareGet(in *getItemInput) (*reading, error) {
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	paths, err := in.projection()
	if err != nil {
		return nil, err
	}
	r := &reading{table: t, paths: paths}
	r.key, r.refusal = t.keyOf(in.Key)
	return r, nil
}

// projection reads what is to be shown when no other expression is in the request.
func (in *readInput) projection() ([]path, error) {
	if err := in.refuse(); err != nil {
		return nil, err
	}
	if err := checkCapacityWord(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	ph, err := in.placeholders(in.ProjectionExpression != nil, "ProjectionExpression is null")
	if err != nil || in.ProjectionExpression == nil {
		return nil, err
	}
	paths, err := parseProjection(*in.ProjectionExpression, ph)
	if err != nil {
		return nil, err
	}
	return paths, ph.allUsed()
}

// run reads the item, nil when it is not there, as it is to be shown and with its whole size.
func (r *reading) run(d *database) (shown item, size int, err error) {
	if r.refusal != nil {
		return nil, 0, r.refusal
	}
	it, err := d.item(r.table, r.key)
	if err != nil || it == nil {
		return nil, 0, err
	}
	return project(r.paths, it), itemSize(it), nil
}

func (s *Server) getItem(_ context.Context, in *getItemInput) (*getItemOutput, error) {
	r, err := s.prepareGet(in)
	if err != nil {
		return nil, err
	}
	out := &getItemOutput{}
	size := 0
	err = s.db.Alone(func() error {
		shown, n, err := r.run(s.db)
		if shown != nil {
			out.Item, size = &shown, n
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out.ConsumedCapacity = readCost(nil, size, in.ConsistentRead).shown(in.ReturnConsumedCapacity, r.table)
	return out, nil
}

// project is the part of the item that the paths lead to; nil paths are the whole.
func project(paths []path, it item) item {
	if paths == nil {
		return it
	}
	shown := value{kind: kindMap, fields: item{}}
	for _, p := range sortedPaths(paths) {
		if v, ok := p.in(it); ok {
			shown = p.graft(shown, v)
		}
	}
	return shown.fields
}
