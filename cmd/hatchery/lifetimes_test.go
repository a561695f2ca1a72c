package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hatchery/shared/api"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

const day = 24 * time.Hour

// TestTheLifetimesInTheDocsAreThoseOfTheTemplateAndTheCode makes the table of
// docs/operations.md from template.yaml and the code, and checks what has to hold
// between them.
func TestTheLifetimesInTheDocsAreThoseOfTheTemplateAndTheCode(t *testing.T) {
	x := readTemplate(t)
	seconds := func(path ...string) time.Duration { return time.Duration(x.number(t, path...)) * time.Second }
	days := func(n int) time.Duration { return time.Duration(n) * day }
	parameter := func(name string) int { return x.number(t, "Parameters", name, "Default") }
	rule := func(id, field string) int { return x.ruleNumber(t, id, field) }

	settings := defaultSettings(t)
	form := settings.FormTime
	source := seconds("Resources", "UploadsQueue", "Properties", "MessageRetentionPeriod")
	dead := seconds("Resources", "DeadLetterQueue", "Properties", "MessageRetentionPeriod")
	validator := parameter("ValidatorSeconds")
	visibility := time.Duration(x.visibility(t, validator)) * time.Second
	receives := x.number(t, "Resources", "UploadsQueue", "Properties", "RedrivePolicy", "maxReceiveCount")
	var everyMinutes int
	schedule := x.at(t, "Resources", "ReconcilerFunction", "Properties", "Events", "Regularly", "Properties", "Schedule")
	if _, err := fmt.Sscanf(schedule, "rate(%d minutes)", &everyMinutes); err != nil {
		t.Fatalf("the schedule is %q: %v", schedule, err)
	}
	quarantine, noncurrent := days(rule("quarantine", "ExpirationInDays")), days(rule("quarantine", "NoncurrentDays"))
	tombstone := upload.TombstoneLife(int(quarantine / day))
	limits := reconcile.DefaultLimits(receives, visibility)
	once := codeNumber(t, `idempotencyKeyLife = (\d+) \* time\.Hour`, "shared", "api", "idempotency.go")
	again := codeNumber(t, `resentReceptions = (\d+)`, "shared", "validator", "validator.go")

	rows := [][3]string{
		{"signed form", words(form), "`HATCHERY_FORM_SECONDS`, at most 60 minutes"},
		{"signed link", words(api.LinkLifetime), "shared/api"},
		{"idempotency key", words(time.Duration(once) * time.Hour), "shared/api; then removed by the table's `forget`"},
		{"message in the queue", words(source), "`UploadsQueue`"},
		{"rest of a message after a failed try", words(visibility),
			"the mapping of `ValidatorSeconds`: six times that"},
		{"tries of a message", fmt.Sprintf("%d receptions, then the dead letters", receives), "`UploadsQueue`"},
		{"dead letter", words(dead) + " since S3 sent it", "`DeadLetterQueue`"},
		{"message after a redrive", "as a new message", "SQS: a redrive begins anew"},
		{"pending upload with its bytes, until its message is sent again", words(limits.Overdue),
			"the tries times the rest"},
		{"re-enqueues", fmt.Sprintf("%d an upload, %d receptions each", limits.Resends, again),
			"shared/reconcile, shared/validator"},
		{"pending upload without bytes", words(limits.Missing) + " after its form expired, then `never_arrived` or `bytes_lost`",
			"shared/reconcile"},
		{"run of the reconciler", fmt.Sprintf("every %d minutes", everyMinutes), "`ReconcilerFunction`"},
		{"survey of all objects and records", "every " + words(settings.SurveyTime), "`HATCHERY_SURVEY_DAYS`"},
		{"bytes in quarantine", fmt.Sprintf("%s, then hidden; removed %d to %s later", words(quarantine), noncurrent/day,
			words(noncurrent+2*day)), "`QuarantineDays`, at least 35; the bucket's rule `quarantine`"},
		{"noncurrent version in quarantine", words(noncurrent), "the bucket's rule `quarantine`"},
		{"noncurrent version of a file", words(days(rule("files", "NoncurrentDays"))), "`FilesNoncurrentDays`"},
		{"what a validator keeps beside a message at its last receptions", words(days(rule("attempts", "ExpirationInDays"))),
			"the bucket's rule `attempts`"},
		{"listing of dead letters, with the names of their files", words(days(rule("snapshots", "ExpirationInDays"))), "the bucket's rule `snapshots`"},
		{"mark that an action on a dead letter was begun", words(days(rule("intents", "ExpirationInDays"))),
			"the bucket's rule `intents`"},
		{"discarded message, without the name of its file, and who did what to dead letters", words(days(rule("dead-letters", "ExpirationInDays"))),
			"the bucket's rule `dead-letters`"},
		{"overwritten or expired note about dead letters", words(days(rule("dead-letters", "NoncurrentDays"))),
			"the bucket's rule `dead-letters`"},
		{"unfinished multipart upload", words(days(rule("leftovers", "DaysAfterInitiation"))),
			"the bucket's rule `leftovers`"},
		{"delete marker with nothing behind it", "until the bucket's next look", "the bucket's rule `leftovers`"},
		{"tombstone of a deleted upload", words(tombstone),
			"`QuarantineDays` and 31 days; then removed by the table's `forget`"},
		{"history of the table", "35 days", "DynamoDB's point-in-time recovery"},
		{"logs", words(days(parameter("LogDays"))), "`LogDays`"},
	}
	compareBlocks(t, sourceFile(t, "docs", "operations.md"),
		map[string]string{"lifetimes": tableOf([3]string{"what", "lives", "set in"}, rows)})

	// The same numbers where personal data is: what of it, and how long at most.
	notes := func(rule string) string { return words(days(x.ruleNumber(t, rule, "ExpirationInDays"))) }
	logs := words(days(parameter("LogDays")))
	fate := "until its upload is deleted; then none is left"
	kept := [][3]string{
		{"bucket, `quarantine/`", "the bytes of uploads that are pending, were rejected or came too late", fate + "; else " +
			words(quarantine+noncurrent+2*day) + " at most"},
		{"bucket, `files/`", "the bytes of stored uploads, with their type and what the file was called", fate +
			". Overwritten or deleted past Hatchery: " + words(days(rule("files", "NoncurrentDays"))) + " more"},
		{"table: record", "journal, entry, what the file was called, size, type, SHA-256, times, reason", "until the upload is " +
			"deleted; then its tombstone, with the same in it, " + words(tombstone)},
		{"table: idempotency key", "a hash of the key, and whose upload it is", words(time.Duration(once) * time.Hour)},
		{"table: its history", "all that the table had", "35 days"},
		{"queue", "journal, entry, id and size in the bucket's notification, and the IP address that the bytes came from (of " +
			"a form: the client's)", words(source)},
		{"dead letters", "the same", words(dead) + ", and from the beginning after a redrive"},
		{"bucket, `dead-letters/attempts/`", "journal, entry and id of an upload, and what failed", notes("attempts")},
		{"bucket, `dead-letters/snapshots/`", "listings: messages whole, and what files are called", notes("snapshots")},
		{"bucket, `dead-letters/intents/`", "which operator began what", notes("intents")},
		{"bucket, `dead-letters/discarded/`", "messages that an operator discarded, whole, and which operator",
			notes("dead-letters")},
		{"bucket, `dead-letters/audit/`", "what operators did, which ones (their ARN), to which uploads", notes("dead-letters")},
		{"logs of the functions", "journal, entry and id; what the file was called, in the line of its verdict", logs},
		{"access log of the HTTP API", "IP address, and the path with journal, entry and id", logs},
		{"bucket of the load balancer's logs ([alb.yaml](../alb.yaml))", "IP address, and the URL with what the file was called",
			words(days(template(readFile(t, sourceFile(t, "alb.yaml"))).number(t, "Parameters", "LogDays", "Default")))},
		{"access log of CloudFront ([cloudfront.yaml](../cloudfront.yaml))", "IP address, and the path with journal, entry and id",
			words(days(template(readFile(t, sourceFile(t, "cloudfront.yaml"))).number(t, "Parameters", "LogDays", "Default")))},
		{"flow logs of a network ([network.yaml](../network.yaml))",
			"IP addresses and ports, behind a load balancer those of callers",
			words(days(template(readFile(t, sourceFile(t, "network.yaml"))).number(t, "Parameters", "LogDays", "Default")))},
		{"topic of the alarms", "the address in `AlarmEmail`; no alarm names an upload", "until it is unsubscribed"},
	}
	compareBlocks(t, sourceFile(t, "docs", "data-protection.md"),
		map[string]string{"kept": tableOf([3]string{"where", "what", "how long"}, kept)})

	holds := func(what string, ok bool) {
		if !ok {
			t.Errorf("it does not hold that %s", what)
		}
	}
	shortest := days(x.number(t, "Parameters", "QuarantineDays", "MinValue"))
	holds("quarantine outlives a message, its time as a dead letter and after a redrive", source+2*dead < shortest &&
		shortest <= quarantine)
	holds("a tombstone outlives quarantine with its noncurrent versions and S3's two roundings to midnight",
		tombstone > quarantine+noncurrent+2*day)
	holds("a form ends before its upload is given up", form < limits.Missing)
	holds("no form outlives the session of its function", form <= api.MaxFormLifetime)
	holds("dead letters live longer than messages", dead > source)
	holds("a message is tried to its end before the queue drops it", limits.Overdue < source)
	holds("what is sent again never becomes a dead letter", again < receives)
	holds("the table removes by the attribute that the store writes",
		strings.Contains(x.at(t, "Resources", "RecordsTable", "Properties"),
			"TimeToLiveSpecification: {AttributeName: forget, Enabled: true}"))
	devRest := codeNumber(t, `load\("(\d+)"\)`, "cmd", "hatchery", "dev_settings.go") +
		codeNumber(t, `visibilitySlack = (\d+) \* time\.Second`, "shared", "local", "local.go")
	holds("dev tries a message as often as the template does",
		codeNumber(t, `maxReceives += (\d+)`, "shared", "local", "local.go") == receives)
	for page, says := range map[string]string{"operations.md": "Tries come %d seconds apart",
		"sam-local.md": "A message comes again after %d seconds"} {
		holds(fmt.Sprintf("docs/%s says how long a message rests in dev", page),
			strings.Contains(string(readFile(t, sourceFile(t, "docs", page))), fmt.Sprintf(says, devRest)))
	}
	window := x.number(t, "Resources", "ValidatorFunction", "Properties", "Events", "Arrived", "Properties",
		"MaximumBatchingWindowInSeconds")
	for _, choice := range []int{60, 120, 180, 300, 600, 900} {
		holds(fmt.Sprintf("with %d seconds the visibility is six times that and the window", choice),
			x.visibility(t, choice) == 6*choice+window)
	}
	holds("the settings' defaults are the template's",
		settings.VisibilityTime == visibility && settings.MaxReceives == receives &&
			days(settings.QuarantineDays) == quarantine && settings.ValidatorTime == time.Duration(validator)*time.Second)
}

// tableOf is a table of Markdown.
func tableOf(head [3]string, rows [][3]string) string {
	var table strings.Builder
	for i, row := range append([][3]string{head}, rows...) {
		fmt.Fprintf(&table, "| %s | %s | %s |\n", row[0], row[1], row[2])
		if i == 0 {
			table.WriteString("|---|---|---|\n")
		}
	}
	return table.String()
}

// visibility is what the template maps a validator's time-out to.
func (x template) visibility(t *testing.T, seconds int) int {
	t.Helper()
	text := x.at(t, "Mappings", "ByValidatorSeconds", fmt.Sprintf("'%d'", seconds))
	n, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(text, "{Visibility:"), " '}"))
	if err != nil {
		t.Fatalf("template.yaml maps %d seconds to %q", seconds, text)
	}
	return n
}

// ruleNumber is a number in one of the bucket's lifecycle rules.
func (x template) ruleNumber(t *testing.T, id, field string) int {
	t.Helper()
	rules := x.at(t, "Resources", "UploadsBucket", "Properties", "LifecycleConfiguration", "Rules")
	_, rest, found := strings.Cut(rules, "- Id: "+id+"\n")
	one, _, _ := strings.Cut(rest, "- Id: ")
	value := regexp.MustCompile(`\b` + field + `: (?:!Ref (\w+)|(\d+))`).FindStringSubmatch(one)
	if !found || value == nil {
		t.Fatalf("template.yaml's rule %s has no %s", id, field)
	}
	if value[1] != "" {
		return x.number(t, "Parameters", value[1], "Default")
	}
	n, _ := strconv.Atoi(value[2]) // digits
	return n
}

// codeNumber is a number that the code keeps to itself.
func codeNumber(t *testing.T, pattern string, file ...string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindSubmatch(readFile(t, sourceFile(t, file...)))
	if found == nil {
		t.Fatalf("%s has no %s", strings.Join(file, "/"), pattern)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// words writes a duration as people do.
func words(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if unit.name == "day" && d < 2*day {
			continue // 24 hours say more than a day
		}
		n := int(d / unit.of)
		d %= unit.of
		switch {
		case n == 1:
			parts = append(parts, "1 "+unit.name)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	return strings.Join(parts, " ")
}
