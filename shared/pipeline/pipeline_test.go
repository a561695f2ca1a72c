package pipeline_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/config"
	"hatchery/shared/pipeline"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
	"hatchery/shared/validator"
)

// compose composes a deployment of these settings, and name, value, … in their places.
func compose(t *testing.T, bugoutRequests int, changes ...string) *pipeline.Components {
	t.Helper()
	env := map[string]string{"HATCHERY_BUCKET": "bucket-1", "HATCHERY_RECORDS": "sqlite",
		"HATCHERY_APPLICATION_URL": "https://notes.example.com", "HATCHERY_QUEUE_URL": "https://sqs.example.com/1/q",
		"HATCHERY_BUGOUT_URL":            "https://auth.example.com",
		"HATCHERY_BUGOUT_APPLICATION_ID": "4bf67555-b4f3-4a2e-95ff-7142d49d167b",
		"HATCHERY_BUGOUT_TOKEN":          "11111111-1111-4111-8111-111111111111"}
	for i := 0; i < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
	}
	settings, err := config.Load(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	cloud := aws.Config{Region: "eu-south-1"}
	return pipeline.New(settings, pipeline.Dependencies{AWS: cloud, S3: pipeline.S3Client(cloud),
		Records: uploadtest.NewRecords(uploadtest.RecordsOptions{}), BugoutRequests: make(chan struct{}, bugoutRequests),
		Log: slog.New(slog.DiscardHandler)})
}

func TestMessagesAreJudgedTogetherUnlessBugoutBearsLess(t *testing.T) {
	for _, c := range []struct {
		records        string
		requests, want int
	}{{"sqlite", 1, 10}, {"bugout", 1, 1}, {"bugout", 4, 4}, {"bugout", 11, 10}} {
		if got := compose(t, c.requests, "HATCHERY_RECORDS", c.records).Validator(pipeline.ValidatorOptions{}).Concurrency; got != c.want {
			t.Errorf("records in %s, %d requests at once: %d messages, want %d", c.records, c.requests, got, c.want)
		}
	}
}

func TestWhatNobodySetIsNotThere(t *testing.T) {
	c := compose(t, 1)
	if c.Uploads.Notifier != nil || c.Uploads.LegacyImages != nil {
		t.Errorf("%+v", c.Uploads)
	}
	c = compose(t, 1, "HATCHERY_EVENT_BUS", "verdicts", "HATCHERY_LEGACY_BUCKET", "old-images")
	if c.Uploads.Notifier == nil || c.Uploads.LegacyImages == nil {
		t.Errorf("%+v", c.Uploads)
	}
}

func TestTheSettingsReachWhatIsComposed(t *testing.T) {
	c := compose(t, 1, "HATCHERY_QUARANTINE_DAYS", "40", "HATCHERY_MAX_RECEIVES", "6",
		"HATCHERY_VISIBILITY_SECONDS", "100", "HATCHERY_READ_RATE", "30000000", "HATCHERY_QUARANTINE_PREFIX", "q/")
	r, v := c.Reconciler(), c.Validator(pipeline.ValidatorOptions{})
	if c.Uploads.TombstoneLife != 71*24*time.Hour || r.Limits.Overdue != 600*time.Second || v.ReadRate != 30_000_000 {
		t.Errorf("tombstones live %s, a message is tried for %s, %d bytes a second are read",
			c.Uploads.TombstoneLife, r.Limits.Overdue, v.ReadRate)
	}
	if v.MaxReceives != 6 || v.Visibility != 100*time.Second {
		t.Errorf("the validator is told of %d receptions, %s apart", v.MaxReceives, v.Visibility)
	}
	if c.Notes == nil || v.Attempts != validator.Attempts(c.Notes) {
		t.Errorf("attempts are kept by %+v, notes by %+v", v.Attempts, c.Notes)
	}
	if c.Uploads.Layout.Quarantine != "q/" || v.Layout != c.Uploads.Layout || r.Layout != c.Uploads.Layout ||
		v.Bucket != "bucket-1" || r.Bucket != "bucket-1" || r.Region != "eu-south-1" {
		t.Errorf("not one place: %+v, %+v, %+v", c.Uploads, v, r)
	}
}

func TestAnApplicationThatTokensMustNotBeSentToIsNamed(t *testing.T) {
	_, err := pipeline.New(config.Config{ApplicationURL: "http://notes.example.com"}, pipeline.Dependencies{}).
		API(pipeline.APIOptions{})
	if err == nil || !strings.Contains(err.Error(), "HATCHERY_APPLICATION_URL: ") {
		t.Errorf("%v", err)
	}
}

func TestAnotherEndpointOfS3IsSpokenToInPathStyle(t *testing.T) {
	at := func(o *s3.Options) { o.BaseEndpoint = aws.String("http://s3.internal") }
	if plain := pipeline.S3Client(aws.Config{}).Options(); plain.UsePathStyle {
		t.Error("AWS is asked in path style")
	}
	if other := pipeline.S3Client(aws.Config{}, at).Options(); !other.UsePathStyle {
		t.Error("another endpoint is not")
	}
}

func TestTheValidatorTellsWhoeverWasNamed(t *testing.T) {
	observed, redriven := 0, 0
	v := compose(t, 1).Validator(pipeline.ValidatorOptions{
		Observe: func(upload.Outcome, error) { observed++ }, ObserveRedriven: func(n int) { redriven = n }})
	v.Observe(upload.Outcome{}, nil)
	v.ObserveRedriven(3)
	if observed != 1 || redriven != 3 {
		t.Errorf("heard of %d outcomes, and of a message that was sent again %d times", observed, redriven)
	}
}
