package doctor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/doctor"
)

const (
	queueARN = "arn:aws:sqs:eu-central-1:111122223333:ours-uploads"
	deadARN  = "arn:aws:sqs:eu-central-1:111122223333:ours-dead"
	topic    = "arn:aws:sns:eu-central-1:111122223333:ours-alarms"
	function = "arn:aws:lambda:eu-central-1:111122223333:function:ours-validator"
	mapping  = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"
	unseen   = "attach the policy"
	again    = "hatchery doctor --stack ours"
)

// account is what AWS tells of a healthy stack, to be changed by a test.
type account struct {
	source, dead                   map[string]string // attributes of the queues
	notification, versioning, cors string            // XML
	mapping, function, settings    map[string]any    // JSON
	subscriptions                  string            // XML
	form                           int               // the status of the form's URL
	ahead                          time.Duration     // of AWS's clock
	application                    http.HandlerFunc
	// refuses has an answer in the place of another: by what is asked for, status and code.
	refuses map[string]refusal
	url     string
}

type refusal struct {
	status int
	code   string
}

func healthy() *account {
	return &account{
		source: map[string]string{"QueueArn": queueARN, "VisibilityTimeout": "361", "MessageRetentionPeriod": "345600",
			"SqsManagedSseEnabled": "true",
			"RedrivePolicy":        `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":6}`},
		dead: map[string]string{"QueueArn": deadARN, "MessageRetentionPeriod": "1209600", "ApproximateNumberOfMessages": "0",
			"ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0"},
		notification: notification(queueARN, "s3:ObjectCreated:*", "prefix", "quarantine/"),
		versioning:   "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
		cors:         corsOf("POST GET HEAD", "https://notes.example.com", "https://*.example.org"),
		mapping: map[string]any{"UUID": mapping, "State": "Enabled", "FunctionArn": function,
			"MaximumBatchingWindowInSeconds": 1, "ScalingConfig": map[string]any{"MaximumConcurrency": 10}},
		function:      map[string]any{"Timeout": 60},
		settings:      quota(1000, 1000),
		subscriptions: subscribed("ops@example.com", topic+":1"),
		form:          http.StatusForbidden,
		application:   status(http.StatusUnauthorized),
		refuses:       map[string]refusal{},
	}
}

func quota(all, unreserved int) map[string]any {
	return map[string]any{"AccountLimit": map[string]any{"ConcurrentExecutions": all,
		"UnreservedConcurrentExecutions": unreserved}}
}

func notification(queue, event, rule, value string) string {
	return fmt.Sprintf("<NotificationConfiguration><QueueConfiguration><Queue>%s</Queue><Event>%s</Event><Filter><S3Key>"+
		"<FilterRule><Name>%s</Name><Value>%s</Value></FilterRule></S3Key></Filter></QueueConfiguration>"+
		"</NotificationConfiguration>", queue, event, rule, value)
}

func corsOf(methods string, origins ...string) string {
	rule := ""
	for _, o := range origins {
		rule += "<AllowedOrigin>" + o + "</AllowedOrigin>"
	}
	for method := range strings.FieldsSeq(methods) {
		rule += "<AllowedMethod>" + method + "</AllowedMethod>"
	}
	return "<CORSConfiguration><CORSRule>" + rule + "</CORSRule></CORSConfiguration>"
}

func subscribed(endpoint, arn string) string {
	return "<member><Endpoint>" + endpoint + "</Endpoint><SubscriptionArn>" + arn + "</SubscriptionArn></member>"
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// ServeHTTP answers as the services of AWS, and the application, do. It takes nothing that changes something.
func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(a.ahead).UTC().Format(http.TimeFormat))
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	var asked, answer string
	asJSON := func(v any) string {
		text, _ := json.Marshal(v)
		return string(text)
	}
	switch query := r.URL.Query(); {
	case strings.HasPrefix(r.URL.Path, "/app/"):
		a.application(w, r)
		return
	case r.Method == http.MethodHead:
		w.Header().Set("Location", "/elsewhere") // where whoever followed would be sent on for ever
		w.WriteHeader(a.form)
		return
	case r.Header.Get("X-Amz-Target") == "AmazonSQS.GetQueueAttributes":
		asked = "sqs"
		if answer = asJSON(map[string]any{"Attributes": a.source}); strings.Contains(string(body), "ours-dead") {
			asked, answer = "dead", asJSON(map[string]any{"Attributes": a.dead})
		}
	case r.Method == http.MethodGet && query.Has("notification"):
		asked, answer = "notification", a.notification
	case r.Method == http.MethodGet && query.Has("versioning"):
		asked, answer = "versioning", a.versioning
	case r.Method == http.MethodGet && query.Has("cors"):
		asked, answer = "cors", a.cors
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/event-source-mappings/"+mapping):
		asked, answer = "mapping", asJSON(a.mapping)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/configuration"):
		asked, answer = "function", asJSON(a.function)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/account-settings"):
		asked, answer = "settings", asJSON(a.settings)
	case strings.Contains(string(body), "Action=ListSubscriptionsByTopic") &&
		strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/sns/aws4_request"):
		asked, answer = "sns", "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>"+
			a.subscriptions+"</Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
	default:
		http.Error(w, "nobody should ask for "+r.Method+" "+r.URL.String(), http.StatusTeapot)
		return
	}
	refused, is := a.refuses[asked]
	switch {
	case !is:
	case asked == "sns":
		w.WriteHeader(refused.status)
		answer = "<ErrorResponse><Error><Code>" + refused.code + "</Code><Message>no</Message></Error></ErrorResponse>"
	case strings.HasPrefix(answer, "<"):
		w.WriteHeader(refused.status)
		answer = "<Error><Code>" + refused.code + "</Code><Message>no</Message></Error>"
	default:
		w.Header().Set("X-Amzn-Errortype", refused.code)
		w.WriteHeader(refused.status)
		answer = asJSON(map[string]string{"__type": refused.code, "message": "no"})
	}
	_, _ = io.WriteString(w, answer)
}

// stack is one of that account.
func (a *account) stack(t *testing.T) *doctor.Stack {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.url = server.URL
	cloud := aws.Config{Region: "eu-central-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	return &doctor.Stack{Version: doctor.TemplateVersion, Bucket: "ours-bucket", QuarantinePrefix: "quarantine/",
		QueueURL: server.URL + "/111122223333/ours-uploads", DeadLetterURL: server.URL + "/111122223333/ours-dead",
		MaxReceives: 6, Mapping: mapping, ApplicationURL: server.URL + "/app",
		Origins:    []string{"https://notes.example.com", "https://a.example.org"},
		AlarmTopic: topic, AlarmEmail: "ops@example.com", AWS: cloud,
		S3:  s3.NewFromConfig(cloud, func(o *s3.Options) { o.UsePathStyle = true }),
		SQS: sqs.NewFromConfig(cloud), Lambda: lambda.NewFromConfig(cloud), HTTP: &http.Transport{DisableKeepAlives: true},
		Hatchery: func(command string) string { return "hatchery " + command + " --stack ours" }, Now: time.Now}
}

// notOK are the findings that are about something.
func notOK(all []doctor.Finding) []doctor.Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f doctor.Finding) bool { return f.Result == doctor.OK })
}

func TestAHealthyStackHasNoFinding(t *testing.T) {
	s := healthy().stack(t)
	all := doctor.Run(t.Context(), s.Checks(), unseen, again)
	if found := notOK(all); len(found) > 0 || len(all) != len(s.Checks()) {
		t.Errorf("of %d checks are %d results, among them %+v", len(s.Checks()), len(all), found)
	}
	for i, c := range s.Checks() {
		if all[i].Check != c.Name || all[i].What != c.Holds {
			t.Errorf("check %d is %+v, want %s", i, all[i], c.Name)
		}
	}
}

// TestEachFaultIsFoundByItsCheckAlone plants one fault after another.
func TestEachFaultIsFoundByItsCheckAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		plant func(*account, *doctor.Stack)
		check string
		what  string // a part of it
		typed string // a part of it
	}{
		{"a stack of an earlier template", func(_ *account, s *doctor.Stack) { s.Version = "" }, "version",
			"is of version 0, and this program goes with 1", "sam build && sam deploy"},
		{"a stack of a later template", func(_ *account, s *doctor.Stack) { s.Version = "99" }, "version",
			"is of version 99", "go install"},
		{"no notification", func(a *account, _ *doctor.Stack) {
			a.notification = "<NotificationConfiguration></NotificationConfiguration>"
		}, "notification", "the bucket ours-bucket notifies no queue",
			`put-bucket-notification-configuration --bucket ours-bucket --notification-configuration '{"QueueConfigurations":[{"Events":["s3:ObjectCreated:*"],"Filter":{"Key":{"FilterRules":[{"Name":"prefix","Value":"quarantine/"}]}},"QueueArn":"` + queueARN + `"}]}' --region eu-central-1`},
		{"another queue is notified", func(a *account, _ *doctor.Stack) {
			a.notification = notification(deadARN, "s3:ObjectCreated:*", "prefix", "quarantine/")
		}, "notification", "notifies another queue than " + queueARN, "put-bucket-notification"},
		{"another prefix is notified of", func(a *account, _ *doctor.Stack) {
			a.notification = notification(queueARN, "s3:ObjectCreated:*", "Prefix", "files/")
		}, "notification", "of prefix files/, and not exactly of what is below quarantine/", "put-bucket-notification"},
		{"every key is notified of", func(a *account, _ *doctor.Stack) {
			a.notification = strings.Replace(notification(queueARN, "s3:ObjectCreated:*", "", ""),
				"<FilterRule><Name></Name><Value></Value></FilterRule>", "", 1)
		}, "notification", "of every key", "put-bucket-notification"},
		{"a suffix is notified of", func(a *account, _ *doctor.Stack) {
			a.notification = notification(queueARN, "s3:ObjectCreated:*", "suffix", ".png")
		}, "notification", "of suffix .png", "put-bucket-notification"},
		{"a prefix and a suffix are notified of", func(a *account, _ *doctor.Stack) {
			a.notification = strings.Replace(a.notification, "<FilterRule>",
				"<FilterRule><Name>suffix</Name><Value>.png</Value></FilterRule><FilterRule>", 1)
		}, "notification", "of suffix .png, prefix quarantine/", "put-bucket-notification"},
		{"forms are not notified of", func(a *account, _ *doctor.Stack) {
			a.notification = notification(queueARN, "s3:ObjectCreated:Put", "prefix", "quarantine/")
		}, "notification", "[s3:ObjectCreated:Put] alone", "put-bucket-notification"},
		{"only forms are notified of", func(a *account, _ *doctor.Stack) {
			a.notification = notification(queueARN, "s3:ObjectCreated:Post", "prefix", "quarantine/")
		}, "notification", "[s3:ObjectCreated:Post] alone", "put-bucket-notification"},
		{"a key that AWS manages", func(a *account, _ *doctor.Stack) { a.source["KmsMasterKeyId"] = "alias/aws/sqs" },
			"encryption", "under alias/aws/sqs", `--attributes '{"KmsMasterKeyId":"","SqsManagedSseEnabled":"true"}'`},
		{"a key of one's own", func(a *account, _ *doctor.Stack) { a.source["KmsMasterKeyId"] = "alias/ours" },
			"encryption", "under alias/ours", `--attributes '{"KmsMasterKeyId":"","SqsManagedSseEnabled":"true"}'`},
		{"no redrive policy", func(a *account, _ *doctor.Stack) { delete(a.source, "RedrivePolicy") },
			"redrive", "no redrive policy", `"{\"deadLetterTargetArn\":\"` + deadARN + `\",\"maxReceiveCount\":\"6\"}"`},
		{"a redrive policy that cannot be read", func(a *account, _ *doctor.Stack) { a.source["RedrivePolicy"] = "{" },
			"redrive", "no redrive policy", "set-queue-attributes"},
		{"other dead letters", func(a *account, _ *doctor.Stack) {
			a.source["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:other","maxReceiveCount":"6"}`
		}, "redrive", "gives dead letters to arn:other", deadARN},
		{"too few receptions", func(a *account, s *doctor.Stack) {
			a.source["RedrivePolicy"] = `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"1"}`
			s.MaxReceives = 1
		}, "redrive", "after 1 reception", `\"maxReceiveCount\":\"5\"`},
		{"other receptions than the functions count with", func(a *account, _ *doctor.Stack) {
			a.source["RedrivePolicy"] = `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"7"}`
		}, "redrive", "after 7 receptions, and the functions count on 6", `\"maxReceiveCount\":\"6\"`},
		{"dead letters are kept too short", func(a *account, _ *doctor.Stack) {
			a.dead["MessageRetentionPeriod"] = "432000"
		}, "redrive", "dead letters are kept for", "MessageRetentionPeriod=1209600"},
		{"messages are kept for as long as dead letters", func(a *account, _ *doctor.Stack) {
			a.source["MessageRetentionPeriod"] = "1209600"
		}, "redrive", "dead letters are kept for", "MessageRetentionPeriod="},
		{"visible too early", func(a *account, _ *doctor.Stack) { a.source["VisibilityTimeout"] = "360" },
			"visibility", "for 360 s, and the validator's time-out is 60 s", "VisibilityTimeout=361"},
		{"a longer time-out", func(a *account, _ *doctor.Stack) { a.function["Timeout"] = 61 },
			"visibility", "for 361 s, and the validator's time-out is 61 s", "VisibilityTimeout=367"},
		{"paused", func(a *account, _ *doctor.Stack) { a.mapping["State"] = "Disabled" },
			"mapping", mapping + " is Disabled", "hatchery dlq resume --stack ours"},
		{"versioning suspended", func(a *account, _ *doctor.Stack) {
			a.versioning = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
		}, "versioning", "is suspended", "--versioning-configuration Status=Enabled"},
		{"versioning off", func(a *account, _ *doctor.Stack) { a.versioning = "<VersioningConfiguration/>" },
			"versioning", "is off", "--versioning-configuration Status=Enabled"},
		{"CORS off", func(a *account, _ *doctor.Stack) {
			a.refuses["cors"] = refusal{http.StatusNotFound, "NoSuchCORSConfiguration"}
		}, "cors", "CORS of the bucket ours-bucket is off", `"AllowedOrigins":["https://notes.example.com","https://a.example.org"]`},
		{"an origin is lacking", func(a *account, _ *doctor.Stack) {
			a.cors = corsOf("POST GET", "https://notes.example.com", "https://example.org")
		}, "cors", "no page of https://a.example.org ", "put-bucket-cors"},
		{"posting is lacking", func(a *account, _ *doctor.Stack) { a.cors = corsOf("GET", "*") },
			"cors", "no page of https://notes.example.com, https://a.example.org", "put-bucket-cors"},
		{"a form that redirects", func(a *account, _ *doctor.Stack) { a.form = http.StatusTemporaryRedirect },
			"form", "/ours-bucket answers with a redirect (307)", "hatchery doctor --stack ours"},
		{"a clock behind", func(a *account, _ *doctor.Stack) { a.ahead = 90 * time.Second },
			"clock", "behind AWS's", "timedatectl"},
		{"a clock ahead", func(a *account, _ *doctor.Stack) { a.ahead = -90 * time.Second },
			"clock", "ahead of AWS's", "timedatectl"},
		{"an open application", func(a *account, _ *doctor.Stack) { a.application = status(http.StatusOK) },
			"application", "answers 200 to a stranger", "curl -i -H 'Authorization: Bearer hatchery-doctor-is-a-stranger' "},
		{"an application that redirects", func(a *account, _ *doctor.Stack) { a.application = status(http.StatusFound) },
			"application", "answers with a redirect (302)", "ApplicationUrl=<URL>"},
		{"an application that fails", func(a *account, _ *doctor.Stack) { a.application = status(http.StatusBadGateway) },
			"application", "answers 502 to a stranger", "curl"},
		{"an application that fails for a stranger", func(a *account, _ *doctor.Stack) {
			a.application = status(http.StatusInternalServerError)
		}, "application", "answers 500 to a stranger", "curl"},
		{"no application", func(_ *account, s *doctor.Stack) { s.ApplicationURL = "https://application.invalid" },
			"application", "names no application", "ApplicationUrl=<URL>"},
		{"an application in the clear", func(_ *account, s *doctor.Stack) { s.ApplicationURL = "http://example.com" },
			"application", "ApplicationUrl cannot be used", "ApplicationUrl=<URL>"},
		{"a young account", func(a *account, _ *doctor.Stack) { a.settings = quota(10, 10) },
			"quota", "may run 10 functions at once, 10 of them unreserved, and up to 10 validators", "service-quotas"},
		{"reserved by others", func(a *account, _ *doctor.Stack) { a.settings = quota(1000, 11) },
			"quota", "11 of them unreserved", "service-quotas"},
		{"unbounded validators", func(a *account, _ *doctor.Stack) { delete(a.mapping, "ScalingConfig") },
			"quota", "no maximum concurrency", "MaximumConcurrency=10"},
		{"dead letters", func(a *account, _ *doctor.Stack) { a.dead["ApproximateNumberOfMessages"] = "2" },
			"dead letters", "2 dead letters waiting", "hatchery dlq ls --stack ours"},
		{"a dead letter in somebody's hands", func(a *account, _ *doctor.Stack) {
			a.dead["ApproximateNumberOfMessagesNotVisible"] = "1"
		}, "dead letters", "1 dead letter waiting", "hatchery dlq ls"},
		{"an e-mail unconfirmed", func(a *account, _ *doctor.Stack) {
			a.subscriptions = subscribed("ops@example.com", "PendingConfirmation")
		}, "alarms", "ops@example.com has not confirmed", "sns subscribe --topic-arn " + topic +
			" --protocol email --notification-endpoint ops@example.com --region eu-central-1"},
		{"another e-mail unconfirmed", func(a *account, _ *doctor.Stack) {
			a.subscriptions += subscribed("more@example.com", "PendingConfirmation")
		}, "alarms", "more@example.com has not confirmed", "more@example.com"},
		{"an e-mail forgotten", func(a *account, _ *doctor.Stack) { a.subscriptions = subscribed("x", topic+":2") },
			"alarms", "AlarmEmail, ops@example.com, is not subscribed", "ops@example.com"},
		{"nobody hears", func(a *account, s *doctor.Stack) {
			a.subscriptions, s.AlarmEmail = subscribed("x@example.com", "Deleted"), ""
		}, "alarms", "nobody is subscribed", "<ADDRESS>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := healthy()
			s := a.stack(t)
			c.plant(a, s)
			found := notOK(doctor.Run(t.Context(), s.Checks(), unseen, again))
			if len(found) != 1 || found[0].Check != c.check || found[0].Result != doctor.Wrong ||
				!strings.Contains(found[0].What, c.what) || !strings.Contains(found[0].Type, c.typed) || found[0].Why == "" {
				t.Errorf("found %+v\nwant %s: …%s…, type …%s…", found, c.check, c.what, c.typed)
			}
		})
	}
}

func TestWhatIsMeantToBeSoIsNoFault(t *testing.T) {
	for name, plant := range map[string]func(*account, *doctor.Stack){
		"no page is to use the bucket": func(a *account, s *doctor.Stack) {
			s.Origins = nil
			a.refuses["cors"] = refusal{http.StatusForbidden, "AccessDenied"} // nobody asks
		},
		"any page may": func(a *account, s *doctor.Stack) { s.Origins, a.cors = []string{"*"}, corsOf("GET POST", "*") },
		"put and post alone are notified of": func(a *account, _ *doctor.Stack) {
			a.notification = strings.Replace(a.notification, "<Event>s3:ObjectCreated:*</Event>",
				"<Event>s3:ObjectCreated:Put</Event><Event>s3:ObjectCreated:Post</Event>", 1)
		},
		"Bugout's application answers 500 for a bad token": func(a *account, s *doctor.Stack) {
			s.Spire, a.application = true, status(http.StatusInternalServerError)
		},
		"the application knows no such entry": func(a *account, _ *doctor.Stack) {
			a.application = status(http.StatusNotFound)
		},
		"API functions are reserved": func(a *account, s *doctor.Stack) { s.ApiConcurrency, a.settings = 5, quota(16, 11) },
		"somebody else hears":        func(a *account, s *doctor.Stack) { s.AlarmEmail = "" },
	} {
		a := healthy()
		s := a.stack(t)
		plant(a, s)
		if found := notOK(doctor.Run(t.Context(), s.Checks(), unseen, again)); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestTheApplicationIsAskedAsAStranger: by GET, and with nothing that is anybody's.
func TestTheApplicationIsAskedAsAStranger(t *testing.T) {
	a := healthy()
	var asked []string
	a.application = func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		http.Redirect(w, r, "/app/elsewhere", http.StatusFound)
	}
	s := a.stack(t)
	doctor.Run(t.Context(), s.Checks(), unseen, again)
	const nowhere = "00000000-0000-4000-8000-000000000000"
	want := []string{"GET /app/journals/" + nowhere + "/entries/" + nowhere + " Bearer hatchery-doctor-is-a-stranger"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

// TestWhatMayNotBeLookedAtIsSaid: a missing right is never a check that passed.
func TestWhatMayNotBeLookedAtIsSaid(t *testing.T) {
	for asked, c := range map[string]struct {
		code, right string
		checks      []string
	}{
		"notification": {"AccessDenied", "s3:GetBucketNotification on the bucket ours-bucket", []string{"notification"}},
		"versioning":   {"AccessDenied", "s3:GetBucketVersioning on the bucket ours-bucket", []string{"versioning"}},
		"cors":         {"AccessDenied", "s3:GetBucketCORS on the bucket ours-bucket", []string{"cors"}},
		"sqs": {"AccessDeniedException", "sqs:GetQueueAttributes on the queue ",
			[]string{"notification", "encryption", "redrive", "visibility", "clock"}},
		"dead":     {"AccessDenied", "sqs:GetQueueAttributes on the queue ", []string{"redrive", "dead letters"}},
		"mapping":  {"AccessDeniedException", "lambda:GetEventSourceMapping on ", []string{"visibility", "mapping", "quota"}},
		"function": {"AccessDeniedException", "lambda:GetFunctionConfiguration on the function " + function, []string{"visibility"}},
		"settings": {"AccessDeniedException", "lambda:GetAccountSettings on *", []string{"quota"}},
		"sns":      {"AuthorizationError", "sns:ListSubscriptionsByTopic on the topic " + topic, []string{"alarms"}},
	} {
		a := healthy()
		a.refuses[asked] = refusal{http.StatusForbidden, c.code}
		var checks []string
		for _, found := range notOK(doctor.Run(t.Context(), a.stack(t).Checks(), unseen, again)) {
			checks = append(checks, found.Check)
			if found.Result != doctor.Unseen || !strings.Contains(found.What, "the caller needs the right to "+c.right) ||
				found.Type != unseen {
				t.Errorf("%s: %+v", asked, found)
			}
		}
		if !slices.Equal(checks, c.checks) {
			t.Errorf("without %s could not look for %q, want %q", asked, checks, c.checks)
		}
	}
}

// TestWhatIsGoneAndWhatFailsAreToldApart: the one needs a person, the other a second try.
func TestWhatIsGoneAndWhatFailsAreToldApart(t *testing.T) {
	type want struct {
		result doctor.Result
		what   string
		typed  string
	}
	gone, failed := want{doctor.Wrong, "is not there", "sam deploy"}, want{doctor.Failed, "could not look: ", again}
	for asked, cases := range map[string]map[refusal]want{
		"versioning": {{http.StatusNotFound, "NoSuchBucket"}: gone, {http.StatusServiceUnavailable, "SlowDown"}: failed},
		"dead": {{http.StatusBadRequest, "AWS.SimpleQueueService.NonExistentQueue"}: gone,
			{http.StatusBadRequest, "RequestThrottled"}: failed},
		"function": {{http.StatusNotFound, "ResourceNotFoundException"}: gone,
			{http.StatusInternalServerError, "ServiceException"}: failed},
		"sns": {{http.StatusNotFound, "NotFound"}: gone, {http.StatusInternalServerError, "InternalError"}: failed},
	} {
		for refused, want := range cases {
			a := healthy()
			a.refuses[asked] = refused
			found := notOK(doctor.Run(t.Context(), a.stack(t).Checks(), unseen, again))
			if len(found) == 0 {
				t.Errorf("%s %v: nothing found", asked, refused)
			}
			for _, f := range found {
				if f.Result != want.result || !strings.Contains(f.What, want.what) || !strings.Contains(f.Type, want.typed) {
					t.Errorf("%s %v: %+v, want %+v", asked, refused, f, want)
				}
			}
		}
	}
}

// TestAnApplicationThatIsNotReachedIsNoRefusal: functions may reach what this machine does not.
func TestAnApplicationThatIsNotReachedIsNoRefusal(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	s := healthy().stack(t)
	s.ApplicationURL = closed.URL
	found := notOK(doctor.Run(t.Context(), s.Checks(), unseen, again))
	if len(found) != 1 || found[0].Result != doctor.Failed || !strings.Contains(found[0].What, "refused the connection") {
		t.Errorf("found %+v", found)
	}
}

// healthyDev is one that runs.
func healthyDev(t *testing.T, a *account) *doctor.Dev {
	s := a.stack(t)
	s.Restart = "hatchery dev"
	return &doctor.Dev{Stack: s, Free: func() (int64, error) { return 10 << 30, nil }, Start: "hatchery dev",
		Hatchery: func(command string) string { return "hatchery " + command }}
}

func TestEachFaultOfADevIsFound(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		plant func(*account, *doctor.Dev)
		want  map[string]doctor.Result
		typed string
	}{
		"nothing": {func(*account, *doctor.Dev) {}, nil, ""},
		"it does not run": {func(_ *account, d *doctor.Dev) {
			d.NotRunning, d.Stack = errors.New("not running"), nil
			d.Ports = []doctor.Port{{Flag: "--listen", Address: "127.0.0.1:0"}}
		}, map[string]doctor.Result{"running": doctor.Wrong}, "hatchery dev"},
		"a port is taken": {func(_ *account, d *doctor.Dev) {
			d.Ports = []doctor.Port{{Flag: "--s3-listen", Address: taken.Addr().String()}}
		}, map[string]doctor.Result{"ports": doctor.Wrong}, "hatchery dev --s3-listen <HOST:PORT>"},
		"the disk is full": {func(_ *account, d *doctor.Dev) {
			d.Free = func() (int64, error) { return 1<<30 - 1, nil }
		}, map[string]doctor.Result{"disk": doctor.Wrong}, "df -h ."},
		"the disk is not told of": {func(_ *account, d *doctor.Dev) {
			d.Free = func() (int64, error) { return 0, errors.ErrUnsupported }
		}, map[string]doctor.Result{"disk": doctor.Unseen}, "df -h ."},
		"the disk fails": {func(_ *account, d *doctor.Dev) {
			d.Free = func() (int64, error) { return 0, errors.New("broken") }
		}, map[string]doctor.Result{"disk": doctor.Failed}, again},
		"it is paused": {func(_ *account, d *doctor.Dev) { d.Paused = true },
			map[string]doctor.Result{"mapping": doctor.Wrong}, "hatchery dlq resume"},
		"it breaks something": {func(_ *account, d *doctor.Dev) { d.Broken = "s3:3" },
			map[string]doctor.Result{"broken": doctor.Wrong}, "hatchery mend"},
		"versioning is off": {func(a *account, _ *doctor.Dev) { a.versioning = "<VersioningConfiguration/>" },
			map[string]doctor.Result{"versioning": doctor.Wrong}, "hatchery dev"},
		"dead letters wait": {func(a *account, _ *doctor.Dev) { a.dead["ApproximateNumberOfMessages"] = "1" },
			map[string]doctor.Result{"dead letters": doctor.Wrong}, "hatchery dlq ls"},
		"its dead letters are kept too short": {func(a *account, _ *doctor.Dev) { a.dead["MessageRetentionPeriod"] = "60" },
			map[string]doctor.Result{"redrive": doctor.Wrong}, "hatchery dev"},
	} {
		a := healthy()
		d := healthyDev(t, a)
		c.plant(a, d)
		got := map[string]doctor.Result{}
		for _, f := range notOK(doctor.Run(t.Context(), d.Checks(), unseen, again)) {
			got[f.Check] = f.Result
			if !strings.HasPrefix(f.Type, c.typed) || c.typed == "" {
				t.Errorf("%s: type %q, want %q", name, f.Type, c.typed)
			}
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: found %v, want %v", name, got, c.want)
		}
	}
}
