// Package baseurl reads the base URL of a service that is sent a token: the application's, and Bugout's.
package baseurl

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Parse checks the base URL of a service, which an error names, and gives it without a slash at its end, so that a path
// can be appended.
//
// It is absolute, https or http, with a host, and without user, query and fragment. Plain http would show tokens to the
// network, so its host must be near by: a loopback or private address, or a name that is "localhost", has no dot (a
// container's or a search-domain name), or ends in .localhost, .internal or .local. Errors quote neither a user nor a
// query.
func Parse(service, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The text of url.Parse's error quotes the whole URL, perhaps with a password.
		return "", fmt.Errorf("%s URL: not a URL; want something like https://notes.example.com", service)
	}
	refuse := func(format string, args ...any) (string, error) {
		shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
		return "", fmt.Errorf("%s URL %q: %s", service, shown.String(), fmt.Sprintf(format, args...))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("scheme %q; want https, or http to a private address", u.Scheme)
	case u.Hostname() == "":
		return refuse("no host; want something like https://notes.example.com")
	case !validPort(u.Port()):
		return refuse("port %s; want 1 to 65535", u.Port())
	case u.User != nil:
		return refuse("holds a user; it is asked with a token in Authorization alone")
	case u.RawQuery != "" || u.ForceQuery:
		return refuse("holds a query; want scheme, host and perhaps a path")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return refuse("holds a fragment; want scheme, host and perhaps a path")
	case u.Scheme == "http" && !nearBy(u.Hostname()):
		return refuse("plain http would send tokens in clear; use https (http is for loopback and private addresses)")
	}
	base := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return strings.TrimRight(base.String(), "/"), nil
}

// validPort tells whether port, as url.URL.Port gives it, is one or is left out.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// nearBy tells whether host can only be near by. Link-local addresses are not: there clouds keep
// their metadata services.
func nearBy(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") ||
		strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".local")
}
