package shared_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestEveryRuleHasAReason(t *testing.T) {
	for _, r := range rules {
		if r.why == "" {
			t.Errorf("%s: no reason", r.path)
		}
	}
	for _, r := range reservations {
		if r.why == "" {
			t.Errorf("%v: no reason", r.packages)
		}
	}
}

func TestTheRulesBite(t *testing.T) {
	const (
		s3client = "github.com/aws/aws-sdk-go-v2/service/s3"
		events   = "github.com/aws/aws-lambda-go/events"
		stranger = "example.com/stranger"
	)
	for _, c := range []struct {
		file    string
		refused []string
		allowed []string
	}{
		{"shared/upload/x.go",
			[]string{"net/http", "net/http/httptest", "log/slog", "log", "database/sql", "testing", "C", s3client, events,
				stranger, "hatchery/shared/arrival", "hatchery/shared/uploadtest", "hatchery/shared/api",
				"golang.org/x/text/language"},
			[]string{"context", "io", "crypto/sha256", "hatchery/shared/sniff", "hatchery/shared/policy",
				"github.com/google/uuid"}},
		{"shared/upload/x_test.go",
			[]string{"C", s3client, "hatchery/shared/arrival", "hatchery/shared/api", "modernc.org/sqlite",
				"github.com/versity/versitygw/s3api", stranger},
			[]string{"testing", "testing/iotest", "net/http/httptest", "log/slog", "hatchery/shared/upload",
				"hatchery/shared/uploadtest", "hatchery/shared/queue/queuetest", "hatchery/shared/local",
				"hatchery/shared/local/localsqs"}},
		{"shared/policy/x.go", []string{"net/http", "log/slog", "hatchery/shared/upload", "hatchery/shared/config",
			stranger}, []string{"encoding/json", "hatchery/shared/sniff", "golang.org/x/text/unicode/norm"}},
		{"shared/sniff/x.go",
			[]string{"image", "image/png", "net/http", "github.com/h2non/filetype", "github.com/h2non/filetype/types",
				"hatchery/shared/upload", stranger},
			[]string{"bufio", "github.com/h2non/filetype/matchers"}},
		{"shared/sniff/x_test.go", []string{"github.com/h2non/filetype", "hatchery/shared/upload"},
			[]string{"image/png", "hatchery/shared/sniff"}},
		{"shared/arrival/x.go", []string{"hatchery/shared/upload", events, "net/http"}, []string{"encoding/json", "net/url"}},
		{"shared/access/x.go", []string{"hatchery/shared/api", "hatchery/shared/config", "golang.org/x/sync/errgroup",
			stranger}, []string{"net/http", "hatchery/shared/upload"}},
		{"shared/config/x.go", []string{"hatchery/shared/access", "hatchery/shared/objects/s3objects", s3client},
			[]string{"hatchery/shared/upload"}},
		{"shared/api/x.go",
			[]string{"hatchery/shared/validator", "hatchery/shared/reconcile", "hatchery/shared/sniff",
				"hatchery/shared/config", "hatchery/shared/local", "hatchery/shared/objects/s3objects",
				"hatchery/shared/lambdahttp", s3client, events},
			[]string{"net/http", "log/slog", "hatchery/shared/upload", "hatchery/shared/arrival", "hatchery/shared/access",
				"golang.org/x/sync/errgroup"}},
		{"shared/api/x_test.go", []string{"hatchery/shared/validator", "hatchery/shared/records/sqliterecords"},
			[]string{"hatchery/shared/lambdahttp", events, "hatchery/shared/local"}},
		{"shared/validator/x.go", []string{"hatchery/shared/api", "github.com/aws/aws-lambda-go/lambda", s3client},
			[]string{events, "hatchery/shared/arrival"}},
		{"shared/reconcile/x.go", []string{"hatchery/shared/migrate", "hatchery/shared/queue/sqsqueue", events},
			[]string{"hatchery/shared/queue"}},
		{"shared/migrate/x.go", []string{"hatchery/shared/records/dynamorecords", s3client},
			[]string{"hatchery/shared/upload"}},
		{"shared/lambdahttp/x.go", []string{"hatchery/shared/api", "hatchery/shared/upload"}, []string{events}},
		{"shared/records/sqliterecords/x.go",
			[]string{s3client, "hatchery/shared/records/dynamorecords", "hatchery/shared/sniff"},
			[]string{"modernc.org/sqlite", "modernc.org/sqlite/lib", "hatchery/shared/upload"}},
		{"shared/records/dynamorecords/x.go", []string{"modernc.org/sqlite", "hatchery/shared/objects/s3objects"},
			[]string{"github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/smithy-go"}},
		{"shared/records/bugoutrecords/x.go", []string{s3client, "hatchery/shared/access"},
			[]string{"net/http", "hatchery/shared/upload"}},
		{"shared/objects/s3objects/x.go", []string{"hatchery/shared/arrival", "github.com/versity/versitygw/s3err"},
			[]string{s3client, "hatchery/shared/upload"}},
		{"shared/objects/s3objects/x_test.go", []string{"github.com/versity/versitygw/s3err"},
			[]string{"hatchery/shared/local/locals3", "hatchery/shared/uploadtest"}},
		{"shared/queue/x.go", []string{"github.com/aws/aws-sdk-go-v2/service/sqs", "hatchery/shared/queue/sqsqueue"},
			[]string{"hatchery/shared/upload"}},
		{"shared/queue/sqsqueue/x.go", []string{"hatchery/shared/migrate", "modernc.org/sqlite"},
			[]string{"github.com/aws/aws-sdk-go-v2/service/sqs", "hatchery/shared/queue"}},
		{"shared/uploadtest/x.go", []string{"hatchery/shared/records/sqliterecords", "hatchery/shared/local", s3client},
			[]string{"testing", "hatchery/shared/upload"}},
		{"shared/queue/queuetest/x.go", []string{"hatchery/shared/queue/sqsqueue"},
			[]string{"testing", "hatchery/shared/queue"}},
		{"shared/local/locals3/x.go",
			[]string{"hatchery/shared/upload", "hatchery/shared/objects/s3objects", "hatchery/shared/local/localsqs",
				"modernc.org/sqlite"}, []string{"github.com/versity/versitygw/s3api", "github.com/gofiber/fiber/v3",
				"hatchery/shared/arrival"}},
		{"shared/local/localsqs/x.go",
			[]string{"hatchery/shared/upload", "github.com/gofiber/fiber/v3", "hatchery/shared/local/locals3"},
			[]string{"modernc.org/sqlite", "hatchery/shared/local/httpserver", "github.com/aws/aws-sdk-go-v2/aws/signer/v4"}},
		{"shared/local/httpserver/x.go",
			[]string{"hatchery/shared/local/localsqs", "hatchery/shared/lambdahttp", "github.com/gofiber/fiber/v3"},
			[]string{"net/http"}},
		{"shared/local/mapping/x.go", []string{"hatchery/shared/validator", "hatchery/shared/upload"},
			[]string{events, "github.com/aws/aws-sdk-go-v2/service/sqs"}},
		{"shared/local/demoapp/x.go", []string{"hatchery/shared/access", "hatchery/shared/upload", "testing"},
			[]string{"net/http"}},
		{"shared/local/x.go", []string{"hatchery/shared/api", "hatchery/shared/validator", "hatchery/shared/reconcile",
			"hatchery/shared/access", "hatchery/shared/queue/queuetest", "github.com/versity/versitygw/s3api",
			"modernc.org/sqlite"}, []string{"hatchery/shared/local/mapping", "hatchery/shared/objects/s3objects", events,
			"github.com/gofrs/flock"}},
		{"shared/pipeline/x.go",
			[]string{"hatchery/shared/local", "hatchery/shared/records/sqliterecords", "hatchery/shared/records/dynamorecords",
				"hatchery/shared/secrets/smsecrets",
				"github.com/aws/aws-sdk-go-v2/service/secretsmanager", "hatchery/shared/lambdahttp", stranger},
			[]string{"hatchery/shared/api", "hatchery/shared/reconcile", "hatchery/shared/config",
				"hatchery/shared/objects/s3objects", s3client}},
		{"lambdas/bootstrap/bootstraptest/x.go", []string{"hatchery/shared/api", "modernc.org/sqlite"},
			[]string{"testing", "hatchery/lambdas/bootstrap", "hatchery/shared/local/localdynamo"}},
		{"lambdas/api/main.go", []string{"hatchery/lambdas/bootstrap/bootstraptest", "hatchery/shared/local",
			"hatchery/shared/local/demoapp", "hatchery/shared/records/sqliterecords", "hatchery/shared/uploadtest",
			"net/http/pprof", "modernc.org/sqlite", "testing"},
			[]string{"hatchery/shared/api", "hatchery/shared/records/dynamorecords", "github.com/aws/aws-lambda-go/lambda",
				s3client}},
		{"cmd/hatchery/x.go", []string{"hatchery/shared/uploadtest", "github.com/versity/versitygw/s3api",
			"modernc.org/sqlite", "github.com/rogpeppe/go-internal/testscript", "net/http/httptest", "C"},
			[]string{"hatchery/shared/local", "hatchery/shared/migrate", "github.com/spf13/cobra"}},
		{"cmd/hatchery/x_test.go", []string{"github.com/versity/versitygw/s3api", "C"},
			[]string{"github.com/rogpeppe/go-internal/testscript", "hatchery/shared/uploadtest"}},
		{"acceptance/x.go", []string{"github.com/versity/versitygw/s3api", "C"},
			[]string{"testing", "hatchery/shared/local", "hatchery/shared/uploadtest"}},
	} {
		for _, imported := range slices.Concat(c.refused, c.allowed) {
			tree := fstest.MapFS{c.file: {
				Data: []byte("//go:build never\n\npackage x\n\nimport (\n\t_ \"" + imported + "\"\n)\n")}}
			found, err := faults(tree)
			if err != nil {
				t.Fatal(err)
			}
			refused := slices.Contains(c.refused, imported)
			switch {
			case refused && len(found) != 1:
				t.Errorf("%s importing %s: %q, want one fault", c.file, imported, found)
			case refused && !strings.HasPrefix(found[0], c.file+":6: "):
				t.Errorf("fault %q does not say that it is in %s line 6", found[0], c.file)
			case refused && !strings.Contains(found[0], "may not import "+imported+": "):
				t.Errorf("fault %q does not name %s", found[0], imported)
			case !refused && len(found) != 0:
				t.Errorf("%s importing %s: %q, want no fault", c.file, imported, found)
			}
		}
	}
}

func TestAnUnlistedRoomIsAFault(t *testing.T) {
	good := []byte("package x\n")
	for _, folder := range []string{"shared/newroom", "shared/upload/inner", "lambdas", "lambdas/api/inner", "cmd",
		"cmd/other", "tools", "."} {
		tree := fstest.MapFS{
			folder + "/a.go": {Data: good},
			folder + "/b.go": {Data: good},
		}
		if folder == "." {
			tree = fstest.MapFS{"a.go": {Data: good}}
		}
		found, err := faults(tree)
		if err != nil || len(found) != 1 || !strings.HasPrefix(found[0], folder+": ") ||
			!strings.Contains(found[0], "add a row") {
			t.Errorf("%s: %q, %v; want one fault that says to add a row", folder, found, err)
		}
	}
}

func TestWhatTheGoCommandIgnoresIsIgnored(t *testing.T) {
	found, err := faults(fstest.MapFS{
		"shared/sniff/testdata/make.go": {Data: []byte("package x\nimport _ \"C\"\n")},
		".ci/tool.go":                   {Data: []byte("package x\n")},
		"_old/x.go":                     {Data: []byte("package x\n")},
		"shared/upload/notes.txt":       {Data: []byte("import \"net/http\"\n")},
	})
	if err != nil || len(found) != 0 {
		t.Errorf("%q, %v", found, err)
	}
}

func TestAFileThatIsNotGoIsAnError(t *testing.T) {
	if _, err := faults(fstest.MapFS{"shared/upload/x.go": {Data: []byte("not go")}}); err == nil {
		t.Error("no error")
	}
}

func TestNoFolderIsInTwoRooms(t *testing.T) {
	for i, a := range rules {
		for _, b := range rules[i+1:] {
			if matches(a.path, b.path) || matches(b.path, a.path) {
				t.Errorf("%s and %s overlap", a.path, b.path)
			}
		}
	}
}
