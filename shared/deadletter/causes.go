package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// diagnosis makes one; text is what its group is named after.
func diagnosis(cause Cause, text, sentence string) Diagnosis {
	suggest := Redrive
	switch cause {
	case Lost:
		suggest = Reject
	case Obsolete, Poison, Foreign:
		suggest = Discard
	}
	return Diagnosis{Cause: cause, Group: groupOf(cause, text), Sentence: sentence, Suggest: suggest}
}

// Advice says what to do about a cause, in a few words: an action, and whether something has to be mended before it.
func Advice(cause Cause, suggest Action) string {
	if suggest == Redrive && !slices.Contains([]Cause{Checksum, Unfinished}, cause) {
		return "mend the cause, then redrive"
	}
	return string(suggest)
}

// foreign: no validator of this deployment can handle it.
func foreign(s standing) Diagnosis {
	if s.ourBucket {
		return diagnosis(Foreign, "a key that quarantine does not have", fmt.Sprintf("The key %s is none that quarantine "+
			"has: no upload of this deployment is meant. Mend who writes there, then discard it.", shown(string(s.Key))))
	}
	return diagnosis(Foreign, "another bucket", fmt.Sprintf("The message is about the bucket %s, not this deployment's. "+
		"Mend that bucket's notification, then discard it.", shown(s.Bucket)))
}

// stillToDo: the verdict stands, and something behind it is left.
func stillToDo(s standing, left string, why trouble) Diagnosis {
	sentence := fmt.Sprintf("The upload is %s, and %s. ", s.Status, left)
	if why.text == "" && why.ended {
		return diagnosis(Unfinished, left, sentence+"Redrive it: the validator does the rest, and nothing twice.")
	}
	because := byError(why)
	_, group, _ := strings.Cut(because.Group, ": ")
	return diagnosis(Unfinished, group, sentence+because.Sentence)
}

// compiled gives a regular expression that is compiled when it is first used. The functions link this package, and most
// of their starts never need one.
func compiled(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// What texts of our own code and of the SDK mean. They are looked for after the ids were taken out: an id
// may be any word.
var (
	deniedText = compiled(`not authorized to perform|AccessDenied|StatusCode: 40[13]\b|UnrecognizedClient|` +
		`ExpiredToken|refused by Bugout|not accepted by Bugout`)
	noTimeText = compiled(`not enough time is left before the deadline|` +
		`bytes still came when the time was over`)
	credentialsText = compiled(`UnrecognizedClient|ExpiredToken|InvalidAccessKeyId|SignatureDoesNotMatch|` +
		`InvalidClientTokenId`)
	unreachableTexts = []struct {
		found func() *regexp.Regexp
		did   string
	}{
		{compiled(`SlowDown|Throttl|ProvisionedThroughputExceeded|RequestLimitExceeded|TooManyRequests|` +
			`StatusCode: 429`), "throttled"},
		{compiled(`StatusCode: 5\d\d|InternalFailure|InternalException|InternalServerError|` +
			`the bus could not take it|answer of Bugout to \S+ \S+ … "`), "answered with a fault of its own"},
		{compiled(`connection refused|connection reset|no such host|network is unreachable|` +
			`no answer from Bugout`), "could not be reached"},
		{compiled(`deadline exceeded|[Tt]imeout|timed out|no byte moved|no time is left to try again`),
			"did not answer in time"},
		{compiled(`StatusCode: 0\b|request send failed|unexpected EOF|broken pipe|breaks off|` +
			`database is (?:closed|locked)|TransactionConflict`), "broke off its answer"},
	}
)

// itsLog is where the validator's log is.
const itsLog = "in AWS the log group /aws/lambda/STACK/validator, of hatchery dev what it prints"

// byError is the diagnosis of a pending upload by what its last reception failed of.
func byError(t trouble) Diagnosis {
	text := withoutIDs(t.text)
	switch {
	case !t.ended:
		return diagnosis(Crashed, "it never came to its end", "The validator began and never came to its end: it crashed, "+
			"or ran out of time or memory. Read its log of "+t.at.UTC().Format("2006-01-02 15:04 UTC")+" ("+itsLog+
			"), mend that, then redrive. If one file ends it each time, reject that upload.")
	case text == "":
		return diagnosis(Unknown, "nothing is known of why it failed", "Nothing was kept of why it failed. Read the "+
			"validator's log ("+itsLog+") for its message id, mend what it says, then redrive.")
	case strings.Contains(text, "the validation panicked"):
		return diagnosis(Crashed, t.text, fmt.Sprintf("The validator panicked: it is a fault in it (%s). Mend it and "+
			"deploy, then redrive.", cut(text, 300)))
	case noTimeText().MatchString(text):
		return diagnosis(NoTime, t.text, "The bytes did not come in the time that the function had left. Of a small file: "+
			"the bucket sends slowly; see that it answers as it should, then redrive. Of a large one: raise the function's "+
			"time-out or its memory, then redrive.")
	case strings.Contains(text, "the copy's SHA-256"):
		return diagnosis(Checksum, t.text, "The promoted copy's SHA-256 is not that of the bytes that were read. Redrive "+
			"it: they are read again. If it comes back, the copy itself is wrong: look at it before anything is removed.")
	case deniedText().MatchString(text):
		return diagnosis(Denied, t.text, deniedSentence(t.text))
	}
	for _, unreachable := range unreachableTexts {
		if unreachable.found().MatchString(text) {
			return diagnosis(Unreachable, t.text, fmt.Sprintf("%s %s. See that it answers again, then redrive.",
				whose(text), unreachable.did))
		}
	}
	return diagnosis(Unknown, t.text, fmt.Sprintf("It failed of something that is not known here: %s. Mend what it says, "+
		"then redrive.", cut(text, 300)))
}

// whose names the service that an error without ids is about.
func whose(text string) string {
	switch {
	case strings.Contains(text, "DynamoDB: "):
		return "The record store (DynamoDB)"
	case strings.Contains(text, "Bugout"):
		return "The record store (Bugout)"
	case strings.Contains(text, "EventBridge: ") || strings.Contains(text, "on the bus"):
		return "The event bus"
	case strings.Contains(text, "S3: ") || strings.Contains(text, "s3 ") || strings.Contains(text, "inspect object"):
		return "The bucket (S3)"
	case strings.Contains(text, "record"):
		return "The record store"
	}
	return "A store"
}

var (
	namedAction  = compiled(`not authorized to perform: ([\w:*]+)(?: on resource: "?([^\s"]+))?`)
	explicitDeny = compiled(`with an explicit deny in an? ([a-z -]+)`)
	operation    = compiled(`operation error (\w+): (\w+)`)
	objectKey    = compiled(`(?:object|copy|:) "([^"/]+/)`)
	tableName    = compiled(`table "([^"]+)"`)
	busName      = compiled(`on the bus (\S+?):? `)
)

// deniedSentence says which action was denied on what, by the whole text of the error.
func deniedSentence(text string) string {
	if !strings.Contains(text, "operation error") && strings.Contains(text, "Bugout") {
		return fmt.Sprintf("Bugout denies access: %s. Mend that, then redrive.", cut(withoutIDs(text), 300))
	}
	if code := credentialsText().FindString(text); code != "" {
		return fmt.Sprintf("The validator's own credentials were refused (%s). Mend its role, then redrive.", code)
	}
	what := deniedRight(text)
	if deny := explicitDeny().FindStringSubmatch(text); deny != nil {
		return fmt.Sprintf("Access was denied: %s, by an explicit deny in a %s. Take the validator's role out of that "+
			"deny, then redrive.", what, strings.TrimSpace(deny[1]))
	}
	return fmt.Sprintf("Access was denied: %s. Give the validator's role that right, then redrive.", what)
}

// Refusal says to whoever acts what an error refused them; "" when it refused nothing.
func Refusal(err error) string {
	text := err.Error()
	switch {
	case !deniedText().MatchString(withoutIDs(text)):
		return ""
	case !strings.Contains(text, "operation error") && strings.Contains(text, "Bugout"):
		return "Bugout denies you access."
	case credentialsText().MatchString(text):
		return fmt.Sprintf("Your credentials were refused (%s): log in again, and start again.",
			credentialsText().FindString(text))
	}
	sentence := "You may not do that: it needs the right to " + deniedRight(text)
	if deny := explicitDeny().FindStringSubmatch(text); deny != nil {
		return sentence + ", and an explicit deny in a " + strings.TrimSpace(deny[1]) + " refuses it."
	}
	return sentence + "."
}

// deniedRight names the right that was lacking, and on what.
func deniedRight(text string) string {
	action, resource := "", ""
	if m := namedAction().FindStringSubmatch(text); m != nil {
		action, resource = m[1], shortARN(m[2])
	} else {
		action, resource = actionOf(text)
	}
	if resource != "" {
		return action + " on " + resource
	}
	return action
}

// actionOf names the right that an operation of the SDK needs, where the service does not.
func actionOf(text string) (action, resource string) {
	m := operation().FindStringSubmatch(text)
	if m == nil {
		return "an action that the error does not name", ""
	}
	if key := objectKey().FindStringSubmatch(text); m[1] == "S3" && key != nil {
		resource = key[1] + "…"
	} else if table := tableName().FindStringSubmatch(text); m[1] == "DynamoDB" && table != nil {
		resource = "the table " + table[1]
	} else if bus := busName().FindStringSubmatch(text); m[1] == "EventBridge" && bus != nil {
		resource = "the bus " + bus[1]
	}
	switch service, call := m[1], m[2]; {
	case strings.Contains(text, "KMS"):
		return "kms:Decrypt", "the key of " + resource
	case service == "S3":
		return s3Action(call), resource
	case service == "EventBridge":
		return "events:" + call, resource
	default:
		return strings.ToLower(service) + ":" + call, resource
	}
}

// s3Action names the right that a call of S3 needs as the validator makes it: it names versions.
func s3Action(call string) string {
	switch call {
	case "GetObject", "HeadObject":
		return "s3:GetObject (or s3:GetObjectVersion)"
	case "CopyObject":
		return "s3:PutObject on the files, or s3:GetObjectVersion"
	case "ListObjectVersions":
		return "s3:ListBucketVersions"
	case "DeleteObject":
		return "s3:DeleteObjectVersion"
	}
	return "s3:" + call
}

// shortARN leaves out which upload an ARN of the bucket is about.
func shortARN(arn string) string {
	head, key, ok := strings.Cut(arn, "/")
	if prefix, _, long := strings.Cut(key, "/"); ok && long && strings.HasPrefix(arn, "arn:aws:s3:") {
		return head + "/" + prefix + "/…"
	}
	return arn
}

// excerptBytes is how much of a body is shown on either side of what is wrong.
const excerptBytes = 20

// poison: no validator can read it.
func poison(body string, err error) Diagnosis {
	text, _, _ := strings.Cut(err.Error(), "; accepted are")
	where := "it begins"
	at := 0
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = int(min(max(syntax.Offset, 0), int64(len(body))))
		where = fmt.Sprintf("at byte %d, where it reads", at)
	}
	return diagnosis(Poison, text, fmt.Sprintf("The message cannot be read (%s): %s %s. Mend who sends such messages, "+
		"then discard it.", cut(text, 300), where, excerpt(body, at)))
}

// excerpt shows what is around a byte of a text from outside: escaped, so that a terminal only shows it, and cut.
func excerpt(body string, at int) string {
	from, to := max(at-excerptBytes, 0), min(at+excerptBytes, len(body))
	before, after := "", ""
	if from > 0 {
		before = "…"
	}
	if to < len(body) {
		after = "…"
	}
	return fmt.Sprintf("%s%+q%s", before, body[from:to], after)
}

// shown is a short text from outside for a sentence.
func shown(text string) string { return fmt.Sprintf("%+q", cut(text, 120)) }
