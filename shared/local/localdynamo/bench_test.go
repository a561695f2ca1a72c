package localdynamo_test

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// BenchmarkFreshTable is what a test pays for an endpoint of its own in memory, with a table.
func BenchmarkFreshTable(b *testing.B) {
	for b.Loop() {
		s := openAt(b, "", newClock())
		s.createTable()
		s.close()
	}
}

func BenchmarkConditionalPut(b *testing.B) {
	s := open(b)
	i := 0
	for b.Loop() {
		_, err := s.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: table, Item: item{"pk": text(strconv.Itoa(i)), "grp": text("g")},
			ConditionExpression: aws.String("attribute_not_exists(pk)")})
		s.ok(err)
		i++
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b)
	s.put(item{"pk": text("a"), "grp": text("g")})
	for b.Loop() {
		if !s.has("a") {
			b.Fatal("the item is gone")
		}
	}
}
