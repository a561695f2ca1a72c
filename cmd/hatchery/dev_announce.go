package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/upload"
)

// containersFile is what dev writes into its data folder for `sam local --env-vars`.
const containersFile = "sam-local.json"

// announce says where everything is and what to try first.
func announce(term terminal, f devFlags, settings config.Config, stack *local.Stack, console string) error {
	at, data := stack.Endpoints(), stack.Path("")
	if at.Containers != "" {
		f.containersFile = cmp.Or(f.containersFile, stack.Path(containersFile))
		if err := writeContainersFile(f.containersFile, settings, at); err != nil {
			return err
		}
	}
	exports, err := exported(f, settings, at, term.getenv("HATCHERY_POLICY"))
	if err != nil {
		return err
	}
	if f.json {
		line := map[string]any{"msg": "ready", "api": at.API, "s3": at.S3, "sqs": at.SQS, "application": at.App, "data": data,
			"console": console}
		if at.DynamoDB != "" {
			line["dynamodb"] = at.DynamoDB
		}
		if f.forOneRun() {
			line["one_run"] = true
		}
		if at.Bugout.URL != "" {
			line["bugout"] = at.Bugout.URL
		}
		if at.Containers != "" {
			line["containers"] = at.Containers
		}
		if warning := apiWarning(f, at); warning != "" {
			line["warning"] = strings.ReplaceAll(warning, "\n", " ")
		}
		if differs := differences(settings); len(differs) > 0 {
			line["differs"] = differs
		}
		env := map[string]string{}
		for _, e := range exports {
			env[e[0]] = e[1]
		}
		line["env"] = env
		return printJSON(term.out, line)
	}
	return announceText(term, f, announcement{at: at, data: data, console: console, exports: exports,
		differs: differences(settings)})
}

// exported are the settings with which other programs work on what dev runs, less the
// token of a real Bugout, which is not shown.
func exported(f devFlags, settings config.Config, at local.Endpoints, policy string) ([][2]string, error) {
	var exports [][2]string
	add := func(name, value string) {
		if value != "" {
			exports = append(exports, [2]string{name, value})
		}
	}
	add("AWS_ENDPOINT_URL_S3", at.S3)
	add("AWS_ENDPOINT_URL_SQS", at.SQS)
	if !at.ForeignKeys { // the credentials among these are dev's own
		add("AWS_ENDPOINT_URL_DYNAMODB", at.DynamoDB)
	}
	add("AWS_REGION", at.Region)
	add("AWS_DEFAULT_REGION", at.Region) // what boto3 reads
	add("AWS_ACCESS_KEY_ID", at.AccessKey)
	add("AWS_SECRET_ACCESS_KEY", at.SecretKey)
	add("HATCHERY_BUCKET", at.Bucket)
	add("HATCHERY_QUEUE_URL", at.QueueURL)
	add("HATCHERY_DEAD_LETTER_URL", at.DeadLetterURL)
	add("HATCHERY_VISIBILITY_SECONDS", strconv.Itoa(int(at.Visibility.Seconds())))
	add("HATCHERY_RECORDS", settings.Records)
	if settings.Records == config.RecordsDynamoDB && !at.ForeignKeys {
		add("HATCHERY_TABLE", at.Table)
	}
	if f.bugout != "" {
		add("HATCHERY_BUGOUT_URL", settings.Bugout.URL)
		add("HATCHERY_BUGOUT_APPLICATION_ID", settings.Bugout.ApplicationID)
	} else {
		add("HATCHERY_BUGOUT_URL", at.Bugout.URL)
		add("HATCHERY_BUGOUT_APPLICATION_ID", at.Bugout.Application)
		add("HATCHERY_BUGOUT_TOKEN", at.Bugout.Token)
	}
	add("HATCHERY_LEGACY_BUCKET", settings.Legacy.Bucket)
	add("HATCHERY_LEGACY_PREFIX", settings.Legacy.Prefix)
	if prefix := settings.Layout.Quarantine; prefix != upload.DefaultLayout.Quarantine {
		add("HATCHERY_QUARANTINE_PREFIX", prefix)
	}
	if prefix := settings.Layout.Files; prefix != upload.DefaultLayout.Files {
		add("HATCHERY_FILES_PREFIX", prefix)
	}
	if f.policy != "" || policy != "" {
		whole, err := json.Marshal(settings.Policy)
		if err != nil {
			return nil, fmt.Errorf("write the policy: %w", err)
		}
		add("HATCHERY_POLICY", string(whole))
	}
	return exports, nil
}

// announcement is what a person reads at the start.
type announcement struct {
	at      local.Endpoints
	data    string // the folder
	console string // its address, with its token
	exports [][2]string
	differs []string // from AWS
}

func announceText(term terminal, f devFlags, a announcement) error {
	at := a.at
	var b bytes.Buffer
	application := at.App
	if f.app == "" {
		application += "  (a demo: the token demo may do everything, any other nothing)"
	}
	begins := "Hatchery is running. All it keeps is in "
	if f.forOneRun() {
		begins = oneRunText
	}
	_, _ = fmt.Fprintf(&b, `%s%s

  API          %s
  S3           %s  (bucket %s, path style)
  SQS          %s  (queue %s, dead letters %s)
`, begins, a.data, at.API, at.S3, at.Bucket, at.SQS, local.Queue, local.DeadLetters)
	if at.DynamoDB != "" {
		kept := "table " + at.Table
		switch {
		case f.dynamoDB != "":
			kept += ", with " + keysOf(at)
		case f.records != config.RecordsDynamoDB:
			kept = "nothing is kept there: the records are in " + f.records + ", unless you add --records dynamodb"
		}
		_, _ = fmt.Fprintf(&b, "  DynamoDB     %s  (%s)\n", at.DynamoDB, kept)
	}
	if at.Bugout.URL != "" {
		_, _ = fmt.Fprintf(&b, "  Bugout       %s  (a stand-in, application %s)\n", at.Bugout.URL, at.Bugout.Application)
	}
	if f.bugout != "" {
		_, _ = fmt.Fprintf(&b, "  records      in Bugout, %s\n", f.bugout)
	}
	_, _ = fmt.Fprintf(&b, "  application  %s\n", application)
	if at.Containers != "" {
		_, _ = fmt.Fprintf(&b, "  containers   %s  (S3, SQS, DynamoDB and the application)\n", at.Containers)
	}
	_, _ = fmt.Fprintf(&b, "  console      %s\n", a.console)
	if warning := apiWarning(f, at); warning != "" {
		_, _ = fmt.Fprintf(&b, "\nWARNING: %s\n", warning)
	}
	_, _ = fmt.Fprintf(&b, `
Try it with a picture of yours, at %s/ or so:
  curl -i -H 'Authorization: demo' -F file=@cat.png '%s/files/demo/entries/1/images?image_name=cat.png'
`, at.API, at.API)
	if at.Containers != "" {
		_, _ = fmt.Fprintf(&b, containersText, at.ContainersListen,
			shellWord(cmp.Or(f.containersFile, filepath.Join(a.data, containersFile))))
	}
	if f.noValidator {
		b.WriteString("\nThe validator is somewhere else (--no-validator): what arrives stays pending until it is invoked.\n")
	}
	if len(a.differs) > 0 {
		_, _ = fmt.Fprintf(&b, "\nOther than in AWS:\n  %s\n", strings.Join(a.differs, "\n  "))
	}
	a.writeExports(&b)
	_, _ = fmt.Fprintf(&b, "\nThe reconciler for it:\n  %s\n", reconcileOf(f, a.data, at.ForeignKeys))
	b.WriteString("\nCtrl-C ends it.\n\n")
	_, err := term.out.Write(b.Bytes())
	return err
}

func (a announcement) writeExports(b *bytes.Buffer) {
	b.WriteString("\nFor other programs that are to work on this (aws, an SDK), in their shell:\n")
	for _, e := range a.exports {
		_, _ = fmt.Fprintf(b, "export %s=%s\n", e[0], shellWord(e[1]))
	}
	_, _ = fmt.Fprintf(b, awsText, a.at.S3, a.at.Bucket, a.at.SQS, shellWord(a.at.QueueURL))
}

// awsText: an aws that is too old takes no notice of the exports, and calls AWS itself.
const awsText = `
With the aws command give --endpoint-url each time. Before 2.13.0 it takes no notice of AWS_ENDPOINT_URL_S3
and AWS_ENDPOINT_URL_SQS, and calls AWS itself:
  aws s3 ls --endpoint-url %s --recursive s3://%s
  aws sqs get-queue-attributes --endpoint-url %s --queue-url %s --attribute-names All
`

const oneRunText = `Hatchery is running, for this run only: its DynamoDB is in memory, so that nothing
is kept. At the end all that was uploaded is gone. To keep it, name a DynamoDB that lasts
with --dynamodb, or leave --records dynamodb out. Until then it is in `

// ended is what a person reads at the end.
func ended(f devFlags) string {
	if f.forOneRun() {
		return "\nEnded. Nothing was kept."
	}
	return "\nEnded. What was accepted goes on at the next start."
}

// reconcileOf is the command that reconciles what dev runs.
func reconcileOf(f devFlags, data string, foreignKeys bool) string {
	switch {
	case f.bugout != "":
		return "hatchery reconcile   # with these exports, and --token-file or HATCHERY_BUGOUT_TOKEN"
	case f.records == config.RecordsSQLite || f.records == "":
		return "hatchery reconcile --data " + shellWord(data)
	case foreignKeys:
		return "hatchery reconcile --data " + shellWord(data) + " --records dynamodb"
	}
	return "hatchery reconcile --data " + shellWord(data) + " --records " + f.records + "   # or alone, with these exports"
}

// apiWarning is what a person must know when the API can be reached from beyond this
// machine, else "".
func apiWarning(f devFlags, at local.Endpoints) string {
	if at.APIBeyond == "" {
		return ""
	}
	warning := "the API on " + at.APIBeyond + " can be reached from beyond this machine. "
	if f.app == "" {
		warning += "Anybody who\nreaches it may use the token demo, which may do everything."
	} else {
		warning += "Whoever\nreaches it needs a token that the application takes."
	}
	if u, err := url.Parse(at.S3); err == nil {
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
			warning += "\nForms and links point to " + u.Host + " and work on this machine only."
		}
	}
	return warning
}

const containersText = `
WARNING: %s can be reached from beyond this machine, unless it is an address
of a container network alone. Every call to S3, SQS and DynamoDB must be signed with
the keys that it prints; the application's answer is behind its own token.

Run functions in containers on this (docs/sam-local.md):
  sam local start-api --config-env dev --env-vars %s
`

// writeContainersFile writes what functions under sam local are to be told, in the
// form of its --env-vars. No secret is in it: the SAM CLI hands on the credentials of
// its own environment.
func writeContainersFile(path string, settings config.Config, at local.Endpoints) error {
	policy, err := json.Marshal(settings.Policy)
	if err != nil {
		return fmt.Errorf("write the policy: %w", err)
	}
	queue, err := atContainers(at.QueueURL, at.Containers)
	if err != nil {
		return err
	}
	variables := map[string]string{
		"AWS_ENDPOINT_URL": at.Containers, "HATCHERY_BUCKET": at.Bucket, "HATCHERY_QUEUE_URL": queue,
		"HATCHERY_TABLE":   at.Table,
		"HATCHERY_RECORDS": config.RecordsDynamoDB, "HATCHERY_APPLICATION_URL": at.Containers,
		"HATCHERY_POLICY":            string(policy),
		"HATCHERY_QUARANTINE_PREFIX": settings.Layout.Quarantine, "HATCHERY_FILES_PREFIX": settings.Layout.Files,
		"HATCHERY_CORS_ORIGINS":       strings.Join(settings.CORSOrigins, ","),
		"HATCHERY_VISIBILITY_SECONDS": strconv.Itoa(int(at.Visibility.Seconds())),
	}
	text, err := json.MarshalIndent(map[string]any{"Parameters": variables}, "", "  ")
	if err == nil {
		err = makeDataFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write down what functions in containers need: %w", err)
	}
	return nil
}

// atContainers is a URL as containers reach it.
func atContainers(of, containers string) (string, error) {
	u, err := url.Parse(of)
	if err != nil {
		return "", fmt.Errorf("%q: %w", of, err)
	}
	to, err := url.Parse(containers)
	if err != nil {
		return "", fmt.Errorf("%q: %w", containers, err)
	}
	u.Host = to.Host
	return u.String(), nil
}

// makeDataFolder makes the folder where dev for one run, which has another one, found none. As in any that dev makes,
// nothing in it is for a repository.
func makeDataFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o600)
}
