package acceptance

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/config"
)

// withBugout are the values of a stack whose records Bugout keeps.
var withBugout = []string{"Records=bugout", "BugoutUrl=https://auth.bugout.dev",
	"BugoutApplicationId=4bf67555-b4f3-4a2e-95ff-7142d49d167b",
	"BugoutTokenSecret=hatchery/bugout-token"}

const (
	someSecret    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hatchery/bugout-token-AbCd12"
	secretByName  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hatchery/bugout-token-??????"
	readingSecret = "secretsmanager:GetSecretValue "
)

// bugout resolves the template for Bugout, with more values.
func bugout(t *testing.T, more ...string) deployment {
	return deploy(t, slices.Concat(withBugout, more)...)
}

func TestWhatBelongsTogetherIsGivenTogether(t *testing.T) {
	for values, want := range map[string][]string{
		"":                            nil,
		strings.Join(withBugout, " "): nil,
		"Records=bugout": {"Records=bugout needs BugoutApplicationId", "Records=bugout needs BugoutTokenSecret",
			"Records=bugout needs BugoutUrl"},
		"ApplicationKind=spire":                                   {"ApplicationKind=spire needs BugoutUrl"},
		"ApplicationKind=spire BugoutUrl=https://auth.bugout.dev": nil,
		"LegacyPrefix=dev":                                        {"LegacyPrefix needs LegacyBucket"},
		"LegacyPrefix=dev LegacyBucket=old":                       nil,
		"DomainName=files.example.com":                            {"DomainName needs CertificateArn"},
		"DisableExecuteApiEndpoint=true":                          {"DisableExecuteApiEndpoint=true needs DomainName"},
		"SubnetIds=subnet-01234567":                               {"SubnetIds and SecurityGroupIds are given together, or neither"},
		"SecurityGroupIds=sg-01234567":                            {"SubnetIds and SecurityGroupIds are given together, or neither"},
		"SubnetIds=subnet-01234567 SecurityGroupIds=sg-01234567":  nil,
		"ValidatorConcurrency=1":                                  {"ValidatorConcurrency is 0, or from 2 to 1000"},
		"ValidatorConcurrency=2":                                  nil,
	} {
		if got := deploy(t, strings.Fields(values)...).faults(); !slices.Equal(got, want) {
			t.Errorf("with %q: %q, want %q", values, got, want)
		}
	}
}

func TestWithBugoutThereIsNoTable(t *testing.T) {
	d := bugout(t)
	if tables := d.ofType("AWS::DynamoDB::Table"); len(tables) > 0 {
		t.Errorf("tables %v", tables)
	}
	for name, output := range d.Outputs {
		if made := output.Condition == "" || d.holds(output.Condition); made == (name == "Table" || name == "DomainTarget") {
			t.Errorf("the output %s is made: %v", name, made)
		}
	}
	text, err := json.Marshal(d.made)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"RecordsTable", "dynamodb", "DynamoDB"} {
		if strings.Contains(string(text), word) {
			t.Errorf("something speaks of %s", word)
		}
	}
	var board struct{ Widgets []any }
	if err := json.Unmarshal([]byte(d.properties("Dashboard")["DashboardBody"].(string)), &board); err != nil ||
		len(board.Widgets) != 9 {
		t.Errorf("the dashboard has %d widgets, %v", len(board.Widgets), err)
	}
}

func TestWithBugoutEachFunctionReadsItsTokenAndNothingOfATable(t *testing.T) {
	plain := deploy(t)
	for secret, resource := range map[string]string{"hatchery/bugout-token": secretByName, someSecret: someSecret} {
		d := bugout(t, "BugoutTokenSecret="+secret)
		for function := range functions {
			want := slices.DeleteFunc(plain.may(function), func(may string) bool { return strings.HasPrefix(may, "dynamodb:") })
			want = append(want, readingSecret+resource)
			slices.Sort(want)
			if got := d.may(function); !slices.Equal(got, want) {
				t.Errorf("%s may\n  %s\nwant\n  %s", function, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		}
	}
	for function := range functions {
		for _, may := range plain.may(function) {
			if strings.HasPrefix(may, readingSecret) {
				t.Errorf("without Bugout %s may read a secret", function)
			}
		}
	}
}

func TestWithBugoutTheFunctionsAreTheFewThatItBears(t *testing.T) {
	for _, c := range []struct {
		values         []string
		api, validator any
	}{
		{nil, nil, "10"},
		{withBugout, nil, "2"}, // a young account can reserve nothing
		{slices.Concat(withBugout, []string{"ApiConcurrency=3", "ValidatorConcurrency=5"}), "3", "5"},
		{[]string{"ApiConcurrency=50", "ValidatorConcurrency=17"}, "50", "17"},
	} {
		d := deploy(t, c.values...)
		api := d.properties("ApiFunction")["ReservedConcurrentExecutions"]
		if validator := at(d.properties("ValidatorFunctionArrived"), "ScalingConfig", "MaximumConcurrency"); api != c.api ||
			validator != c.validator {
			t.Errorf("with %v: %v of the API and %v validators, want %v and %v", c.values, api, validator, c.api, c.validator)
		}
	}
}

func TestWithBugoutTheSettingsAreWhatWasGiven(t *testing.T) {
	d := bugout(t, "ApplicationKind=spire", "GrantSeconds=20", "LegacyBucket=old-images", "LegacyPrefix=dev/journals")
	for function, needs := range functions {
		env := d.environment(function)
		c, err := config.Load(func(name string) string { return env[name] }, needs...)
		if err != nil {
			t.Fatalf("%s: %v", function, err)
		}
		if c.Records != config.RecordsBugout || c.Table != "" || c.Bugout.URL != "https://auth.bugout.dev" ||
			c.Bugout.ApplicationID != "4bf67555-b4f3-4a2e-95ff-7142d49d167b" ||
			c.Bugout.TokenName != "hatchery/bugout-token" || !c.Bugout.Token.IsZero() {
			t.Errorf("%s: %+v", function, c)
		}
		if function == "ApiFunction" &&
			(c.WaitTime != 5*time.Second || !c.Spire || c.GrantLife.Seconds() != 20 ||
				c.Legacy != config.Legacy{Bucket: "old-images", Prefix: "dev/journals"}) {
			t.Errorf("%+v", c)
		}
	}
}

func TestOldImagesAreReadAndDeletedByTheAPIAlone(t *testing.T) {
	for values, under := range map[string]string{
		"LegacyBucket=old-images":                           "arn:aws:s3:::old-images/*",
		"LegacyBucket=old-images LegacyPrefix=dev/journals": "arn:aws:s3:::old-images/dev/journals/*",
	} {
		with, without := bugout(t, strings.Fields(values)...), bugout(t)
		for function := range functions {
			want := without.may(function)
			if function == "ApiFunction" {
				want = append(want, "s3:GetObject "+under, "s3:DeleteObject "+under)
			}
			slices.Sort(want)
			if got := with.may(function); !slices.Equal(got, want) {
				t.Errorf("with %s %s may\n  %s\nwant\n  %s", values, function, strings.Join(got, "\n  "),
					strings.Join(want, "\n  "))
			}
		}
	}
}
