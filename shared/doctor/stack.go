package doctor

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// TemplateVersion is that of the template.yaml that this program goes with. It is raised there, in the output
// TemplateVersion, and here whenever a command needs something new of a stack.
const TemplateVersion = "1"

// Stack is a deployment of the template, as its parameters and outputs tell, and what reaches it.
type Stack struct {
	Version                  string // the output TemplateVersion
	Bucket, QuarantinePrefix string
	QueueURL, DeadLetterURL  string
	MaxReceives              int
	Mapping                  string // the UUID of the event source mapping
	ApplicationURL           string
	// Spire says that the application is Bugout's own, which answers 500 for a token that it does not know.
	Spire          bool
	Origins        []string
	ApiConcurrency int // reserved; 0: none
	AlarmTopic     string
	AlarmEmail     string

	AWS    aws.Config
	S3     *s3.Client
	SQS    *sqs.Client
	Lambda *lambda.Client
	// HTTP asks the form's URL. It follows no redirect.
	HTTP http.RoundTripper
	// Hatchery is a command of this program about the same deployment.
	Hatchery func(command string) string
	// Restart is set for a hatchery dev: the command that starts it, and sets right what it made.
	Restart string
	Now     func() time.Time
}

// Checks are all that are made of a deployment in AWS.
func (s *Stack) Checks() []Check {
	return []Check{
		{"version", "the stack's template and this program go together", s.version},
		{"notification", "the bucket notifies the queue of quarantine", s.notification},
		{"encryption", "the queue's encryption lets the bucket in", s.encryption},
		{"redrive", "what fails for good goes to the dead letters, and is kept there", s.redrive},
		{"visibility", "the queue hides a message for as long as the validator may work on it", s.visibility},
		{"mapping", "the validator is given messages", s.mapping},
		{"versioning", "the bucket keeps versions", s.versioning},
		{"cors", "pages of AllowedOrigins may use the bucket", s.cors},
		{"form", "the URL of forms does not redirect", s.form},
		{"clock", "the clock of this machine is right", s.clock},
		{"application", "the application refuses a stranger", s.application},
		{"quota", "the account runs enough functions at once", s.quota},
		{"dead letters", "no dead letter waits", s.deadLetters},
		{"alarms", "somebody hears of alarms", s.alarms},
	}
}

// aws is a command of the AWS CLI. What hatchery dev made it sets right itself.
func (s *Stack) aws(command string) string {
	if s.Restart != "" {
		return s.Restart
	}
	return "aws " + command + " --region " + s.AWS.Region
}
