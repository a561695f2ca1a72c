package bootstrap

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/pipeline"
)

const (
	// attempts is how often a call is tried, the first time included. Beyond it a
	// message comes again anyway, and a caller has waited long enough.
	attempts = 3
	// dialTimeout bounds connecting, and TLS once more; answerTimeout is the longest
	// wait for an answer's header, once a request is sent.
	dialTimeout   = 3 * time.Second
	answerTimeout = 5 * time.Second
)

// awsConfig is how AWS is reached: the process's own region and credentials.
func awsConfig(getenv func(string) string) aws.Config {
	c := aws.Config{
		Region: getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(getenv("AWS_ACCESS_KEY_ID"),
			getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN")),
		HTTPClient:       httpClient(answerTimeout),
		RetryMode:        aws.RetryModeStandard,
		RetryMaxAttempts: attempts,
		ConfigSources:    []any{endpoints(getenv)},
	}
	if all := getenv("AWS_ENDPOINT_URL"); all != "" {
		c.BaseEndpoint = &all
	}
	return c
}

// httpClient never waits for a connection, nor for an answer, without a bound.
func httpClient(answer time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = dialTimeout
			t.ResponseHeaderTimeout = answer
		})
}

// endpoints finds the endpoint of one service, for the SDK.
type endpoints func(getenv string) string

// GetServiceBaseEndpoint gives AWS_ENDPOINT_URL_{SERVICE}.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := e("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return url, url != "", nil
}

// s3Client is the bucket's. s3objects bounds each call as a whole, and a copy of
// 5 GB answers late: no bound of the transport's on the answer.
func s3Client(c aws.Config) *s3.Client {
	return pipeline.S3Client(c, func(o *s3.Options) { o.HTTPClient = httpClient(0) })
}
