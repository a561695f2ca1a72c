// Package shared_test holds who may import whom: it is the two tables below, and nowhere
// else.
package shared_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the name that go.mod gives, which a fork changes.
var module = func() string {
	mod, err := os.ReadFile("../go.mod")
	first, _, _ := strings.Cut(string(mod), "\n")
	name, named := strings.CutPrefix(first, "module ")
	if err != nil || !named {
		panic("go.mod does not begin with the module's name")
	}
	return name
}()

// A rule is about one folder of Go files (or several, by pattern) and what its files
// may import. Patterns are import paths; "x/..." is x and everything below it,
// "x/*" is every folder directly in x, and "..." is everything. Paths within the
// project are written without its name.
type rule struct {
	path    string
	may     []string // besides the standard library
	mayNot  []string // wins over may and over the standard library
	inTests []string // what its _test.go files may import besides
	why     string
}

// The rules. Every folder with Go files is in exactly one of them.
var rules = []rule{
	{path: "shared", why: "holds tests of the whole tree alone"},

	// Words and decisions.
	{path: "shared/policy", may: []string{"shared/sniff", "shared/wording", "golang.org/x/text/unicode/norm"},
		mayNot: []string{"net/...", "log/...", "database/sql/..."},
		why: "what a deployment takes is data and rules about it: whoever asks, and wherever it came from, gets the " +
			"same answer"},
	{path: "shared/upload", may: []string{"shared/policy", "shared/sniff", "shared/wording", "github.com/google/uuid"},
		mayNot: []string{"net/http/...", "log/...", "database/sql/..."},
		why: "the domain decides and returns an Outcome: what serves, logs or stores is somebody else's, so that every " +
			"store and program shares one set of rules"},
	{path: "shared/sniff", may: []string{"shared/wording", "github.com/h2non/filetype/matchers/..."},
		mayNot: []string{"net/...", "log/...", "database/sql/...", "image/..."},
		why: "pure: bytes in, verdict out; it decodes no picture, and takes the one matcher it names, never the " +
			"library's registry"},
	{path: "shared/arrival", mayNot: []string{"net/http/...", "log/...", "database/sql/..."},
		why: "reads and writes notifications with the standard library alone"},
	{path: "shared/stdlog", why: "every program may withhold the standard logger's lines: it needs no library"},
	{path: "shared/baseurl",
		why: "one rule of where a token may be sent, with the standard library alone"},
	{path: "shared/wording", why: "writes numbers and times for a person, with the standard library alone"},
	{path: "shared/attempts", may: []string{"shared/upload"},
		why: "the words for what a validator keeps beside a message: who writes and who reads share no more"},
	{path: "shared/access", may: []string{"shared/upload", "shared/policy", "shared/baseurl"},
		why: "one question over net/http needs no library"},
	{path: "shared/config", may: []string{"shared/upload", "shared/policy", "shared/baseurl"},
		why: "the only table of settings knows the domain's words and nothing that it configures"},

	// Handlers: what happens on a request, a message, a schedule.
	{path: "shared/api", may: handler("shared/wording"), inTests: []string{"shared/lambdahttp", "github.com/aws/aws-lambda-go/events",
		"github.com/getkin/kin-openapi/..."},
		why: whyHandler},
	{path: "shared/validator", may: handler("shared/attempts", "github.com/aws/aws-lambda-go/events"), why: whyHandler},
	{path: "shared/reconcile", may: handler("shared/queue", "shared/wording"), why: whyHandler},
	{path: "shared/deadletter", may: handler("shared/queue", "shared/attempts", "shared/wording"),
		inTests: aws("shared/validator", "shared/records/...", "shared/objects/s3objects", "shared/queue/sqsqueue",
			"shared/notifier/eventbridgenotifier", "github.com/aws/aws-lambda-go/events"),
		why: whyHandler},
	{path: "shared/console", may: handler("shared/queue", "shared/deadletter", "shared/wording", "shared/local/httpserver"),
		why: "pages over what shared/deadletter does, served on this machine alone: it decides nothing, and knows no store"},
	{path: "shared/doctor", may: aws("shared/access", "shared/wording"),
		why: "asks AWS how what a deployment is made of is set up, which no driver knows: it reads records and files of nobody"},
	{path: "shared/migrate", may: handler(), inTests: aws("shared/records/..."), why: whyHandler},
	{path: "shared/lambdahttp", may: []string{"github.com/aws/aws-lambda-go/events"}, inTests: []string{"shared/api"},
		why: "turns events into requests for any http.Handler, so it knows none"},

	{path: "shared/pipeline",
		may: handler("shared/api", "shared/validator", "shared/reconcile", "shared/deadletter", "shared/config", "shared/objects/s3objects",
			"shared/queue/sqsqueue", "shared/notifier/eventbridgenotifier", "github.com/aws/aws-sdk-go-v2/aws",
			"github.com/aws/aws-sdk-go-v2/service/s3", "github.com/aws/aws-sdk-go-v2/service/sqs",
			"github.com/aws/aws-sdk-go-v2/service/eventbridge"),
		inTests: aws(),
		why: "composes what runs, once for all programs: it opens no record store, so that no function links SQLite " +
			"or the embedded stack, and no command Secrets Manager"},

	// Implementations: the domain's interfaces, each with one vendor's library.
	{path: "shared/records/sqliterecords", may: []string{"shared/upload", "shared/policy", "shared/sqlitefile", "modernc.org/sqlite/..."},
		why: whyStore},
	{path: "shared/sqlitefile", may: []string{"modernc.org/sqlite/..."},
		why: "what those who keep SQLite files share: it knows nothing of what is in them"},
	{path: "shared/records/dynamorecords", may: aws("shared/upload", "shared/policy"), why: whyStore},
	{path: "shared/records/bugoutrecords",
		may: []string{"shared/upload", "shared/policy", "shared/baseurl", "github.com/google/uuid"},
		why: whyStore},
	{path: "shared/objects/s3objects", may: aws("shared/upload", "shared/policy"), inTests: []string{"shared/arrival"},
		why: whyStore},
	{path: "shared/notifier/eventbridgenotifier", may: aws("shared/upload", "shared/policy"), why: whyStore},
	{path: "shared/secrets/smsecrets", may: aws(), why: whyStore},
	{path: "shared/emf", why: "CloudWatch's embedded metrics are JSON on a stream: the standard library is enough, and " +
		"it knows nothing of what is counted"},
	{path: "shared/queue", may: []string{"shared/upload", "shared/policy"},
		why: "an interface and its words: no queue in particular"},
	{path: "shared/queue/sqsqueue", may: aws("shared/upload", "shared/policy", "shared/queue"), why: whyStore},

	// Fakes and suites.
	{path: "shared/uploadtest",
		may: []string{"shared/upload", "shared/policy", "shared/sniff", "shared/arrival", "github.com/google/uuid",
			"golang.org/x/sync/..."},
		why: "fakes and suites know the contract, not those who keep it"},
	{path: "shared/queue/queuetest",
		may: []string{"shared/queue", "shared/upload", "shared/policy", "golang.org/x/sync/..."},
		why: "fakes and suites know the contract, not those who keep it"},

	// The embedded stack.
	{path: "shared/local/locals3",
		may: aws("shared/arrival", "shared/local/httpserver", "github.com/versity/versitygw/...", "github.com/gofiber/fiber/v3/...",
			"github.com/valyala/fasthttp/..."),
		why: "a stand-in for S3 knows S3's words, not the product's"},
	{path: "shared/local/localsqs",
		may: aws("shared/local/sigv4", "shared/local/httpserver", "shared/sqlitefile", "github.com/google/uuid",
			"modernc.org/sqlite/..."),
		why: "a stand-in for SQS knows SQS's words, not the product's"},
	{path: "shared/local/localdynamo",
		may: []string{"shared/local/sigv4", "shared/local/httpserver", "github.com/truora/minidyn/server"}, inTests: aws(),
		why: "a stand-in for DynamoDB knows DynamoDB's words, not the product's"},
	{path: "shared/local/localbugout", may: []string{"shared/local/httpserver", "github.com/google/uuid"},
		why: "a stand-in for Bugout's server knows its words, not the product's"},
	{path: "shared/local/sigv4", may: aws(), why: "signatures are checked alike by every stand-in of an AWS service"},
	{path: "shared/local/httpserver", may: []string{"shared/stdlog"}, why: "net/http with the bounds of a stand-in: it knows nothing of what is served"},
	{path: "shared/local/mapping",
		may: aws("github.com/aws/aws-lambda-go/events", "github.com/aws/aws-lambda-go/lambdacontext",
			"github.com/google/uuid", "golang.org/x/sync/..."),
		why: "a stand-in for Lambda's event source mapping: it is handed the function that it calls"},
	{path: "shared/local/demoapp", may: []string{"shared/local/httpserver"}, inTests: []string{"shared/access"},
		why: "a stand-in for the application needs the standard library alone"},
	{path: "shared/local", may: aws("shared/local/...", "shared/stdlog", "shared/arrival", "shared/upload", "shared/policy",
		"shared/objects/s3objects", "shared/queue/...", "shared/records/...",
		"github.com/aws/aws-lambda-go/events", "github.com/gofrs/flock", "golang.org/x/sync/..."),
		mayNot: []string{"shared/queue/queuetest"},
		why: "puts the stand-ins together and is handed the handlers: it knows no handler package, so that local mode " +
			"cannot grow a second set of rules"},

	{path: "shared/local/samples", may: []string{"shared/upload", "shared/policy"},
		why: "reads the folder of sample events for whoever plays them"},
	{path: "events", inTests: aws("shared/...", "github.com/aws/aws-lambda-go/..."),
		why: "sample events, and the test that plays each of them through the handlers"},

	{path: "client", inTests: []string{"shared/api", "shared/access", "shared/upload", "shared/policy"},
		why: "other programs import it: the standard library is all that it brings along"},

	// Programs.
	{path: "lambdas/*", may: []string{"..."},
		mayNot: []string{"shared/local/...", "shared/records/sqliterecords", "shared/doctor", "net/http/pprof", "expvar"},
		why: "a function's zip stays small and starts fast: nothing of the embedded stack or of the operator's tools, " +
			"and nothing that opens a debugging route"},
	{path: "lambdas/bootstrap/bootstraptest",
		may: aws("lambdas/bootstrap", "shared/config", "shared/local/...", "shared/records/dynamorecords",
			"github.com/aws/aws-lambda-go/lambda"),
		why: "starts any function in a test: it knows none"},
	{path: "cmd/hatchery", may: []string{"..."}, mayNot: []string{"net/http/pprof", "expvar"},
		why: "the program that may use everything; it opens no debugging route"},
	{path: "acceptance", may: []string{"..."}, why: "proves the deployed whole, from outside and inside"},
}

const (
	whyHandler = "it speaks to interfaces: it knows no other handler (shared/pipeline composes them), no store and no " +
		"vendor's client"
	whyStore = "an implementation knows the contract and one vendor's library: so it can be replaced, and tested, alone"
)

// handler is what every handler package may import, and more.
func handler(more ...string) []string {
	return append(more, "shared/upload", "shared/policy", "shared/arrival", "shared/access", "golang.org/x/sync/...")
}

// aws is the AWS SDK, and more.
func aws(more ...string) []string {
	return append(more, "github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/...")
}

// A reservation is a package for few: whatever the rules say.
type reservation struct {
	packages []string
	users    []string // who may, in all their files
	tests    bool     // whether every _test.go file may, too
	why      string
}

var reservations = []reservation{
	{packages: []string{"C"}, why: "the product builds without a C compiler and cross-compiles"},
	{packages: []string{"github.com/versity/versitygw/...", "github.com/gofiber/...", "github.com/valyala/fasthttp/..."},
		users: []string{"shared/local/locals3"},
		why:   "the embedded S3 server changes the working directory and may be replaced: one package knows it"},
	{packages: []string{"github.com/truora/minidyn/..."}, users: []string{"shared/local/localdynamo"},
		why: "the embedded DynamoDB keeps nothing and may be replaced: one package knows it"},
	{packages: []string{"modernc.org/sqlite/..."},
		users: []string{"shared/records/sqliterecords", "shared/local/localsqs", "shared/sqlitefile"},
		why:   "a database is opened by the records and by the stand-ins"},
	{packages: []string{"regexp/..."},
		users: []string{"shared/deadletter", "shared/local/localsqs", "shared/local/demoapp",
			"shared/local/samples", "shared/local/sigv4", "cmd/hatchery", "acceptance"}, tests: true,
		why: "an expression that is compiled when a function starts is a part of each cold start: policy.Consists says " +
			"what most of them would"},
	{packages: []string{"lambdas/bootstrap/bootstraptest"}, tests: true, why: "a fixture is for tests"},
	{packages: []string{"shared/uploadtest", "shared/queue/queuetest"},
		users: []string{"shared/uploadtest", "shared/queue/queuetest", "acceptance"}, tests: true,
		why: "fakes and suites are for tests"},
	{packages: []string{"testing/...", "net/http/httptest", "github.com/rogpeppe/go-internal/...",
		"github.com/getkin/kin-openapi/..."},
		users: []string{"shared/uploadtest", "shared/queue/queuetest", "lambdas/bootstrap/bootstraptest", "acceptance"},
		tests: true,
		why:   "what tests need stays out of the product"},
}

// testsMay is what the _test.go files of every package may import besides.
var testsMay = []string{"shared/uploadtest", "shared/queue/queuetest", "shared/local/...",
	"github.com/rogpeppe/go-internal/..."}

// refusal is why a file of the folder may not import imported, or "".
func refusal(r rule, imported string, inTest bool) string {
	imported = strings.TrimPrefix(imported, module+"/")
	in := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, imported) })
	}
	for _, res := range reservations {
		if in(res.packages) && !(inTest && res.tests) && !slices.Contains(res.users, r.path) {
			return res.why
		}
	}
	switch {
	case imported == r.path:
		return "" // an external test of the package itself
	case inTest && (in(testsMay) || in(r.inTests)):
		return ""
	case in(r.mayNot) && !(inTest && isStd(imported)): // tests may use all of the standard library
		return r.why
	case isStd(imported) || in(r.may):
		return ""
	default:
		return r.why
	}
}

// isStd tells whether an import path, with the project's name taken off, is of
// the standard library: its first part has no dot, and it is none of ours.
func isStd(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") &&
		!slices.Contains([]string{"shared", "lambdas", "cmd", "acceptance", "client", module}, first)
}

// matches tells whether name fits a pattern of the tables.
func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// faults reads every Go file of a tree, whatever its build tags, and says in
// which lines it breaks the rules. Folders that the go command ignores are
// ignored here, too.
func faults(tree fs.FS) ([]string, error) {
	var found []string
	unlisted := map[string]bool{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if base := path.Base(name); name != "." &&
				(strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go":
			return nil
		}
		folder := path.Dir(name)
		covering := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return !matches(r.path, folder) })
		if len(covering) != 1 {
			if !unlisted[folder] {
				found = append(found, fmt.Sprintf(
					"%s: %d rows of the table in shared/imports_test.go are about this folder, want one: add a row that says what "+
						"it may import, and why", folder, len(covering)))
			}
			unlisted[folder] = true
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", files.Position(spec.Pos()), err)
			}
			if why := refusal(covering[0], imported, strings.HasSuffix(name, "_test.go")); why != "" {
				at := files.Position(spec.Pos())
				found = append(found, fmt.Sprintf("%s:%d: %s may not import %s: %s", at.Filename, at.Line, folder, imported, why))
			}
		}
		return nil
	})
	return found, err
}

func TestImportsKeepTheRules(t *testing.T) {
	found, err := faults(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range found {
		t.Error(fault)
	}
}
