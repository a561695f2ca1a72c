package main

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/local"
	"hatchery/shared/local/localdynamo"
)

// asDynamoDB in the environment makes this test binary a DynamoDB, which takes the access
// key and the secret that are its arguments, until its standard input ends.
const asDynamoDB = "HATCHERY_TEST_AS_DYNAMODB"

func serveDynamoDB(accessKey, secretKey string) error {
	server, err := localdynamo.Open(context.Background(), localdynamo.Options{Listen: "127.0.0.1:0", Region: local.Region,
		AccessKey: accessKey, SecretKey: secretKey})
	if err != nil {
		return err
	}
	fmt.Println(server.URL())
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Close(context.Background()))
}

// lastingTable gives a dev on a folder whose records are in DynamoDB one in a process of
// its own, the same at each start: it outlives dev, as AWS's does.
func lastingTable(t testing.TB, data string, args []string) []string {
	t.Helper()
	i := slices.Index(args, "--records")
	if data == "" || i < 0 || args[i+1] != "dynamodb" || slices.Contains(args, "--dynamodb") {
		return args
	}
	// The first start wrote down where it is.
	note := filepath.Join(data, "dynamodb.url")
	url, err := os.ReadFile(note)
	if errors.Is(err, os.ErrNotExist) {
		url = startDynamoDB(t, data)
		err = os.WriteFile(note, url, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(slices.Clone(args), "--dynamodb", string(url))
}

// startDynamoDB starts a DynamoDB for the credentials of a dev on a folder, and gives its
// URL. It ends with the test.
func startDynamoDB(t testing.TB, data string) []byte {
	t.Helper()
	keys := map[string]string{"access_key": "HATCHERYTEST", "secret_key": "a secret of the tests"}
	state, err := json.Marshal(keys)
	if err == nil {
		err = os.MkdirAll(data, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "dev.json"), state, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(exe, keys["access_key"], keys["secret_key"])
	command.Env = append(os.Environ(), asDynamoDB+"=1")
	command.Stderr = t.Output()
	in, inErr := command.StdinPipe()
	out, outErr := command.StdoutPipe()
	if err := errors.Join(inErr, outErr, command.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), command.Wait()); err != nil {
			t.Error(err)
		}
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.TrimSpace(url))
}

// withoutAWS are the variables that keep what this machine knows of AWS from a child.
func withoutAWS() []string {
	return []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_PROFILE=",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true"}
}

func TestADevWithItsOwnDynamoDBIsForOneRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	folder := t.TempDir()
	t.Chdir(folder)
	h := startHatchery(t, "", "--records", "dynamodb", "--containers", "127.0.0.1:0")
	id := h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID
	if r := h.mustSettle(images, id); r.Status != "stored" {
		t.Errorf("%+v", r)
	}
	if !h.oneRun || filepath.Dir(h.data) != os.Getenv("TMPDIR") {
		t.Errorf("it is said to be for one run: %t, in %s", h.oneRun, h.data)
	}
	// That is where samconfig.toml looks for it.
	if env := containersEnv(t, filepath.Join(folder, ".hatchery")); env["AWS_ENDPOINT_URL"] != h.containers {
		t.Errorf("functions in containers are told %v", env)
	}
	out, errs, code := command(t, "reconcile", "--data", h.data, "--records", "dynamodb")
	if code != exitDone || !strings.Contains(out, "1 stored records") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	if code := h.interrupt(); code != exitDone {
		t.Errorf("exit code %d: %s", code, h.errors)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	at := announcement{at: local.Endpoints{DynamoDB: "http://d:1"}, data: "/a/folder"}
	text := announced(t, devFlags{records: "dynamodb"}, at)
	if !strings.Contains(text, "nothing\nis kept") || !strings.Contains(text, "/a/folder") {
		t.Errorf("a person reads %s", text)
	}
	text = announced(t, devFlags{records: "dynamodb", dynamoDB: "http://d:1"}, at)
	if strings.Contains(text, "this run only") || !strings.Contains(text, "dev's own credentials") {
		t.Errorf("a person reads %s", text)
	}
}

func TestRecordsInADynamoDBThatLastsAreThereAtTheNextStart(t *testing.T) {
	data := t.TempDir()
	h := startHatchery(t, data, "--records", "dynamodb")
	id := h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID
	h.mustSettle(images, id)
	if h.oneRun || h.data != data+"/" && h.data != data {
		t.Errorf("it is said to be for one run: %t, in %s", h.oneRun, h.data)
	}
	if code := h.interrupt(); code != exitDone {
		t.Fatalf("exit code %d: %s", code, h.errors)
	}
	h = startHatchery(t, data, "--records", "dynamodb")
	if a := h.do(http.MethodGet, images+"/"+id, "", nil); a.status != http.StatusOK {
		t.Errorf("answered %d: %s", a.status, a.body)
	}
}

// A DynamoDB in AWS, which is called over https, takes no keys that dev made up.
func TestADynamoDBInAWSTakesTheCredentialsOfTheEnvironment(t *testing.T) {
	url, environment := overTLS(t, string(startDynamoDB(t, t.TempDir())))
	data := t.TempDir()
	environment = append(environment, "AWS_ACCESS_KEY_ID=HATCHERYTEST", "AWS_SECRET_ACCESS_KEY=a secret of the tests",
		"AWS_REGION="+local.Region)
	for _, e := range environment {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	h := startHatcheryIn(t, environment, data, "--records", "dynamodb", "--dynamodb", url)
	h.mustSettle(images, h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID)
	// What is exported goes with dev's own credentials.
	if h.env["HATCHERY_TABLE"]+h.env["AWS_ENDPOINT_URL_DYNAMODB"] != "" || h.env["AWS_ACCESS_KEY_ID"] == "HATCHERYTEST" {
		t.Errorf("exported are %v", h.env)
	}
	out, errs, code := command(t, "reconcile", "--data", data, "--records", "dynamodb")
	if code != exitDone || !strings.Contains(out, "1 stored records") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	code, errs = fails(t, "dev", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--records", "dynamodb",
		"--dynamodb", url, "--containers", "127.0.0.1:0")
	if code != exitUsage || !strings.Contains(errs, "--containers") || !strings.Contains(errs, "dev's own credentials") {
		t.Errorf("with functions in containers: exit %d, %s", code, errs)
	}
	t.Setenv("AWS_REGION", "")
	code, errs = fails(t, "dev", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--records", "dynamodb",
		"--dynamodb", url)
	if code != exitUsage || !strings.Contains(errs, "AWS_REGION") {
		t.Errorf("without a region: exit %d, %s", code, errs)
	}
}

// Any other, as DynamoDB Local, is shown dev's own keys, whatever AWS's environment says:
// DynamoDB Local has tables of its own for each access key.
func TestADynamoDBOverHTTPIsNotShownTheCredentialsOfTheEnvironment(t *testing.T) {
	url := string(startDynamoDB(t, t.TempDir()))
	t.Setenv("AWS_ACCESS_KEY_ID", "HATCHERYTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a secret of the tests")
	t.Setenv("AWS_REGION", local.Region)
	code, errs := fails(t, "dev", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--records", "dynamodb",
		"--dynamodb", url)
	if code != exitSystem || !strings.Contains(errs, url) || !strings.Contains(errs, "dev's own credentials") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// overTLS puts https before a server, and says which environment trusts it.
func overTLS(t testing.TB, behind string) (address string, environment []string) {
	t.Helper()
	to, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // It is signed.
	}})
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, []string{"AWS_CA_BUNDLE=" + file}
}
