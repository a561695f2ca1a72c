package door

import (
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

func TestNoCallWaitsWithoutABound(t *testing.T) {
	c := awsConfig(func(string) string { return "" })
	client, ok := c.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		t.Fatalf("client %T", c.HTTPClient)
	}
	bucket, ok := s3Client(c).Options().HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		t.Fatalf("the bucket's client %T", s3Client(c).Options().HTTPClient)
	}
	for name, one := range map[string]*awshttp.BuildableClient{"others": client, "bucket": bucket} {
		if transport := one.GetTransport(); transport.TLSHandshakeTimeout > 5*time.Second || transport.TLSHandshakeTimeout == 0 ||
			one.GetDialer().Timeout > 5*time.Second || one.GetDialer().Timeout == 0 {
			t.Errorf("%s: connecting takes %s, and TLS %s", name, one.GetDialer().Timeout, transport.TLSHandshakeTimeout)
		}
	}
	if wait := client.GetTransport().ResponseHeaderTimeout; wait == 0 || wait > 10*time.Second {
		t.Errorf("an answer is waited for %s", wait)
	}
	if wait := bucket.GetTransport().ResponseHeaderTimeout; wait != 0 {
		t.Errorf("a copy that takes longer than %s is given up", wait)
	}
}
