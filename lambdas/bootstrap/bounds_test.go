package bootstrap

import (
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"hatchery/shared/access"
	"hatchery/shared/config"
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
		if transport := one.GetTransport(); transport.TLSHandshakeTimeout > 5*time.Second ||
			transport.TLSHandshakeTimeout == 0 ||
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

func TestCallersWaitLessForBugoutThanTheFunctionMay(t *testing.T) {
	const function = 29 * time.Second // of the template
	p := &Dependencies{Settings: config.Config{Bugout: config.Bugout{Token: config.NewSecret("t")}}}
	hurried, patient := p.bugoutOptions(true, nil), p.bugoutOptions(false, nil)
	// An upload asks the application, and after its 500 Bugout's auth server, makes a
	// resource, and looks for it once that is not answered.
	look := time.Duration(hurried.Attempts)*hurried.Timeout + time.Second
	if longest := 2*access.DefaultTimeout + hurried.Timeout + look; longest >= function {
		t.Errorf("an upload may take %s", longest)
	}
	if patient.Timeout <= hurried.Timeout || patient.Attempts <= hurried.Attempts {
		t.Error("the reconciler's long lists have no more time than a caller")
	}
	if bugoutRequests != 1 {
		t.Errorf("%d requests at once: the template's bounds count on one", bugoutRequests)
	}
}
