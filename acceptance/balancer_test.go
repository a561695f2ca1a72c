//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/upload"
)

// worksBehindALoadBalancer puts network.yaml and alb.yaml in front of the stack's function, which its HTTP API stays in
// front of, too, and uses it through the load balancer. The emulator knows no NAT, ends all TLS itself with one
// certificate and calls a function whether or not it may: that is asserted on the templates, in template_front_test.go.
func worksBehindALoadBalancer(t *testing.T, s *stack, b buildFolder) {
	behind := s.behindALoadBalancer(t, b)
	t.Run("an upload by POST", func(t *testing.T) { check(t, uploadsByPost(t.Context(), behind, picture(t))) })
	t.Run("an upload by a form", func(t *testing.T) { check(t, uploadsByForm(t.Context(), behind, picture(t))) })
	t.Run("a refusal", func(t *testing.T) { refusesBehindALoadBalancer(t, behind) })
	t.Run("what does not fit goes by form and link", func(t *testing.T) { fitsALoadBalancer(t, s, behind) })
	t.Run("port 80 redirects", func(t *testing.T) {
		plain := *behind
		plain.api = strings.TrimSuffix(behind.api, ":443") // the emulator tells listeners apart by the port of the host
		a, err := plain.newEntry().want(t.Context(), http.StatusMovedPermanently, nil, http.MethodGet, "/ping?a=b", nil)
		check(t, err)
		if got := a.header.Get("Location"); got != behind.api+"/ping?a=b" {
			t.Errorf("it redirects to %s", got)
		}
	})
}

// deployFront deploys a stack of another template, which goes with the test, and gives its outputs.
func (s *stack) deployFront(t *testing.T, b buildFolder, name, template string, parameters map[string]string) map[string]string {
	t.Helper()
	r := samDeploy(t, s.emulator, name, readTemplate(t, filepath.Join(moduleRoot(t), template)), b, parameters)
	if r.code != 0 {
		t.Fatal(r)
	}
	t.Cleanup(func() { s.form(t, "cloudformation", "DeleteStack", map[string]string{"StackName": name}, nil) })
	return s.outputsOf(t, name)
}

// behindALoadBalancer is the stack with a load balancer's URL as that of its API. The load balancer goes with the test.
func (s *stack) behindALoadBalancer(t *testing.T, b buildFolder) *stack {
	t.Helper()
	network := s.deployFront(t, b, "front-network", networkTemplate, map[string]string{"LogDays": "1"})
	outputs := s.outputsOf(t, s.name)
	var bucket string
	t.Cleanup(func() { // it outlives its stack, which goes before
		_, err := s.objects.DeleteBucket(context.WithoutCancel(t.Context()), &s3.DeleteBucketInput{Bucket: &bucket})
		check(t, err)
	})
	made := s.deployFront(t, b, "front-alb", balancerTemplate, map[string]string{"FunctionArn": outputs["ApiFunctionArn"],
		"VpcId": network["VpcId"], "Subnets": network["PublicSubnets"], "DomainName": "files.example.com",
		"CertificateArn":     "arn:aws:acm:" + region + ":000000000000:certificate/11111111-2222-3333-4444-555555555555",
		"AlarmTopicArn":      outputs["AlarmTopicArn"],
		"DeletionProtection": "false"})
	bucket = made["AccessLogsBucket"]

	// arn:…:loadbalancer/app/NAME/ID
	arn := strings.Split(s.resourcesOf(t, "front-alb")["LoadBalancer"], "/")
	if len(arn) != 4 {
		t.Fatalf("the load balancer is %v", arn)
	}
	behind := *s
	behind.api = "https://" + arn[2] + ".alb.localhost:443"
	return &behind
}

// refusesBehindALoadBalancer: the API's refusals and the validator's.
func refusesBehindALoadBalancer(t *testing.T, behind *stack) {
	e := behind.newEntry()
	for token, status := range map[string]int{"": 401, "Bearer unknown": 401, "Bearer other": 403, "Bearer broken": 503} {
		e.token = token
		_, err := e.want(t.Context(), status, nil, http.MethodPost, e.path("images")+"?name=a.gif", picture(t), "Content-Type",
			"image/gif")
		check(t, err)
	}
	e = behind.newEntry()
	// The name as a client encodes it, which a load balancer does not undo.
	r, err := e.post(t.Context(), "images", "Größe 1 & 2+3.png", sample(t, "refused/cat.png"))
	check(t, err)
	if r.Name != "größe 1 & 2+3" {
		t.Errorf("the name is %q", r.Name)
	}
	check(t, e.rejected(t.Context(), r, upload.TypeMismatch))
	a, err := e.want(t.Context(), http.StatusGone, nil, http.MethodGet, e.path("images", r.ID), nil)
	check(t, err)
	if a.code() != "rejected" {
		t.Errorf("it is answered %s", a)
	}
}

// fitsALoadBalancer: PostBytes and RedirectBytes of the stack are those of an HTTP API, which the same function answers,
// too. Through the load balancer what fits it goes, and for the rest there are the form and the link.
func fitsALoadBalancer(t *testing.T, s, behind *stack) {
	ctx, wide := t.Context(), s.newEntry()
	narrow := wide
	narrow.stack = behind
	large := padded(t, 800_000)

	a, err := narrow.want(ctx, http.StatusRequestEntityTooLarge, nil, http.MethodPost, narrow.path("images")+"?name=a.gif",
		large, "Content-Type", "image/gif")
	check(t, err)
	if a.code() != "use_form" || !bytes.Contains(a.body, []byte("up to 737,712 bytes")) {
		t.Errorf("%d bytes by POST are answered %s", len(large), a)
	}
	a, err = narrow.want(ctx, http.StatusRequestEntityTooLarge, nil, http.MethodPost, narrow.path("images")+"?name=a.gif",
		make([]byte, 1<<20+1), "Content-Type", "image/gif")
	check(t, err)
	if a.code() != "" {
		t.Errorf("more than 1 MB came to the function: %s", a)
	}

	r, err := wide.post(ctx, "images", "a.gif", large)
	check(t, err)
	r, err = wide.stored(ctx, r)
	check(t, err)
	check(t, wide.served(ctx, r, large))
	a, err = narrow.want(ctx, http.StatusFound, nil, http.MethodGet, narrow.path("images", r.ID), nil)
	check(t, err)
	if !strings.Contains(a.header.Get("Location"), narrow.filesKey(r)) {
		t.Errorf("it is redirected to %s", a.header.Get("Location"))
	}
	check(t, narrow.linked(ctx, r, large))
	if err := narrow.listed(ctx, r, nil); err != nil {
		check(t, fmt.Errorf("through the load balancer: %w", err))
	}
}
