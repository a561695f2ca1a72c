package localdynamo_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// forget turns time to live on, or off.
func (s *stack) forget(on bool) {
	s.t.Helper()
	_, err := s.UpdateTimeToLive(s.t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("forget"), Enabled: &on}})
	s.ok(err)
}

func (s *stack) expire(want int) {
	s.t.Helper()
	removed, err := s.server.Expire(s.t.Context(), s.clock.Now())
	s.ok(err)
	if removed != want {
		s.t.Errorf("%d items expired, want %d", removed, want)
	}
}

func TestExpiredItemsLingerUntilTheyAreRemoved(t *testing.T) {
	s := open(t)
	s.forget(true)
	now := s.clock.Now().Unix()
	for name, forget := range map[string]types.AttributeValue{
		"past": number(now - 1), "now": number(now), "future": number(now + 60), "text": text("1"), "long ago": number(now - 6*365*24*3600),
		"fraction": &types.AttributeValueMemberN{Value: "1.5"}, "huge": &types.AttributeValueMemberN{Value: "1E100"},
	} {
		s.put(item{"pk": text(name), "grp": text("g"), "forget": forget})
	}
	s.put(item{"pk": text("never"), "grp": text("g")})
	if !s.has("past") || s.inGroup("g") != 8 {
		t.Error("an expired item is gone before anybody removed it")
	}
	s.expire(1)
	if s.has("past") || !s.has("now") || !s.has("text") || !s.has("long ago") || s.inGroup("g") != 7 {
		t.Error("another item than the expired one is gone")
	}
	s.clock.move(61 * time.Second)
	s.put(item{"pk": text("future"), "grp": text("g"), "forget": number(now + 600)}) // put again: a new time
	s.expire(1)
	if s.has("now") || !s.has("future") {
		t.Error("the item that got a new time is gone, or the other one is not")
	}
	s.forget(false)
	s.clock.move(time.Hour)
	s.expire(0)
	s.forget(true) // what was put before counts again
	s.expire(1)
	if s.has("future") || s.inGroup("g") != 5 {
		t.Error("the item is still there")
	}
}

func TestSweepRemovesExpiredItemsByItself(t *testing.T) {
	c := newClock()
	o := options(t, filepath.Join(t.TempDir(), "tables.db"), c)
	o.ExpireEvery = time.Millisecond
	s := serveWith(t, o)
	s.createTable()
	s.forget(true)
	s.put(item{"pk": text("kept"), "forget": number(c.Now().Unix() + 3600)})
	s.put(item{"pk": text("gone"), "forget": number(c.Now().Unix() - 10)})
	eventually(t, "the removal", func() bool { return !s.has("gone") })
	if !s.has("kept") {
		t.Error("the sweep removed an item that had time")
	}
}

func TestTokensAreForgottenAfterTenMinutes(t *testing.T) {
	s := open(t)
	put := func(pk string) error {
		_, err := s.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String("token"),
			TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: table, Item: item{"pk": text(pk)}}}}})
		return err
	}
	s.ok(put("a"))
	s.clock.move(9 * time.Minute)
	isError[*types.IdempotentParameterMismatchException](t, put("b"))
	s.clock.move(2 * time.Minute)
	s.ok(put("b"))
	if !s.has("b") {
		t.Error("the transaction was not made")
	}
}

// What an update finds wrong in an item is the transaction's refusal, with its place among the reasons (API reference,
// TransactWriteItems, "cancellation reasons").
func TestTransactionsTellWhatIsWrongInAnItem(t *testing.T) {
	s := open(t)
	s.put(item{"pk": text("a"), "x": text("no number")})
	for expression, want := range map[string]string{
		"ADD x :n":                    "An operand in the update expression has an incorrect data type",
		"SET x.y = :n":                "The document path provided in the update expression is invalid for update",
		"SET y = z REMOVE q ADD n :n": "The provided expression refers to an attribute that does not exist in the item",
	} {
		_, err := s.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: table, Item: item{"pk": text("b")}}},
			{Update: &types.Update{TableName: table, Key: item{"pk": text("a")}, UpdateExpression: &expression, ExpressionAttributeValues: item{":n": number(1)}}},
		}})
		reasons := isError[*types.TransactionCanceledException](t, err).CancellationReasons
		if len(reasons) != 2 || *reasons[0].Code != "None" || *reasons[1].Code != "ValidationError" || *reasons[1].Message != want {
			t.Errorf("%s: %+v", expression, reasons)
		}
		if s.has("b") {
			t.Errorf("%s: half of the transaction was made", expression)
		}
	}
}
