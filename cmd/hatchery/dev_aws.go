package main

import (
	"fmt"
	"regexp"

	"hatchery/shared/config"
)

// The limits that template.yaml sets, which dev takes with --like-aws.
const (
	awsPostBytes     = 4_400_000
	awsRedirectBytes = 4_000_000
)

// differences says what a caller meets here and not in AWS, a sentence each.
func differences(settings config.Config) []string {
	var all []string
	if n := settings.PostBytes; n != awsPostBytes {
		here := "POST takes files of any size that the policy allows"
		if n > 0 {
			here = "POST takes files of up to " + grouped(n) + " bytes"
		}
		all = append(all, fmt.Sprintf("%s; in AWS, and with --like-aws, of up to %s, "+
			"and larger ones need a form", here, grouped(awsPostBytes)))
	}
	if n := settings.RedirectBytes; n != awsRedirectBytes {
		here := "GET sends every file itself"
		if n > 0 {
			here = "GET redirects to a signed link above " + grouped(n) + " bytes"
		}
		all = append(all, fmt.Sprintf("%s; in AWS, and with --like-aws, it redirects above %s", here,
			grouped(awsRedirectBytes)))
	}
	if allowedHere(settings) != nil {
		all = append(all, "pages on localhost, 127.0.0.1 and [::1] may read answers, because "+
			"HATCHERY_CORS_ORIGINS is unset; in AWS none may")
	}
	return all
}

// allowedHere are the origins that dev allows of its own accord: those of this machine, unless some were set.
func allowedHere(settings config.Config) func(origin string) bool {
	if len(settings.CORSOrigins) > 0 {
		return nil
	}
	return localOrigin.MatchString
}

// localOrigin is an origin of this machine, of any port, as browsers send it.
var localOrigin = regexp.MustCompile(`^https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?$`)
