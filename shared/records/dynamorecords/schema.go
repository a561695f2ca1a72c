package dynamorecords

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The names of the table's keys and indexes, as the template has them. The
// package comment shows what they hold.
const (
	partitionKey = "pk"
	sortKey      = "sk"

	listKey     = "list_key"
	bytesKey    = "bytes_key"
	statusShard = "status_shard"
	statusAt    = "status_at"

	// forget is when DynamoDB may remove an item by itself, in epoch seconds.
	// Only tombstones and idempotency keys have it.
	forget = "forget"
)

// index is one of the table's indexes, or the table itself: its name, and the attributes that are its keys.
type index struct{ name, hash, sort string }

var (
	tableItself = index{"", partitionKey, sortKey}
	listIndex   = index{"by-list", partitionKey, listKey}
	bytesIndex  = index{"by-bytes", partitionKey, bytesKey}
	statusIndex = index{"by-status", statusShard, statusAt}
)

// local says whether the index is a local one, which can be read consistently.
func (i index) local() bool { return i.hash == partitionKey }

// TableInput describes the table to CreateTable: its keys and its indexes, paid
// by request. Local indexes can only be made together with their table. What has
// expired is removed once TimeToLiveInput is applied too.
func TableInput(name string) *dynamodb.CreateTableInput {
	var attributes []types.AttributeDefinition
	for _, key := range []string{partitionKey, sortKey, listKey, bytesKey, statusShard, statusAt} {
		attributes = append(attributes,
			types.AttributeDefinition{AttributeName: aws.String(key), AttributeType: types.ScalarAttributeTypeS})
	}
	return &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: attributes,
		KeySchema:            keySchema(partitionKey, sortKey),
		LocalSecondaryIndexes: []types.LocalSecondaryIndex{
			{IndexName: &listIndex.name, KeySchema: keySchema(listIndex.hash, listIndex.sort),
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
			{IndexName: &bytesIndex.name, KeySchema: keySchema(bytesIndex.hash, bytesIndex.sort),
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"size"}}},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: &statusIndex.name, KeySchema: keySchema(statusIndex.hash, statusIndex.sort),
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
		},
	}
}

func keySchema(hash, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash},
		{AttributeName: &sort, KeyType: types.KeyTypeRange}}
}

// TimeToLiveInput describes to UpdateTimeToLive what DynamoDB may remove by
// itself. It does so within a few days; the store takes what has expired for
// gone before that.
func TimeToLiveInput(name string) *dynamodb.UpdateTimeToLiveInput {
	return &dynamodb.UpdateTimeToLiveInput{TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(forget), Enabled: aws.Bool(true)}}
}
