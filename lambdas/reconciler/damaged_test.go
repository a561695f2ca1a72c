package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/reconcile"
)

// One of two lost uploads has a record that cannot be read: the other one is
// brought to its end all the same, and the log says what to mend.
func TestADamagedRecordDoesNotStopTheReconciler(t *testing.T) {
	f := newFixture(t)
	f.makeTable(t)
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "e#" + string(ref(2).Journal) +
		"/" + string(ref(2).Entry) + "/" + string(ref(2).Kind)},
		"sk": &types.AttributeValueMemberS{Value: "r#" + string(ref(2).ID)}}
	if _, err := f.DynamoDB().UpdateItem(t.Context(),
		&dynamodb.UpdateItemInput{TableName: aws.String(bootstraptest.Table), Key: key,
			UpdateExpression:    aws.String("SET #status = :status"),
			ConditionExpression: aws.String("attribute_exists(pk)"), ExpressionAttributeNames: map[string]string{
				"#status": "status"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":status": &types.AttributeValueMemberS{
				Value: "archived"}}}); err != nil {
		t.Fatal(err)
	}
	reply, err := f.Invoke(t.Context(), []byte(schedule))
	var report reconcile.Report
	if err != nil || json.Unmarshal(reply, &report) != nil || !report.Complete || report.Resent != 1 ||
		report.Failed != 0 {
		t.Fatalf("%v, reply %s", err, reply)
	}
	var line struct{ Level, Message, Item, Error, Do string }
	for text := range strings.Lines(f.Stderr.String()) {
		if strings.Contains(text, "left out of lists") {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if line.Level != "ERROR" || !strings.Contains(line.Item, string(ref(2).ID)) ||
		!strings.Contains(line.Error, "archived") || line.Do == "" {
		t.Errorf("logged %s", f.Stderr.String())
	}
}
