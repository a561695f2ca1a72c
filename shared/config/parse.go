package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hatchery/shared/baseurl"
)

var (
	bucketForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	tableForm      = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
	tokenForm      = regexp.MustCompile(`^(?i:[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
	secretNameForm = regexp.MustCompile(`^[A-Za-z0-9/_+=.@:-]{1,512}$`)
	prefixForm     = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$`)
	busForm        = regexp.MustCompile(`^[A-Za-z0-9/_.:-]{1,400}$`)
	stackForm      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)
	hostForm       = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
)

// IsToken tells whether s has the form of a Bugout token: a UUID, dashes optional.
func IsToken(s string) bool { return tokenForm.MatchString(s) }

// maxShown bounds how much of a wrong value a fault repeats, in bytes.
const maxShown = 100

// unless gives what was found, quoted and cut, unless it is right.
func unless(right bool, found string) string {
	if right {
		return ""
	}
	return quoted(found)
}

func quoted(found string) string {
	if len(found) > maxShown {
		return fmt.Sprintf("%q… (%d bytes)", found[:maxShown], len(found))
	}
	return strconv.Quote(found)
}

// number gives what reads a number of units, from lowest to highest, into a field.
func number[N ~int | ~int64](field func(*Config) *N, lowest, highest int64, unit N) func(*Config, string) string {
	return func(c *Config, v string) string {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < lowest || n > highest || strings.HasPrefix(v, "+") {
			return quoted(v)
		}
		*field(c) = N(n) * unit
		return ""
	}
}

const acceptedURL = "an http or https URL with a host, perhaps a path, and no user, query or fragment"

// parseURL reads the base of another service. What may hold a secret (a user, a query, a text that is no URL) is not
// repeated in a fault.
func parseURL(v string) (string, string) {
	u, err := url.Parse(v)
	if err != nil {
		return "", "a text that is no URL (not shown)"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	switch {
	case u.User != nil:
		return "", quoted(shown.String()) + " with a user"
	case u.RawQuery != "" || u.ForceQuery:
		return "", quoted(shown.String()) + " with a query"
	case strings.Contains(v, "#"):
		return "", quoted(shown.String()) + " with a fragment"
	case u.Scheme != "http" && u.Scheme != "https", !hostForm.MatchString(u.Host):
		return "", quoted(shown.String())
	}
	return strings.TrimRight(v, "/"), ""
}

// acceptedTokenURL is what baseurl.Parse takes.
const acceptedTokenURL = "an https URL with a host, perhaps a path, and no user, query or fragment; http only to a " +
	"loopback or private address, or to a name without a dot or in .localhost, .internal or .local"

// parseTokenURL reads the base of a service that is sent tokens.
func parseTokenURL(v string) (string, string) {
	base, found := parseURL(v)
	if found != "" {
		return "", found
	}
	if _, err := baseurl.Parse("the", base); err != nil {
		return "", quoted(base)
	}
	return base, ""
}

// parseOrigins reads a list of origins as browsers send them.
func parseOrigins(v string) ([]string, string) {
	origins := strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(", \n\t", r) })
	if slices.Equal(origins, []string{"*"}) {
		return origins, ""
	}
	for _, o := range origins {
		if o == "*" {
			return nil, `"*" among others`
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !hostForm.MatchString(u.Host) ||
			o != strings.ToLower(u.Scheme+"://"+u.Host) {
			return nil, quoted(o)
		}
		if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
			return nil, quoted(o) + ", which browsers send without its port"
		}
	}
	if len(origins) == 0 {
		return nil, quoted(v)
	}
	return origins, ""
}
