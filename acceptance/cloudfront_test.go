//go:build acceptance

package acceptance

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hatchery/shared/api"
)

// worksBehindCloudFront puts cloudfront.yaml before the stack's HTTP API, uses it through the distribution, and is
// refused past it. The emulator carries out the policies, methods, protocol and header of the distribution; it counts
// for no rate rule, writes no access log and keeps no error: these are asserted on the template.
func worksBehindCloudFront(t *testing.T, s *stack, b buildFolder) {
	behind := s.behindCloudFront(t, b)
	check(t, uploadsByPost(t.Context(), behind, picture(t))) // the API does not ask for the secret yet
	s.misled(t, "ApiFunction", map[string]string{
		"HATCHERY_FRONT_SECRET_SHA256": fmt.Sprintf("%x", sha256.Sum256([]byte(frontSecret)))})
	t.Run("an upload by POST", func(t *testing.T) { check(t, uploadsByPost(t.Context(), behind, picture(t))) })
	t.Run("an upload by a form", func(t *testing.T) { check(t, uploadsByForm(t.Context(), behind, picture(t))) })
	t.Run("refusals", func(t *testing.T) { refusesRequests(t, behind) })
	t.Run("CORS", func(t *testing.T) { pagesOfAllowedOriginsOnly(t, behind) })
	t.Run("the secret takes the place of what a caller sends", func(t *testing.T) {
		_, err := behind.newEntry().want(t.Context(), http.StatusOK, nil, http.MethodGet, "/ping", nil, api.FrontHeader, "guessed")
		check(t, err)
	})
	t.Run("past it everything is refused", func(t *testing.T) {
		for _, path := range []string{"/ping", s.newEntry().path("images"), "/nothing"} {
			a, err := s.newEntry().want(t.Context(), http.StatusForbidden, nil, http.MethodGet, path, nil, api.FrontHeader, "guessed")
			check(t, err)
			if a.code() != "not_by_front" {
				t.Errorf("%s is answered %s", path, a)
			}
		}
	})
	t.Run("in the clear it answers nothing", func(t *testing.T) {
		_, err := behind.newEntry().want(t.Context(), http.StatusForbidden, nil, http.MethodGet, "/ping", nil,
			"X-Forwarded-Proto", "http")
		check(t, err)
	})
}

// behindCloudFront is the stack with a distribution's URL as that of its API. The distribution goes with the test.
func (s *stack) behindCloudFront(t *testing.T, b buildFolder) *stack {
	t.Helper()
	made := s.deployFront(t, b, "front-cloudfront", cloudfrontTemplate,
		map[string]string{"OriginDomain": strings.TrimPrefix(s.api, "https://"), "FrontSecret": frontSecret,
			"DomainName":     "files.example.com",
			"CertificateArn": "arn:aws:acm:" + region + ":000000000000:certificate/11111111-2222-3333-4444-555555555555",
			"AlarmTopicArn":  s.outputsOf(t, s.name)["AlarmTopicArn"]})
	behind := *s
	label, _, _ := strings.Cut(made["DnsName"], ".") // LABEL.cloudfront.net
	behind.api = "https://" + label + ".cloudfront.localhost"
	return &behind
}
