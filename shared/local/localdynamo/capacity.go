package localdynamo

// capacity is ConsumedCapacity. It is what DynamoDB would count, so that tests can count calls by their price.
type capacity struct {
	TableName              string
	CapacityUnits          float64
	ReadCapacityUnits      float64          `json:",omitempty"` // in transactions
	WriteCapacityUnits     float64          `json:",omitempty"`
	Table                  *units           `json:",omitempty"`
	GlobalSecondaryIndexes map[string]units `json:",omitempty"`
	LocalSecondaryIndexes  map[string]units `json:",omitempty"`
}

type units struct {
	CapacityUnits      float64
	ReadCapacityUnits  float64 `json:",omitempty"`
	WriteCapacityUnits float64 `json:",omitempty"`
}

// cost is what one operation costs one table, and its indexes by name.
type cost struct {
	table   float64
	indexes map[*index]float64
}

func checkCapacityWord(given string) error {
	return oneOfWords("ReturnConsumedCapacity", given, "INDEXES", "TOTAL", "NONE")
}

// shown is the cost in the detail that was asked for, nil for none.
func (c cost) shown(word string, t *table) *capacity {
	if word != "TOTAL" && word != "INDEXES" {
		return nil
	}
	out := &capacity{TableName: t.name, CapacityUnits: c.table}
	for x, n := range c.indexes {
		out.CapacityUnits += n
		if word != "INDEXES" {
			continue
		}
		to := &out.GlobalSecondaryIndexes
		if x.local {
			to = &out.LocalSecondaryIndexes
		}
		if *to == nil {
			*to = map[string]units{}
		}
		(*to)[x.name] = units{CapacityUnits: n}
	}
	if word == "INDEXES" {
		out.Table = &units{CapacityUnits: c.table}
	}
	return out
}

// add adds another cost of the same table.
func (c *cost) add(more cost) {
	c.table += more.table
	for x, n := range more.indexes {
		if c.indexes == nil {
			c.indexes = map[*index]float64{}
		}
		c.indexes[x] += n
	}
}

// times is the cost, so many times.
func (c cost) times(n float64) cost {
	more := cost{table: n * c.table, indexes: map[*index]float64{}}
	for x, units := range c.indexes {
		more.indexes[x] = n * units
	}
	return more
}

// transacted also says whether the units are of reading or writing, as answers to transactions do.
func (c *capacity) transacted(write bool) {
	mark := func(units float64, read, written *float64) {
		if write {
			read = written
		}
		*read = units
	}
	mark(c.CapacityUnits, &c.ReadCapacityUnits, &c.WriteCapacityUnits)
	if c.Table != nil {
		mark(c.Table.CapacityUnits, &c.Table.ReadCapacityUnits, &c.Table.WriteCapacityUnits)
	}
	for _, indexes := range []map[string]units{c.GlobalSecondaryIndexes, c.LocalSecondaryIndexes} {
		for name, u := range indexes {
			mark(u.CapacityUnits, &u.ReadCapacityUnits, &u.WriteCapacityUnits)
			indexes[name] = u
		}
	}
}

// readCost is one unit for each 4 KB, or half of one when the read need not be consistent, of the table or of an index.
func readCost(x *index, size int, consistent bool) cost {
	n := float64(max(1, (size+4095)/4096))
	if !consistent {
		n /= 2
	}
	if x != nil {
		return cost{indexes: map[*index]float64{x: n}}
	}
	return cost{table: n}
}

// cost is one unit for each KB of the larger of the item before and after, and for each index one for each KB of an
// entry that is made, changed or removed. In a transaction all of it counts twice.
func (a *action) cost(times float64) cost {
	c := cost{table: writeUnits(max(itemSize(a.old), itemSize(a.new)))}
	if a.change == nil {
		return c.times(times)
	}
	for _, x := range a.table.indexes {
		if n := a.indexUnits(x); n > 0 {
			c.add(cost{indexes: map[*index]float64{x: n}})
		}
	}
	return c.times(times)
}

func (a *action) indexUnits(x *index) float64 {
	was, is := a.old != nil && x.holds(a.old), a.new != nil && x.holds(a.new)
	before, after := a.table.through(x, a.old), a.table.through(x, a.new)
	switch {
	case was && is && !x.of(a.old).equal(x.of(a.new)):
		return writeUnits(itemSize(before)) + writeUnits(itemSize(after))
	case was && is && (value{kind: kindMap, fields: before}).equal(value{kind: kindMap, fields: after}):
		return 0
	case was || is:
		size := 0
		if was {
			size = itemSize(before)
		}
		if is {
			size = max(size, itemSize(after))
		}
		return writeUnits(size)
	}
	return 0
}

func writeUnits(size int) float64 { return float64(max(1, (size+1023)/1024)) }
