package main

import (
	"encoding/json"
	"testing"
)

// recordCalls is what the records of one stored upload cost in DynamoDB, in units, and
// the reads of a survey of some stored files.
type recordCalls struct {
	Create, Settle, Get consumed
	SurveyReads         float64
}

// consumed are the units of one call: of writes in all, of those that fell to one
// entry's own partition (table and local indexes) and to one shard of the status
// index; and of reads.
type consumed struct {
	Writes, EntryWrites, ShardWrites, Reads float64
}

// readUnits reads what the acceptance tier counts on DynamoDB Local.
func readUnits(t *testing.T) recordCalls {
	t.Helper()
	var c recordCalls
	if err := json.Unmarshal(readFile(t, sourceFile(t, "cmd", "hatchery", "testdata", "dynamodb-units.json")),
		&c); err != nil {
		t.Fatal(err)
	}
	return c
}
