package doctor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"hatchery/shared/access"
)

// version compares the stack's template with the one that this program was made with.
func (s *Stack) version(context.Context) ([]Finding, error) {
	have, _ := strconv.Atoi(s.Version) // 0: of a time when the template told none
	want, _ := strconv.Atoi(TemplateVersion)
	switch {
	case have < want:
		return []Finding{wrong(fmt.Sprintf("the stack's template is of version %s, and this program goes with %s",
			cmp.Or(s.Version, "0"), TemplateVersion),
			"The stack may lack an output, a right or a setting that the commands of this program rely on.",
			"sam build && sam deploy")}, nil
	case have > want:
		return []Finding{wrong(fmt.Sprintf("the stack's template is of version %s, and this program goes with %s",
			s.Version, TemplateVersion),
			"This program is older than the stack, and may misread what newer functions keep.",
			"git pull && go install ./cmd/hatchery")}, nil
	}
	return nil, nil
}

// A stranger's question: no application knows the token, the journal or the entry.
const (
	stranger = "Bearer hatchery-doctor-is-a-stranger"
	nowhere  = "00000000-0000-4000-8000-000000000000"
)

// application asks as a caller whom nobody knows.
func (s *Stack) application(ctx context.Context) ([]Finding, error) {
	const openly, deploy = "callers who should be let in are answered 503",
		"sam deploy --parameter-overrides ApplicationUrl=<URL>"
	if s.ApplicationURL == "" || strings.HasSuffix(strings.TrimRight(s.ApplicationURL, "/"), "://application.invalid") {
		return []Finding{wrong("ApplicationUrl names no application", "Until it does, every caller is answered 503.",
			deploy)}, nil
	}
	app, err := access.New(s.ApplicationURL, nil)
	if err != nil {
		found := []Finding{wrong("ApplicationUrl cannot be used: "+err.Error(), "The API does not start.", deploy)}
		return found, nil //nolint:nilerr // the fault is what was found
	}
	answer := app.Authorize(ctx, stranger, nowhere, nowhere)
	if answer == nil {
		return []Finding{wrong(s.ApplicationURL+" answers 200 to a stranger",
			"Anybody may read, add and delete files: only the application's answer keeps callers out, and 200 lets them in. "+
				"It has to refuse a token that it does not know, and an entry that is not there.",
			fmt.Sprintf("curl -i -H 'Authorization: %s' %s/journals/%s/entries/%s", stranger,
				strings.TrimRight(s.ApplicationURL, "/"), nowhere, nowhere))}, nil
	}
	denied, ok := errors.AsType[*access.Denied](answer)
	switch {
	case !ok || denied.Answered == 0:
		// The functions may reach what this machine does not.
		return nil, fmt.Errorf("ask %s as a stranger: %w", s.ApplicationURL, answer)
	case denied.Answered >= 300 && denied.Answered < 400:
		return []Finding{wrong(fmt.Sprintf("%s answers with a redirect (%d)", s.ApplicationURL, denied.Answered),
			"A redirect is not followed, because the caller's token would go with it: "+openly+". Name the URL to which it "+
				"leads, or let the application answer 401 where it sends people to log in.", deploy)}, nil
	case denied.Status != http.StatusServiceUnavailable || s.Spire && denied.Answered == http.StatusInternalServerError:
		return nil, nil
	}
	return []Finding{wrong(fmt.Sprintf("%s answers %d to a stranger", s.ApplicationURL, denied.Answered),
		"Only 200, 401, 403, 404, 429 and other 4xx are answers; with this one callers are answered 503, and ask again.",
		fmt.Sprintf("curl -i -H 'Authorization: %s' %s/journals/%s/entries/%s", stranger,
			strings.TrimRight(s.ApplicationURL, "/"), nowhere, nowhere))}, nil
}

// alarms: an e-mail address that did not confirm is sent nothing, and is forgotten after a while.
func (s *Stack) alarms(ctx context.Context) ([]Finding, error) {
	all, err := s.subscriptions(ctx)
	if err != nil {
		return nil, failed("sns:ListSubscriptionsByTopic", "the topic "+s.AlarmTopic, err)
	}
	subscribe := func(email string) string {
		return s.aws("sns subscribe --topic-arn " + s.AlarmTopic + " --protocol email --notification-endpoint " + email)
	}
	var found []Finding
	const why = "No alarm reaches it until somebody opens the link in the mail with the subject \"AWS Notification - " +
		"Subscription Confirmation\". The command sends another."
	heard, told := 0, s.AlarmEmail == ""
	for _, sub := range all {
		told = told || sub.Endpoint == s.AlarmEmail
		switch sub.ARN {
		case "PendingConfirmation":
			found = append(found, wrong(sub.Endpoint+" has not confirmed its subscription to alarms", why,
				subscribe(sub.Endpoint)))
		case "Deleted":
		default:
			heard++
		}
	}
	switch {
	case !told: // SNS forgets after some days who did not confirm
		found = append(found, wrong("AlarmEmail, "+s.AlarmEmail+", is not subscribed to alarms", why,
			subscribe(s.AlarmEmail)))
	case heard == 0 && len(found) == 0:
		found = append(found, wrong("nobody is subscribed to alarms",
			"What goes wrong is seen only by whoever looks. Deploy with AlarmEmail, or subscribe.", subscribe("<ADDRESS>")))
	}
	return found, nil
}

// subscription is one of a topic, as SNS tells of it.
type subscription struct {
	ARN      string `xml:"SubscriptionArn"` // PendingConfirmation: not confirmed
	Endpoint string
}

// maxSubscriptions bounds SNS's answer, in bytes: a page has 100 subscriptions.
const maxSubscriptions = 1 << 20

// subscriptions asks SNS for the first page. One call, signed here, needs no further client of the SDK.
func (s *Stack) subscriptions(ctx context.Context) ([]subscription, error) {
	req, err := s.signedToSNS(ctx, url.Values{"Action": {"ListSubscriptionsByTopic"}, "Version": {"2010-03-31"},
		"TopicArn": {s.AlarmTopic}}.Encode())
	if err != nil {
		return nil, err
	}
	resp, err := s.HTTP.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask SNS: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxSubscriptions))
	if err != nil {
		return nil, fmt.Errorf("read SNS's answer: %w", err)
	}
	var answer struct {
		Subscriptions []subscription `xml:"ListSubscriptionsByTopicResult>Subscriptions>member"`
		Code          string         `xml:"Error>Code"`
		Message       string         `xml:"Error>Message"`
	}
	err = xml.Unmarshal(text, &answer)
	switch {
	case resp.StatusCode != http.StatusOK && answer.Code != "":
		return nil, &smithy.GenericAPIError{Code: answer.Code, Message: answer.Message}
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("SNS answered %d", resp.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("read SNS's answer: %w", err)
	}
	return answer.Subscriptions, nil
}

func (s *Stack) signedToSNS(ctx context.Context, form string) (*http.Request, error) {
	region := s.AWS.Region
	endpoint := "https://sns." + region + ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		endpoint += ".cn"
	}
	if s.AWS.BaseEndpoint != nil {
		endpoint = strings.TrimRight(aws.ToString(s.AWS.BaseEndpoint), "/")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/", bytes.NewReader([]byte(form)))
	if err != nil {
		return nil, fmt.Errorf("ask SNS: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	who, err := s.AWS.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("sign for SNS: %w", err)
	}
	hash := sha256.Sum256([]byte(form))
	if err := v4.NewSigner().SignHTTP(ctx, who, req, hex.EncodeToString(hash[:]), "sns", region, s.Now()); err != nil {
		return nil, fmt.Errorf("sign for SNS: %w", err)
	}
	return req, nil
}
