//go:build acceptance

package acceptance

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// emulator is a running emulator of AWS: it checks signatures and policies, and
// runs the functions' programs with the credentials of their roles.
type emulator struct {
	endpoint string // https://127.0.0.1:PORT
	port     int
	identity identity
	server   *server
	http     *http.Client // trusts the emulator, and reaches it by every name of localhost
	askedLog string       // the file with what people asked for
}

// startEmulator starts an emulator whose environment has nothing that a function
// could mistake for its own.
func startEmulator(t testing.TB) *emulator {
	t.Helper()
	e := &emulator{port: freePort(t), identity: newIdentity(t)}
	e.endpoint = "https://127.0.0.1:" + strconv.Itoa(e.port)
	e.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network,
				net.JoinHostPort("127.0.0.1", strconv.Itoa(e.port)))
		},
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.identity.roots},
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	folder := t.TempDir()
	e.askedLog = filepath.Join(folder, "asked")
	e.server = serve(t, "emulator", []string{
		"PATH=/usr/bin:/bin", "HOME=" + folder, "TMPDIR=" + folder, "LANG=C.UTF-8",
		"AUTH=true", "BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + strconv.Itoa(e.port), "LAMBDA_EXECUTOR=local",
		"IOT_MTLS_ENABLED=false", "SFTP_ENABLED=false", // they would listen on every address
		"USE_SSL=1", "MINISTACK_SSL_CERT=" + e.identity.cert, "MINISTACK_SSL_KEY=" + e.identity.key,
		"ASKED=" + e.askedLog,
		// What the functions inherit: where AWS is, and whom to trust there.
		"AWS_ENDPOINT_URL=" + e.endpoint, "SSL_CERT_FILE=" + e.identity.authority,
	}, tool(t, "ministack-python"), filepath.Join(moduleRoot(t), "acceptance", "testdata", "emulator.py"))
	eventually(t, time.Minute, "the emulator answers", func() (bool, string) {
		if e.server.ended() {
			t.Fatalf("the emulator ended:\n%s", e.server.tail(4000))
		}
		answer, err := e.http.Get(e.endpoint + "/_ministack/health")
		if err != nil {
			return false, err.Error()
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK, answer.Status
	})
	return e
}

// root are the credentials of the emulated account's owner.
func root() aws.Credentials {
	return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
}

// config is the SDK's, for somebody.
func (e *emulator) config(who aws.Credentials) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: aws.String(e.endpoint), HTTPClient: e.http, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretAccessKey, who.SessionToken)}
}

// environment is for programs that are to use the emulator as AWS.
func (e *emulator) environment(t testing.TB, more ...string) []string {
	return bareEnvironment(t, append([]string{"AWS_ENDPOINT_URL=" + e.endpoint, "AWS_CA_BUNDLE=" + e.identity.authority,
		"REQUESTS_CA_BUNDLE=" + e.identity.authority}, more...)...)
}

func (e *emulator) String() string { return fmt.Sprintf("the emulator at %s", e.endpoint) }
