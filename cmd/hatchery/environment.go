package main

import (
	"strings"

	"github.com/spf13/cobra"

	"hatchery/shared/config"
)

// notInDev are settings that dev looks at for faults alone.
var notInDev = map[string]bool{
	"HATCHERY_BUCKET": true, "HATCHERY_RECORDS": true, "HATCHERY_TABLE": true, "HATCHERY_APPLICATION_URL": true,
	"HATCHERY_QUEUE_URL": true, "HATCHERY_VISIBILITY_SECONDS": true, "HATCHERY_MAX_RECEIVES": true,
	"HATCHERY_SURVEY_DAYS": true, "HATCHERY_CLEAR_OBSOLETE": true, "HATCHERY_EVENT_BUS": true, "HATCHERY_STACK": true,
}

// inDev is what a setting is to dev besides what it is in AWS.
var inDev = map[string]string{
	"HATCHERY_VALIDATOR_SECONDS":     "60 when it is unset, unless the policy needs more",
	"HATCHERY_CORS_ORIGINS":          "localhost, 127.0.0.1 and [::1], of any port, when it is unset",
	"HATCHERY_POST_BYTES":            "--like-aws goes before it",
	"HATCHERY_REDIRECT_BYTES":        "--like-aws goes before it",
	"HATCHERY_QUARANTINE_DAYS":       "for how long deletions are remembered",
	"HATCHERY_LEGACY_BUCKET":         "a bucket of the S3 server there, made if it is missing",
	"HATCHERY_BUGOUT_URL":            "only with HATCHERY_APPLICATION=spire and without --records bugout",
	"HATCHERY_BUGOUT_APPLICATION_ID": "only with --bugout; hatchery bugout register makes one",
	"HATCHERY_BUGOUT_TOKEN":          "only with --bugout, and the token itself; --bugout-token-file goes before it",
}

// environmentTopic is `hatchery help environment`: a command that only has help.
func environmentTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString(`Settings are environment variables. An empty one is an unset one, and all faults are
reported at once. docs/settings.md says what each of them accepts.

The commands read
  dev          all of them; those with a * have no effect, because dev has its own or
               does without, but their faults are reported
  check        HATCHERY_POLICY
  reconcile    those of the deployment's functions, unless --stack names its stack,
               which has them, or --data a dev
  migrate      HATCHERY_TABLE and HATCHERY_BUGOUT_…, as far as its flags leave them out;
               with --check-objects or --validate those of the deployment's functions
  bugout       HATCHERY_BUGOUT_…, as far as its flags leave them out
  put, get,    HATCHERY_TOKEN alone, the value of the Authorization header, where there is
  ls, rm       no --token-file
and, where they work on AWS, what the AWS CLI reads: AWS_PROFILE, AWS_REGION, ….

`)
	for _, s := range config.Settings() {
		mark := "  "
		if notInDev[s.Name] {
			mark = "* "
		}
		b.WriteString(mark + s.Name + "\n")
		writeWrapped(&b, s.Meaning)
		writeWrapped(&b, "Default: "+s.Default)
		if special := inDev[s.Name]; special != "" {
			writeWrapped(&b, "In dev: "+special)
		}
		if len(s.Aliases) > 0 {
			writeWrapped(&b, "Also read: "+strings.Join(s.Aliases, ", "))
		}
	}
	return &cobra.Command{Use: "environment", Short: "The settings, and which commands read them", Long: b.String()}
}

// writeWrapped writes an indented paragraph for a terminal of 85 columns.
func writeWrapped(b *strings.Builder, text string) {
	const indent, width = "      ", 85
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}
