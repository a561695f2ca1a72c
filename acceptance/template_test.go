package acceptance

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/upload"
)

const day = 24 * 60 * 60 // seconds

var update = flag.Bool("update", false, "write anew what is made: goldens of testdata, docs/parameters.md, docs/pictures, "+
	"tables of docs/measurements.md")

func TestWhatTheseTestsReadWasMadeOfTheTemplatesAsTheyAre(t *testing.T) {
	for name, file := range goldenFiles {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		if _, made := goldenOf(t, name); made != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has changed since %s was made of it; after a look: go test -tags acceptance ./acceptance "+
				"-run Transformed -update", name, file)
		}
	}
}

// --- Parameters ---------------------------------------------------------------

func TestEveryParameterSaysWhatItIsAndIsBounded(t *testing.T) {
	of := golden(t)
	for name, p := range of.Parameters {
		if p.Description == "" || p.ConstraintDescription == "" || p.Default == nil {
			t.Errorf("%s lacks a description, a default or a description of what is accepted", name)
		}
		if p.AllowedPattern == "" && p.AllowedValues == nil && (p.MinValue == nil || p.MaxValue == nil) {
			t.Errorf("%s takes anything", name)
		}
		if fault := p.fault(fmt.Sprint(p.Default)); fault != "" {
			t.Errorf("%s: the default is %s", name, fault)
		}
	}
}

// aPage is how a template names a page of docs.
var aPage = regexp.MustCompile(`docs/(\w+)\.md`)

// TestTheParametersAreDocumented makes docs/parameters.md of the templates, the main one first.
func TestTheParametersAreDocumented(t *testing.T) {
	const file = "../docs/parameters.md"
	var b strings.Builder
	b.WriteString("# Parameters\n\nWhat can be set when a template is deployed. A new stack needs the answers in " +
		"`samconfig.toml` alone ([deploy](deploy.md)); all else has a\ndefault that is right for most. Write what you set into " +
		"`parameter_overrides` there, as `\"NAME=VALUE\"`. A list has commas between its\nmembers.\n" +
		"This page is made of the templates: `go test ./acceptance -run Documented -update`.\n")
	names := slices.Sorted(maps.Keys(goldenFiles))
	names = append([]string{mainTemplate}, slices.DeleteFunc(names, func(n string) bool { return n == mainTemplate })...)
	for _, name := range names {
		of, _ := goldenOf(t, name)
		for _, group := range of.Metadata.Interface.ParameterGroups {
			label := group.Label.Default
			if name != mainTemplate {
				label = name + ": " + label
			}
			fmt.Fprintf(&b, "\n## %s\n", label)
			for _, id := range group.Parameters {
				p := of.Parameters[id]
				byDefault, accepted := "none: it must be given", p.ConstraintDescription
				if p.Default != nil {
					if byDefault = fmt.Sprint(p.Default); byDefault == "" {
						byDefault = "empty"
					}
				}
				if accepted == "" {
					accepted = "what is there of the type " + p.Type
				}
				fmt.Fprintf(&b, "\n### %s\n\n%s\n\n- Default: %s\n- Accepted: %s\n", id,
					aPage.ReplaceAllString(p.Description, "[$1]($1.md)"), byDefault, accepted)
			}
		}
	}
	wantFile(t, file, b.String(), "go test ./acceptance -run Documented -update")
}

// wantFile compares a file with what is made for it, or with -update writes it. again is the command that does.
func wantFile(t *testing.T, file, made, again string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if made != string(committed) {
		t.Errorf("%s is not what is made for it, from %q on; after a look: %s", file, firstDifference(made, string(committed)), again)
	}
}

// firstDifference shows the first line of a that b has not at the same place.
func firstDifference(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			return strings.TrimSpace(line)
		}
	}
	return "its end"
}

// fault says what is wrong with a value, as CloudFormation would.
func (p parameter) fault(value string) string {
	values := texts(valueOf(p, value))
	if len(values) == 0 {
		values = []string{""}
	}
	for _, v := range values {
		if p.AllowedPattern != "" && !matches(p.AllowedPattern, v) {
			return fmt.Sprintf("%q, which the pattern does not take", v)
		}
		if p.MaxLength > 0 && len(v) > p.MaxLength {
			return fmt.Sprintf("%d characters, which is more than %d", len(v), p.MaxLength)
		}
		if p.AllowedValues != nil && !slices.Contains(texts(p.AllowedValues), v) {
			return fmt.Sprintf("%q, which is none of %v", v, p.AllowedValues)
		}
		if p.MinValue != nil {
			var n float64
			if _, err := fmt.Sscan(v, &n); err != nil || n < *p.MinValue || n > *p.MaxValue {
				return fmt.Sprintf("%q, which is not from %v to %v", v, *p.MinValue, *p.MaxValue)
			}
		}
	}
	return ""
}

// beginsNot is the one thing in the patterns that Go's do not know: what the value begins with not.
var beginsNot = regexp.MustCompile(`^\^\(\?!([a-z/-]+)\)`)

// matches holds a value against a pattern of Java's.
func matches(pattern, value string) bool {
	if found := beginsNot.FindStringSubmatch(pattern); found != nil {
		if strings.HasPrefix(value, found[1]) {
			return false
		}
		pattern = "^" + strings.TrimPrefix(pattern, found[0])
	}
	return regexp.MustCompile(pattern).MatchString(value)
}

func TestEveryParameterIsShownOnceAndUsed(t *testing.T) {
	of := golden(t)
	var shown []string
	for _, group := range of.Metadata.Interface.ParameterGroups {
		shown = append(shown, group.Parameters...)
	}
	slices.Sort(shown)
	if all := slices.Sorted(maps.Keys(of.Parameters)); !slices.Equal(shown, all) {
		t.Errorf("the groups show %v\nthere are %v", shown, all)
	}
	text, err := os.ReadFile(goldenFiles[mainTemplate])
	if err != nil {
		t.Fatal(err)
	}
	for name := range of.Parameters {
		if !strings.Contains(string(text), `"Ref": "`+name+`"`) && !strings.Contains(string(text), "${"+name+"}") {
			t.Errorf("nothing uses %s", name)
		}
	}
}

func TestAValueThatTheFunctionsWouldRefuseIsRefusedBeforeAnythingIsMade(t *testing.T) {
	of := golden(t)
	for name, values := range map[string][]string{
		"ApplicationUrl": {"", "app.example.com", "ftp://app.example.com", "https://", "https://user@app.example.com",
			"https://app.example.com?x=1", "https://app.example.com/#x", "https://app.example.com/a b"},
		"AllowedOrigins": {"https://a.example.com/", "https://a.example.com,*.example.com", "HTTPS://a.example.com",
			"null", "a.example.com"},
		"Policy": {"images", "[]"},
		"TellBus": {"arn:aws:sqs:us-east-1:123456789012:q", "arn:aws:events:us-east-1:123456789012:event-bus/*",
			"*"},
		"BucketPrefix": {"", "Uploads", "-a", "a-", "a.b", strings.Repeat("a", 35)},
		"QuarantinePrefix": {"", "/", "/quarantine/", "quarantine", "a*/", "${aws:username}/", "a b/",
			upload.DeadLetterPrefix, upload.DeadLetterPrefix + "quarantine/"},
		"FilesPrefix": {"", "/", "/files/", "files", "a?/", upload.DeadLetterPrefix, upload.DeadLetterPrefix + "files/"},
		"KmsKeyArn": {"*", "alias/aws/s3", "arn:aws:kms:eu-central-1:123456789012:alias/x",
			"arn:aws:kms:eu-central-1:123456789012:key/*"},
		"OperatorRoleArn": {"*", "arn:aws:iam::123456789012:user/u", "arn:aws:iam::123456789012:role/*",
			"arn:aws:iam::123456789012:root"},
		"PermissionsBoundaryArn": {"*", "arn:aws:iam::123456789012:role/r", "boundary", "arn:aws:iam::123456789012:policy/*"},
		"SubnetIds":              {"subnet-1,sg-0123456789abcdef0", "subnet-0123456789abcdef0, subnet-0123456789abcdef1", ",", "vpc-0123456789abcdef0"},
		"SecurityGroupIds":       {"default", "sg-0123456789abcdef0,", strings.Repeat("sg-0123456789abcdef0,", 5) + "sg-0123456789abcdef0"},
		"DomainName":             {"files", "*.example.com", "https://files.example.com", "files.example.com/"},
		"CertificateArn":         {"arn:aws:iam::123456789012:server-certificate/c"},
		"HostedZoneId":           {"/hostedzone/Z1"},
		"AlarmEmail":             {"ops", "ops@example", "a b@example.com"},
		"ValidatorSeconds":       {"30", "301", "901"},
		"QuarantineDays":         {"34"},
		"Records":                {"sqlite", ""},
		"ApplicationKind":        {"brood", ""},
		"GrantSeconds":           {"-1", "301"},
		"BugoutUrl":              {"auth.bugout.dev", "https://auth.bugout.dev?x=1", "https://u@auth.bugout.dev"},
		// No secret gets into a parameter that can be read: of one in place of its hash no function would start.
		"FrontSecretSha256": {"the-secret-itself-of-32-characters", strings.Repeat("0A", 32), strings.Repeat("0a", 31),
			strings.Repeat("0a", 32) + ",", strings.Repeat(","+strings.Repeat("0a", 32), 3)[1:]},
		// No token gets into a parameter.
		"BugoutTokenSecret": {"11111111-aaaa-4111-8111-BBBBBBBBBBBB", "11111111aaaa41118111bbbbbbbbbbbb", "a b",
			"hatchery/*", "arn:aws:secretsmanager:us-east-1:123456789012:secret:hatchery",
			"arn:aws:secretsmanager:us-east-1:123456789012:secret:*", strings.Repeat("x/", 257)},
		"BugoutApplicationId": {"4bf67555b4f34a2e95ff7142d49d167b", "mine"},
		"LegacyBucket":        {"Old", "a", "old/images", "old*"},
		"LegacyPrefix":        {"/old", "old/", "a//b", "../x", "old/*", strings.Repeat("x", 201)},
		"Architecture":        {"amd64"},
	} {
		for _, value := range values {
			if of.Parameters[name].fault(value) == "" {
				t.Errorf("%s takes %q", name, value)
			}
		}
	}
}

func TestValuesThatPeopleGiveAreTaken(t *testing.T) {
	of := golden(t)
	for name, values := range map[string][]string{
		"ApplicationUrl": {"https://app.example.com", "http://127.0.0.1:8080", "http://[::1]:8080/base/",
			"https://App.example.com/a/b"},
		"AllowedOrigins": {"", "*", "https://a.example.com", "https://a.example.com, http://localhost:3000",
			"http://[::1]:3000"},
		"Policy": {`{"kinds":{"images":{"max_bytes":100}}}`, "{\n  \"kinds\": {}\n}\n"},
		"TellBus": {"arn:aws:events:us-east-1:123456789012:event-bus/default",
			"arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/team/bus-1"},
		"FrontSecretSha256":      {strings.Repeat("0a", 32), strings.Repeat("0a", 32) + "," + strings.Repeat("f9", 32)},
		"BucketPrefix":           {"a", "team-7", strings.Repeat("a", 34)},
		"QuarantinePrefix":       {"q/", "tenant_1/quarantine/", "dead-letter/", "my-dead-letters/"},
		"FilesPrefix":            {"f/", "a/dead-letters/"},
		"KmsKeyArn":              {"arn:aws:kms:eu-central-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"},
		"OperatorRoleArn":        {"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Ops_0123456789abcdef"},
		"PermissionsBoundaryArn": {"arn:aws:iam::123456789012:policy/platform/boundary", "arn:aws:iam::aws:policy/PowerUserAccess"},
		"SubnetIds":              {"subnet-0123456789abcdef0,subnet-0123456789abcdef1", "subnet-01234567"},
		"SecurityGroupIds":       {"sg-0123456789abcdef0"},
		"DomainName":             {"files.example.com", "a-b.example.co.uk"},
		"AlarmEmail":             {"ops+alarms@example.com"},
		"BugoutUrl":              {"https://auth.bugout.dev", "http://127.0.0.1:7474/brood"},
		"BugoutTokenSecret": {"hatchery/bugout-token", "token",
			"arn:aws:secretsmanager:us-east-1:123456789012:secret:hatchery/bugout-token-AbCd12"},
		"BugoutApplicationId": {"4bf67555-b4f3-4a2e-95ff-7142d49d167b"},
		"LegacyBucket":        {"old-images.example"},
		"LegacyPrefix":        {"dev", "dev/journals"},
	} {
		for _, value := range values {
			if fault := of.Parameters[name].fault(value); fault != "" {
				t.Errorf("%s: %s", name, fault)
			}
		}
	}
}

func TestTheBucketsNameFitsWhateverTheRegion(t *testing.T) {
	const longestRegion, account, longest = "us-isof-south-1", "123456789012", 63
	if n := len(strings.Repeat("a", 34) + "-" + account + "-" + longestRegion); n > longest {
		t.Errorf("the longest name has %d characters", n)
	}
}

// --- Settings -------------------------------------------------------------------

// environment gives the variables of a function.
func (d deployment) environment(function string) map[string]string {
	d.t.Helper()
	env := map[string]string{}
	for name, value := range at(d.properties(function), "Environment", "Variables").(map[string]any) {
		env[name] = fmt.Sprint(value)
	}
	// What these tests cannot know of a resource, in the form that AWS gives it.
	for name, value := range map[string]string{"HATCHERY_TABLE": "prod-RecordsTable-1ABC",
		"HATCHERY_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/prod-uploads"} {
		if env[name] != "" {
			env[name] = value
		}
	}
	return env
}

var functions = map[string][]config.Need{
	"ApiFunction":        {config.Callers},
	"ValidatorFunction":  nil,
	"ReconcilerFunction": {config.Messages},
}

// leftToTheirDefaults are settings that nobody has a reason to set in AWS.
var leftToTheirDefaults = []string{"HATCHERY_READ_RATE", "HATCHERY_FORM_SECONDS", "HATCHERY_SURVEY_DAYS"}

func TestEverySettingIsSetByTheTemplate(t *testing.T) {
	d := deploy(t)
	known := map[string]bool{}
	for _, s := range config.Settings() {
		known[s.Name] = true
		set := false
		for function := range functions {
			_, ok := d.environment(function)[s.Name]
			set = set || ok
		}
		if left := slices.Contains(leftToTheirDefaults, s.Name); set == left {
			t.Errorf("%s is set by the template: %v", s.Name, set)
		}
	}
	for function := range functions {
		for name, value := range d.environment(function) {
			// `sam local` can change no variable that is not there.
			if !known[name] && (name != "AWS_ENDPOINT_URL" || value != "") {
				t.Errorf("%s is given %s=%s, which is no setting", function, name, value)
			}
		}
	}
}

func TestEveryFunctionStartsWithWhatTheTemplateAllows(t *testing.T) {
	of := golden(t)
	try := []string{"FrontSecretSha256=" + strings.Repeat("0a", 32) + "," + strings.Repeat("f9", 32), "BucketPrefix=" + strings.Repeat("a", 34),
		"AllowedOrigins=https://a.example.com,http://localhost:3000", "AllowedOrigins=*",
		"TellBus=arn:aws:events:us-east-1:123456789012:event-bus/team/bus-1", "QuarantinePrefix=tenant_1/quarantine/"}
	for name, p := range of.Parameters {
		for _, v := range texts(p.AllowedValues) {
			try = append(try, name+"="+v)
		}
		if p.MinValue != nil {
			try = append(try, fmt.Sprintf("%s=%.0f", name, *p.MinValue), fmt.Sprintf("%s=%.0f", name, *p.MaxValue))
		}
	}
	for _, override := range slices.Concat(try, []string{strings.Join(withBugout, " ")}) {
		d := deploy(t, strings.Fields(override)...)
		for function, needs := range functions {
			if len(d.faults()) > 0 {
				continue // CloudFormation makes nothing of it
			}
			env := d.environment(function)
			if _, err := config.Load(func(name string) string { return env[name] }, needs...); err != nil {
				t.Errorf("with %s %s does not start: %v", override, function, err)
			}
		}
	}
}

func TestTheSettingsAreWhatTheTemplateBuilds(t *testing.T) {
	d := deploy(t, "AllowedOrigins=https://a.example.com,https://b.example.com",
		"TellBus=arn:aws:events:us-east-1:123456789012:event-bus/default", "ValidatorSeconds=120",
		"QuarantineDays=40", "WaitSeconds=7")
	for _, function := range []string{"ValidatorFunction", "ReconcilerFunction"} {
		// The one says of a message when it is a dead letter, the other when it was lost.
		env := d.environment(function)
		if env["HATCHERY_VISIBILITY_SECONDS"] != "720" || env["HATCHERY_MAX_RECEIVES"] != "5" {
			t.Errorf("%s is told of the queue: %v", function, env)
		}
	}
	env := d.environment("ApiFunction")
	c, err := config.Load(func(name string) string { return env[name] }, config.Callers)
	if err != nil {
		t.Fatal(err)
	}
	queue := d.properties("UploadsQueue")
	for _, same := range [][2]any{
		{c.Bucket, d.properties("UploadsBucket")["BucketName"]},
		{strings.Join(c.CORSOrigins, " "), "https://a.example.com https://b.example.com"},
		{int(c.ValidatorTime.Seconds()), number(t, d.properties("ValidatorFunction")["Timeout"])},
		{int(c.VisibilityTime.Seconds()), number(t, queue["VisibilityTimeout"])},
		{c.MaxReceives, number(t, at(queue, "RedrivePolicy", "maxReceiveCount"))},
		{c.QuarantineDays, 40}, {c.WaitTime, 7 * time.Second}, {c.EventBus, "arn:aws:events:us-east-1:123456789012:event-bus/default"}, {c.Stack, "prod"},
		{c.Layout.Quarantine, "quarantine/"}, {c.Layout.Files, "files/"},
		{c.PostBytes, int64(4_400_000)}, {c.RedirectBytes, int64(4_000_000)},
		{c.ApplicationURL, "https://application.invalid"},
	} {
		if same[0] != same[1] {
			t.Errorf("the functions are told %v, and it is %v", same[0], same[1])
		}
	}
}

// --- samconfig.toml -----------------------------------------------------------

func TestTheEnvironmentsOfSAMGiveValuesThatTheTemplateTakes(t *testing.T) {
	of := golden(t)
	text, err := os.ReadFile(filepath.Join("..", "samconfig.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, environment := range []string{"default", "dev", "acceptance"} {
		if !strings.Contains(string(text), "\n["+environment+".deploy.parameters]\n") {
			t.Errorf("there is no environment %s", environment)
		}
	}
	// Those, too, that are only to be filled in.
	var names [][]string
	for _, list := range regexp.MustCompile(`(?s)parameter_overrides = \[(.*?)\n\]`).FindAllStringSubmatch(string(text), -1) {
		var given []string
		for _, o := range regexp.MustCompile(`"([A-Za-z]+)=([^"]*)"`).FindAllStringSubmatch(list[1], -1) {
			given = append(given, o[1])
			p, ok := of.Parameters[o[1]]
			if !ok {
				t.Errorf("%s is no parameter", o[1])
			} else if fault := p.fault(o[2]); fault != "" {
				t.Errorf("%s is %s", o[1], fault)
			}
		}
		names = append(names, given)
	}
	// What a new stack is asked stands first, and is what the template shows first.
	if asked := of.Metadata.Interface.ParameterGroups[0].Parameters; len(names) != 3 || !slices.Equal(names[0], asked) {
		t.Errorf("samconfig.toml gives %v; asked are %v", names, asked)
	}
}
