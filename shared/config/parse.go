package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hatchery/shared/baseurl"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

const lettersDigits = policy.Letters + policy.Digits

// isBucket tells whether s has the form of a bucket's name.
func isBucket(s string) bool {
	return policy.Consists(s, policy.Lower+policy.Digits+".-", 3, 63) && strings.Trim(s, ".-") == s
}

// isStack tells whether s has the form of a stack's name.
func isStack(s string) bool {
	return policy.Consists(s, lettersDigits+"-", 1, 128) && strings.IndexByte(policy.Letters, s[0]) >= 0
}

// isPrefix tells whether s can stand before keys, its slash at the end left out.
func isPrefix(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if !policy.Consists(segment, lettersDigits+"_.-", 1, len(s)) || segment[0] == '.' {
			return false
		}
	}
	return true
}

// isHost tells whether s is a name or an address, perhaps with a port.
func isHost(s string) bool {
	host := s
	if colon := strings.LastIndexByte(s, ':'); colon > strings.LastIndexByte(s, ']') {
		if !policy.Consists(s[colon+1:], policy.Digits, 1, 5) {
			return false
		}
		host = s[:colon]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && policy.Consists(inner, policy.Hex+"ABCDEF:.", 1, len(s))
	}
	return policy.Consists(host, lettersDigits+".-", 1, len(s)) && strings.Trim(host, ".-") == host
}

// IsToken tells whether s has the form of a Bugout token: a UUID, dashes optional.
func IsToken(s string) bool {
	_, err := upload.ParseID(s)
	return err == nil || policy.Consists(s, policy.Hex+"ABCDEF", 32, 32)
}

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
	case u.Scheme != "http" && u.Scheme != "https", !isHost(u.Host):
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

// parseHashes reads one or two SHA-256.
func parseHashes(v string) ([][sha256.Size]byte, string) {
	texts := strings.Split(v, ",")
	if len(texts) > 2 {
		return nil, quoted(v)
	}
	hashes := make([][sha256.Size]byte, len(texts))
	for i, text := range texts {
		if !policy.Consists(text, policy.Hex, 2*sha256.Size, 2*sha256.Size) {
			return nil, quoted(text)
		}
		_, _ = hex.Decode(hashes[i][:], []byte(text)) // of such digits: it cannot fail
	}
	return hashes, ""
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
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Host) ||
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
