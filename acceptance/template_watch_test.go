package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/doctor"
)

func TestEachAlarmWatchesWhatItSays(t *testing.T) {
	d := deploy(t, "ApiErrors=8")
	want := map[string]string{
		"DeadLettersVisible": "visible + in_flight, visible = " +
			"AWS/SQS ApproximateNumberOfMessagesVisible QueueName=<DeadLetterQueue.QueueName>: Maximum of 300 s, " +
			"in_flight = AWS/SQS ApproximateNumberOfMessagesNotVisible QueueName=<DeadLetterQueue.QueueName>: " +
			"Maximum of 300 s, 1 times GreaterThanThreshold 0, else notBreaching",
		"QueueIsOld": "AWS/SQS ApproximateAgeOfOldestMessage QueueName=<UploadsQueue.QueueName>: Maximum of 60 " +
			"s, 3 times GreaterThanThreshold 900, else notBreaching",
		"ApiFails": "AWS/ApiGateway 5xx ApiId=<HttpApi>: Sum of 300 s, 1 times GreaterThanOrEqualToThreshold " +
			"8, else notBreaching",
		"ValidatorFails": "AWS/Lambda Errors FunctionName=<ValidatorFunction>: Sum of 300 s, 1 times " +
			"GreaterThanThreshold 0, else notBreaching",
		"PendingTooLong": "Hatchery PendingTooLong Stack=prod: Maximum of 3600 s, 1 times GreaterThanThreshold 0, " +
			"else ignore",
		"BytesAreLost": "Hatchery Lost Stack=prod: Maximum of 3600 s, 1 of 4 times GreaterThanThreshold 0, " +
			"else ignore",
		"UnfinishedTooLong": "Hatchery UnfinishedTooLong Stack=prod: Maximum of 3600 s, 1 times GreaterThanThreshold 0, " +
			"else ignore",
		"FilesAreMissing": "Hatchery LostRecords Stack=prod: Maximum of 3600 s, 1 times GreaterThanThreshold 0, " +
			"else ignore",
		"ReconcilerFails": "AWS/Lambda Errors FunctionName=<ReconcilerFunction>: Sum of 3600 s, 1 times " +
			"GreaterThanThreshold 0, else notBreaching",
		"ReconcilerIsSilent": "AWS/Lambda Invocations FunctionName=<ReconcilerFunction>: Sum of 3600 s, 3 times " +
			"LessThanThreshold 1, else breaching",
	}
	got := map[string]string{}
	for _, id := range d.ofType("AWS::CloudWatch::Alarm") {
		p := d.properties(id)
		times := fmt.Sprint(p["EvaluationPeriods"])
		if p["DatapointsToAlarm"] != nil {
			times = fmt.Sprintf("%v of %s", p["DatapointsToAlarm"], times)
		}
		got[id] = fmt.Sprintf("%s, %s times %v %v, else %v", watched(t, p), times, p["ComparisonOperator"],
			p["Threshold"], p["TreatMissingData"])
		if !slices.Equal(texts(p["AlarmActions"]), []string{"<AlarmTopic>"}) ||
			!slices.Equal(texts(p["OKActions"]), []string{"<AlarmTopic>"}) || p["AlarmDescription"] == nil {
			t.Errorf("%s is not told, or says not what it is: %v", id, p)
		}
	}
	for id := range want {
		if got[id] != want[id] {
			t.Errorf("%s\n got %s\nwant %s", id, got[id], want[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("alarms %v", d.ofType("AWS::CloudWatch::Alarm"))
	}
}

// watched is the metric that an alarm looks at, or its expression of several.
func watched(t *testing.T, alarm map[string]any) string {
	t.Helper()
	one := func(metric map[string]any, statistic, period any) string {
		var dimensions []string
		for _, d := range metric["Dimensions"].([]any) {
			dimensions = append(dimensions, fmt.Sprintf("%v=%v", at(d, "Name"), at(d, "Value")))
		}
		return fmt.Sprintf("%v %v %s: %v of %v s", metric["Namespace"], metric["MetricName"],
			strings.Join(dimensions, " "), statistic, period)
	}
	metrics, math := alarm["Metrics"].([]any)
	if !math {
		return one(alarm, alarm["Statistic"], alarm["Period"])
	}
	var parts []string
	for _, m := range metrics {
		m := m.(map[string]any)
		expression, returned := m["Expression"]
		if m["ReturnData"] != returned {
			t.Errorf("the alarm looks at %v: %v", m["Id"], m["ReturnData"])
		}
		if returned {
			parts = append(parts, fmt.Sprint(expression))
		} else {
			stat := m["MetricStat"].(map[string]any)
			metric := stat["Metric"].(map[string]any)
			parts = append(parts, fmt.Sprintf("%v = %s", m["Id"], one(metric, stat["Stat"], stat["Period"])))
		}
	}
	return strings.Join(parts, ", ")
}

// crashes finds in a log how a function ended.
const crashes = `?"platform.report" ?"Task timed out" ?"Runtime exited" ?panic ?"signal: killed" ?"cannot start"`

// Of a function whose LogFormat is JSON Lambda writes a time-out and a crash as its report, and not as a sentence.
func TestAFunctionThatEndedIsFoundInItsLog(t *testing.T) {
	for _, line := range []string{
		`{"time":"2026-07-09T06:05:50.581Z","type":"platform.report","record":{"requestId":"aec7a529",` +
			`"metrics":{"durationMs":5000.0,"billedDurationMs":5000,"memorySizeMB":128,"maxMemoryUsedMB":94},"status":"timeout"}}`,
		`{"time":"2026-07-09T06:05:50.581Z","type":"platform.report","record":{"requestId":"aec7a529",` +
			`"metrics":{"durationMs":900.0,"memorySizeMB":128,"maxMemoryUsedMB":128},"status":"error","errorType":"Runtime.ExitError"}}`,
		"panic: runtime error: index out of range",
		`{"level":"ERROR","message":"the function cannot start","error":"HATCHERY_BUCKET is not set"}`,
	} {
		if !slices.ContainsFunc(strings.Split(crashes, "?")[1:], func(term string) bool {
			return strings.Contains(line, strings.Trim(term, `" `))
		}) {
			t.Errorf("%s does not find %s", crashes, line)
		}
	}
}

// TestEachAlarmSaysWhatToTypeFirst: a command that is whole as it comes and changes nothing, and where the rest is.
func TestEachAlarmSaysWhatToTypeFirst(t *testing.T) {
	const hatchery = "AWS_REGION=eu-central-1 hatchery "
	const reconcile = hatchery + "reconcile --stack prod --dry-run"
	lines := func(function string, seconds int, pattern string) string {
		return fmt.Sprintf("aws logs filter-log-events --region eu-central-1 --log-group-name /aws/lambda/prod/%s "+
			"--start-time $(($(date +%%s) - %d))000 --filter-pattern '%s' --query 'events[].message' --output text",
			function, seconds, pattern)
	}
	of := deploy(t)
	for id, command := range map[string]string{
		"DeadLettersVisible": hatchery + "dlq ls --stack prod",
		"QueueIsOld":         hatchery + "dlq watch --stack prod",
		"ApiFails":           lines("api", 3600, "{ $.status >= 500 }"),
		"ValidatorFails":     lines("validator", 3600, crashes),
		"PendingTooLong":     reconcile,
		"BytesAreLost":       reconcile,
		"UnfinishedTooLong":  reconcile,
		"FilesAreMissing":    reconcile,
		"ReconcilerFails":    lines("reconciler", 10800, `{ ($.level = "ERROR") || ($.type = "platform.report") }`),
		"ReconcilerIsSilent": "aws events list-rule-names-by-target --region eu-central-1 " +
			"--target-arn <ReconcilerFunction.Arn>",
	} {
		text := fmt.Sprint(of.properties(id)["AlarmDescription"])
		if !strings.HasSuffix(text, " Type first: "+command) ||
			!strings.Contains(text, ". What to do: docs/operations.md#"+strings.ToLower(id)+". ") ||
			strings.Contains(text, "hatchery show ID --stack prod.") != (command == reconcile) {
			t.Errorf("%s says: %s", id, text)
		}
		if len(text) > 800 { // CloudWatch takes 1,024 characters, and a stack's name up to 128
			t.Errorf("%s is too long: %d", id, len(text))
		}
	}
}

func TestEveryAlarmIsExplainedToWhoeverIsWoken(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Concat(deploy(t).ofType("AWS::CloudWatch::Alarm"), balancer(t).ofType("AWS::CloudWatch::Alarm"),
		distribution(t).ofType("AWS::CloudWatch::Alarm")) {
		if !strings.Contains(string(text), "\n### "+id+"\n") {
			t.Errorf("docs/operations.md has no chapter on %s", id)
		}
	}
}

func TestAnAddressIsSubscribedIfOneIsGiven(t *testing.T) {
	if got := deploy(t).ofType("AWS::SNS::Subscription"); len(got) > 0 {
		t.Errorf("without an address: %v", got)
	}
	p := deploy(t, "AlarmEmail=ops@example.com").properties("AlarmSubscription")
	if p["Endpoint"] != "ops@example.com" || p["Protocol"] != "email" || p["TopicArn"] != "<AlarmTopic>" {
		t.Errorf("%v", p)
	}
}

func TestTheDashboardShowsTheAlarmsAndWhatTheFunctionsCount(t *testing.T) {
	d := deploy(t)
	text := d.properties("Dashboard")["DashboardBody"].(string)
	var body struct {
		Widgets []struct {
			Type                string
			X, Y, Width, Height int
			Properties          struct {
				Title, Region string
				Alarms        []string
				Metrics       [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if strings.Contains(text, "${") {
		t.Error("something was not filled in")
	}
	for _, w := range body.Widgets {
		if w.Properties.Title == "" || w.X+w.Width > 24 || w.Type == "metric" &&
			(len(w.Properties.Metrics) == 0 || w.Properties.Region != "eu-central-1") {
			t.Errorf("widget %+v", w)
		}
	}
	for _, id := range d.ofType("AWS::CloudWatch::Alarm") {
		if !slices.Contains(body.Widgets[0].Properties.Alarms, "<"+id+".Arn>") {
			t.Errorf("%s is not shown", id)
		}
	}
	for _, metric := range []string{"Accepted", "Stored", "Rejected", "Late", "Orphan", "Failed", "Bytes",
		"SecondsToVerdict", "Reenqueued", "NeverArrived", "Lost", "PendingTooLong", "UnfinishedTooLong", "OrphanObjects",
		"LostRecords", "Redriven"} {
		if !strings.Contains(text, `"`+metric+`"`) {
			t.Errorf("%s is not shown", metric)
		}
	}
}

func TestEachLogIsItsFunctionsOwnAndEnds(t *testing.T) {
	d := deploy(t, "LogDays=7")
	names := map[any]bool{}
	for function, group := range map[string]string{"ApiFunction": "ApiLogs", "ValidatorFunction": "ValidatorLogs",
		"ReconcilerFunction": "ReconcilerLogs"} {
		name := d.properties(group)["LogGroupName"]
		// The level of Lambda's own lines can only be chosen with the format JSON.
		want := map[string]any{"LogGroup": name, "LogFormat": "JSON", "SystemLogLevel": "WARN"}
		if got := d.properties(function)["LoggingConfig"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s logs with %v, want %v", function, got, want)
		}
		names[name] = true
	}
	names[d.properties("AccessLogs")["LogGroupName"]] = true
	groups := d.ofType("AWS::Logs::LogGroup")
	if len(names) != 4 || len(groups) != 4 {
		t.Errorf("groups %v, names %v", groups, names)
	}
	for _, group := range groups {
		if d.properties(group)["RetentionInDays"] != "7" {
			t.Errorf("%s is kept for %v days", group, d.properties(group)["RetentionInDays"])
		}
	}
}

func TestTheOutputsAreWhatAPersonNeedsNext(t *testing.T) {
	d := deploy(t)
	want := map[string]string{
		"ApiUrl":                  "<HttpApi.ApiEndpoint>",
		"FirstCall":               "curl <HttpApi.ApiEndpoint>/ping",
		"FirstUpload":             `curl -H "Authorization: Bearer $TOKEN" -F file=@cat.png "<HttpApi.ApiEndpoint>/files/demo/entries/1/images?image_name=cat.png"`,
		"DomainTarget":            "<Domain.RegionalDomainName>",
		"ApiFunctionArn":          "<ApiFunction.Arn>",
		"Bucket":                  strings.TrimPrefix(bucketArn, "arn:aws:s3:::"),
		"Table":                   "<RecordsTable>",
		"QueueUrl":                "prod-uploads", // Ref is its URL
		"DeadLetterQueueUrl":      "<DeadLetterQueue>",
		"FirstLook":               "AWS_REGION=eu-central-1 hatchery dlq ls --stack prod",
		"ValidatorMapping":        "<ValidatorFunctionArrived>",
		"OperatorLooksPolicy":     "<OperatorLooks>",
		"OperatorActsPolicy":      "<OperatorActs>",
		"OperatorRechecksPolicy":  "<OperatorRechecks>",
		"OperatorSeesFilesPolicy": "<OperatorSeesFiles>",
		"OperatorDiagnosesPolicy": "<OperatorDiagnoses>",
		"TemplateVersion":         doctor.TemplateVersion,
		"AlarmTopicArn":           "<AlarmTopic>",
		"DashboardUrl":            "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#dashboards/dashboard/<Dashboard>",
	}
	d.wantOutputs(want)
}

// wantOutputs holds all outputs of a stack against what they resolve to; each says what it is.
func (d deployment) wantOutputs(want map[string]string) {
	d.t.Helper()
	for name, output := range d.Outputs {
		if got := d.resolve(output.Value); got != want[name] || output.Description == "" {
			d.t.Errorf("%s is %v, want %s", name, got, want[name])
		}
	}
	if len(d.Outputs) != len(want) {
		d.t.Errorf("%d outputs, want %d", len(d.Outputs), len(want))
	}
}
