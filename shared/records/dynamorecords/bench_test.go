package dynamorecords_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// BenchmarkUpload gives what the records of one upload cost: Create, Settle and
// Get, with one caller and with sixteen at once. The metric x-PutItem says how
// many bare PutItem of an item as large, into a table without indexes, take as
// long in the same run: the endpoint's own cost is left out of it.
func BenchmarkUpload(b *testing.B) {
	for _, v := range []struct {
		name string
		wish func(upload.Verdict) upload.Verdict
	}{
		{"plain", func(v upload.Verdict) upload.Verdict { return v }},
		{"unique", unique},
		{"bounded", func(v upload.Verdict) upload.Verdict { return atMost(100, v) }},
	} {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/callers=%d", v.name, callers), func(b *testing.B) { benchmark(b, v.wish, callers) })
		}
	}
}

func benchmark(b *testing.B, wish func(upload.Verdict) upload.Verdict, callers int) {
	w := newHarness(b)
	s := w.store(w.newTable(b), dynamorecords.Options{})
	start := time.Now()
	together(b, callers, b.N, func(i int) error {
		r := draft(i)
		r.Entry = upload.Entry(fmt.Sprintf("entry-%d", i/10)) // each has ten
		if _, err := s.Create(b.Context(), r, nil); err != nil {
			return err
		}
		if _, err := s.Update(b.Context(), r.Ref(), upload.Settle(wish(stores(i)))); err != nil {
			return err
		}
		_, err := s.Get(b.Context(), r.Ref())
		return err
	})
	took := time.Since(start)
	b.StopTimer()

	table := "bare"
	if _, err := w.client.CreateTable(b.Context(),
		&dynamodb.CreateTableInput{TableName: &table, BillingMode: types.BillingModePayPerRequest,
			KeySchema:            dynamorecords.TableInput(table).KeySchema,
			AttributeDefinitions: dynamorecords.TableInput(table).AttributeDefinitions[:2]}); err != nil {
		b.Fatal(err)
	}
	start = time.Now()
	together(b, callers, b.N, func(i int) error {
		_, err := w.client.PutItem(b.Context(),
			&dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: "entry"}, "sk": &types.AttributeValueMemberS{Value: string(draft(i).ID)},
				"rest": &types.AttributeValueMemberS{Value: fmt.Sprintf("%0700d", i)}}})
		return err
	})
	b.ReportMetric(float64(took)/float64(time.Since(start)), "x-PutItem")
}
