//go:build acceptance

package acceptance

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// venvs says where in the tools' folder the programs of Python packages are.
var venvs = map[string]string{
	"sam": "sam/bin/sam", "cfn-lint": "sam/bin/cfn-lint", "python": "sam/bin/python",
	"ministack-python": "ministack/bin/python",
	"checkov":          "checkov/bin/checkov",
	"aws":              "aws/bin/aws",
	"schemathesis":     "schemathesis/bin/schemathesis",
}

// toolsFolder is where .ci/run keeps tools between runs.
func toolsFolder(t testing.TB) string {
	t.Helper()
	if folder := os.Getenv("HATCHERY_TOOLS"); folder != "" {
		return folder
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("where tools are kept: %v; set HATCHERY_TOOLS", err)
	}
	return filepath.Join(cache, "hatchery-tools")
}

// tool gives the path of a program: of a Python package from the tools' folder,
// of anything else from PATH.
func tool(t testing.TB, name string) string {
	t.Helper()
	path := name
	if within, ok := venvs[name]; ok {
		path = filepath.Join(toolsFolder(t), filepath.FromSlash(within))
	}
	found, err := exec.LookPath(path)
	if err != nil {
		t.Fatalf("the program %s is not here (%v): `bash .ci/run acceptance` installs it", name, err)
	}
	return found
}

// runtimeEmulator gives the path of AWS's Lambda runtime interface emulator for
// this machine, which comes with the SAM CLI.
func runtimeEmulator(t testing.TB) string {
	t.Helper()
	machine := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	return onePath(t, "sam/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-"+machine)
}

// dynamoDBLocal gives the command line that starts DynamoDB Local, but for
// `-inMemory -port N`.
func dynamoDBLocal(t testing.TB) []string {
	t.Helper()
	onePath(t, "dynamodb-local/lib/DynamoDBLocal-*.jar")
	lib := filepath.Join(toolsFolder(t), "dynamodb-local", "lib")
	return []string{tool(t, "java"), "-Xmx256m", "-Djava.library.path=" + lib, "-cp", filepath.Join(lib, "*"),
		"com.amazonaws.services.dynamodbv2.local.main.ServerRunner"}
}

// onePath gives the one file of the tools' folder that the pattern matches.
func onePath(t testing.TB, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(toolsFolder(t), filepath.FromSlash(pattern)))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d files are %s in %s (%v), want one: `bash .ci/run acceptance` installs it", len(found), pattern,
			toolsFolder(t), err)
	}
	return found[0]
}

// moduleRoot is the folder with go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the folder above is not the project's: %v", err)
	}
	return root
}

// freePort is a loopback port that nobody listened on a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// bareEnvironment is what a started program gets, and nothing else: enough to run
// Go, Python and their children, credentials that mean nothing, and what is given
// besides. Later values win.
func bareEnvironment(t testing.TB, more ...string) []string {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8", "TMPDIR=" + os.TempDir(),
		"SAM_CLI_TELEMETRY=0", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_PAGER=", "AWS_MAX_ATTEMPTS=2",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true"}
	// Where Go keeps modules and builds, if that was said.
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GONOSUMDB", "GOSUMDB", "GOTOOLCHAIN",
		"XDG_CACHE_HOME", "SSL_CERT_FILE"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return slices.Concat(env, more)
}
