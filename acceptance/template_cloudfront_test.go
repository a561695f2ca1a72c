package acceptance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/api"
)

// --- cloudfront.yaml ------------------------------------------------------------------

const frontSecret = "0123456789abcdef0123456789abcdef"

// distribution resolves cloudfront.yaml.
func distribution(t testing.TB, overrides ...string) deployment {
	t.Helper()
	return deployOf(t, cloudfrontTemplate, append([]string{"AWS::Region=us-east-1",
		"OriginDomain=a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "FrontSecret=" + frontSecret,
		"DomainName=files.example.com", "CertificateArn=arn:aws:acm:us-east-1:123456789012:certificate/c",
		"AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:prod-AlarmTopic-1ABC"}, overrides...)...)
}

// distributionConfig is all that the distribution is told.
func distributionConfig(t testing.TB, overrides ...string) any {
	t.Helper()
	return distribution(t, overrides...).properties("Distribution")["DistributionConfig"]
}

// TestCloudFrontIsDeployedInItsRegionAlone: elsewhere AWS would refuse the web ACL, after half of the stack is made.
func TestCloudFrontIsDeployedInItsRegionAlone(t *testing.T) {
	if faults := distribution(t).faults(); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
	faults := distribution(t, "AWS::Region=eu-central-1").faults()
	if len(faults) != 1 || !strings.Contains(faults[0], "us-east-1") {
		t.Errorf("elsewhere: %v", faults)
	}
}

func TestCloudFrontSpeaksHTTPSAlone(t *testing.T) {
	config := distributionConfig(t)
	want := map[string]any{"AcmCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/c",
		"SslSupportMethod": "sni-only", "MinimumProtocolVersion": "TLSv1.2_2021"}
	if !reflect.DeepEqual(at(config, "ViewerCertificate"), want) ||
		at(config, "DefaultCacheBehavior", "ViewerProtocolPolicy") != "https-only" ||
		!slices.Equal(texts(at(config, "Aliases")), []string{"files.example.com"}) {
		t.Errorf("callers are met with %v", config)
	}
	origin := at(config, "Origins", 0, "CustomOriginConfig")
	if at(origin, "OriginProtocolPolicy") != "https-only" ||
		!slices.Equal(texts(at(origin, "OriginSSLProtocols")), []string{"TLSv1.2"}) {
		t.Errorf("the API is met with %v", origin)
	}
}

// TestCloudFrontHandsOnAllThatClientsSend: every method, and by the policy all headers but Host, Authorization among them.
func TestCloudFrontHandsOnAllThatClientsSend(t *testing.T) {
	config := distributionConfig(t)
	if _, more := config.(map[string]any)["CacheBehaviors"]; more {
		t.Error("some paths go another way")
	}
	behavior := at(config, "DefaultCacheBehavior")
	methods := []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}
	const allViewerExceptHostHeader = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
	if !slices.Equal(texts(at(behavior, "AllowedMethods")), methods) ||
		at(behavior, "OriginRequestPolicyId") != allViewerExceptHostHeader || at(behavior, "TargetOriginId") != "api" {
		t.Errorf("%v", behavior)
	}
	if origins := at(config, "Origins").([]any); len(origins) != 1 || at(origins, 0, "Id") != "api" ||
		at(origins, 0, "DomainName") != "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com" {
		t.Errorf("origins %v", origins)
	}
}

// TestCloudFrontKeepsNothing: neither an answer nor, of the errors, those that it keeps whatever Cache-Control says.
func TestCloudFrontKeepsNothing(t *testing.T) {
	config := distributionConfig(t)
	const cachingDisabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
	if at(config, "DefaultCacheBehavior", "CachePolicyId") != cachingDisabled {
		t.Errorf("%v", at(config, "DefaultCacheBehavior"))
	}
	kept := map[string]bool{"404": true, "405": true, "414": true, "500": true, "501": true, "502": true, "503": true, "504": true}
	for _, e := range at(config, "CustomErrorResponses").([]any) {
		if number(t, at(e, "ErrorCachingMinTTL")) != 0 || len(e.(map[string]any)) != 2 {
			t.Errorf("%v", e)
		}
		delete(kept, fmt.Sprint(at(e, "ErrorCode")))
	}
	if len(kept) > 0 {
		t.Errorf("for 10 seconds everybody is answered what one was: %v", kept)
	}
}

func TestCloudFrontWaitsLongerThanAnyAnswerTakes(t *testing.T) {
	const gateway, highest = 30, 60 // seconds; above the latter AWS has to be asked
	waits := number(t, at(distributionConfig(t), "Origins", 0, "CustomOriginConfig", "OriginReadTimeout"))
	if waits <= gateway || waits > highest || int(api.MaxWait.Seconds()) >= gateway {
		t.Errorf("it waits %d s", waits)
	}
}

// TestCloudFrontSaysTheSecretThatTheApiAsksFor: in the header that the API reads, and nowhere where it can be seen.
func TestCloudFrontSaysTheSecretThatTheApiAsksFor(t *testing.T) {
	d := distribution(t)
	headers := at(d.properties("Distribution"), "DistributionConfig", "Origins", 0, "OriginCustomHeaders").([]any)
	if len(headers) != 1 || at(headers, 0, "HeaderName") != api.FrontHeader || at(headers, 0, "HeaderValue") != frontSecret {
		t.Errorf("%v", headers)
	}
	shown := map[string]any{}
	for name, output := range d.Outputs {
		shown[name] = d.resolve(output.Value)
	}
	for id, r := range d.made {
		if id != "Distribution" {
			shown[id] = r.Properties
		}
	}
	if strings.Contains(fmt.Sprint(shown), frontSecret) {
		t.Errorf("the secret is in %v", shown)
	}
	if p := d.Parameters["FrontSecret"]; !p.NoEcho || p.Default != nil || p.fault("short") == "" || p.fault(frontSecret) != "" {
		t.Errorf("%+v", p)
	}
	if got := deploy(t, "FrontSecretSha256="+strings.Repeat("0a", 32)).environment("ApiFunction")["HATCHERY_FRONT_SECRET_SHA256"]; got != strings.Repeat("0a", 32) {
		t.Errorf("the function is told %q", got)
	}
}

// TestTheRateRuleBoundsAnAddressAndNothingLooksIntoBodies: rules that do refuse genuine files.
func TestTheRateRuleBoundsAnAddressAndNothingLooksIntoBodies(t *testing.T) {
	d := distribution(t, "RequestsPerAddress=77")
	acl := d.properties("WebAcl")
	rules := acl["Rules"].([]any)
	want := map[string]any{"AggregateKeyType": "IP", "EvaluationWindowSec": json.Number("300"), "Limit": "77"}
	if len(rules) != 1 || !reflect.DeepEqual(at(rules, 0, "Statement"), map[string]any{"RateBasedStatement": want}) ||
		acl["Scope"] != "CLOUDFRONT" || !reflect.DeepEqual(acl["DefaultAction"], map[string]any{"Allow": map[string]any{}}) {
		t.Errorf("%v", acl)
	}
	if got := at(d.properties("Distribution"), "DistributionConfig", "WebACLId"); got != "<WebAcl.Arn>" {
		t.Errorf("the distribution has the rules of %v", got)
	}
	if at(d.properties("Distribution"), "DistributionConfig", "IPV6Enabled") != false {
		t.Error("a caller has any number of addresses")
	}
	// What WAF keeps of a request has its headers.
	for _, seen := range []any{acl["VisibilityConfig"], at(rules, 0, "VisibilityConfig")} {
		if at(seen, "SampledRequestsEnabled") != false || at(seen, "CloudWatchMetricsEnabled") != true {
			t.Errorf("%v", seen)
		}
	}
}

// TestWhoIsBlockedIsToldAsTheApiTells: a problem, with what to do.
func TestWhoIsBlockedIsToldAsTheApiTells(t *testing.T) {
	acl := distribution(t).properties("WebAcl")
	response := at(acl, "Rules", 0, "Action", "Block", "CustomResponse")
	if fmt.Sprint(at(response, "ResponseCode")) != "429" || at(response, "ResponseHeaders", 0, "Name") != "Retry-After" ||
		fmt.Sprint(at(response, "ResponseHeaders", 0, "Value")) != "60" {
		t.Errorf("%v", response)
	}
	body := at(acl, "CustomResponseBodies", at(response, "CustomResponseBodyKey").(string))
	var problem struct {
		Type, Title, Detail, Error, Code string
		Status                           int
	}
	if err := json.Unmarshal([]byte(at(body, "Content").(string)), &problem); err != nil ||
		problem.Code != "too_many_requests" || problem.Type != "urn:hatchery:problem:too_many_requests" ||
		problem.Status != 429 || problem.Title == "" || problem.Error != problem.Title || problem.Detail == "" {
		t.Errorf("%+v, %v", problem, err)
	}
}

func TestTheAccessLogOfCloudFrontHoldsNothingSecret(t *testing.T) {
	d := distribution(t, "LogDays=7")
	if p := d.properties("AccessLogs"); p["RetentionInDays"] != "7" || p["LogGroupName"] != "/aws/vendedlogs/prod/cloudfront" {
		t.Errorf("%v", p)
	}
	source, delivery := d.properties("AccessLogsSource"), d.properties("AccessLogsDelivery")
	if source["LogType"] != "ACCESS_LOGS" || source["ResourceArn"] != "arn:aws:cloudfront::123456789012:distribution/<Distribution>" ||
		source["Name"] != "hatchery-1f2a3b4c" || delivery["DeliverySourceName"] != "<AccessLogsSource>" ||
		delivery["DeliveryDestinationArn"] != "<AccessLogsDestination.Arn>" {
		t.Errorf("%v, %v", source, delivery)
	}
	if p := d.properties("AccessLogsDestination"); p["DestinationResourceArn"] != "<AccessLogs.Arn>" || p["OutputFormat"] != "json" {
		t.Errorf("%v", p)
	}
	fields := texts(delivery["RecordFields"])
	for _, needed := range []string{"date", "time", "c-ip", "cs-method", "cs-uri-stem", "sc-status", "x-edge-detailed-result-type"} {
		if !slices.Contains(fields, needed) {
			t.Errorf("the log has no %s", needed)
		}
	}
	for _, field := range fields {
		if strings.Contains(field, "(") || field == "cs-uri-query" { // cs(NAME) is a header
			t.Errorf("the log holds %s", field)
		}
	}
}

func TestTheAlarmsOfCloudFrontAreToldWhereItsMetricsAre(t *testing.T) {
	d := distribution(t, "ApiErrors=8")
	const of = "DistributionId=<Distribution> Region=Global: "
	for id, want := range map[string]struct{ watches, filter string }{
		"CloudFrontFails": {"requests * share / 100, requests = AWS/CloudFront Requests " + of + "Sum of 300 s, " +
			"share = AWS/CloudFront 5xxErrorRate " + of + "Average of 300 s, GreaterThanOrEqualToThreshold 8",
			`{ ($.sc-status = "5*") || ($.sc-status >= 500) }`},
		"CallersAreBlocked": {"AWS/WAFV2 BlockedRequests WebACL=prod Rule=prod-rate: Sum of 300 s, GreaterThanThreshold 0",
			`{ ($.sc-status = "429") || ($.sc-status = 429) }`},
	} {
		p := d.properties(id)
		if got := fmt.Sprintf("%s, %v %v", watched(t, p), p["ComparisonOperator"], p["Threshold"]); got != want.watches {
			t.Errorf("%s watches %s", id, got)
		}
		topic := []string{"arn:aws:sns:us-east-1:123456789012:prod-AlarmTopic-1ABC"}
		if !slices.Equal(texts(p["AlarmActions"]), topic) || !slices.Equal(texts(p["OKActions"]), topic) ||
			p["TreatMissingData"] != "notBreaching" || fmt.Sprint(p["EvaluationPeriods"]) != "1" {
			t.Errorf("%s: %v", id, p)
		}
		text := fmt.Sprint(p["AlarmDescription"])
		if !strings.Contains(text, ". What to do: docs/operations.md#"+strings.ToLower(id)+". ") ||
			!strings.HasSuffix(text, " Type first: aws logs filter-log-events --region us-east-1 --log-group-name "+
				"/aws/vendedlogs/prod/cloudfront --start-time $(($(date +%s) - 3600))000 --filter-pattern '"+want.filter+
				"' --query 'events[].message' --output text") || len(text) > 850 {
			t.Errorf("%s says: %s", id, text)
		}
	}
	if got := d.ofType("AWS::CloudWatch::Alarm"); len(got) != 2 {
		t.Errorf("alarms %v", got)
	}
}

func TestTheNameLeadsToCloudFrontWhereAZoneIsNamed(t *testing.T) {
	if got := distribution(t).ofType("AWS::Route53::RecordSet"); len(got) > 0 {
		t.Errorf("without a zone: %v", got)
	}
	record := distribution(t, "HostedZoneId=Z123").properties("DomainRecord")
	if record["Name"] != "files.example.com" || record["HostedZoneId"] != "Z123" || record["Type"] != "A" ||
		!reflect.DeepEqual(record["AliasTarget"], map[string]any{"DNSName": "<Distribution.DomainName>",
			"HostedZoneId": "Z2FDTNDATAQYW2"}) {
		t.Errorf("%v", record)
	}
}

func TestTheOutputsOfCloudFrontAreWhatAPersonNeedsNext(t *testing.T) {
	distribution(t).wantOutputs(map[string]string{
		"ApiUrl":    "https://files.example.com",
		"FirstCall": "curl https://files.example.com/ping",
		"FirstUpload": `curl -H "Authorization: Bearer $TOKEN" -F file=@cat.png ` +
			`"https://files.example.com/files/demo/entries/1/images?image_name=cat.png"`,
		"DnsName": "<Distribution.DomainName>",
	})
}
