package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/api"
)

// --- Under which front --------------------------------------------------------------

const (
	behindBalancer = "Front=load-balancer"
	someFunction   = "arn:aws:lambda:eu-central-1:123456789012:function:prod-ApiFunction-1ABC"
	someTopic      = "arn:aws:sns:eu-central-1:123456789012:prod-AlarmTopic-1ABC"
)

func TestTheHttpApiAndWhatIsOfItAreLeftOutBehindALoadBalancer(t *testing.T) {
	usual, behind := deploy(t), deploy(t, behindBalancer)
	left := slices.DeleteFunc(slices.Sorted(maps.Keys(usual.made)), func(id string) bool {
		_, there := behind.made[id]
		return there
	})
	want := []string{"ApiFails", "ApiFunctionEverythingPermission", "HttpApi", "HttpApiApiGatewayDefaultStage"}
	if !slices.Equal(left, want) || len(behind.made) != len(usual.made)-len(want) {
		t.Errorf("left out are %v, want %v", left, want)
	}
	for name, output := range behind.Outputs {
		there := output.Condition == "" || behind.holds(output.Condition)
		if of := slices.Contains([]string{"ApiUrl", "DomainTarget", "FirstCall", "FirstUpload"}, name); there == of {
			t.Errorf("the output %s is there: %v", name, there)
		}
	}
}

// TestNothingSpeaksOfWhatIsNotMade: CloudFormation refuses a reference to a resource whose condition does not hold.
func TestNothingSpeaksOfWhatIsNotMade(t *testing.T) {
	for _, values := range [][]string{nil, {behindBalancer}, withBugout, everything} {
		d := deploy(t, values...)
		shown := map[string]any{}
		for id, r := range d.made {
			shown[id] = r.Properties
		}
		for name, output := range d.Outputs {
			if output.Condition == "" || d.holds(output.Condition) {
				shown["output "+name] = d.resolve(output.Value)
			}
		}
		for name, what := range shown {
			for _, found := range regexp.MustCompile(`<([A-Za-z0-9]+)[.>]`).FindAllStringSubmatch(fmt.Sprint(what), -1) {
				if _, made := d.made[found[1]]; !made {
					t.Errorf("with %v: %s speaks of %s, which is not made", values, name, found[1])
				}
			}
		}
	}
}

func TestTheDashboardBehindALoadBalancerShowsTheFunction(t *testing.T) {
	for front, namespace := range map[string]string{"http-api": "AWS/ApiGateway", "load-balancer": "AWS/Lambda"} {
		d := deploy(t, "Front="+front)
		var body struct {
			Widgets []struct {
				Properties struct {
					Title   string
					Alarms  []string
					Metrics [][]any
				}
			}
		}
		text := d.properties("Dashboard")["DashboardBody"].(string)
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatalf("%s: %v: %s", front, err, text)
		}
		for _, w := range body.Widgets {
			if w.Properties.Title == "API" && (len(w.Properties.Metrics) != 4 || w.Properties.Metrics[0][0] != namespace) {
				t.Errorf("%s: the widget of the API shows %v", front, w.Properties.Metrics)
			}
		}
		if got, want := len(body.Widgets[0].Properties.Alarms), len(d.ofType("AWS::CloudWatch::Alarm")); got != want {
			t.Errorf("%s: %d alarms are shown, want %d", front, got, want)
		}
	}
}

func TestADomainOfTheHttpApiIsRefusedBehindALoadBalancer(t *testing.T) {
	domain := []string{"DomainName=files.example.com",
		"CertificateArn=arn:aws:acm:eu-central-1:123456789012:certificate/c"}
	if faults := deploy(t, append(domain, behindBalancer)...).faults(); len(faults) != 1 ||
		!strings.HasPrefix(faults[0], "Front=load-balancer needs an empty DomainName") {
		t.Errorf("faults %v", faults)
	}
	for _, taken := range [][]string{domain, {behindBalancer}, {behindBalancer, "DisableExecuteApiEndpoint=true"}} {
		if faults := deploy(t, taken...).faults(); len(faults) > 0 {
			t.Errorf("with %v: %v", taken, faults)
		}
	}
}

// TestNothingThatHoldsDataIsReplacedByAnUpdate compares with what the release before has: under another logical id, or
// with another of these properties, CloudFormation would make an empty one. Of the API it would make another URL.
//
// testdata/before.json is cut from testdata/transformed.json of the commit that it names: of each bucket, table, queue,
// topic, log group and API the properties that an update replaces it for.
func TestNothingThatHoldsDataIsReplacedByAnUpdate(t *testing.T) {
	data, err := os.ReadFile("testdata/before.json")
	if err != nil {
		t.Fatal(err)
	}
	var before struct{ Resources map[string]resource }
	if err := json.Unmarshal(data, &before); err != nil || len(before.Resources) < 10 {
		t.Fatalf("%d resources: %v", len(before.Resources), err)
	}
	of := golden(t)
	for id, was := range before.Resources {
		is := of.Resources[id]
		if is.Type != was.Type {
			t.Errorf("%s is of the type %q, was %s", id, is.Type, was.Type)
			continue
		}
		if is.DeletionPolicy != was.DeletionPolicy || is.UpdateReplacePolicy != was.UpdateReplacePolicy {
			t.Errorf("%s is kept by %q and %q, was by %q and %q", id, is.DeletionPolicy, is.UpdateReplacePolicy,
				was.DeletionPolicy, was.UpdateReplacePolicy)
		}
		for name, value := range was.Properties {
			if !reflect.DeepEqual(plain(t, is.Properties[name]), plain(t, value)) {
				t.Errorf("%s has %s %v, had %v", id, name, is.Properties[name], value)
			}
		}
		for _, front := range []string{"http-api", "load-balancer"} {
			ofFront := was.Type == "AWS::ApiGatewayV2::Api" && front != "http-api"
			if _, made := deploy(t, "Front="+front).made[id]; made == ofFront {
				t.Errorf("with Front=%s there is %s: %v", front, id, made)
			}
		}
	}
}

// --- alb.yaml -----------------------------------------------------------------------

// balancer resolves alb.yaml.
func balancer(t testing.TB, overrides ...string) deployment {
	t.Helper()
	return deployOf(t, balancerTemplate, append([]string{"FunctionArn=" + someFunction, "VpcId=vpc-1",
		"Subnets=subnet-1,subnet-2", "DomainName=files.example.com",
		"CertificateArn=arn:aws:acm:eu-central-1:123456789012:certificate/c", "AlarmTopicArn=" + someTopic}, overrides...)...)
}

// balancerAttributes gives the attributes of a resource of alb.yaml by their keys.
func balancerAttributes(d deployment, id, property string) map[string]string {
	all := map[string]string{}
	for _, a := range d.properties(id)[property].([]any) {
		all[at(a, "Key").(string)] = fmt.Sprint(at(a, "Value"))
	}
	return all
}

// TestNobodyComesInButByHTTPAndHTTPS holds of all templates. To the functions' group nobody comes from outside of its
// network, and what is there are interface endpoints.
func TestNobodyComesInButByHTTPAndHTTPS(t *testing.T) {
	want := map[string][]string{
		"SecurityGroup in":          {"tcp 443-443 0.0.0.0/0", "tcp 80-80 0.0.0.0/0"},
		"SecurityGroup out":         {"-1 <nil>-<nil> 127.0.0.1/32"},
		"FunctionSecurityGroup in":  {"tcp 443-443 10.0.0.0/16"},
		"FunctionSecurityGroup out": {"tcp 443-443 0.0.0.0/0", "tcp 1-65535 10.0.0.0/16"},
	}
	got := map[string][]string{}
	for _, d := range []deployment{deploy(t, everything...), deployOf(t, networkTemplate, "Nat=true"), balancer(t)} {
		for id, r := range d.made {
			if strings.HasPrefix(r.Type, "AWS::EC2::SecurityGroupIngress") ||
				strings.HasPrefix(r.Type, "AWS::EC2::SecurityGroupEgress") {
				t.Errorf("%s adds to a security group from elsewhere", id)
			}
			if r.Type != "AWS::EC2::SecurityGroup" {
				continue
			}
			for way, property := range map[string]string{"in": "SecurityGroupIngress", "out": "SecurityGroupEgress"} {
				for _, rule := range r.Properties[property].([]any) {
					got[id+" "+way] = append(got[id+" "+way], fmt.Sprintf("%v %v-%v %v", at(rule, "IpProtocol"),
						at(rule, "FromPort"), at(rule, "ToPort"), at(rule, "CidrIp")))
				}
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the security groups let %v, want %v", got, want)
	}
}

func TestTheLoadBalancerSpeaksTLSAndRedirectsWhatDoesNot(t *testing.T) {
	d := balancer(t)
	if got := d.ofType("AWS::ElasticLoadBalancingV2::Listener"); len(got) != 2 {
		t.Errorf("listeners %v", got)
	}
	https := d.properties("Https")
	if number(t, https["Port"]) != 443 || https["Protocol"] != "HTTPS" ||
		https["SslPolicy"] != "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09" ||
		at(https, "Certificates", 0, "CertificateArn") != "arn:aws:acm:eu-central-1:123456789012:certificate/c" ||
		!reflect.DeepEqual(https["DefaultActions"], []any{map[string]any{"Type": "forward", "TargetGroupArn": "<Target>"}}) {
		t.Errorf("%v", https)
	}
	http := d.properties("Http")
	if number(t, http["Port"]) != 80 || http["Protocol"] != "HTTP" ||
		!reflect.DeepEqual(http["DefaultActions"], []any{map[string]any{"Type": "redirect",
			"RedirectConfig": map[string]any{"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}}) {
		t.Errorf("%v", http)
	}
}

func TestTheLoadBalancerWaitsLongerThanAnyAnswerTakes(t *testing.T) {
	idle := number(t, balancerAttributes(balancer(t), "LoadBalancer", "LoadBalancerAttributes")["idle_timeout.timeout_seconds"])
	timeout := number(t, deploy(t).properties("ApiFunction")["Timeout"])
	if wait := int(api.MaxWait.Seconds()); idle <= timeout || timeout <= wait {
		t.Errorf("it waits %d s, the function ends after %d, and a wait after %d", idle, timeout, wait)
	}
}

func TestTheLoadBalancerIsInTheSubnetsAndProtectedUnlessItIsNotToBe(t *testing.T) {
	d := balancer(t)
	p := d.properties("LoadBalancer")
	if !slices.Equal(texts(p["Subnets"]), []string{"subnet-1", "subnet-2"}) || p["Scheme"] != "internet-facing" ||
		!slices.Equal(texts(p["SecurityGroups"]), []string{"<SecurityGroup>"}) ||
		d.properties("SecurityGroup")["VpcId"] != "vpc-1" {
		t.Errorf("%v", p)
	}
	for override, want := range map[string]string{"DeletionProtection=true": "true", "DeletionProtection=false": "false"} {
		attributes := balancerAttributes(balancer(t, override), "LoadBalancer", "LoadBalancerAttributes")
		if attributes["deletion_protection.enabled"] != want {
			t.Errorf("with %s: %v", override, attributes)
		}
	}
	if attributes := balancerAttributes(d, "LoadBalancer", "LoadBalancerAttributes"); attributes["deletion_protection.enabled"] != "true" ||
		attributes["routing.http.drop_invalid_header_fields.enabled"] != "true" ||
		attributes["routing.http.desync_mitigation_mode"] != "defensive" {
		t.Errorf("by default: %v", attributes)
	}
}

// TestTheLoadBalancerMayCallTheFunctionAndNothingElseMay: the permission is there before the target group, and names it.
func TestTheLoadBalancerMayCallTheFunctionAndNothingElseMay(t *testing.T) {
	d := balancer(t)
	target, permission := d.properties("Target"), d.properties("TargetPermission")
	name := target["Name"].(string)
	if target["TargetType"] != "lambda" || at(target, "Targets", 0, "Id") != someFunction ||
		target["HealthCheckEnabled"] != false || len(name) > 32 ||
		balancerAttributes(d, "Target", "TargetGroupAttributes")["lambda.multi_value_headers.enabled"] != "true" ||
		!slices.Equal(texts(d.made["Target"].DependsOn), []string{"TargetPermission"}) {
		t.Errorf("target group %v", target)
	}
	want := map[string]any{"Action": "lambda:InvokeFunction", "FunctionName": someFunction,
		"Principal": "elasticloadbalancing.amazonaws.com", "SourceAccount": "123456789012",
		"SourceArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/" + name + "/*"}
	if !reflect.DeepEqual(permission, want) || name != "hatchery-1f2a3b4c" {
		t.Errorf("permission %v, want %v", permission, want)
	}
}

func TestWhoCalledIsKeptWhereNobodyElseReadsIt(t *testing.T) {
	d := balancer(t, "LogDays=7")
	attributes := balancerAttributes(d, "LoadBalancer", "LoadBalancerAttributes")
	if attributes["access_logs.s3.enabled"] != "true" || attributes["access_logs.s3.bucket"] != "<AccessLogs>" ||
		!slices.Equal(texts(d.made["LoadBalancer"].DependsOn), []string{"AccessLogsPolicy"}) {
		t.Errorf("%v", attributes)
	}
	bucket := d.made["AccessLogs"]
	for _, name := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if at(bucket.Properties, "PublicAccessBlockConfiguration", name) != true {
			t.Errorf("%s is not on", name)
		}
	}
	// A load balancer writes to no bucket with another encryption.
	if rules := at(bucket.Properties, "BucketEncryption", "ServerSideEncryptionConfiguration").([]any); len(rules) != 1 ||
		at(rules, 0, "ServerSideEncryptionByDefault", "SSEAlgorithm") != "AES256" {
		t.Errorf("encrypted by %v", rules)
	}
	if at(bucket.Properties, "LifecycleConfiguration", "Rules", 0, "ExpirationInDays") != "7" ||
		bucket.DeletionPolicy != "RetainExceptOnCreate" || bucket.UpdateReplacePolicy != "Retain" {
		t.Errorf("%+v", bucket)
	}
	var allows []string
	for _, s := range policyStatements(at(d.properties("AccessLogsPolicy"), "PolicyDocument")) {
		if s.effect == "Allow" {
			allows = append(allows, fmt.Sprint(at(s.principal, "Service"), allowed([]policyStatement{s})))
		} else if s.sid != "TlsOnly" || fmt.Sprint(s.condition) != "map[Bool:map[aws:SecureTransport:false]]" {
			t.Errorf("%+v", s)
		}
	}
	want := "logdelivery.elasticloadbalancing.amazonaws.com[s3:PutObject arn:aws:s3:::<AccessLogs>/AWSLogs/123456789012/*]"
	if len(allows) != 1 || allows[0] != want {
		t.Errorf("allowed are %v, want %s", allows, want)
	}
}

func TestTheNameLeadsToTheLoadBalancerWhereAZoneIsNamed(t *testing.T) {
	if got := balancer(t).ofType("AWS::Route53::RecordSet"); len(got) > 0 {
		t.Errorf("without a zone: %v", got)
	}
	record := balancer(t, "HostedZoneId=Z123").properties("DomainRecord")
	if record["Name"] != "files.example.com" || record["HostedZoneId"] != "Z123" || record["Type"] != "A" ||
		!reflect.DeepEqual(record["AliasTarget"], map[string]any{"DNSName": "<LoadBalancer.DNSName>",
			"HostedZoneId": "<LoadBalancer.CanonicalHostedZoneID>"}) {
		t.Errorf("%v", record)
	}
}

// TestTheLoadBalancersAlarmsAreToldWhereTheOthersAre: 5XX of the function, and those of the load balancer itself.
func TestTheLoadBalancersAlarmsAreToldWhereTheOthersAre(t *testing.T) {
	d := balancer(t, "ApiErrors=8")
	const group = `"$(aws lambda get-function-configuration --region eu-central-1 --function-name ` + someFunction +
		` --query LoggingConfig.LogGroup --output text)"`
	for id, want := range map[string]struct{ metric, pattern string }{
		"ApiFails":          {"HTTPCode_Target_5XX_Count", "{ $.status >= 500 }"},
		"LoadBalancerFails": {"HTTPCode_ELB_5XX_Count", crashes},
	} {
		p := d.properties(id)
		got := fmt.Sprintf("%s, %v times %v %v, else %v", watched(t, p), p["EvaluationPeriods"], p["ComparisonOperator"],
			p["Threshold"], p["TreatMissingData"])
		if got != "AWS/ApplicationELB "+want.metric+" LoadBalancer=<LoadBalancer.LoadBalancerFullName>: Sum of 300 s, "+
			"1 times GreaterThanOrEqualToThreshold 8, else notBreaching" {
			t.Errorf("%s watches %s", id, got)
		}
		if !slices.Equal(texts(p["AlarmActions"]), []string{someTopic}) || !slices.Equal(texts(p["OKActions"]), []string{someTopic}) {
			t.Errorf("%s is told to %v and %v", id, p["AlarmActions"], p["OKActions"])
		}
		text := fmt.Sprint(p["AlarmDescription"])
		if !strings.Contains(text, ". What to do: docs/operations.md#"+strings.ToLower(id)+". ") ||
			!strings.HasSuffix(text, " Type first: aws logs filter-log-events --region eu-central-1 --log-group-name "+group+
				" --start-time $(($(date +%s) - 3600))000 --filter-pattern '"+want.pattern+"' --query 'events[].message' --output text") {
			t.Errorf("%s says: %s", id, text)
		}
		if len(text) > 850 { // CloudWatch takes 1,024 characters, and a function's name has up to 64
			t.Errorf("%s is too long: %d", id, len(text))
		}
	}
	if got := d.ofType("AWS::CloudWatch::Alarm"); len(got) != 2 {
		t.Errorf("alarms %v", got)
	}
}

func TestTheLoadBalancersOutputsAreWhatAPersonNeedsNext(t *testing.T) {
	d := balancer(t)
	want := map[string]string{
		"ApiUrl":    "https://files.example.com",
		"FirstCall": "curl https://files.example.com/ping",
		"FirstUpload": `curl -H "Authorization: Bearer $TOKEN" -F file=@cat.png ` +
			`"https://files.example.com/files/demo/entries/1/images?image_name=cat.png"`,
		"DnsName":          "<LoadBalancer.DNSName>",
		"AccessLogsBucket": "<AccessLogs>",
	}
	d.wantOutputs(want)
}

func TestTheParametersOfTheOtherTemplatesSayWhatTheyAreAndAreBounded(t *testing.T) {
	for _, name := range []string{networkTemplate, balancerTemplate, cloudfrontTemplate, deployerTemplate} {
		of, _ := goldenOf(t, name)
		var shown []string
		for _, group := range of.Metadata.Interface.ParameterGroups {
			shown = append(shown, group.Parameters...)
		}
		slices.Sort(shown)
		if all := slices.Sorted(maps.Keys(of.Parameters)); !slices.Equal(shown, all) {
			t.Errorf("%s: the groups show %v\nthere are %v", name, shown, all)
		}
		for id, p := range of.Parameters {
			if strings.Contains(p.Type, "AWS::EC2::") {
				continue // CloudFormation looks whether there are such
			}
			if p.Description == "" || p.ConstraintDescription == "" ||
				p.AllowedPattern == "" && p.AllowedValues == nil && (p.MinValue == nil || p.MaxValue == nil) {
				t.Errorf("%s: %s takes anything, or does not say what", name, id)
			}
			if p.Default != nil && p.fault(fmt.Sprint(p.Default)) != "" {
				t.Errorf("%s: the default of %s is %s", name, id, p.fault(fmt.Sprint(p.Default)))
			}
		}
	}
	of, _ := goldenOf(t, balancerTemplate)
	network, _ := goldenOf(t, networkTemplate)
	for value, taken := range map[string]bool{someFunction: true, someFunction + ":1": false, "prod-ApiFunction": false} {
		if (of.Parameters["FunctionArn"].fault(value) == "") != taken {
			t.Errorf("FunctionArn=%s is taken: %v", value, !taken)
		}
	}
	for value, taken := range map[string]bool{"10.0.0.0/16": true, "192.168.4.0/22": true, "10.0.0.0/8": false,
		"10.0.0.0/23": false, "256.0.0.0/16": false, "10.0.0.0": false} {
		if (network.Parameters["Cidr"].fault(value) == "") != taken {
			t.Errorf("Cidr=%s is taken: %v", value, !taken)
		}
	}
}

// --- network.yaml -------------------------------------------------------------------

func TestTheNetworkHasTwoPublicAndTwoPrivateSubnetsInTwoZones(t *testing.T) {
	for _, cidr := range []string{"10.0.0.0/16", "192.168.4.0/22"} {
		d := deployOf(t, networkTemplate, "Cidr="+cidr)
		whole, zones := netip.MustParsePrefix(cidr), map[string][]string{}
		var seen []netip.Prefix
		for _, id := range d.ofType("AWS::EC2::Subnet") {
			p := d.properties(id)
			block := netip.MustParsePrefix(p["CidrBlock"].(string))
			for _, other := range seen {
				if block.Overlaps(other) {
					t.Errorf("%s overlaps with %s", block, other)
				}
			}
			if seen = append(seen, block); !whole.Contains(block.Addr()) || block.Bits() != 24 || p["MapPublicIpOnLaunch"] != false {
				t.Errorf("%s: %v", id, p)
			}
			kind := strings.TrimRight(id, "12")
			zones[kind] = append(zones[kind], p["AvailabilityZone"].(string))
		}
		want := []string{"eu-central-1a", "eu-central-1b"}
		if !slices.Equal(zones["PublicSubnet"], want) || !slices.Equal(zones["PrivateSubnet"], want) || len(seen) != 4 {
			t.Errorf("zones %v", zones)
		}
		if got := d.resolve(d.Outputs["PublicSubnets"].Value); got != "<PublicSubnet1>,<PublicSubnet2>" {
			t.Errorf("alb.yaml is given %v", got)
		}
	}
}

// TestThePrivateSubnetsReachTheInternetOnlyByNATAndOnlyIfAsked: S3 and DynamoDB they reach without it.
func TestThePrivateSubnetsReachTheInternetOnlyByNATAndOnlyIfAsked(t *testing.T) {
	for nat, want := range map[string][]string{
		"false": {"<PublicRoutes> 0.0.0.0/0 by <Internet> <nil>"},
		"true":  {"<PrivateRoutes> 0.0.0.0/0 by <nil> <NatGateway>", "<PublicRoutes> 0.0.0.0/0 by <Internet> <nil>"},
	} {
		d := deployOf(t, networkTemplate, "Nat="+nat)
		var routes []string
		for _, id := range d.ofType("AWS::EC2::Route") {
			p := d.properties(id)
			routes = append(routes, fmt.Sprint(p["RouteTableId"], " ", p["DestinationCidrBlock"], " by ", p["GatewayId"], " ",
				p["NatGatewayId"]))
		}
		if slices.Sort(routes); !slices.Equal(routes, want) {
			t.Errorf("with Nat=%s: %v, want %v", nat, routes, want)
		}
		made := append(d.ofType("AWS::EC2::NatGateway"), d.ofType("AWS::EC2::EIP")...)
		if natOnly := []string{"NatGateway", "NatAddress"}; !slices.Equal(made, natOnly[:len(want)*2-2]) {
			t.Errorf("with Nat=%s there are %v", nat, made)
		}
		var endpoints []string
		for _, id := range d.ofType("AWS::EC2::VPCEndpoint") {
			p := d.properties(id)
			endpoints = append(endpoints, fmt.Sprint(p["VpcEndpointType"], p["ServiceName"], texts(p["RouteTableIds"])))
		}
		if !slices.Equal(endpoints, []string{"Gatewaycom.amazonaws.eu-central-1.dynamodb[<PrivateRoutes>]",
			"Gatewaycom.amazonaws.eu-central-1.s3[<PrivateRoutes>]"}) {
			t.Errorf("endpoints %v", endpoints)
		}
		for id, table := range map[string]string{"PublicRoutes1": "Public", "PublicRoutes2": "Public",
			"PrivateRoutes1": "Private", "PrivateRoutes2": "Private"} {
			if p := d.properties(id); p["RouteTableId"] != "<"+table+"Routes>" ||
				p["SubnetId"] != "<"+table+"Subnet"+id[len(id)-1:]+">" {
				t.Errorf("%s: %v", id, p)
			}
		}
	}
}

func TestWhoSpeaksInTheNetworkIsWrittenDown(t *testing.T) {
	d := deployOf(t, networkTemplate, "LogDays=7")
	flow := d.properties("FlowLog")
	if flow["ResourceId"] != "<Vpc>" || flow["TrafficType"] != "ALL" || flow["LogDestination"] != "<FlowLogs.Arn>" ||
		flow["DeliverLogsPermissionArn"] != "<FlowLogRole.Arn>" || d.properties("FlowLogs")["RetentionInDays"] != "7" {
		t.Errorf("%v", flow)
	}
	role := d.properties("FlowLogRole")
	trust := policyStatements(role["AssumeRolePolicyDocument"])
	if len(trust) != 1 || at(trust[0].principal, "Service") != "vpc-flow-logs.amazonaws.com" ||
		at(trust[0].condition, "StringEquals", "aws:SourceAccount") != "123456789012" {
		t.Errorf("it is trusted by %+v", trust)
	}
	want := []string{"logs:CreateLogStream <FlowLogs.Arn>",
		"logs:DescribeLogGroups arn:aws:logs:eu-central-1:123456789012:log-group:*",
		"logs:DescribeLogStreams <FlowLogs.Arn>", "logs:PutLogEvents <FlowLogs.Arn>"}
	if got := allowed(policyStatements(at(role["Policies"], 0, "PolicyDocument"))); !slices.Equal(got, want) {
		t.Errorf("it may %v, want %v", got, want)
	}
}
