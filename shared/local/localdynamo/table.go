package localdynamo

import (
	"context"
	"database/sql"
	"encoding/json"
	"regexp"
	"slices"
)

type attributeDefinition struct{ AttributeName, AttributeType string }

type keySchemaElement struct{ AttributeName, KeyType string }

type projection struct {
	ProjectionType   string   `json:",omitempty"`
	NonKeyAttributes []string `json:",omitempty"`
}

type indexInput struct {
	IndexName             string
	KeySchema             []keySchemaElement
	Projection            *projection
	ProvisionedThroughput json.RawMessage `json:",omitempty"`
}

type createTableInput struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	BillingMode               string
	GlobalSecondaryIndexes    []indexInput                  `json:",omitempty"`
	LocalSecondaryIndexes     []indexInput                  `json:",omitempty"`
	DeletionProtectionEnabled bool                          `json:",omitempty"`
	ProvisionedThroughput     json.RawMessage               `json:",omitempty"`
	StreamSpecification       *struct{ StreamEnabled bool } `json:",omitempty"`
}

type (
	tableDescription struct {
		TableName                 string
		TableArn                  string
		TableStatus               string
		CreationDateTime          float64
		AttributeDefinitions      []attributeDefinition
		KeySchema                 []keySchemaElement
		BillingModeSummary        billing
		ProvisionedThroughput     throughput
		ItemCount                 int64
		TableSizeBytes            int64
		DeletionProtectionEnabled bool
		GlobalSecondaryIndexes    []indexDescription `json:",omitempty"`
		LocalSecondaryIndexes     []indexDescription `json:",omitempty"`
	}
	indexDescription struct {
		IndexName      string
		IndexArn       string
		IndexStatus    string `json:",omitempty"`
		KeySchema      []keySchemaElement
		Projection     *projection
		ItemCount      int64
		IndexSizeBytes int64
	}
	billing    struct{ BillingMode string }
	throughput struct{ ReadCapacityUnits, WriteCapacityUnits, NumberOfDecreasesToday int }
)

// Bounds of tables (developer guide, "service quotas").
const (
	maxGlobalIndexes = 20
	maxLocalIndexes  = 5
	maxProjected     = 100 // non-key attributes over all indexes
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)

func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return invalid("Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
	}
	return nil
}

// newTable checks a definition.
func newTable(in createTableInput) (*table, error) {
	if err := checkName(in.TableName); err != nil {
		return nil, err
	}
	switch {
	case in.BillingMode != "PAY_PER_REQUEST":
		return nil, unsupported("A BillingMode other than PAY_PER_REQUEST")
	case in.StreamSpecification != nil && in.StreamSpecification.StreamEnabled:
		return nil, unsupported("StreamSpecification")
	case in.ProvisionedThroughput != nil && string(in.ProvisionedThroughput) != "null":
		return nil, invalidParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	}
	kinds := map[string]string{}
	for _, a := range in.AttributeDefinitions {
		if !ordered(a.AttributeType) {
			return nil, invalid("Member must satisfy enum value set: [B, N, S]: AttributeType %q of attribute %q", a.AttributeType, a.AttributeName)
		}
		if kinds[a.AttributeName] != "" {
			return nil, invalidParameter("Duplicate attribute definition: %s", a.AttributeName)
		}
		kinds[a.AttributeName] = a.AttributeType
	}
	used := map[string]bool{}
	t := &table{name: in.TableName, input: in}
	var err error
	if t.keySchema, err = newKeySchema(in.KeySchema, kinds, used); err != nil {
		return nil, err
	}
	if err := t.addIndexes(in, kinds, used); err != nil {
		return nil, err
	}
	if len(used) != len(kinds) {
		return nil, invalidParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return t, nil
}

// newKeySchema checks a key and notes which attributes it uses.
func newKeySchema(elements []keySchemaElement, kinds map[string]string, used map[string]bool) (keySchema, error) {
	var s keySchema
	if len(elements) < 1 || len(elements) > 2 {
		return s, invalid("A KeySchema must have one or two elements, this one has %d", len(elements))
	}
	for i, e := range elements {
		kind, ok := kinds[e.AttributeName]
		switch {
		case e.KeyType != []string{"HASH", "RANGE"}[i]:
			return s, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type, or the second is not a RANGE key type")
		case e.AttributeName == "" || len(e.AttributeName) > 255:
			return s, invalid("The name of a key attribute must have 1 to 255 characters")
		case !ok:
			return s, invalidParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s]", e.AttributeName)
		}
		used[e.AttributeName] = true
		if i == 0 {
			s.hash = keyPart{e.AttributeName, kind}
		} else {
			s.sort = keyPart{e.AttributeName, kind}
		}
	}
	if s.hash.name == s.sort.name {
		return s, invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	}
	return s, nil
}

func (t *table) addIndexes(in createTableInput, kinds map[string]string, used map[string]bool) error {
	if len(in.GlobalSecondaryIndexes) > maxGlobalIndexes || len(in.LocalSecondaryIndexes) > maxLocalIndexes {
		return invalidParameter("More than %d global or %d local secondary indexes", maxGlobalIndexes, maxLocalIndexes)
	}
	if in.GlobalSecondaryIndexes != nil && len(in.GlobalSecondaryIndexes) == 0 || in.LocalSecondaryIndexes != nil && len(in.LocalSecondaryIndexes) == 0 {
		return invalidParameter("List of secondary indexes is empty")
	}
	if len(in.LocalSecondaryIndexes) > 0 && t.sort.name == "" {
		return invalidParameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	}
	projected := 0
	for i, x := range slices.Concat(in.GlobalSecondaryIndexes, in.LocalSecondaryIndexes) {
		local := i >= len(in.GlobalSecondaryIndexes)
		if err := checkName(x.IndexName); err != nil {
			return err
		}
		if t.index(x.IndexName) != nil {
			return invalidParameter("Duplicate index name: %s", x.IndexName)
		}
		s, err := newKeySchema(x.KeySchema, kinds, used)
		if err != nil {
			return err
		}
		if local && (s.hash != t.hash || s.sort.name == "") {
			return invalidParameter("Index KeySchema does not have a range key, or its hash key is not the table's, for index: %s", x.IndexName)
		}
		if err := checkProjection(x); err != nil {
			return err
		}
		projected += len(x.Projection.NonKeyAttributes)
		t.indexes = append(t.indexes, &index{keySchema: s, name: x.IndexName, number: i, local: local,
			projection: x.Projection.ProjectionType, include: x.Projection.NonKeyAttributes})
	}
	if projected > maxProjected {
		return invalidParameter("Number of projected attributes exceeds %d", maxProjected)
	}
	return nil
}

func checkProjection(x indexInput) error {
	if x.Projection == nil {
		return invalidParameter("Projection is required for index: %s", x.IndexName)
	}
	names := x.Projection.NonKeyAttributes
	switch x.Projection.ProjectionType {
	case "ALL", "KEYS_ONLY":
		if len(names) > 0 {
			return invalidParameter("ProjectionType is %s, but NonKeyAttributes is specified", x.Projection.ProjectionType)
		}
	case "INCLUDE":
		if len(names) == 0 {
			return invalidParameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
		}
	default:
		return invalidParameter("Unknown ProjectionType: %q", x.Projection.ProjectionType)
	}
	return nil
}

// table finds a table by its name.
func (s *Server) table(name string) (*table, error) {
	if t, ok := s.tables[name]; ok {
		return t, nil
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	return nil, errTableNotFound(name)
}

type tableOutput struct{ TableDescription *tableDescription }

func (s *Server) createTable(_ context.Context, in *createTableInput) (*tableOutput, error) {
	t, err := newTable(*in)
	if err != nil {
		return nil, err
	}
	if s.tables[t.name] != nil {
		return nil, modelled("ResourceInUseException", "Table already exists: %s", t.name)
	}
	t.created = s.now()
	definition, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	err = s.db.Write(func() error {
		return s.db.Conn().QueryRowContext(uninterrupted, `INSERT INTO tab (name, input, created) VALUES (?, ?, ?) RETURNING id`,
			t.name, string(definition), t.created).Scan(&t.id)
	})
	if err != nil {
		return nil, err
	}
	s.tables[t.name] = t
	return &tableOutput{s.describeTable(t)}, nil
}

// describeTable is the description of an empty table. A table can be used as soon as it was made; the items of its
// indexes are not counted.
func (s *Server) describeTable(t *table) *tableDescription {
	arn := "arn:aws:dynamodb:" + s.options.Region + ":" + accountID + ":table/" + t.name
	d := &tableDescription{
		TableName: t.name, TableArn: arn, TableStatus: "ACTIVE", CreationDateTime: float64(t.created) / 1000,
		AttributeDefinitions: t.input.AttributeDefinitions, KeySchema: t.input.KeySchema,
		BillingModeSummary:        billing{t.input.BillingMode},
		DeletionProtectionEnabled: t.input.DeletionProtectionEnabled,
	}
	for _, x := range t.input.GlobalSecondaryIndexes {
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, indexDescription{IndexName: x.IndexName,
			IndexArn: arn + "/index/" + x.IndexName, IndexStatus: "ACTIVE", KeySchema: x.KeySchema, Projection: x.Projection})
	}
	for _, x := range t.input.LocalSecondaryIndexes {
		d.LocalSecondaryIndexes = append(d.LocalSecondaryIndexes, indexDescription{IndexName: x.IndexName,
			IndexArn: arn + "/index/" + x.IndexName, KeySchema: x.KeySchema, Projection: x.Projection})
	}
	return d
}

type tableNameInput struct{ TableName string }

type describeTableOutput struct{ Table *tableDescription }

func (s *Server) describe(_ context.Context, in *tableNameInput) (*describeTableOutput, error) {
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	d := s.describeTable(t)
	err = s.db.Alone(func() error {
		return s.db.Conn().QueryRowContext(uninterrupted, `SELECT count(*), coalesce(sum(length(data)), 0) FROM item WHERE tab = ?`, t.id).
			Scan(&d.ItemCount, &d.TableSizeBytes)
	})
	return &describeTableOutput{d}, err
}

func (s *Server) deleteTable(_ context.Context, in *tableNameInput) (*tableOutput, error) {
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	if t.input.DeletionProtectionEnabled {
		return nil, invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	err = s.db.Write(func() error {
		for _, from := range []string{`DELETE FROM entry WHERE tab = ?`, `DELETE FROM item WHERE tab = ?`, `DELETE FROM tab WHERE id = ?`} {
			if _, err := s.db.Conn().ExecContext(uninterrupted, from, t.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	delete(s.tables, t.name)
	d := s.describeTable(t)
	d.TableStatus = "DELETING"
	return &tableOutput{d}, nil
}

type listTablesInput struct {
	ExclusiveStartTableName string
	Limit                   *int
}

type listTablesOutput struct {
	TableNames             []string
	LastEvaluatedTableName string `json:",omitempty"`
}

func (s *Server) listTables(_ context.Context, in *listTablesInput) (*listTablesOutput, error) {
	limit := 100
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 100 {
		return nil, invalid("Limit must be from 1 to 100")
	}
	out := &listTablesOutput{TableNames: []string{}}
	for _, name := range sortedKeys(s.tables) {
		if name <= in.ExclusiveStartTableName {
			continue
		}
		if len(out.TableNames) == limit {
			out.LastEvaluatedTableName = out.TableNames[limit-1]
			break
		}
		out.TableNames = append(out.TableNames, name)
	}
	return out, nil
}

// loadTables reads the definitions of all tables.
func (s *Server) loadTables() error {
	return s.db.Alone(func() error {
		return s.db.Each(`SELECT id, input, ttl, created FROM tab`, nil, func(row *sql.Rows) (bool, error) {
			var id, created int64
			var definition []byte
			var ttl string
			if err := row.Scan(&id, &definition, &ttl, &created); err != nil {
				return false, err
			}
			var in createTableInput
			if err := json.Unmarshal(definition, &in); err != nil {
				return false, err
			}
			t, err := newTable(in)
			if err != nil {
				return false, err
			}
			t.id, t.ttl, t.created = id, ttl, created
			s.tables[t.name] = t
			return true, nil
		})
	})
}
