package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hatchery/shared/api"
	"hatchery/shared/attempts"
	"hatchery/shared/config"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// --- The API --------------------------------------------------------------------

func TestOneRouteLeadsEverythingToTheHandler(t *testing.T) {
	d := deploy(t, "AllowedOrigins=https://a.example.com")
	body := at(d.properties("HttpApi"), "Body").(map[string]any)
	paths := body["paths"].(map[string]any)
	route := at(paths, "$default", "x-amazon-apigateway-any-method")
	if len(paths) != 1 || at(route, "isDefaultRoute") != true {
		t.Errorf("routes %v", paths)
	}
	integration := at(route, "x-amazon-apigateway-integration")
	if at(integration, "payloadFormatVersion") != "2.0" ||
		!strings.Contains(fmt.Sprint(at(integration, "uri")), "<ApiFunction.Arn>") {
		t.Errorf("the route leads to %v", integration)
	}
	if _, there := body["x-amazon-apigateway-cors"]; there {
		t.Error("the gateway answers preflights, which the handler does")
	}
	stage := d.properties("HttpApiApiGatewayDefaultStage")
	if stage["StageName"] != "$default" || stage["AutoDeploy"] != true {
		t.Errorf("stage %v", stage)
	}
}

func TestTheAPIIsThrottled(t *testing.T) {
	d := deploy(t, "ApiRate=7", "ApiBurst=9")
	settings := at(d.properties("HttpApiApiGatewayDefaultStage"), "DefaultRouteSettings")
	if fmt.Sprint(at(settings, "ThrottlingRateLimit")) != "7" || fmt.Sprint(at(settings, "ThrottlingBurstLimit")) != "9" {
		t.Errorf("%v", settings)
	}
	if _, there := d.properties("ApiFunction")["ReservedConcurrentExecutions"]; there {
		t.Error("concurrency is reserved without being asked for")
	}
	if got := deploy(t, "ApiConcurrency=50").properties("ApiFunction")["ReservedConcurrentExecutions"]; got != "50" {
		t.Errorf("reserved concurrency %v", got)
	}
	if timeout := number(t, d.properties("ApiFunction")["Timeout"]); timeout >= 30 || timeout <= int(api.MaxWait.Seconds()) {
		t.Errorf("the function may take %d s: the gateway waits 30, and ?wait=20 has to be answered", timeout)
	}
}

func TestTheAccessLogIsJSONAndHoldsNothingSecret(t *testing.T) {
	d := deploy(t)
	settings := at(d.properties("HttpApiApiGatewayDefaultStage"), "AccessLogSettings")
	var line map[string]string
	format := at(settings, "Format").(string)
	if err := json.Unmarshal([]byte(format), &line); err != nil || strings.Contains(format, "\n") {
		t.Fatalf("%v: %s", err, format)
	}
	may := []string{"$context.requestTime", "$context.requestId", "$context.identity.sourceIp", "$context.httpMethod",
		"$context.path", "$context.protocol", "$context.status", "$context.responseLength",
		"$context.responseLatency", "$context.integrationStatus", "$context.integrationLatency", "$context.error.message",
		"$context.integrationErrorMessage"}
	for name, value := range line {
		if !slices.Contains(may, value) {
			t.Errorf("the access log holds %s, %s", name, value)
		}
	}
	if at(settings, "DestinationArn") != "<AccessLogs.Arn>" {
		t.Errorf("it goes to %v", at(settings, "DestinationArn"))
	}
}

func TestADomainIsMadeOnlyWhereOneIsNamed(t *testing.T) {
	kinds := []string{"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet"}
	domain := []string{"DomainName=files.example.com",
		"CertificateArn=arn:aws:acm:eu-central-1:123456789012:certificate/c"}
	for _, c := range []struct {
		values []string
		made   int
		url    string
	}{
		{nil, 0, "<HttpApi.ApiEndpoint>"},
		{[]string{"HostedZoneId=Z123"}, 0, "<HttpApi.ApiEndpoint>"},
		{domain, 2, "https://files.example.com"},
		{append(slices.Clone(domain), "HostedZoneId=Z123"), 3, "https://files.example.com"},
	} {
		d := deploy(t, c.values...)
		made := 0
		for _, kind := range kinds {
			made += len(d.ofType(kind))
		}
		if target := d.holds(d.Outputs["DomainTarget"].Condition); target != (c.made > 0) {
			t.Errorf("with %v it says what the name has to lead to: %v", c.values, target)
		}
		if got := d.resolve(d.Outputs["ApiUrl"].Value); made != c.made || got != c.url {
			t.Errorf("with %v: %d of its resources, want %d; the API is at %v, want %s", c.values, made, c.made, got, c.url)
		}
	}
	mapping := deploy(t, everything...).properties("DomainMapping")
	if mapping["Stage"] != "<HttpApiApiGatewayDefaultStage>" || mapping["ApiId"] != "<HttpApi>" ||
		mapping["DomainName"] != "<Domain>" {
		t.Errorf("mapping %v", mapping)
	}
}

// TestTheEndpointOfAWSIsThereUnlessItIsTurnedOff: stacks that exist are called by it.
func TestTheEndpointOfAWSIsThereUnlessItIsTurnedOff(t *testing.T) {
	for values, want := range map[string]bool{"": false, "DisableExecuteApiEndpoint=false": false,
		"DisableExecuteApiEndpoint=true DomainName=files.example.com CertificateArn=" +
			"arn:aws:acm:eu-central-1:123456789012:certificate/c": true} {
		body := at(deploy(t, strings.Fields(values)...).properties("HttpApi"), "Body")
		if got := at(body, "servers", 0, "x-amazon-apigateway-endpoint-configuration", "disableExecuteApiEndpoint"); got != want {
			t.Errorf("with %q: %v, want %v", values, got, want)
		}
	}
}

// --- The bucket -------------------------------------------------------------------

func TestTheBucketIsPrivateVersionedAndKept(t *testing.T) {
	d := deploy(t)
	bucket := d.made["UploadsBucket"]
	for _, name := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if at(bucket.Properties, "PublicAccessBlockConfiguration", name) != true {
			t.Errorf("%s is not on", name)
		}
	}
	if at(bucket.Properties, "VersioningConfiguration", "Status") != "Enabled" ||
		at(bucket.Properties, "OwnershipControls", "Rules", 0, "ObjectOwnership") != "BucketOwnerEnforced" {
		t.Error("it is not versioned, or objects may have other owners")
	}
	if bucket.DeletionPolicy != "RetainExceptOnCreate" || bucket.UpdateReplacePolicy != "Retain" {
		t.Errorf("it goes with its stack: %s, %s", bucket.DeletionPolicy, bucket.UpdateReplacePolicy)
	}
}

func TestTheBucketIsEncrypted(t *testing.T) {
	for value, want := range map[string]map[string]any{"": {"SSEAlgorithm": "AES256"},
		someKey: {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": someKey}} {
		rules := at(deploy(t, "KmsKeyArn="+value).properties("UploadsBucket"), "BucketEncryption",
			"ServerSideEncryptionConfiguration").([]any)
		if got := at(rules[0], "ServerSideEncryptionByDefault"); fmt.Sprint(got) != fmt.Sprint(want) || len(rules) != 1 ||
			(at(rules[0], "BucketKeyEnabled") == true) != (value != "") {
			t.Errorf("with the key %q: %v", value, rules)
		}
	}
}

func TestOnlyWhatArrivesInQuarantineIsNotified(t *testing.T) {
	d := deploy(t, "QuarantinePrefix=tenant/quarantine/")
	bucket := d.made["UploadsBucket"]
	configuration := bucket.Properties["NotificationConfiguration"].(map[string]any)
	queues := configuration["QueueConfigurations"].([]any)
	if len(configuration) != 1 || len(queues) != 1 || at(queues[0], "Event") != "s3:ObjectCreated:*" ||
		at(queues[0], "Queue") != queue {
		t.Fatalf("%v", configuration)
	}
	rules := at(queues[0], "Filter", "S3Key", "Rules").([]any)
	if len(rules) != 1 || at(rules[0], "Name") != "prefix" || at(rules[0], "Value") != "tenant/quarantine/" {
		t.Errorf("filter %v", rules)
	}
	if !slices.Contains(texts(bucket.DependsOn), "UploadsQueuePolicy") {
		t.Errorf("the bucket tells the queue before it may: it depends on %v", bucket.DependsOn)
	}
}

func TestPagesOfTheAllowedOriginsMayPostForms(t *testing.T) {
	if cors, there := deploy(t).properties("UploadsBucket")["CorsConfiguration"]; there {
		t.Errorf("without an origin: %v", cors)
	}
	d := deploy(t, "AllowedOrigins=https://a.example.com, https://b.example.com")
	rules := at(d.properties("UploadsBucket"), "CorsConfiguration", "CorsRules").([]any)
	rule := rules[0]
	if got := strings.Join(texts(at(rule, "AllowedOrigins")), ","); len(rules) != 1 ||
		got != d.environment("ApiFunction")["HATCHERY_CORS_ORIGINS"] {
		t.Errorf("the bucket allows %s, the handler %s", got, d.environment("ApiFunction")["HATCHERY_CORS_ORIGINS"])
	}
	for _, name := range []string{"ETag", "Location"} {
		if !slices.Contains(texts(at(rule, "ExposedHeaders")), name) {
			t.Errorf("%s is not exposed", name)
		}
	}
	if methods := texts(at(rule, "AllowedMethods")); !slices.Equal(methods, []string{"POST", "GET", "HEAD"}) {
		t.Errorf("methods %v", methods)
	}
}

// rules gives the bucket's lifecycle rules by their ids.
func rules(d deployment) map[string]any {
	all := map[string]any{}
	for _, rule := range at(d.properties("UploadsBucket"), "LifecycleConfiguration", "Rules").([]any) {
		if at(rule, "Status") == "Enabled" {
			all[at(rule, "Id").(string)] = rule
		}
	}
	return all
}

func TestWhatIsLeftInTheBucketIsRemovedInTime(t *testing.T) {
	for _, days := range []int{35, 60, 3650} {
		d := deploy(t, fmt.Sprintf("QuarantineDays=%d", days), "FilesNoncurrentDays=44")
		all := rules(d)
		if len(all) != 7 {
			t.Errorf("rules %v", all)
		}
		expires := number(t, at(all["quarantine"], "ExpirationInDays"))
		noncurrent := number(t, at(all["quarantine"], "NoncurrentVersionExpiration", "NoncurrentDays"))
		if at(all["quarantine"], "Prefix") != "quarantine/" || expires != days {
			t.Errorf("quarantine: %v", all["quarantine"])
		}
		// S3 counts from the next midnight, for each of the two.
		if gone := time.Duration(expires+noncurrent+2) * 24 * time.Hour; gone >= upload.TombstoneLife(days) {
			t.Errorf("a version in quarantine may live for %v, a tombstone lives for %v", gone, upload.TombstoneLife(days))
		}
		messages := number(t, d.properties("UploadsQueue")["MessageRetentionPeriod"]) +
			2*number(t, d.properties("DeadLetterQueue")["MessageRetentionPeriod"])
		if messages > days*day {
			t.Errorf("a message may live for %d days, quarantine %d", messages/day, days)
		}
		if files := all["files"].(map[string]any); files["Prefix"] != "files/" || files["ExpirationInDays"] != nil ||
			number(t, at(files, "NoncurrentVersionExpiration", "NoncurrentDays")) != 44 {
			t.Errorf("files: %v", files)
		}
		if at(all["leftovers"], "ExpiredObjectDeleteMarker") != true ||
			number(t, at(all["leftovers"], "AbortIncompleteMultipartUpload", "DaysAfterInitiation")) != 1 ||
			at(all["leftovers"], "Prefix") != nil {
			t.Errorf("leftovers: %v", all["leftovers"])
		}
	}
}

// TestNotesAboutDeadLettersOutliveTheirMessages: what is of use only beside its message goes after it; who did what, and
// what was discarded, stays for more than a year.
func TestNotesAboutDeadLettersOutliveTheirMessages(t *testing.T) {
	d := deploy(t)
	all := rules(d)
	twice := 2 * number(t, d.properties("DeadLetterQueue")["MessageRetentionPeriod"]) // a redrive begins anew
	for id, want := range map[string]struct {
		prefix string
		days   int
	}{
		"attempts":     {attempts.Prefix, 35},
		"snapshots":    {upload.DeadLetterPrefix + "snapshots/", 35},
		"intents":      {upload.DeadLetterPrefix + "intents/", 35},
		"dead-letters": {upload.DeadLetterPrefix, 400},
	} {
		if expires := number(t, at(all[id], "ExpirationInDays")); at(all[id], "Prefix") != want.prefix ||
			expires != want.days || expires*day <= twice {
			t.Errorf("%s: %v, want %s after %d days", id, all[id], want.prefix, want.days)
		}
	}
	if number(t, at(all["dead-letters"], "NoncurrentVersionExpiration", "NoncurrentDays")) != 1 {
		t.Errorf("an overwritten note stays: %v", all["dead-letters"])
	}
}

// --- The queue and the validator -----------------------------------------------------

func TestAMessageIsHiddenForSixTimesTheTimeOutAndTheWindow(t *testing.T) {
	of := golden(t)
	for _, seconds := range texts(of.Parameters["ValidatorSeconds"].AllowedValues) {
		d := deploy(t, "ValidatorSeconds="+seconds)
		timeout := number(t, d.properties("ValidatorFunction")["Timeout"])
		window := number(t, d.properties("ValidatorFunctionArrived")["MaximumBatchingWindowInSeconds"])
		visibility := number(t, d.properties("UploadsQueue")["VisibilityTimeout"])
		if fmt.Sprint(timeout) != seconds || visibility < 6*timeout+window || visibility > 43_200 {
			t.Errorf("with ValidatorSeconds=%s: time-out %d, window %d, visibility %d", seconds, timeout, window, visibility)
		}
	}
}

func TestTheQueuesKeepMessagesAndGiveUpLate(t *testing.T) {
	d := deploy(t)
	uploads, dead := d.properties("UploadsQueue"), d.properties("DeadLetterQueue")
	if number(t, uploads["MessageRetentionPeriod"]) != 4*day || number(t, dead["MessageRetentionPeriod"]) != 14*day {
		t.Errorf("retention %v and %v", uploads["MessageRetentionPeriod"], dead["MessageRetentionPeriod"])
	}
	if uploads["SqsManagedSseEnabled"] != true || dead["SqsManagedSseEnabled"] != true {
		t.Error("not encrypted with SSE-SQS")
	}
	if at(uploads, "RedrivePolicy", "deadLetterTargetArn") != "<DeadLetterQueue.Arn>" ||
		at(uploads, "RedrivePolicy", "maxReceiveCount") != json.Number(strconv.Itoa(config.DefaultMaxReceives)) {
		t.Errorf("redrive %v", uploads["RedrivePolicy"])
	}
	want := "arn:aws:sqs:eu-central-1:123456789012:" + uploads["QueueName"].(string)
	if at(dead, "RedriveAllowPolicy", "redrivePermission") != "byQueue" ||
		!slices.Equal(texts(at(dead, "RedriveAllowPolicy", "sourceQueueArns")), []string{want}) {
		t.Errorf("dead letters are taken from %v, want %s", dead["RedriveAllowPolicy"], want)
	}
	if config.DefaultMaxReceives < 5 {
		t.Errorf("%d receptions would be lost to throttling alone", config.DefaultMaxReceives)
	}
}

func TestTheValidatorTakesBatchesAndReturnsWhatFailed(t *testing.T) {
	mapping := deploy(t, "ValidatorConcurrency=17").properties("ValidatorFunctionArrived")
	if mapping["EventSourceArn"] != queue || mapping["FunctionName"] != "<ValidatorFunction>" ||
		number(t, mapping["BatchSize"]) != 10 ||
		!slices.Equal(texts(mapping["FunctionResponseTypes"]), []string{"ReportBatchItemFailures"}) ||
		at(mapping, "ScalingConfig", "MaximumConcurrency") != "17" || at(mapping, "Enabled") == false {
		t.Errorf("%v", mapping)
	}
}

// --- The records and the reconciler ---------------------------------------------------

func TestTheTableIsPaidByUseRestorableAndKept(t *testing.T) {
	d := deploy(t)
	r := d.made["RecordsTable"]
	p := r.Properties
	if at(p, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true ||
		p["DeletionProtectionEnabled"] != "true" {
		t.Errorf("%v", p)
	}
	if r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" {
		t.Errorf("it goes with its stack: %s, %s", r.DeletionPolicy, r.UpdateReplacePolicy)
	}
	if deploy(t, "DeletionProtection=false").properties("RecordsTable")["DeletionProtectionEnabled"] != "false" {
		t.Error("it cannot be unprotected")
	}
}

func TestTheTableHasTheKeysAndIndexesThatTheStoreUses(t *testing.T) {
	p := deploy(t).properties("RecordsTable")
	store := plain(t, dynamorecords.TableInput("records"))
	for _, part := range []string{"KeySchema", "AttributeDefinitions", "LocalSecondaryIndexes", "GlobalSecondaryIndexes",
		"BillingMode"} {
		if got, want := plain(t, p[part]), at(store, part); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is\n%v\nthe store wants\n%v", part, got, want)
		}
	}
	if got, want := plain(t, p["TimeToLiveSpecification"]),
		at(plain(t, dynamorecords.TimeToLiveInput("records")), "TimeToLiveSpecification"); !reflect.DeepEqual(got, want) {
		t.Errorf("what expires: %v, the store wants %v", got, want)
	}
}

// plain is a value as JSON has it, without what is not set.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var members any
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatal(err)
	}
	return withoutNulls(members)
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, member any) bool { return member == nil })
		for _, member := range v {
			withoutNulls(member)
		}
	case []any:
		for _, member := range v {
			withoutNulls(member)
		}
	}
	return v
}

func TestTheReconcilerRunsBySchedule(t *testing.T) {
	d := deploy(t)
	rule := d.properties("ReconcilerFunctionRegularly")
	if rule["ScheduleExpression"] != "rate(60 minutes)" || at(rule, "Targets", 0, "Arn") != "<ReconcilerFunction.Arn>" ||
		at(rule, "State") == "DISABLED" {
		t.Errorf("%v", rule)
	}
	if number(t, d.properties("ReconcilerFunctionEventInvokeConfig")["MaximumRetryAttempts"]) != 0 {
		t.Error("a run that failed is repeated before the next")
	}
	if timeout := number(t, d.properties("ReconcilerFunction")["Timeout"]); timeout > 15*60 {
		t.Errorf("it may run for %d s, into the next run", timeout)
	}
}

// --- The functions -------------------------------------------------------------------

func TestTheFunctionsRunAsTheyAreBuilt(t *testing.T) {
	d := deploy(t, "Architecture=x86_64")
	code := map[string]bool{}
	for function := range functions {
		p := d.properties(function)
		if p["Runtime"] != "provided.al2023" || p["Handler"] != "bootstrap" ||
			!slices.Equal(texts(p["Architectures"]), []string{"x86_64"}) {
			t.Errorf("%s: %v %v %v", function, p["Runtime"], p["Handler"], p["Architectures"])
		}
		// Two functions of one folder would be one build: the same program twice.
		code[fmt.Sprint(at(p, "Code", "S3Key"))] = true
	}
	if len(code) != len(functions) {
		t.Errorf("%d functions are built from %v", len(functions), code)
	}
	if got := deploy(t).properties("ApiFunction")["Architectures"]; !slices.Equal(texts(got), []string{"arm64"}) {
		t.Errorf("by default they run on %v", got)
	}
}

func TestTracesAreOnlyMadeWhenAsked(t *testing.T) {
	for value, want := range map[string]string{"PassThrough": "PassThrough", "Active": "Active"} {
		for function := range functions {
			if got := at(deploy(t, "Tracing="+value).properties(function), "TracingConfig", "Mode"); got != want {
				t.Errorf("%s: %v, want %s", function, got, want)
			}
		}
	}
}
