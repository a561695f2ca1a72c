package config

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Setting is one environment variable.
type Setting struct {
	// Name is the variable; Aliases are older names for the same.
	Name    string
	Aliases []string
	Meaning string
	// Default is what an unset variable means, in words where it is no value.
	Default string
	// Accepted says in words what is taken.
	Accepted string
	// Secret: no fault shows what was found.
	Secret bool

	// set reads a value that is not empty into the configuration. It describes what it found when that is not
	// accepted, else it gives "".
	set func(c *Config, value string) (found string)
}

// Records stores.
const (
	RecordsDynamoDB = "dynamodb"
	RecordsBugout   = "bugout"
	RecordsSQLite   = "sqlite"
)

// What is known of the validator, for how much it can read.
const (
	defaultValidatorTime = 300 * time.Second
	defaultReadRate      = 20_000_000
	// validatorMargin is the part of the validator's time that is not for reading: starting, copying, settling.
	validatorMargin = 30 * time.Second
	defaultStack    = "hatchery"
	// DefaultMaxReceives is what template.yaml gives the validator's queue.
	DefaultMaxReceives = 5
	// The longest waits for a verdict. Of a deployment with Bugout there are few functions, and who waits holds one.
	defaultWait       = 20 * time.Second
	defaultWaitBugout = 5 * time.Second
)

// Config is what a deployment is set to.
type Config struct {
	Bucket string
	Layout upload.Layout
	// Records is one of RecordsDynamoDB, RecordsBugout and RecordsSQLite.
	Records string
	// Table is DynamoDB's; for RecordsDynamoDB.
	Table          string
	ApplicationURL string
	// Spire says that the application is Bugout's own: a 500 of it is looked into at Bugout.URL.
	Spire bool
	// GrantLife is how long the application's grants are believed; 0 is not at all.
	GrantLife   time.Duration
	Policy      policy.Policy
	CORSOrigins []string
	// FrontHashes are the SHA-256 of secrets of which the front has to say one; none is that it need not.
	FrontHashes [][sha256.Size]byte
	// PostBytes is the largest file that POST takes; 0 is each kind's own bound.
	PostBytes int64
	// RedirectBytes: larger files are redirected; 0 is never.
	RedirectBytes int64
	// WaitTime is the longest that an answer is held for a verdict; 0 is not at all.
	WaitTime time.Duration
	// ValidatorTime is how long one validation may take; ReadRate is how many bytes a second the validator is
	// trusted to read.
	ValidatorTime time.Duration
	ReadRate      int64
	// QuarantineDays is after how many days the bucket hides what is left in quarantine: it expires, and its
	// versions are removed 28 to 30 days later.
	QuarantineDays int
	// FormTime is how long a signed form may be used.
	FormTime time.Duration

	// QueueURL is the validator's queue; for Messages. VisibilityTime and MaxReceives are the queue's: a message is
	// given up after their product.
	QueueURL       string
	VisibilityTime time.Duration
	MaxReceives    int
	// SurveyTime is how long after the beginning of one survey of everything the schedule begins the next.
	SurveyTime time.Duration
	// ClearObsolete: the scheduled reconciler discards obsolete dead letters.
	ClearObsolete bool
	// EventBus is the name or ARN of the EventBridge bus that is told of verdicts; "" is none.
	EventBus string
	// Stack names the deployment in its metrics.
	Stack string

	Bugout Bugout
	Legacy Legacy
}

// Bugout is where records are kept for RecordsBugout.
type Bugout struct {
	URL           string
	ApplicationID string
	// Token is the deployment's own; TokenName is the name of a secret that has it. One of them is set.
	Token     Secret
	TokenName string
}

// Legacy is where files of the replaced service lie: under {prefix}/{journal}/entries/{entry}/images/{id} in a bucket
// that is only read and deleted from. Both are empty where there are none.
type Legacy struct {
	Bucket string
	Prefix string // without slashes at its ends; "" is the bucket's root
}

// Readable is how many bytes the validator can read before its deadline.
func (c Config) Readable() int64 {
	return int64((c.ValidatorTime-validatorMargin)/time.Second) * c.ReadRate
}

// Settings is the table of all settings, in the order in which a person would read them.
func Settings() []Setting { return slices.Clone(settings) }

var settings = []Setting{
	{Name: "HATCHERY_BUCKET",
		Meaning:  "The versioned bucket that holds quarantine and stored files.",
		Default:  "none: it must be set",
		Accepted: "3 to 63 characters of a-z, 0-9, - and ., beginning and ending with a letter or digit",
		set:      func(c *Config, v string) string { c.Bucket = v; return unless(isBucket(v), v) }},
	{Name: "HATCHERY_QUARANTINE_PREFIX",
		Meaning: "Where in the bucket bytes arrive.",
		Default: upload.DefaultLayout.Quarantine,
		Accepted: `1 to 200 characters of A-Z a-z 0-9 _ - . /, not beginning with "/" and ending in "/"; ` +
			"neither prefix begins with the other, or with dead-letters/",
		set: func(c *Config, v string) string { c.Layout.Quarantine = v; return "" }},
	{Name: "HATCHERY_FILES_PREFIX",
		Meaning:  "Where in the bucket stored files lie.",
		Default:  upload.DefaultLayout.Files,
		Accepted: "as HATCHERY_QUARANTINE_PREFIX",
		set:      func(c *Config, v string) string { c.Layout.Files = v; return "" }},
	{Name: "HATCHERY_RECORDS",
		Meaning:  "What keeps the records.",
		Default:  "none: it must be set",
		Accepted: "dynamodb, bugout or sqlite",
		set: func(c *Config, v string) string {
			c.Records = v
			return unless(v == RecordsDynamoDB || v == RecordsBugout || v == RecordsSQLite, v)
		}},
	{Name: "HATCHERY_TABLE",
		Meaning:  "The DynamoDB table. Needed with HATCHERY_RECORDS=dynamodb.",
		Default:  "none",
		Accepted: "3 to 255 characters of A-Z a-z 0-9 _ - .",
		set: func(c *Config, v string) string {
			c.Table = v
			return unless(policy.Consists(v, lettersDigits+"_.-", 3, 255), v)
		}},
	{Name: "HATCHERY_APPLICATION_URL", Aliases: []string{"MY_APP_JOURNALS_URL"},
		Meaning: "The application that decides who may touch which entry: " +
			"GET {url}/journals/{journal}/entries/{entry}. Needed by what answers callers.",
		Default:  "none: it must be set",
		Accepted: acceptedTokenURL,
		set:      func(c *Config, v string) (found string) { c.ApplicationURL, found = parseTokenURL(v); return found }},
	{Name: "HATCHERY_APPLICATION",
		Meaning: "What answers under HATCHERY_APPLICATION_URL. Bugout's own application (spire) answers 500 for a " +
			"bad token: with spire, Bugout's auth server (HATCHERY_BUGOUT_URL) is asked about the same token after " +
			"a 500, so that the caller sees 401.",
		Default:  "journals: it answers 401 itself, and callers' tokens go to it alone",
		Accepted: "journals or spire",
		set: func(c *Config, v string) string {
			c.Spire = v == "spire"
			return unless(v == "spire" || v == "journals", v)
		}},
	{Name: "HATCHERY_GRANT_SECONDS",
		Meaning: "How long a grant of the application is believed without asking again. A right that it takes " +
			"away ends that much later.",
		Default:  "0: it is always asked",
		Accepted: "a number from 0 to 300",
		set:      number(func(c *Config) *time.Duration { return &c.GrantLife }, 0, 300, time.Second)},
	{Name: "HATCHERY_POLICY",
		Meaning: "Which kinds of file are taken, as JSON or by name.",
		Default: "images: png, jpg, jpeg, bmp and gif up to 5,500,000 bytes",
		Accepted: strings.Join(policy.Names(), ", ") +
			` or a JSON object like {"kinds":{"images":{"extensions":["png"],"max_bytes":5500000}}}; ` +
			"what a kind leaves out has the default's value, and max_bytes is at most what the validator can read " +
			"in its time",
		set: func(*Config, string) string { return "" }}, // read last: it depends on two others
	{Name: "HATCHERY_CORS_ORIGINS",
		Meaning:  "The origins whose pages may read answers.",
		Default:  "none",
		Accepted: "origins like https://notes.example.com, separated by commas or spaces, or * alone",
		set:      func(c *Config, v string) (found string) { c.CORSOrigins, found = parseOrigins(v); return found }},
	// Secret, because somebody may give the secret in place of its hash.
	{Name: "HATCHERY_FRONT_SECRET_SHA256", Secret: true,
		Meaning: "The SHA-256 of the secret that the front (CloudFront) adds to each request in the header " +
			"X-Hatchery-Front. Whoever calls past the front does not know it and is answered 403. The secret itself is in " +
			"no setting.",
		Default: "none: nobody is refused for it",
		Accepted: "64 hexadecimal digits in lower case; or two such values separated by a comma, while one takes the " +
			"other's place",
		set: func(c *Config, v string) (found string) { c.FrontHashes, found = parseHashes(v); return found }},
	{Name: "HATCHERY_POST_BYTES",
		Meaning: "The largest file that POST takes; larger ones need a form. A function takes no more than what stands " +
			"in front of it passes on: 4,706,304 bytes, and 737,712 behind a load balancer.",
		Default:  "each kind's max_bytes",
		Accepted: fmt.Sprintf("a number from 1 to %d", policy.LargestObject),
		set:      number(func(c *Config) *int64 { return &c.PostBytes }, 1, policy.LargestObject, 1)},
	{Name: "HATCHERY_REDIRECT_BYTES",
		Meaning: "Stored files larger than this are not sent but redirected to a signed link. Where it is not 0, a " +
			"function redirects what does not fit through what stands in front of it, too.",
		Default:  "0: never",
		Accepted: fmt.Sprintf("a number from 0 to %d", policy.LargestObject),
		set:      number(func(c *Config) *int64 { return &c.RedirectBytes }, 0, policy.LargestObject, 1)},
	{Name: "HATCHERY_WAIT_SECONDS",
		Meaning: "The longest that the answer to wait= is held for a verdict. A function holds one answer at a time: " +
			"each caller who waits has one of the account's functions for that long.",
		Default: fmt.Sprintf("%d; %d with HATCHERY_RECORDS=bugout, which bears few functions", defaultWait/time.Second,
			defaultWaitBugout/time.Second),
		Accepted: "a number from 0 to 20; 0 answers at once",
		set:      number(func(c *Config) *time.Duration { return &c.WaitTime }, 0, 20, time.Second)},
	{Name: "HATCHERY_VALIDATOR_SECONDS",
		Meaning:  "How long one validation may take: the time-out of what runs the validator.",
		Default:  "300",
		Accepted: "a number from 60 to 900",
		set:      number(func(c *Config) *time.Duration { return &c.ValidatorTime }, 60, 900, time.Second)},
	{Name: "HATCHERY_READ_RATE",
		Meaning: "How many bytes a second the validator is trusted to read. With the time above, less 30 seconds, " +
			"it bounds a kind's max_bytes.",
		Default:  "20000000",
		Accepted: "a number from 100000 to 10000000000",
		set:      number(func(c *Config) *int64 { return &c.ReadRate }, 100_000, 10_000_000_000, 1)},
	{Name: "HATCHERY_FORM_SECONDS",
		Meaning:  "How long a signed form may be used.",
		Default:  "900",
		Accepted: "a number from 60 to 3600: a function's session, with which forms are signed, ends too",
		set:      number(func(c *Config) *time.Duration { return &c.FormTime }, 60, 3600, time.Second)},
	{Name: "HATCHERY_QUARANTINE_DAYS",
		Meaning: "After how many days the bucket hides what is left in quarantine; its versions are removed 28 to 30 " +
			"days later. Deleted records are remembered for 31 days more.",
		Default: "60",
		Accepted: "a number from 35 to 3650: quarantine outlives every message (4 days in the queue, 14 in the dead " +
			"letters, 14 after a redrive)",
		set: number(func(c *Config) *int { return &c.QuarantineDays }, 35, 3650, 1)},
	{Name: "HATCHERY_QUEUE_URL",
		Meaning:  "The validator's queue. Needed by what sends messages again.",
		Default:  "none",
		Accepted: acceptedURL,
		set:      func(c *Config, v string) (found string) { c.QueueURL, found = parseURL(v); return found }},
	{Name: "HATCHERY_VISIBILITY_SECONDS",
		Meaning:  "The queue's visibility timeout.",
		Default:  "1800: six times the validator's 300 seconds",
		Accepted: "a number from 1 to 43200",
		set:      number(func(c *Config) *time.Duration { return &c.VisibilityTime }, 1, 43_200, time.Second)},
	{Name: "HATCHERY_MAX_RECEIVES",
		Meaning:  "After how many receptions the queue gives a message to the dead letters.",
		Default:  "5",
		Accepted: "a number from 5 to 1000",
		set:      number(func(c *Config) *int { return &c.MaxReceives }, 5, 1000, 1)},
	{Name: "HATCHERY_SURVEY_DAYS",
		Meaning: "After how many days the scheduled reconciler surveys everything again. What is pending it looks " +
			"at in every run.",
		Default:  "7",
		Accepted: "a number from 1 to 90",
		set:      number(func(c *Config) *time.Duration { return &c.SurveyTime }, 1, 90, 24*time.Hour)},
	{Name: "HATCHERY_CLEAR_OBSOLETE",
		Meaning: "Whether the scheduled reconciler discards dead letters that are obsolete: their uploads have come to " +
			"their end.",
		Default:  "false",
		Accepted: "true or false",
		set: func(c *Config, v string) string {
			c.ClearObsolete = v == "true"
			return unless(v == "true" || v == "false", v)
		}},
	{Name: "HATCHERY_EVENT_BUS",
		Meaning:  "The EventBridge bus that is notified of every verdict.",
		Default:  "none: nobody is notified",
		Accepted: "the name or ARN of a bus, 1 to 400 characters of A-Z a-z 0-9 / _ . : -",
		set: func(c *Config, v string) string {
			c.EventBus = v
			return unless(policy.Consists(v, lettersDigits+"/_.:-", 1, 400), v)
		}},
	{Name: "HATCHERY_STACK",
		Meaning: "What the deployment is called in its metrics, so that two of one account can be told apart: " +
			"the stack's name.",
		Default:  defaultStack,
		Accepted: "1 to 128 characters of A-Z a-z 0-9 and -, beginning with a letter",
		set:      func(c *Config, v string) string { c.Stack = v; return unless(isStack(v), v) }},
	{Name: "HATCHERY_BUGOUT_URL", Aliases: []string{"BUGOUT_AUTH_URL"},
		Meaning:  "Bugout's auth server (Brood). Needed with HATCHERY_RECORDS=bugout.",
		Default:  "none",
		Accepted: acceptedTokenURL,
		set:      func(c *Config, v string) (found string) { c.Bugout.URL, found = parseTokenURL(v); return found }},
	{Name: "HATCHERY_BUGOUT_APPLICATION_ID", Aliases: []string{"BUGOUT_FILES_APPLICATION_ID"},
		Meaning:  "The Bugout application that owns the resources. Needed with HATCHERY_RECORDS=bugout.",
		Default:  "none",
		Accepted: "a UUID with dashes",
		set: func(c *Config, v string) string {
			id, err := upload.ParseID(v)
			c.Bugout.ApplicationID = string(id)
			return unless(err == nil, v)
		}},
	{Name: "HATCHERY_BUGOUT_TOKEN", Secret: true,
		Meaning: "The deployment's own Bugout token, or the name of a secret in AWS Secrets Manager that holds it: " +
			"a function reads that at first use, again after five minutes, and when Bugout refuses the token. " +
			"Needed with HATCHERY_RECORDS=bugout.",
		Default: "none",
		Accepted: "a UUID, dashes optional; or the name or ARN of a secret, " +
			"1 to 512 characters of A-Z a-z 0-9 / _ + = . @ : -",
		set: func(c *Config, v string) string {
			if IsToken(v) {
				c.Bugout.Token = NewSecret(v)
				return ""
			}
			c.Bugout.TokenName = v
			return unless(policy.Consists(v, lettersDigits+"/_+=.@:-", 1, 512), v)
		}},
	{Name: "HATCHERY_LEGACY_BUCKET", Aliases: []string{"FILES_S3_BUCKET_NAME"},
		Meaning:  "The bucket of the replaced service, from which its images are still served.",
		Default:  "none: there are no such images",
		Accepted: "as HATCHERY_BUCKET, and another bucket than that",
		set:      func(c *Config, v string) string { c.Legacy.Bucket = v; return unless(isBucket(v), v) }},
	{Name: "HATCHERY_LEGACY_PREFIX", Aliases: []string{"FILES_S3_BUCKET_PREFIX"},
		Meaning:  "The prefix of the replaced service's keys, {prefix}/{journal}/entries/{entry}/images/{id}.",
		Default:  "none: its keys begin with the journal",
		Accepted: "1 to 200 characters of A-Z a-z 0-9 _ - . and / between them; a slash at the end is left out",
		// With or without a slash at its end, as the replaced service was given it.
		set: func(c *Config, v string) string {
			c.Legacy.Prefix = strings.TrimSuffix(v, "/")
			return unless(len(c.Legacy.Prefix) <= 200 && isPrefix(c.Legacy.Prefix), v)
		}},
}
