package dynamotest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// client is the AWS SDK on the endpoint, with a table of the test's own.
type client struct {
	*dynamodb.Client
	t     *testing.T
	table *string
}

// runClient asks what scripts cannot: what the SDK makes of answers, pages, and what happens at the same time.
func runClient(t *testing.T, e Endpoint) {
	for name, test := range map[string]func(*client){
		"errors are of the SDK's types":                    (*client).errors,
		"a cancelled transaction says why":                 (*client).reasons,
		"pages of an index visit every item once":          (*client).pages,
		"segments of a scan share the table":               (*client).segments,
		"of concurrent conditional writes one wins":        (*client).winner,
		"concurrent counts and transactions lose nothing":  (*client).counts,
		"the same transaction may come with other spacing": (*client).token,
	} {
		t.Run(name, func(t *testing.T) { test(newClient(t, e)) })
	}
}

func newClient(t *testing.T, e Endpoint) *client {
	t.Helper()
	c := &client{t: t, table: aws.String("dynamotest-" + strconv.FormatInt(time.Now().UnixNano(), 36))}
	c.Client = dynamodb.New(dynamodb.Options{Region: e.Region, BaseEndpoint: &e.URL,
		Credentials: credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, "")})
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: c.table, BillingMode: types.BillingModePayPerRequest,
		KeySchema: keys("pk", "sk"),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "N"},
			{AttributeName: aws.String("group"), AttributeType: "S"}, {AttributeName: aws.String("rank"), AttributeType: "N"},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("by-rank"), KeySchema: keys("group", "rank"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}},
	})
	c.ok(err)
	c.ok(dynamodb.NewTableExistsWaiter(c).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: c.table}, time.Minute))
	t.Cleanup(func() {
		if _, err := c.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: c.table}); err != nil {
			t.Error(err)
		}
	})
	return c
}

func keys(hash, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
}

func (c *client) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}

type item = map[string]types.AttributeValue

func key(pk string, sk int) item { return item{"pk": text(pk), "sk": number(sk)} }

func (c *client) put(it item) {
	c.t.Helper()
	_, err := c.PutItem(c.t.Context(), &dynamodb.PutItemInput{TableName: c.table, Item: it})
	c.ok(err)
}

func is[E error](c *client, err error) E {
	c.t.Helper()
	var e E
	if !errors.As(err, &e) {
		c.t.Fatalf("error %v is no %T", err, e)
	}
	return e
}

var absent = aws.String("attribute_not_exists(pk)")

func (c *client) errors() {
	c.put(item{"pk": text("a"), "sk": number(1), "x": text("kept")})
	_, err := c.PutItem(c.t.Context(), &dynamodb.PutItemInput{TableName: c.table, Item: key("a", 1), ConditionExpression: absent,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
	if failed := is[*types.ConditionalCheckFailedException](c, err); len(failed.Item) != 3 {
		c.t.Errorf("the item with the refusal is %v", failed.Item)
	}
	_, err = c.PutItem(c.t.Context(), &dynamodb.PutItemInput{TableName: c.table, Item: key("a", 1), ConditionExpression: absent})
	if failed := is[*types.ConditionalCheckFailedException](c, err); failed.Item != nil {
		c.t.Errorf("nobody asked for the item %v", failed.Item)
	}
	_, err = c.GetItem(c.t.Context(), &dynamodb.GetItemInput{TableName: aws.String("no-such-table"), Key: key("a", 1)})
	_ = is[*types.ResourceNotFoundException](c, err)
	_, err = c.CreateTable(c.t.Context(), &dynamodb.CreateTableInput{TableName: c.table, BillingMode: types.BillingModePayPerRequest,
		KeySchema: keys("pk", "sk")[:1], AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}}})
	_ = is[*types.ResourceInUseException](c, err)
}

func (c *client) transact(token string, items ...types.TransactWriteItem) error {
	in := &dynamodb.TransactWriteItemsInput{TransactItems: items}
	if token != "" {
		in.ClientRequestToken = &token
	}
	_, err := c.TransactWriteItems(c.t.Context(), in)
	return err
}

func (c *client) reasons() {
	c.put(item{"pk": text("a"), "sk": number(1), "x": text("kept")})
	c.put(key("c", 1))
	err := c.transact("",
		types.TransactWriteItem{Put: &types.Put{TableName: c.table, Item: key("b", 1)}},
		types.TransactWriteItem{Put: &types.Put{TableName: c.table, Item: key("a", 1), ConditionExpression: absent,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}},
		types.TransactWriteItem{Delete: &types.Delete{TableName: c.table, Key: key("c", 1), ConditionExpression: absent}})
	reasons := is[*types.TransactionCanceledException](c, err).CancellationReasons
	if len(reasons) != 3 || *reasons[0].Code != "None" || *reasons[1].Code != "ConditionalCheckFailed" || *reasons[2].Code != "ConditionalCheckFailed" {
		c.t.Fatalf("reasons %+v", reasons)
	}
	if reasons[0].Message != nil || reasons[1].Message == nil || len(reasons[1].Item) != 3 || reasons[2].Item != nil {
		c.t.Errorf("reasons %+v", reasons)
	}
	if out, err := c.GetItem(c.t.Context(), &dynamodb.GetItemInput{TableName: c.table, Key: key("b", 1)}); err != nil || out.Item != nil {
		c.t.Errorf("a part of the transaction was made: %v, %v", out, err)
	}
}

func (c *client) pages() {
	want := map[string]bool{}
	for i := range 23 { // many are equal in the index
		it := key("p"+strconv.Itoa(i%4), i)
		it["group"], it["rank"] = text("g"), number(i/10-1)
		c.put(it)
		want[fmt.Sprint(i)] = true
	}
	c.put(key("not in the index", 0))
	for _, forward := range []bool{true, false} {
		seen, ranks := []string{}, []int{}
		pages := dynamodb.NewQueryPaginator(c, &dynamodb.QueryInput{TableName: c.table, IndexName: aws.String("by-rank"), Limit: aws.Int32(3),
			KeyConditionExpression: aws.String("#g = :g"), ExpressionAttributeNames: map[string]string{"#g": "group"},
			ExpressionAttributeValues: item{":g": text("g")}, ScanIndexForward: &forward})
		for pages.HasMorePages() && len(seen) <= 2*len(want) { // pages that go round must end, too
			page, err := pages.NextPage(c.t.Context())
			c.ok(err)
			for _, it := range page.Items {
				seen = append(seen, it["sk"].(*types.AttributeValueMemberN).Value)
				rank, err := strconv.Atoi(it["rank"].(*types.AttributeValueMemberN).Value)
				c.ok(err)
				ranks = append(ranks, rank)
			}
		}
		if !forward {
			slices.Reverse(ranks)
		}
		if !slices.IsSorted(ranks) {
			c.t.Errorf("forward %t: ranks %v", forward, ranks)
		}
		slices.Sort(seen)
		if len(slices.Compact(seen)) != len(want) || len(seen) != len(want) {
			c.t.Errorf("forward %t: %d items, want %d: %v", forward, len(seen), len(want), seen)
		}
	}
}

func (c *client) segments() {
	for i := range 40 {
		c.put(key("p"+strconv.Itoa(i), i))
	}
	seen := map[string]int{}
	shares := 0
	for segment := range int32(3) {
		pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: c.table, Segment: &segment, TotalSegments: aws.Int32(3), Limit: aws.Int32(7)})
		found := 0
		for pages.HasMorePages() && found <= 80 { // pages that go round must end, too
			page, err := pages.NextPage(c.t.Context())
			c.ok(err)
			found += len(page.Items)
			for _, it := range page.Items {
				seen[it["pk"].(*types.AttributeValueMemberS).Value]++
			}
		}
		if found > 0 {
			shares++
		}
	}
	for i := range 40 {
		if n := seen["p"+strconv.Itoa(i)]; n != 1 {
			c.t.Errorf("item %d was seen %d times", i, n)
		}
	}
	if shares < 2 {
		c.t.Errorf("%d of 3 segments hold all items", shares)
	}
}

// together runs n functions at the same time.
func together(n int, run func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { run(i) })
	}
	group.Wait()
}

func (c *client) winner() {
	var won atomic.Int32
	together(8, func(i int) {
		it := key("contested", 1)
		it["owner"] = number(i)
		_, err := c.PutItem(c.t.Context(), &dynamodb.PutItemInput{TableName: c.table, Item: it, ConditionExpression: absent})
		var failed *types.ConditionalCheckFailedException
		switch {
		case err == nil:
			won.Add(1)
		case !errors.As(err, &failed):
			c.t.Error(err)
		}
	})
	if won.Load() != 1 {
		c.t.Errorf("%d writers won", won.Load())
	}
}

func (c *client) counts() {
	const writers, times = 4, 10
	one := item{":n": number(1)}
	together(writers, func(int) {
		for range times {
			_, err := c.UpdateItem(c.t.Context(), &dynamodb.UpdateItemInput{TableName: c.table, Key: key("sum", 1),
				UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: one})
			if err != nil {
				c.t.Error(err)
			}
		}
	})
	out, err := c.GetItem(c.t.Context(), &dynamodb.GetItemInput{TableName: c.table, Key: key("sum", 1), ConsistentRead: aws.Bool(true)})
	c.ok(err)
	if n := out.Item["n"].(*types.AttributeValueMemberN).Value; n != strconv.Itoa(writers*times) {
		c.t.Errorf("the sum is %s", n)
	}
}

func (c *client) token() {
	token := strconv.FormatInt(time.Now().UnixNano(), 36)
	put := types.TransactWriteItem{Put: &types.Put{TableName: c.table, Item: item{"pk": text("a"), "sk": number(1), "b": text("1"), "c": text("2"), "d": text("3")},
		ConditionExpression: absent}}
	for range 10 { // the SDK writes the names in another order each time
		c.ok(c.transact(token, put))
	}
	other := types.TransactWriteItem{Put: &types.Put{TableName: c.table, Item: key("a", 2)}}
	_ = is[*types.IdempotentParameterMismatchException](c, c.transact(token, other))
}
