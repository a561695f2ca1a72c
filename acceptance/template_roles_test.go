package acceptance

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/upload"
)

// policyStatement is one statement of a policy in the template.
type policyStatement struct {
	sid, effect        string
	actions, resources []string
	condition          map[string]any
	principal          any
}

// policyStatements reads a policy document.
func policyStatements(document any) []policyStatement {
	var all []policyStatement
	list, _ := at(document, "Statement").([]any)
	for _, s := range list {
		condition, _ := at(s, "Condition").(map[string]any)
		sid, _ := at(s, "Sid").(string)
		effect, _ := at(s, "Effect").(string)
		all = append(all, policyStatement{sid: sid, effect: effect, condition: condition, principal: at(s, "Principal"),
			actions: texts(at(s, "Action")), resources: texts(at(s, "Resource"))})
	}
	return all
}

// role gives the statements of a function's role.
func (d deployment) role(function string) []policyStatement {
	d.t.Helper()
	role := strings.TrimSuffix(strings.TrimPrefix(at(d.properties(function), "Role").(string), "<"), ".Arn>")
	policies := at(d.properties(role), "Policies").([]any)
	if len(policies) != 1 || at(d.properties(role), "ManagedPolicyArns") != nil {
		d.t.Errorf("%s has other policies than its own one", role)
	}
	return policyStatements(at(policies[0], "PolicyDocument"))
}

// may lists what a function may do, as "action resource", sorted.
func (d deployment) may(function string) []string {
	d.t.Helper()
	return allowed(d.role(function))
}

// allowed lists what statements allow, as "action resource", sorted.
func allowed(statements []policyStatement) []string {
	var all []string
	for _, s := range statements {
		for _, action := range s.actions {
			for _, resource := range s.resources {
				all = append(all, action+" "+resource)
			}
		}
	}
	slices.Sort(all)
	return all
}

// operators are the policies for people: their logical names, and the outputs that have their ARNs.
var operators = map[string]string{"OperatorLooks": "OperatorLooksPolicy", "OperatorActs": "OperatorActsPolicy",
	"OperatorRechecks": "OperatorRechecksPolicy", "OperatorSeesFiles": "OperatorSeesFilesPolicy",
	"OperatorDiagnoses": "OperatorDiagnosesPolicy"}

// operator gives the statements of a policy for people.
func (d deployment) operator(policy string) []policyStatement {
	d.t.Helper()
	return policyStatements(at(d.properties(policy), "PolicyDocument"))
}

// Everything that can be switched on by a parameter.
var everything = []string{"AllowedOrigins=https://a.example.com", "TellBus=" + someBus, "KmsKeyArn=" + someKey,
	"OperatorRoleArn=" + someOperator, "ClearObsolete=true",
	"Tracing=Active", "AlarmEmail=ops@example.com", "DomainName=files.example.com", "HostedZoneId=Z123",
	"CertificateArn=arn:aws:acm:eu-central-1:123456789012:certificate/c", "ApiConcurrency=50",
	"PermissionsBoundaryArn=" + someBoundary, someSubnets, someGroup}

const (
	someBus      = "arn:aws:events:eu-central-1:123456789012:event-bus/verdicts"
	someKey      = "arn:aws:kms:eu-central-1:123456789012:key/k"
	someOperator = "arn:aws:iam::123456789012:role/ops"
	someBoundary = "arn:aws:iam::123456789012:policy/boundary"
	someSubnets  = "SubnetIds=subnet-0123456789abcdef0,subnet-0fedcba9876543210"
	someGroup    = "SecurityGroupIds=sg-0123456789abcdef0"
	bucketArn    = "arn:aws:s3:::hatchery-uploads-123456789012-eu-central-1"
	quarantine   = bucketArn + "/quarantine/*"
	files        = bucketArn + "/files/*"
	table        = "<RecordsTable.Arn>"
	notes        = bucketArn + "/" + upload.DeadLetterPrefix
	queue        = "<UploadsQueue.Arn>"
	dead         = "<DeadLetterQueue.Arn>"
	mapping      = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:<ValidatorFunctionArrived>"
	itsStack     = "arn:aws:cloudformation:eu-central-1:123456789012:stack/prod/*"
)

// Each line of what the roles allow. A new one needs a reason, and a step of the
// acceptance run that fails without it.
func TestEachFunctionMayDoItsWorkAndNothingElse(t *testing.T) {
	records := func(actions ...string) []string {
		var all []string
		for _, a := range actions {
			all = append(all, "dynamodb:"+a+" "+table)
		}
		return all
	}
	logs := func(group string) []string {
		return []string{"logs:CreateLogStream <" + group + ".Arn>", "logs:PutLogEvents <" + group + ".Arn>"}
	}
	d := deploy(t)
	for function, want := range map[string][]string{
		"ApiFunction": slices.Concat([]string{
			"s3:PutObject " + quarantine,
			"s3:GetObjectVersion " + files,
			"s3:DeleteObjectVersion " + quarantine, "s3:DeleteObjectVersion " + files,
			"s3:ListBucketVersions " + bucketArn,
			"dynamodb:Query " + table + "/index/by-list", "dynamodb:Query " + table + "/index/by-bytes",
		}, records("GetItem", "PutItem", "DeleteItem", "Query"), logs("ApiLogs")),
		"ValidatorFunction": slices.Concat([]string{
			"sqs:ReceiveMessage " + queue, "sqs:DeleteMessage " + queue, "sqs:GetQueueAttributes " + queue,
			"s3:GetObject " + quarantine, "s3:GetObjectVersion " + quarantine,
			"s3:PutObject " + files, "s3:GetObject " + files, "s3:PutObject " + notes + "attempts/*",
			"s3:DeleteObjectVersion " + quarantine, "s3:DeleteObjectVersion " + files,
			"s3:ListBucket " + bucketArn, "s3:ListBucketVersions " + bucketArn,
			"dynamodb:Query " + table + "/index/by-bytes",
		}, records("GetItem", "BatchGetItem", "PutItem", "Query"), logs("ValidatorLogs")),
		"ReconcilerFunction": slices.Concat([]string{
			"s3:ListBucketVersions " + bucketArn,
			"sqs:SendMessage " + queue,
			"dynamodb:Query " + table + "/index/by-status",
		}, records("GetItem", "BatchGetItem", "PutItem", "Scan"), logs("ReconcilerLogs")),
	} {
		slices.Sort(want)
		if got := d.may(function); !slices.Equal(got, want) {
			t.Errorf("%s may\n  %s\nwant\n  %s", function, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// TestEachPolicyForPeopleAllowsItsWorkAndNothingElse: to look changes nothing but listings, to act never reads bytes.
func TestEachPolicyForPeopleAllowsItsWorkAndNothingElse(t *testing.T) {
	d := deploy(t)
	for policy, want := range map[string][]string{
		"OperatorLooks": {
			"sqs:GetQueueAttributes " + dead, "sqs:GetQueueUrl " + dead, "sqs:ReceiveMessage " + dead,
			"sqs:ChangeMessageVisibility " + dead, "sqs:ListMessageMoveTasks " + dead,
			"sqs:GetQueueAttributes " + queue,
			"cloudformation:DescribeStacks " + itsStack,
			"s3:ListBucket " + bucketArn, "s3:ListBucketVersions " + bucketArn,
			"s3:GetObject " + notes + "*", "s3:PutObject " + notes + "snapshots/*",
			"s3:GetObject " + files,
			"dynamodb:GetItem " + table, "dynamodb:BatchGetItem " + table, "dynamodb:Scan " + table,
			"dynamodb:Query " + table + "/index/by-status", "dynamodb:Query " + table + "/index/by-list", "dynamodb:Query " + table,
			"lambda:GetEventSourceMapping " + mapping,
		},
		"OperatorActs": {
			"sqs:DeleteMessage " + dead, "sqs:StartMessageMoveTask " + dead, "sqs:CancelMessageMoveTask " + dead,
			"sqs:SendMessage " + queue,
			"s3:PutObject " + notes + "intents/*", "s3:PutObject " + notes + "discarded/*",
			"s3:PutObject " + notes + "audit/*",
			"s3:DeleteObjectVersion " + files,
			"dynamodb:PutItem " + table,
			"lambda:UpdateEventSourceMapping " + mapping,
		},
		"OperatorRechecks":  {"s3:GetObjectVersion " + quarantine},
		"OperatorSeesFiles": {"s3:GetObjectVersion " + files},
		"OperatorDiagnoses": {
			"cloudformation:DescribeStacks " + itsStack,
			"s3:GetBucketNotification " + bucketArn, "s3:GetBucketVersioning " + bucketArn, "s3:GetBucketCORS " + bucketArn,
			"sqs:GetQueueAttributes " + queue, "sqs:GetQueueAttributes " + dead,
			"lambda:GetEventSourceMapping " + mapping, "lambda:GetFunctionConfiguration <ValidatorFunction.Arn>",
			"lambda:GetAccountSettings *", "sns:ListSubscriptionsByTopic <AlarmTopic>",
		},
	} {
		slices.Sort(want)
		if got := allowed(d.operator(policy)); !slices.Equal(got, want) {
			t.Errorf("%s allows\n  %s\nwant\n  %s", policy, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

func TestAParameterAddsItsOwnGrantAlone(t *testing.T) {
	plain := deploy(t)
	for parameter, want := range map[string]map[string][]string{
		"TellBus=" + someBus: {
			"ValidatorFunction":  {"events:PutEvents " + someBus},
			"ReconcilerFunction": {"events:PutEvents " + someBus},
			"OperatorActs":       {"events:PutEvents " + someBus}},
		"KmsKeyArn=" + someKey: { // once by way of S3, once by way of DynamoDB
			"ApiFunction":        {"kms:Decrypt " + someKey, "kms:Decrypt " + someKey, "kms:GenerateDataKey " + someKey},
			"ValidatorFunction":  {"kms:Decrypt " + someKey, "kms:Decrypt " + someKey, "kms:GenerateDataKey " + someKey},
			"ReconcilerFunction": {"kms:Decrypt " + someKey},
			"OperatorLooks":      {"kms:Decrypt " + someKey, "kms:Decrypt " + someKey, "kms:GenerateDataKey " + someKey}},
		someSubnets + " " + someGroup: {
			"ApiFunction": networkActions(), "ValidatorFunction": networkActions(), "ReconcilerFunction": networkActions()},
		"PermissionsBoundaryArn=" + someBoundary: {},
		"ClearObsolete=true": {
			"ReconcilerFunction": {"s3:GetObject " + notes + "*", "s3:GetObject " + files, "s3:ListBucket " + bucketArn,
				"s3:PutObject " + notes + "*", "sqs:ChangeMessageVisibility " + dead, "sqs:DeleteMessage " + dead,
				"sqs:GetQueueAttributes " + dead, "sqs:GetQueueAttributes " + queue, "sqs:GetQueueUrl " + dead,
				"sqs:ReceiveMessage " + dead}},
		"Tracing=Active": { // X-Ray knows no resources
			"ApiFunction":        {"xray:PutTelemetryRecords *", "xray:PutTraceSegments *"},
			"ValidatorFunction":  {"xray:PutTelemetryRecords *", "xray:PutTraceSegments *"},
			"ReconcilerFunction": {"xray:PutTelemetryRecords *", "xray:PutTraceSegments *"}},
		"OperatorRoleArn=" + someOperator: {},
	} {
		withIt := deploy(t, strings.Fields(parameter)...).granted()
		for who, before := range plain.granted() {
			var added []string
			for _, may := range allowed(withIt[who]) {
				if !slices.Contains(allowed(before), may) {
					added = append(added, may)
				}
			}
			if !slices.Equal(added, want[who]) || len(allowed(withIt[who])) != len(allowed(before))+len(added) {
				t.Errorf("%s adds to %s %v, want %v", parameter, who, added, want[who])
			}
		}
	}
	withKey := deploy(t, "KmsKeyArn="+someKey, "ClearObsolete=true")
	if !slices.Contains(withKey.may("ReconcilerFunction"), "kms:GenerateDataKey "+someKey) {
		t.Error("the reconciler cannot keep what it discards under the key")
	}
	for who, statements := range withKey.granted() {
		for _, s := range statements {
			if !strings.HasPrefix(s.actions[0], "kms:") {
				continue
			}
			service, most := "s3", []string{"kms:GenerateDataKey", "kms:Decrypt"}
			if s.sid == "UseKeyOfTable" {
				service, most = "dynamodb", []string{"kms:Decrypt"}
			}
			if at(s.condition, "StringEquals", "kms:ViaService") != service+".eu-central-1.amazonaws.com" ||
				!slices.Equal(s.actions, most) {
				t.Errorf("%s %s: %v under %v", who, s.sid, s.actions, s.condition)
			}
		}
	}
}

// networkActions are what Lambda does with a function's role to put it into a network, and no more
// (the AWS managed policy AWSLambdaVPCAccessExecutionRole has the rights on logs besides).
func networkActions() []string {
	var all []string
	for _, action := range []string{"AssignPrivateIpAddresses", "CreateNetworkInterface", "DeleteNetworkInterface",
		"DescribeNetworkInterfaces", "DescribeSubnets", "UnassignPrivateIpAddresses"} {
		all = append(all, "ec2:"+action+" *")
	}
	return all
}

// granted gives the statements of every function's role and of every policy for people.
func (d deployment) granted() map[string][]policyStatement {
	d.t.Helper()
	all := map[string][]policyStatement{}
	for function := range functions {
		all[function] = d.role(function)
	}
	for policy := range operators {
		all[policy] = d.operator(policy)
	}
	return all
}

func TestNoStatementIsWiderThanItReads(t *testing.T) {
	d := deploy(t, everything...)
	for who, statements := range d.granted() {
		seen := map[string]bool{}
		for _, s := range statements {
			if s.sid == "" || seen[s.sid] || s.effect != "Allow" {
				t.Errorf("%s: statement %q has no name of its own, or does not allow", who, s.sid)
			}
			seen[s.sid] = true
			for _, action := range s.actions {
				if strings.Contains(action, "*") {
					t.Errorf("%s %s: action %s", who, s.sid, action)
				}
			}
			for _, resource := range s.resources {
				wide := strings.Contains(resource, "*") && resource != quarantine && resource != files &&
					!strings.HasPrefix(resource, notes) && resource != itsStack
				if wide && !(slices.Contains([]string{"Trace", "SeeTheQuota", "UseNetwork"}, s.sid) && resource == "*") {
					t.Errorf("%s %s: resource %s", who, s.sid, resource)
				}
			}
		}
	}
	for _, role := range d.ofType("AWS::IAM::Role") {
		trust := policyStatements(at(d.properties(role), "AssumeRolePolicyDocument"))
		if len(trust) != 1 || at(trust[0].principal, "Service") != "lambda.amazonaws.com" ||
			!slices.Equal(trust[0].actions, []string{"sts:AssumeRole"}) || len(trust[0].condition) != 1 ||
			at(trust[0].condition, "StringEquals", "aws:SourceAccount") != "123456789012" {
			t.Errorf("%s trusts %v", role, trust)
		}
	}
}

func TestTheRolesAreOnlyTheFunctions(t *testing.T) {
	d := deploy(t, everything...)
	if roles := d.ofType("AWS::IAM::Role"); !slices.Equal(roles, []string{"ApiRole", "ReconcilerRole", "ValidatorRole"}) {
		t.Errorf("roles %v", roles)
	}
	if all, want := d.ofType("AWS::Lambda::Function"), slices.Sorted(maps.Keys(functions)); !slices.Equal(all, want) {
		t.Errorf("functions %v", all)
	}
	if others := d.ofType("AWS::IAM::Policy"); len(others) > 0 {
		t.Errorf("policies beside the roles: %v", others)
	}
}

// TestThePoliciesForPeopleAreNobodysYet: who gets them is the account's to say. They have no name, so that two stacks
// do not meet.
func TestThePoliciesForPeopleAreNobodysYet(t *testing.T) {
	d := deploy(t, everything...)
	if all, want := d.ofType("AWS::IAM::ManagedPolicy"), slices.Sorted(maps.Keys(operators)); !slices.Equal(all, want) {
		t.Errorf("policies %v", all)
	}
	for policy, output := range operators {
		for property := range d.properties(policy) {
			if property != "Description" && property != "PolicyDocument" {
				t.Errorf("%s has %s", policy, property)
			}
		}
		if got := d.resolve(d.Outputs[output].Value); got != "<"+policy+">" { // Ref is its ARN
			t.Errorf("%s is %v", output, got)
		}
		document, err := json.Marshal(at(d.properties(policy), "PolicyDocument"))
		// IAM takes 6,144 characters; names that are resolved only when it is made take their part.
		if err != nil || len(document) > 4096 {
			t.Errorf("%s has %d characters, %v", policy, len(document), err)
		}
	}
}

// --- Policies of the resources themselves ------------------------------------------

func policyOf(d deployment, id string) map[string]policyStatement {
	d.t.Helper()
	all := map[string]policyStatement{}
	for _, s := range policyStatements(at(d.properties(id), "PolicyDocument")) {
		if _, twice := all[s.sid]; twice || s.sid == "" {
			d.t.Errorf("%s: statement %q has no name of its own", id, s.sid)
		}
		all[s.sid] = s
	}
	return all
}

func TestNothingIsSpokenToWithoutTLS(t *testing.T) {
	d := deploy(t)
	for id, want := range map[string][]string{
		"UploadsBucketPolicy":   {"s3:*", bucketArn, bucketArn + "/*"},
		"UploadsQueuePolicy":    {"sqs:*", queue},
		"DeadLetterQueuePolicy": {"sqs:*", "<DeadLetterQueue.Arn>"},
		"AlarmTopicPolicy":      {"sns:Publish", "<AlarmTopic>"},
	} {
		s := policyOf(d, id)["TlsOnly"]
		if got := slices.Concat(s.actions, s.resources); s.effect != "Deny" || s.principal != "*" ||
			!slices.Equal(got, want) || at(s.condition, "Bool", "aws:SecureTransport") != false || len(s.condition) != 1 {
			t.Errorf("%s: %+v", id, s)
		}
	}
}

func TestQuarantineIsReadByTheValidatorAndTheOperatorAlone(t *testing.T) {
	for operator, readers := range map[string][]string{
		"":           {"<ValidatorRole.Arn>"},
		someOperator: {"<ValidatorRole.Arn>", someOperator},
	} {
		d := deploy(t, "OperatorRoleArn="+operator)
		policy := policyOf(d, "UploadsBucketPolicy")
		deny := policy["QuarantineIsNotRead"]
		if deny.effect != "Deny" || deny.principal != "*" ||
			!slices.Equal(deny.actions, []string{"s3:GetObject", "s3:GetObjectVersion"}) ||
			!slices.Equal(deny.resources, []string{quarantine}) {
			t.Errorf("%+v", deny)
		}
		if got := texts(at(deny.condition, "ArnNotEquals", "aws:PrincipalArn")); !slices.Equal(got, readers) ||
			len(deny.condition) != 1 {
			t.Errorf("readers %v, want %v", got, readers)
		}
		allow, there := policy["OperatorReadsQuarantine"]
		if there != (operator != "") {
			t.Errorf("with the operator %q something is allowed: %v", operator, there)
		}
		if there && (at(allow.principal, "AWS") != operator || !slices.Equal(allow.actions, deny.actions) ||
			!slices.Equal(allow.resources, deny.resources)) {
			t.Errorf("%+v", allow)
		}
		if want := 4 + len(readers) - 1; len(policy) != want {
			t.Errorf("%d statements, want %d", len(policy), want)
		}
	}
}

// TestQuarantineIsWrittenByTheApiAndFilesByTheValidatorAlone, whatever other policies allow: the operator's role, if
// there is one, is not kept from it.
func TestQuarantineIsWrittenByTheApiAndFilesByTheValidatorAlone(t *testing.T) {
	for sid, c := range map[string]struct{ resource, writer, function string }{
		"QuarantineIsWrittenByTheApi":   {quarantine, "<ApiRole.Arn>", "ApiFunction"},
		"FilesAreWrittenByTheValidator": {files, "<ValidatorRole.Arn>", "ValidatorFunction"},
	} {
		for operator, writers := range map[string][]string{"": {c.writer}, someOperator: {c.writer, someOperator}} {
			d := deploy(t, "OperatorRoleArn="+operator)
			deny := policyOf(d, "UploadsBucketPolicy")[sid]
			if deny.effect != "Deny" || deny.principal != "*" || !slices.Equal(deny.resources, []string{c.resource}) ||
				!slices.Equal(deny.actions, []string{"s3:PutObject", "s3:ReplicateObject"}) {
				t.Errorf("%s: %+v", sid, deny)
			}
			if got := texts(at(deny.condition, "ArnNotEquals", "aws:PrincipalArn")); !slices.Equal(got, writers) ||
				len(deny.condition) != 1 {
				t.Errorf("%s: writers %v, want %v", sid, got, writers)
			}
			for who, statements := range d.granted() {
				if slices.Contains(allowed(statements), "s3:PutObject "+c.resource) != (who == c.function) {
					t.Errorf("%s writes %s, or is not allowed to", who, c.resource)
				}
			}
		}
	}
}

func TestTheBucketAloneSendsToTheQueue(t *testing.T) {
	d := deploy(t)
	policy := policyOf(d, "UploadsQueuePolicy")
	s := policy["BucketNotifies"]
	if s.effect != "Allow" || at(s.principal, "Service") != "s3.amazonaws.com" ||
		!slices.Equal(s.actions, []string{"sqs:SendMessage"}) || !slices.Equal(s.resources, []string{queue}) ||
		at(s.condition, "ArnEquals", "aws:SourceArn") != bucketArn ||
		at(s.condition, "StringEquals", "aws:SourceAccount") != "123456789012" {
		t.Errorf("%+v", s)
	}
	for _, id := range []string{"UploadsQueuePolicy", "DeadLetterQueuePolicy"} {
		for sid, s := range policyOf(d, id) {
			if s.effect == "Allow" && sid != "BucketNotifies" {
				t.Errorf("%s allows %s", id, sid)
			}
		}
	}
	if got := texts(at(d.properties("UploadsQueuePolicy"), "Queues")); !slices.Equal(got, []string{"prod-uploads"}) {
		t.Errorf("the policy is of %v", got)
	}
}

func TestAlarmsAloneArePublished(t *testing.T) {
	s := policyOf(deploy(t), "AlarmTopicPolicy")["AlarmsPublish"]
	if at(s.principal, "Service") != "cloudwatch.amazonaws.com" ||
		at(s.condition, "StringEquals", "aws:SourceAccount") != "123456789012" ||
		at(s.condition, "ArnLike", "aws:SourceArn") != "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:*" {
		t.Errorf("%+v", s)
	}
}
