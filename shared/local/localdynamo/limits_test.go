package localdynamo_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestBatchGetGivesBackWhatDoesNotFit(t *testing.T) {
	s := open(t)
	keys := []item{}
	for i := range 45 { // of 390 KB: more than 16 MB
		key := item{"pk": text(strconv.Itoa(i))}
		keys = append(keys, key)
		s.put(item{"pk": key["pk"], "x": text(strings.Repeat("x", 390_000))})
	}
	seen, calls := map[string]bool{}, 0
	ask := map[string]types.KeysAndAttributes{*table: {Keys: keys, ProjectionExpression: aws.String("#k"), ExpressionAttributeNames: map[string]string{"#k": "pk"}}}
	for len(ask) > 0 && calls < 5 {
		out, err := s.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: ask})
		s.ok(err)
		for _, it := range out.Responses[*table] {
			seen[it["pk"].(*types.AttributeValueMemberS).Value] = true
		}
		ask = out.UnprocessedKeys
		calls++
	}
	if calls != 2 || len(seen) != 45 {
		t.Errorf("%d calls found %d items", calls, len(seen))
	}
}

// What a table made for another program has must be understood, or refused by its name.
func TestRefusalsNameWhatIsNotSupported(t *testing.T) {
	s := open(t)
	in := tableInput()
	in.TableName, in.BillingMode = aws.String("provisioned"), types.BillingModeProvisioned
	for name, call := range map[string]func() error{
		"BillingMode": func() error {
			_, err := s.CreateTable(t.Context(), in)
			return err
		},
		"UpdateTable": func() error {
			_, err := s.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: table})
			return err
		},
		"Expected": func() error {
			_, err := s.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: table, Key: item{"pk": text("a")},
				Expected: map[string]types.ExpectedAttributeValue{"pk": {Exists: aws.Bool(false)}}})
			return err
		},
		"ScanFilter": func() error {
			_, err := s.Scan(t.Context(), &dynamodb.ScanInput{TableName: table, ScanFilter: map[string]types.Condition{"pk": {ComparisonOperator: "NULL"}}})
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProtectedTableIsNotDeleted(t *testing.T) {
	s := open(t)
	in := tableInput()
	in.TableName, in.DeletionProtectionEnabled = aws.String("protected"), aws.Bool(true)
	_, err := s.CreateTable(t.Context(), in)
	s.ok(err)
	if _, err = s.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: in.TableName}); err == nil {
		t.Error("the protected table was deleted")
	}
	_, err = s.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: in.TableName})
	s.ok(err)
}

func TestADeletedTableTakesItsItemsAlong(t *testing.T) {
	s := open(t)
	s.put(item{"pk": text("a"), "grp": text("g")})
	_, err := s.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: table})
	s.ok(err)
	s.createTable()
	if s.has("a") || s.inGroup("g") != 0 {
		t.Error("items of the deleted table are in the new one")
	}
}
