//go:build acceptance

package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// actor does single things at AWS with somebody's credentials.
type actor struct {
	*stack
	who      aws.Credentials
	objects  *s3.Client
	queues   *sqs.Client
	database *dynamodb.Client
}

func (s *stack) actor(who aws.Credentials) actor {
	config := s.config(who)
	return actor{stack: s, who: who, objects: s3Client(config), queues: sqs.NewFromConfig(config),
		database: dynamodb.NewFromConfig(config)}
}

// act is one thing to do at AWS; what it is done to need not be there.
type act func(ctx context.Context, a actor) error

// Where acts are done: nothing is there, and a version that never was.
const (
	inQuarantine = "quarantine/acceptance/entries/rights/images/0195600d-0000-7000-8000-000000000001"
	inFiles      = "files/acceptance/entries/rights/images/0195600d-0000-7000-8000-000000000001"
	inAttempts   = "dead-letters/attempts/-/rights/1"
	inListings   = "dead-letters/snapshots/rights/head.json"
	inIntents    = "dead-letters/intents/rights.json"
	inDiscarded  = "dead-letters/discarded/rights.json"
	inAudit      = "dead-letters/audit/rights.json"
	noVersion    = "00000000-0000-0000-0000-000000000000"
)

func put(key string) act {
	return func(ctx context.Context, a actor) error {
		_, err := a.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &a.bucket, Key: &key, Body: strings.NewReader("x")})
		return err
	}
}

func get(key, version string) act {
	return func(ctx context.Context, a actor) error {
		in := &s3.GetObjectInput{Bucket: &a.bucket, Key: &key}
		if version != "" {
			in.VersionId = &version
		}
		_, err := a.objects.GetObject(ctx, in)
		return err
	}
}

func remove(key, version string) act {
	return func(ctx context.Context, a actor) error {
		in := &s3.DeleteObjectInput{Bucket: &a.bucket, Key: &key}
		if version != "" {
			in.VersionId = &version
		}
		_, err := a.objects.DeleteObject(ctx, in)
		return err
	}
}

func listVersions(ctx context.Context, a actor) error {
	_, err := a.objects.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &a.bucket})
	return err
}

func listObjects(ctx context.Context, a actor) error {
	_, err := a.objects.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &a.bucket})
	return err
}

func openBucket(ctx context.Context, a actor) error {
	_, err := a.objects.PutBucketCors(ctx,
		&s3.PutBucketCorsInput{Bucket: &a.bucket, CORSConfiguration: &s3types.CORSConfiguration{
			CORSRules: []s3types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{allowedOrigin}}}}})
	return err
}

// noItem is a key under which nothing is in the table.
func noItem() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "none"},
		"sk": &types.AttributeValueMemberS{Value: "none"}}
}

func getItem(ctx context.Context, a actor) error {
	_, err := a.database.GetItem(ctx, &dynamodb.GetItemInput{TableName: &a.table, Key: noItem()})
	return err
}

func deleteItem(ctx context.Context, a actor) error {
	_, err := a.database.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &a.table, Key: noItem()})
	return err
}

// query asks an index, or the table itself where its name is "".
func query(index, attribute string) act {
	return func(ctx context.Context, a actor) error {
		var of *string
		if index != "" {
			of = &index
		}
		_, err := a.database.Query(ctx,
			&dynamodb.QueryInput{TableName: &a.table, IndexName: of, KeyConditionExpression: aws.String(attribute + " = :p"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "none"}}})
		return err
	}
}

func scan(ctx context.Context, a actor) error {
	_, err := a.database.Scan(ctx, &dynamodb.ScanInput{TableName: &a.table})
	return err
}

func send(queue func(*stack) string) act {
	return func(ctx context.Context, a actor) error {
		// The test event of S3, which the validator acknowledges.
		body := `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-01T00:00:00.000Z","Bucket":"` + a.bucket +
			`","RequestId":"1","HostId":"1"}`
		_, err := a.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(queue(a.stack)), MessageBody: &body})
		return err
	}
}

func receive(queue func(*stack) string) act {
	return func(ctx context.Context, a actor) error {
		_, err := a.queues.ReceiveMessage(ctx,
			&sqs.ReceiveMessageInput{QueueUrl: aws.String(queue(a.stack)), VisibilityTimeout: 1})
		return err
	}
}

func uploads(s *stack) string     { return s.queue }
func deadLetters(s *stack) string { return s.dead }

func tell(ctx context.Context, a actor) error {
	body := `{"Entries":[{"Source":"acceptance","DetailType":"none","Detail":"{}"}]}`
	_, err := a.signedCall(ctx, a.who, "events", http.MethodPost, "/",
		http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"AWSEvents.PutEvents"}}, []byte(body))
	return err
}

// writeLog writes into a function's log, as Lambda does for it; no such stream is there.
func writeLog(function string) act {
	return func(ctx context.Context, a actor) error {
		body := `{"logGroupName":"/aws/lambda/` + a.name + `/` + function +
			`","logStreamName":"none","logEvents":[{"timestamp":1,"message":"x"}]}`
		_, err := a.signedCall(ctx, a.who, "logs", http.MethodPost, "/",
			http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328.PutLogEvents"}},
			[]byte(body))
		return err
	}
}

// invokeReconciler starts a function, which nobody but the schedule should.
func invokeReconciler(ctx context.Context, a actor) error {
	_, err := a.signedCall(ctx, a.who, "lambda", http.MethodPost,
		"/2015-03-31/functions/"+a.resources["ReconcilerFunction"]+"/invocations", nil, []byte(`{}`))
	return err
}

// denied says whether an act was refused for want of a right; that it failed for
// another reason, as what it is about is not there, is none of a role's business.
func denied(err error) bool {
	var call *callError
	if errors.As(err, &call) {
		return call.status == http.StatusForbidden || strings.Contains(call.body, "AccessDenied")
	}
	if err == nil {
		return false
	}
	// The emulator sometimes closes a connection before the body of its refusal is read.
	cut := strings.Contains(err.Error(), "StatusCode: 403") && strings.Contains(err.Error(), "deserialization failed")
	return cut || strings.Contains(err.Error(), "AccessDenied")
}

// need is the right that a statement gives: one act that needs it, and, where it can
// be seen from outside, the work that does.
type need struct {
	act act
	// works does something that needs the right; nil where AWS itself uses it on the
	// function's behalf, which the emulator does without asking, and where all goes on without it.
	works func(ctx context.Context, s *stack, bytes []byte) error
}

// needs are those of every statement of every role, by role and Sid.
var needs = map[string]need{
	"ApiRole/PutQuarantine":  {put(inQuarantine), posts},
	"ApiRole/ReadFiles":      {get(inFiles, noVersion), serves},
	"ApiRole/RemoveVersions": {remove(inFiles, noVersion), deletes},
	"ApiRole/ListVersions":   {listVersions, deletes},
	"ApiRole/KeepRecords":    {getItem, posts},
	"ApiRole/ListRecords":    {query("by-list", "pk"), lists},
	"ApiRole/WriteLogs":      {writeLog("api"), nil},

	"ValidatorRole/TakeMessages":   {receive(uploads), nil},
	"ValidatorRole/ReadQuarantine": {get(inQuarantine, noVersion), validates},
	"ValidatorRole/WriteFiles":     {put(inFiles), validates},
	"ValidatorRole/KeepAttempts":   {put(inAttempts), nil}, // a note that is not kept fails no message
	"ValidatorRole/RemoveVersions": {remove(inQuarantine, noVersion), validates},
	"ValidatorRole/List":           {listObjects, removesLateCopies},
	"ValidatorRole/KeepRecords":    {getItem, validates},
	"ValidatorRole/ListRecords":    {query("by-bytes", "pk"), validatesPairs},
	"ValidatorRole/Tell":           {tell, validates},
	"ValidatorRole/WriteLogs":      {writeLog("validator"), nil},

	"ReconcilerRole/ListVersions": {listVersions, reconciles},
	"ReconcilerRole/SendMessages": {send(uploads), nil},
	// What discards obsolete dead letters; a run goes on without it.
	"ReconcilerRole/ClearDeadLetters": {receive(deadLetters), nil},
	"ReconcilerRole/FindDeadLetters":  {attributes(uploads), nil},
	"ReconcilerRole/KeepNotes":        {put(inAudit), nil},
	"ReconcilerRole/List":             {listObjects, nil},
	"ReconcilerRole/SeeCopies":        {get(inFiles, ""), nil},

	"ReconcilerRole/KeepRecords": {getItem, reconciles},
	"ReconcilerRole/ListRecords": {query("by-status", "status_shard"), reconciles},
	"ReconcilerRole/Tell":        {tell, nil},
	"ReconcilerRole/WriteLogs":   {writeLog("reconciler"), nil},
}

// needsEveryStatement: without a statement what needs it fails, with it again it does
// not. A statement that nothing here needs fails the test.
func needsEveryStatement(t *testing.T, s *stack) {
	seen := map[string]bool{}
	for _, role := range s.roles(t) {
		who := s.actor(s.as(t, role))
		for _, st := range s.rights(t, role).Statement {
			name := role + "/" + fmt.Sprint(st["Sid"])
			seen[name] = true
			t.Run(name, func(t *testing.T) {
				n, ok := needs[name]
				if !ok {
					t.Fatalf("nothing is known that needs %v: name it in needs, or take it away", st)
				}
				if err := n.act(t.Context(), who); denied(err) {
					t.Fatalf("refused with the statement: %v", err)
				}
				restore := s.without(t, role, fmt.Sprint(st["Sid"]))
				if err := n.act(t.Context(), who); !denied(err) {
					t.Errorf("not refused without the statement, but: %v", err)
				}
				if n.works != nil {
					hasty := *s
					hasty.patience = 1500 * time.Millisecond
					if err := n.works(t.Context(), &hasty, picture(t)); err == nil {
						t.Errorf("everything works without the statement")
					} else {
						t.Logf("without it: %.300v", err)
					}
				}
				restore()
				if err := n.act(t.Context(), who); denied(err) {
					t.Errorf("refused with the statement again: %v", err)
				}
				if n.works != nil {
					if err := n.works(t.Context(), s, picture(t)); err != nil {
						t.Errorf("with the statement again: %v", err)
					}
				}
			})
		}
	}
	for name := range needs {
		if !seen[name] {
			t.Errorf("no role has the statement %s any more", name)
		}
	}
}

// refusesWhatIsNotTheirs: each role can do its own things and is refused all others.
func refusesWhatIsNotTheirs(t *testing.T, s *stack) {
	everything := map[string]act{
		"put into quarantine": put(inQuarantine), "put into files": put(inFiles), "put elsewhere": put("elsewhere"),
		"put a note": put(inAttempts), "put a listing": put(inListings), "put an audit": put(inAudit),
		"read a note": get(inAttempts, ""), "hide a note": remove(inAttempts, ""),
		"read quarantine": get(inQuarantine, ""), "read a version of quarantine": get(inQuarantine, noVersion),
		"read files": get(inFiles, ""), "read a version of files": get(inFiles, noVersion),
		"hide an object of files": remove(inFiles, ""), "hide an object of quarantine": remove(inQuarantine, ""),
		"remove a version of files":      remove(inFiles, noVersion),
		"remove a version of quarantine": remove(inQuarantine, noVersion),
		"list objects":                   listObjects, "list versions": listVersions, "change the bucket": openBucket,
		"read a record": getItem, "remove a record": deleteItem, "scan the table": scan,
		"list an entry": query("by-list", "pk"), "read an entry": query("", "pk"), "find bytes": query("by-bytes", "pk"),
		"list by status":    query("by-status", "status_shard"),
		"send to the queue": send(uploads), "receive from the queue": receive(uploads),
		"send to the dead letters": send(deadLetters), "receive from the dead letters": receive(deadLetters),
		"delete a dead letter": deleteMessage(deadLetters), "delete a message": deleteMessage(uploads),
		"put a record": putItem, "pause the validator": pause,
		"tell the bus": tell, "invoke a function": invokeReconciler,
	}
	may := map[string][]string{
		"ApiRole": {"put into quarantine", "read a version of files", "remove a version of files",
			"remove a version of quarantine", "list versions",
			"read a record", "put a record", "remove a record", "list an entry", "read an entry", "find bytes"},
		"ValidatorRole": {"read quarantine", "read a version of quarantine", "put into files", "read files", "put a note",
			"remove a version of files", "remove a version of quarantine", "list objects", "list versions", "read a record",
			"put a record", "read an entry", "find bytes", "receive from the queue", "delete a message", "tell the bus"},
		"ReconcilerRole": {"list versions", "read a record", "put a record", "scan the table", "list by status", "send to the queue",
			"tell the bus", "put a note", "put a listing", "put an audit", "read a note", "read files", "list objects",
			"receive from the dead letters", "delete a dead letter"},
		"OperatorLooks": {"read files", "put a listing", "read a note", "list objects", "list versions", "read a record", "read an entry",
			"scan the table", "list by status", "list an entry", "receive from the dead letters"},
		"OperatorActs": {"put an audit", "remove a version of files", "send to the queue", "delete a dead letter",
			"put a record", "tell the bus", "pause the validator"},
		"OperatorSeesFiles": {"read a version of files"},
		"OperatorRechecks":  {}, // the bucket's policy denies it what it is for
		"OperatorDiagnoses": {}, // it sees settings and counts alone
	}
	all := map[string]aws.Credentials{}
	for _, role := range s.roles(t) {
		all[role] = s.as(t, role)
	}
	for _, policy := range s.operators(t) {
		all[policy] = s.person(t, policy)
	}
	for role, credentials := range all {
		allowed, ok := may[role]
		if !ok {
			t.Errorf("what %s must be refused is not known", role)
			continue
		}
		who := s.actor(credentials)
		for what, act := range everything {
			t.Run(role+" "+what, func(t *testing.T) {
				err := act(t.Context(), who)
				if want := !slices.Contains(allowed, what); denied(err) != want {
					t.Errorf("refused: %v, want %v; %v", denied(err), want, err)
				}
			})
		}
	}
	admin := s.administrator(t)
	t.Run("an administrator does everything but read quarantine and write where the functions do", func(t *testing.T) {
		refused := []string{"read quarantine", "read a version of quarantine", "put into quarantine", "put into files"}
		for what, act := range everything {
			err := act(t.Context(), s.actor(admin))
			if want := slices.Contains(refused, what); denied(err) != want {
				t.Errorf("%s: refused: %v, want %v; %v", what, denied(err), want, err)
			}
		}
	})
	t.Run("nobody comes without TLS", func(t *testing.T) { s.refusesPlain(t, admin) })
}

// plainly says of every request that it came without TLS, as a load balancer would
// in front of AWS.
type plainly struct{ http.RoundTripper }

func (p plainly) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-Proto", "http")
	return p.RoundTripper.RoundTrip(r)
}

func (s *stack) refusesPlain(t *testing.T, who aws.Credentials) {
	config := s.config(who)
	config.HTTPClient = &http.Client{Timeout: time.Minute, Transport: plainly{s.http.Transport}}
	plain := actor{stack: s, objects: s3Client(config), queues: sqs.NewFromConfig(config)}
	for what, act := range map[string]act{"bucket": listObjects, "objects": put("elsewhere"), "queue": send(uploads),
		"dead letters": send(deadLetters)} {
		if err := act(t.Context(), plain); !denied(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
