package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// --- deployer.yaml --------------------------------------------------------------------

// deployerRights are what AWS says of the rights that a deployment needs: testdata/rights.py makes it, and has the sources.
type deployerRights struct {
	// Handlers are the actions that CloudFormation calls for a type of resource, by handler.
	Handlers     map[string]map[string][]string
	OnEverything []string `json:"on everything"` // rights on "*" alone
	Unknown      []string // there is no such right
}

func readDeployerRights(t testing.TB) deployerRights {
	t.Helper()
	data, err := os.ReadFile("testdata/rights.json")
	if err != nil {
		t.Fatal(err)
	}
	var found deployerRights
	if err := json.Unmarshal(data, &found); err != nil || len(found.Handlers) < 30 {
		t.Fatalf("%d types of resource: %v", len(found.Handlers), err)
	}
	return found
}

const (
	samBucket = "aws-sam-cli-managed-default-samclisourcebucket-1abc"
)

// deployer resolves deployer.yaml for stacks that are called prod.
func deployer(t testing.TB, overrides ...string) deployment {
	t.Helper()
	return deployOf(t, deployerTemplate, append([]string{"StackPrefix=prod", "HostedZoneId=Z123", "KmsKeyArn=" + someKey},
		overrides...)...)
}

// deployerNeeds are the policies that each template is deployed with, and the template with all that can be switched on.
func deployerNeeds(t testing.TB) []struct {
	stack    deployment
	policies []string
} {
	return []struct {
		stack    deployment
		policies []string
	}{
		{deploy(t, everything...), []string{"DeploysStacks", "DeploysFunctions", "DeploysStorage", "DeploysNames"}},
		{deployOf(t, networkTemplate, "Nat=true"), []string{"DeploysStacks", "DeploysNetwork"}},
		{balancer(t, "HostedZoneId=Z123"), []string{"DeploysStacks", "DeploysLoadBalancer", "DeploysNames"}},
		{distribution(t, "HostedZoneId=Z123"), []string{"DeploysStacks", "DeploysCloudFront", "DeploysNames"}},
	}
}

// deployersCall is a right that CloudFormation asks for with those of whoever deploys.
type deployersCall struct {
	action, on string
	keys       map[string]string // of conditions
	by         string            // the resource, and its type
}

// arnsOf are what resources of a type are called. NAME is the physical name, ID what AWS makes up. A collection is there
// where something is made by a call to it.
var arnsOf = map[string][]string{
	"AWS::ApiGatewayV2::Api":                    {"arn:aws:apigateway:REGION::/apis", "arn:aws:apigateway:REGION::/apis/ID"},
	"AWS::ApiGatewayV2::ApiMapping":             {"arn:aws:apigateway:REGION::/domainnames/files.example.com/apimappings/ID"},
	"AWS::ApiGatewayV2::DomainName":             {"arn:aws:apigateway:REGION::/domainnames", "arn:aws:apigateway:REGION::/domainnames/files.example.com"},
	"AWS::ApiGatewayV2::Stage":                  {"arn:aws:apigateway:REGION::/apis/ID/stages/$default"},
	"AWS::CloudFront::Distribution":             {"arn:aws:cloudfront::123456789012:distribution/ID"},
	"AWS::CloudWatch::Alarm":                    {"arn:aws:cloudwatch:REGION:123456789012:alarm:NAME"},
	"AWS::CloudWatch::Dashboard":                {"arn:aws:cloudwatch::123456789012:dashboard/NAME"},
	"AWS::DynamoDB::Table":                      {"arn:aws:dynamodb:REGION:123456789012:table/NAME"},
	"AWS::EC2::EIP":                             {"arn:aws:ec2:REGION:123456789012:elastic-ip/ID"},
	"AWS::EC2::FlowLog":                         {"arn:aws:ec2:REGION:123456789012:vpc-flow-log/ID", "arn:aws:ec2:REGION:123456789012:vpc/ID"},
	"AWS::EC2::InternetGateway":                 {"arn:aws:ec2:REGION:123456789012:internet-gateway/ID"},
	"AWS::EC2::NatGateway":                      {"arn:aws:ec2:REGION:123456789012:natgateway/ID", "arn:aws:ec2:REGION:123456789012:subnet/ID"},
	"AWS::EC2::Route":                           {"arn:aws:ec2:REGION:123456789012:route-table/ID"},
	"AWS::EC2::RouteTable":                      {"arn:aws:ec2:REGION:123456789012:route-table/ID"},
	"AWS::EC2::SecurityGroup":                   {"arn:aws:ec2:REGION:123456789012:security-group/ID", "arn:aws:ec2:REGION:123456789012:vpc/ID"},
	"AWS::EC2::Subnet":                          {"arn:aws:ec2:REGION:123456789012:subnet/ID", "arn:aws:ec2:REGION:123456789012:vpc/ID"},
	"AWS::EC2::SubnetRouteTableAssociation":     {"arn:aws:ec2:REGION:123456789012:subnet/ID", "arn:aws:ec2:REGION:123456789012:route-table/ID"},
	"AWS::EC2::VPC":                             {"arn:aws:ec2:REGION:123456789012:vpc/ID"},
	"AWS::EC2::VPCEndpoint":                     {"arn:aws:ec2:REGION:123456789012:vpc-endpoint/ID", "arn:aws:ec2:REGION:123456789012:vpc/ID"},
	"AWS::EC2::VPCGatewayAttachment":            {"arn:aws:ec2:REGION:123456789012:internet-gateway/ID"},
	"AWS::ElasticLoadBalancingV2::Listener":     {"arn:aws:elasticloadbalancing:REGION:123456789012:listener/app/ID/ID/ID", "arn:aws:elasticloadbalancing:REGION:123456789012:loadbalancer/app/ID/ID"},
	"AWS::ElasticLoadBalancingV2::LoadBalancer": {"arn:aws:elasticloadbalancing:REGION:123456789012:loadbalancer/app/ID/ID"},
	"AWS::ElasticLoadBalancingV2::TargetGroup":  {"arn:aws:elasticloadbalancing:REGION:123456789012:targetgroup/NAME/ID"},
	"AWS::Events::Rule":                         {"arn:aws:events:REGION:123456789012:rule/NAME"},
	"AWS::IAM::ManagedPolicy":                   {"arn:aws:iam::123456789012:policy/NAME"},
	"AWS::IAM::Role":                            {"arn:aws:iam::123456789012:role/NAME"},
	"AWS::Lambda::EventInvokeConfig":            {"arn:aws:lambda:REGION:123456789012:function:prod-Function-1ABC"},
	"AWS::Lambda::EventSourceMapping":           {"arn:aws:lambda:REGION:123456789012:event-source-mapping:ID"},
	"AWS::Lambda::Function":                     {"arn:aws:lambda:REGION:123456789012:function:NAME"},
	"AWS::Lambda::Permission":                   {"arn:aws:lambda:REGION:123456789012:function:prod-Function-1ABC"},
	"AWS::Logs::Delivery":                       {"arn:aws:logs:REGION:123456789012:delivery:ID"},
	"AWS::Logs::DeliveryDestination":            {"arn:aws:logs:REGION:123456789012:delivery-destination:NAME"},
	"AWS::Logs::DeliverySource":                 {"arn:aws:logs:REGION:123456789012:delivery-source:NAME"},
	"AWS::Logs::LogGroup":                       {"arn:aws:logs:REGION:123456789012:log-group:NAME", "arn:aws:logs:REGION:123456789012:log-group:NAME:*"},
	"AWS::Route53::RecordSet":                   {"arn:aws:route53:::hostedzone/Z123"},
	"AWS::S3::Bucket":                           {"arn:aws:s3:::NAME"},
	"AWS::S3::BucketPolicy":                     {"arn:aws:s3:::BUCKET"},
	"AWS::SNS::Subscription":                    {"arn:aws:sns:REGION:123456789012:prod-AlarmTopic-1ABC"},
	"AWS::SNS::Topic":                           {"arn:aws:sns:REGION:123456789012:NAME"},
	"AWS::SNS::TopicPolicy":                     {"arn:aws:sns:REGION:123456789012:prod-AlarmTopic-1ABC"},
	"AWS::SQS::Queue":                           {"arn:aws:sqs:REGION:123456789012:NAME"},
	"AWS::SQS::QueuePolicy":                     {"arn:aws:sqs:REGION:123456789012:prod-DeadLetterQueue-1ABC"},
	"AWS::WAFv2::WebACL":                        {"arn:aws:wafv2:REGION:123456789012:global/webacl/NAME/ID"},
}

// elsewhere are the resources of actions that are on others than the resource for which they are called.
var elsewhere = map[string]string{
	"cloudwatch:DescribeAlarms":   "arn:aws:cloudwatch:REGION:123456789012:alarm:*",
	"iam:PassRole":                "arn:aws:iam::123456789012:role/prod-Role-1ABC",
	"kms:CreateGrant":             someKey,
	"kms:Decrypt":                 someKey,
	"kms:DescribeKey":             someKey,
	"kms:Encrypt":                 someKey,
	"kms:RevokeGrant":             someKey,
	"logs:CreateDelivery":         "arn:aws:logs:REGION:123456789012:delivery:ID",
	"logs:GetDeliverySource":      "arn:aws:logs:REGION:123456789012:delivery-source:hatchery-1f2a3b4c",
	"logs:GetDeliveryDestination": "arn:aws:logs:REGION:123456789012:delivery-destination:hatchery-1f2a3b4c",
	"route53:GetChange":           "arn:aws:route53:::change/ID",
	"s3:GetObject":                "arn:aws:s3:::" + samBucket + "/0123456789abcdef",
	"s3:GetObjectVersion":         "arn:aws:s3:::" + samBucket + "/0123456789abcdef",
}

// passedTo is which service gets a role.
var passedTo = map[string]string{"AWS::Lambda::Function": "lambda.amazonaws.com", "AWS::EC2::FlowLog": "vpc-flow-logs.amazonaws.com"}

// notCalled are actions of the handlers that no template of ours comes to, with the reason; * is anything.
var notCalled = []struct{ types, actions, why string }{
	{"*", "s3tables:*", "no bucket has tables of metadata"},
	{"AWS::S3::Bucket", "s3:CreateBucketMetadata* s3:UpdateBucketMetadata* s3:DeleteBucketMetadata*",
		"the same; that there are none is read"},
	{"AWS::S3::Bucket", "s3:PutAnalyticsConfiguration s3:PutInventoryConfiguration s3:PutMetricsConfiguration " +
		"s3:PutReplicationConfiguration s3:PutBucketWebsite s3:PutAccelerateConfiguration s3:PutBucketAcl s3:PutObjectAcl " +
		"s3:PutBucketObjectLockConfiguration s3:PutIntelligentTieringConfiguration s3:PutBucketLogging s3:PutBucketAbac " +
		"s3:DeleteBucketWebsite iam:PassRole", "no bucket has the property"},
	{"AWS::S3::Bucket", "s3:DeleteObject", "no bucket is emptied"},
	{"AWS::DynamoDB::Table", "dynamodb:*Item dynamodb:Scan dynamodb:Query dynamodb:*TableReplica kinesis:* " +
		"iam:CreateServiceLinkedRole", "the table has no replica"},
	{"AWS::DynamoDB::Table", "dynamodb:DeleteTable", "the table outlives its stack"},
	{"AWS::DynamoDB::Table", "dynamodb:ImportTable dynamodb:DescribeImport s3:* logs:*", "the table is not imported"},
	{"AWS::DynamoDB::Table", "dynamodb:EnableKinesis* dynamodb:DisableKinesis* dynamodb:UpdateKinesis* " +
		"dynamodb:UpdateContributorInsights dynamodb:PutResourcePolicy dynamodb:DeleteResourcePolicy",
		"the table has no stream to Kinesis, no contributor insights and no policy of its own"},
	{"AWS::Lambda::*", "kms:*", "functions and their mapping have no key of their own"},
	{"AWS::Lambda::Function", "lambda:GetCodeSigningConfig lambda:PutFunctionCodeSigningConfig lambda:DeleteFunctionCodeSigningConfig lambda:GetLayerVersion " +
		"elasticfilesystem:* s3files:* lambda:PassCapacityProvider lambda:PutFunctionScalingConfig lambda:PublishVersion " +
		"lambda:PutRuntimeManagementConfig lambda:PutFunctionRecursionConfig", "no function has the property"},
	{"AWS::IAM::Role", "iam:AttachRolePolicy iam:DetachRolePolicy", "no role has a managed policy"},
	{"AWS::IAM::Role", "iam:DeleteRolePermissionsBoundary", "to take the boundary away is not the deployer's"},
	{"AWS::IAM::ManagedPolicy", "iam:Attach* iam:Detach*", "the stack attaches its policies to nobody"},
	{"AWS::SNS::*", "iam:GetRole iam:PassRole sns:PutDataProtectionPolicy", "no delivery is logged, and no policy protects data"},
	{"AWS::Events::Rule", "iam:PassRole", "the rule's target is a function, which lets it in"},
	{"AWS::Logs::LogGroup", "firehose:* logs:PutDataProtectionPolicy logs:DeleteDataProtectionPolicy logs:*IndexPolicy logs:PutBearerTokenAuthentication " +
		"logs:PutLogGroupDeletionProtection logs:PutResourcePolicy logs:DeleteResourcePolicy logs:CreateLogDelivery",
		"no group has the property"},
	{"AWS::Logs::DeliveryDestination", "logs:PutDeliveryDestinationPolicy logs:DeleteDeliveryDestinationPolicy",
		"the source is of the same account"},
	{"AWS::Logs::DeliverySource", "codewhisperer:* workmail:*", "the source is CloudFront"},
	{"AWS::ApiGatewayV2::*", "s3:*", "no definition and no truststore is in a bucket"},
	{"AWS::CloudFront::Distribution", "cloudfront:*ConnectionGroup cloudfront:GetVpcOrigin cloudfront:*WithStagingConfig",
		"the distribution has one tenant, no private origin and no staging"},
	{"AWS::EC2::VPC", "ec2:CreateVpcEncryptionControl ec2:ModifyVpcTenancy", "the network does not have the property"},
	{"AWS::EC2::Subnet", "ec2:*SubnetCidrBlock", "no subnet has IPv6"},
	{"AWS::EC2::EIP", "ec2:AcceptAddressTransfer ec2:AssociateAddress ec2:DisassociateAddress", "the NAT gateway takes the address"},
	{"AWS::EC2::NatGateway", "ec2:*NatGatewayAddress", "it has one address"},
	{"AWS::EC2::VPCGatewayAttachment", "ec2:*Vpn*", "it is an internet gateway"},
	{"AWS::EC2::VPCEndpoint", "vpc-lattice:* vpce:*", "they are gateways"},
	{"AWS::EC2::FlowLog", "autoscaling:* s3:* iam:CreateServiceLinkedRole", "it goes to a group of logs"},
	{"AWS::EC2::SecurityGroup", "ec2:DescribeInstances ec2:UpdateSecurityGroupRuleDescriptions*", "its rules are replaced"},
	{"AWS::ElasticLoadBalancingV2::LoadBalancer", "ec2:DescribeIpamPools elasticloadbalancing:ModifyCapacityReservation " +
		"elasticloadbalancing:ModifyIpPools", "it reserves neither capacity nor addresses"},
	{"AWS::ElasticLoadBalancingV2::Listener", "cognito-idp:*", "nobody logs in at it"},
}

// besides are rights that no handler names, with who asks for them. What sam itself asks for is tried on the emulator.
var besides = map[string]string{
	"cloudformation:ListChangeSets": "sam delete, of a stack that was never made",
	"logs:GetLogDelivery":           "the access log: docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html",
	"logs:ListLogDeliveries":        "the same", "logs:UpdateLogDelivery": "the same", "logs:PutResourcePolicy": "the same, and CloudFront's: " +
		"docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-CloudWatchLogs.html",
	"logs:CreateLogDelivery": "the same", "logs:DeleteLogDelivery": "the same", "logs:DescribeResourcePolicies": "the same",
	"cloudfront:AllowVendedLogDeliveryForResource": "the access log of a distribution: AWS-vended-logs-permissions-V2.html",
	"iam:CreateServiceLinkedRole":                  "the first domain of an API, and the first load balancer",
	"ec2:DescribeAvailabilityZones":                "Fn::GetAZs",
	"ec2:DescribeSubnets":                          "CloudFormation, of parameters that are subnets",
}

// samAsks is what sam deploy and sam delete ask for, as the emulator writes it down in the acceptance run.
var samAsks = []string{
	"cloudformation:CreateChangeSet STACK", "cloudformation:DeleteStack STACK", "cloudformation:DescribeChangeSet STACK",
	"cloudformation:DescribeStackEvents STACK", "cloudformation:DescribeStacks STACK", "cloudformation:ExecuteChangeSet STACK",
	"cloudformation:GetTemplate STACK", "cloudformation:GetTemplateSummary STACK",
	"cloudformation:CreateChangeSet MANAGED", "cloudformation:DescribeChangeSet MANAGED",
	"cloudformation:DescribeStacks MANAGED", "cloudformation:ExecuteChangeSet MANAGED",
	"s3:DeleteObject CODE", "s3:GetObject CODE", "s3:PutObject CODE",
}

// like says whether a text has the form of a pattern, in which * is anything.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	rest, found := strings.CutPrefix(text, parts[0])
	if !found || len(parts) == 1 {
		return found && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, is := strings.Cut(rest, part)
		if !is {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// allows says whether a statement allows a call.
func (s policyStatement) allows(c deployersCall) bool {
	oneIs := func(patterns []string, text string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return like(pattern, text) })
	}
	if s.effect != "Allow" || !oneIs(s.actions, c.action) || !oneIs(s.resources, c.on) {
		return false
	}
	for operator, keys := range s.condition {
		if !slices.Contains([]string{"ArnLike", "ArnEquals", "StringEquals"}, operator) {
			return false
		}
		for key, values := range keys.(map[string]any) {
			if !oneIs(texts(values), c.keys[key]) {
				return false
			}
		}
	}
	return true
}

// ofProperty are actions that are called where a bucket has a property.
var ofProperty = map[string]string{"s3:PutBucketCORS": "CorsConfiguration", "s3:PutBucketNotification": "NotificationConfiguration",
	"s3:PutBucketOwnershipControls": "OwnershipControls", "s3:PutBucketVersioning": "VersioningConfiguration",
	"s3:PutLifecycleConfiguration": "LifecycleConfiguration"}

// calls are what CloudFormation asks for by its handlers for the resources of a stack.
func (d deployment) calls(rights deployerRights, by ...string) []deployersCall {
	d.t.Helper()
	var all []deployersCall
	for _, id := range slices.Sorted(maps.Keys(d.made)) {
		kind := d.made[id].Type
		handlers, known := rights.Handlers[kind]
		if !known || arnsOf[kind] == nil {
			d.t.Errorf("nothing is known of what %s, %s, needs", id, kind)
		}
		for _, handler := range by {
			for _, action := range handlers[handler] {
				property, tied := ofProperty[action]
				_, has := d.made[id].Properties[property]
				if !slices.Contains(rights.Unknown, action) && !isNotCalled(kind, action) && (has || !tied) {
					all = append(all, d.callsOf(rights, id, action)...)
				}
			}
		}
	}
	return all
}

// isNotCalled says whether no template of ours comes to an action.
func isNotCalled(kind, action string) bool {
	return slices.ContainsFunc(notCalled, func(n struct{ types, actions, why string }) bool {
		return like(n.types, kind) && slices.ContainsFunc(strings.Fields(n.actions),
			func(pattern string) bool { return like(pattern, action) })
	})
}

// callsOf are one action's, on all that it is asked for on.
func (d deployment) callsOf(rights deployerRights, id, action string) []deployersCall {
	kind, where := d.made[id].Type, []string{"*"}
	if !slices.Contains(rights.OnEverything, action) {
		if on, other := elsewhere[action]; other {
			where = []string{on}
		} else if where = arnsOf[kind]; strings.Split(where[0], ":")[2] != strings.Split(action, ":")[0] {
			d.t.Errorf("on what is %s, which %s asks for?", action, kind)
		}
	}
	name := "prod-" + id + "-1ABC"
	for _, property := range []string{"QueueName", "BucketName", "LogGroupName", "DashboardName", "Name"} {
		if given, is := d.made[id].Properties[property].(string); is {
			name = given
		}
	}
	bucket := fmt.Sprint(d.made[id].Properties["Bucket"])
	if kind == "AWS::S3::Bucket" {
		name = strings.ToLower(name)
	}
	fill := strings.NewReplacer("REGION", fmt.Sprint(d.values["AWS::Region"]), "NAME", name, "ID", "0a1b2c",
		"BUCKET", strings.ReplaceAll(bucket, "<AccessLogs>", "prod-accesslogs-1abc"))
	keys := map[string]string{"iam:PassedToService": passedTo[kind], "iam:PermissionsBoundary": someBoundary,
		"lambda:FunctionArn": fill.Replace("arn:aws:lambda:REGION:123456789012:function:prod-ValidatorFunction-1ABC")}
	var all []deployersCall
	for _, on := range where {
		all = append(all, deployersCall{action, fill.Replace(on), keys, id + ", " + kind})
	}
	return all
}

// deploymentCalls are all that it takes to deploy a stack and to delete it: CloudFormation's and sam's, and to make the
// bucket that sam keeps.
func (d deployment) deploymentCalls(rights deployerRights) []deployersCall {
	d.t.Helper()
	samsBucket := deployment{values: d.values, t: d.t, made: map[string]resource{
		"Bucket": {Type: "AWS::S3::Bucket", Properties: map[string]any{"BucketName": samBucket, "VersioningConfiguration": "Enabled"}},
		"Policy": {Type: "AWS::S3::BucketPolicy", Properties: map[string]any{"Bucket": samBucket}}}}
	return slices.Concat(d.calls(rights, "create", "read", "update", "delete"), samsBucket.calls(rights, "create", "read"),
		samsCalls(fmt.Sprint(d.values["AWS::Region"])))
}

// samsCalls are those of sam itself.
func samsCalls(region string) []deployersCall {
	fill := strings.NewReplacer("STACK", "arn:aws:cloudformation:"+region+":123456789012:stack/prod/0a1b2c",
		"MANAGED", "arn:aws:cloudformation:"+region+":123456789012:stack/aws-sam-cli-managed-default/0a1b2c",
		"CODE", elsewhere["s3:GetObject"])
	all := []deployersCall{{action: "cloudformation:CreateChangeSet", on: "arn:aws:cloudformation:" + region +
		":aws:transform/Serverless-2016-10-31", by: "the transform"}}
	for _, asked := range samAsks {
		action, on, _ := strings.Cut(fill.Replace(asked), " ")
		all = append(all, deployersCall{action: action, on: on, by: "sam"})
	}
	return all
}

// statementsOf are those of some of the deployer's policies, each named POLICY/SID.
func (d deployment) statementsOf(policies []string) []policyStatement {
	d.t.Helper()
	var all []policyStatement
	for _, policy := range policies {
		for _, s := range policyStatements(at(d.properties(policy), "PolicyDocument")) {
			s.sid = policy + "/" + s.sid
			all = append(all, s)
		}
	}
	return all
}

func TestWhoeverDeploysMayDoWhatCloudFormationCallsForEachResource(t *testing.T) {
	rights := readDeployerRights(t)
	for _, of := range deployerNeeds(t) {
		for _, overrides := range [][]string{nil, {"PermissionsBoundaryArn=" + someBoundary}} {
			statements := deployer(t, overrides...).statementsOf(of.policies)
			refused := map[string]bool{}
			for _, c := range of.stack.deploymentCalls(rights) {
				if !slices.ContainsFunc(statements, func(s policyStatement) bool { return s.allows(c) }) {
					refused[c.action+" on "+c.on+", for "+c.by] = true
				}
			}
			for _, what := range slices.Sorted(maps.Keys(refused)) {
				t.Errorf("with %v and %v refused is %s", of.policies, overrides, what)
			}
		}
	}
}

// TestWhoeverDeploysMayDoNothingThatIsNotNeeded: without an action of a statement something is refused.
func TestWhoeverDeploysMayDoNothingThatIsNotNeeded(t *testing.T) {
	rights := readDeployerRights(t)
	needed := map[string]bool{} // POLICY/SID ACTION
	for _, of := range deployerNeeds(t) {
		statements := deployer(t).statementsOf(of.policies)
		for _, c := range of.stack.deploymentCalls(rights) {
			var by []string
			for _, s := range statements {
				if s.allows(c) {
					by = append(by, s.sid)
				}
			}
			if len(by) == 1 {
				needed[by[0]+" "+c.action] = true
			}
		}
	}
	given := map[string]bool{}
	for _, s := range deployer(t).statementsOf(slices.Sorted(maps.Keys(deployer(t).made))) {
		for _, action := range s.actions {
			given[action] = true
			if _, known := besides[action]; !needed[s.sid+" "+action] && !known {
				t.Errorf("nothing needs %s of %s", action, s.sid)
			}
		}
	}
	for action := range besides {
		if !given[action] {
			t.Errorf("%s is given no more", action)
		}
	}
	for _, n := range notCalled {
		for _, pattern := range strings.Fields(n.actions) {
			if !rights.names(n.types, pattern) {
				t.Errorf("no handler of %s asks for %s", n.types, pattern)
			}
		}
	}
}

// names says whether a handler asks for such an action.
func (r deployerRights) names(types, actions string) bool {
	for kind, handlers := range r.Handlers {
		for _, all := range handlers {
			if like(types, kind) && slices.ContainsFunc(all, func(action string) bool { return like(actions, action) }) {
				return true
			}
		}
	}
	return false
}

// TestWhoeverDeploysIsGivenNames: "*" stands only where a right is on all there is, or a condition bounds it.
func TestWhoeverDeploysIsGivenNames(t *testing.T) {
	rights := readDeployerRights(t)
	d := deployer(t)
	for _, s := range d.statementsOf(slices.Sorted(maps.Keys(d.made))) {
		all := slices.Equal(s.resources, []string{"*"})
		for _, action := range s.actions {
			if slices.Contains(rights.Unknown, action) || strings.Contains(action, "*") {
				t.Errorf("%s: there is no right %s", s.sid, action)
			}
			if is := slices.Contains(rights.OnEverything, action); is != all && s.sid != "DeploysFunctions/Mapping" {
				t.Errorf("%s: %s is on %v", s.sid, action, s.resources)
			}
		}
		if !all && slices.Contains(s.resources, "*") {
			t.Errorf("%s: %v", s.sid, s.resources)
		}
		for _, resource := range s.resources {
			if parts := strings.SplitN(resource, ":", 6); !all && (len(parts) < 6 || parts[2] == "*" || parts[3] == "*" || parts[4] == "*") {
				t.Errorf("%s is on %s", s.sid, resource)
			}
		}
	}
}

// TestWhatIsNotHatcherysIsNotTheDeployers, nor is what lies in its bucket and its table.
func TestWhatIsNotHatcherysIsNotTheDeployers(t *testing.T) {
	d := deployer(t, "PermissionsBoundaryArn="+someBoundary)
	statements := d.statementsOf(slices.Sorted(maps.Keys(d.made)))
	const account = "123456789012"
	keys := func(pairs ...string) map[string]string {
		all := map[string]string{"iam:PassedToService": "lambda.amazonaws.com", "iam:PermissionsBoundary": someBoundary,
			"iam:AWSServiceName": "ops.apigateway.amazonaws.com"}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = pairs[i+1]
		}
		return all
	}
	role, other := "arn:aws:iam::"+account+":role/prod-ApiRole-1ABC", "arn:aws:iam::"+account+":role/admin"
	for _, c := range []deployersCall{
		{"cloudformation:DeleteStack", "arn:aws:cloudformation:eu-central-1:" + account + ":stack/billing/0a", keys(), ""},
		{"lambda:UpdateFunctionCode", "arn:aws:lambda:eu-central-1:" + account + ":function:billing", keys(), ""},
		{"lambda:CreateEventSourceMapping", "*", keys("lambda:FunctionArn", "arn:aws:lambda:eu-central-1:"+account+":function:billing"), ""},
		{"lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:" + account + ":function:prod-ApiFunction-1ABC", keys(), ""},
		{"iam:PassRole", other, keys(), ""},
		{"iam:PassRole", role, keys("iam:PassedToService", "ec2.amazonaws.com"), ""},
		{"iam:PutRolePolicy", other, keys(), ""},
		{"iam:CreateRole", role, keys("iam:PermissionsBoundary", ""), ""},
		{"iam:CreateRole", role, keys("iam:PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess"), ""},
		{"iam:PutRolePolicy", role, keys("iam:PermissionsBoundary", ""), ""},
		{"iam:PutRolePermissionsBoundary", role, keys("iam:PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess"), ""},
		{"iam:DeleteRolePermissionsBoundary", role, keys(), ""},
		{"iam:AttachRolePolicy", role, keys(), ""},
		{"iam:CreatePolicyVersion", someBoundary, keys(), ""},
		{"iam:CreateServiceLinkedRole", "arn:aws:iam::" + account + ":role/aws-service-role/ecs.amazonaws.com/x",
			keys("iam:AWSServiceName", "ecs.amazonaws.com"), ""},
		{"s3:GetObject", bucketArn + "/files/a", keys(), ""},
		{"s3:GetObjectVersion", bucketArn + "/quarantine/a", keys(), ""},
		{"s3:PutObject", bucketArn + "/files/a", keys(), ""},
		{"s3:PutBucketPolicy", "arn:aws:s3:::billing", keys(), ""},
		{"dynamodb:GetItem", "arn:aws:dynamodb:eu-central-1:" + account + ":table/prod-RecordsTable-1ABC", keys(), ""},
		{"dynamodb:DeleteTable", "arn:aws:dynamodb:eu-central-1:" + account + ":table/prod-RecordsTable-1ABC", keys(), ""},
		{"dynamodb:UpdateTable", "arn:aws:dynamodb:eu-central-1:" + account + ":table/billing", keys(), ""},
		{"sqs:ReceiveMessage", "arn:aws:sqs:eu-central-1:" + account + ":prod-uploads", keys(), ""},
		{"sns:Publish", "arn:aws:sns:eu-central-1:" + account + ":prod-AlarmTopic-1ABC", keys(), ""},
		{"logs:GetLogEvents", "arn:aws:logs:eu-central-1:" + account + ":log-group:/aws/lambda/prod/api:*", keys(), ""},
		{"logs:DeleteLogGroup", "arn:aws:logs:eu-central-1:" + account + ":log-group:/aws/lambda/billing", keys(), ""},
		{"route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z999", keys(), ""},
		{"kms:Decrypt", "arn:aws:kms:eu-central-1:" + account + ":key/other", keys(), ""},
		{"secretsmanager:GetSecretValue", "*", keys(), ""},
		{"sts:AssumeRole", role, keys(), ""},
	} {
		for _, s := range statements {
			if s.allows(c) {
				t.Errorf("%s allows %s on %s with %v", s.sid, c.action, c.on, c.keys)
			}
		}
	}
}

// TestTheDeployersPoliciesFit: IAM takes 6,144 characters of a managed policy, spaces not counted.
func TestTheDeployersPoliciesFit(t *testing.T) {
	d := deployer(t, "StackPrefix="+strings.Repeat("p", 40), "BucketPrefix="+strings.Repeat("b", 34), "PermissionsBoundaryArn="+someBoundary)
	for _, policy := range d.ofType("AWS::IAM::ManagedPolicy") {
		text, err := json.Marshal(at(d.properties(policy), "PolicyDocument"))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s has %d characters", policy, len(text))
		if len(text) > 6144 {
			t.Errorf("%s has %d characters", policy, len(text))
		}
		if attached := d.properties(policy); attached["Roles"] != nil || attached["Users"] != nil || attached["Groups"] != nil {
			t.Errorf("%s is attached to somebody", policy)
		}
	}
}

// TestTheDeployerHasNoMoreThanIsAskedFor: without a zone, a key and a boundary nothing of them is there.
func TestTheDeployerHasNoMoreThanIsAskedFor(t *testing.T) {
	d := deployOf(t, deployerTemplate)
	text := fmt.Sprint(d.made)
	if strings.Contains(text, "route53:") || strings.Contains(text, "kms:") || strings.Contains(text, "iam:PermissionsBoundary") {
		t.Errorf("%s", text)
	}
	for name, output := range d.Outputs {
		if _, made := d.made[name]; made && d.resolve(output.Value) != "<"+name+">" || made == (name == "DeploysNames") {
			t.Errorf("the output %s is %v, and made is %v", name, d.resolve(output.Value), made)
		}
	}
	if len(d.Outputs) != 7 {
		t.Errorf("%d outputs", len(d.Outputs))
	}
}
