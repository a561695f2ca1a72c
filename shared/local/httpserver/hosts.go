package httpserver

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Hosts are the hosts or addresses (HOST:PORT) by which a server is called besides the loopback's. "" is dropped.
//
// A web page may have a name of its own lead to this machine (DNS rebinding). The browser then takes what answers there
// for a part of the page, but names the page's host in each request.
type Hosts []string

// Allows says whether the Host of a request is one of the server: a name or an address of the loopback, one of h, or
// any IP address where one of h is every address of this machine.
func (h Hosts) Allows(host string) bool {
	name, ip := parseHost(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || ip.IsLoopback() {
		return true
	}
	for _, own := range h {
		if own == "" {
			continue
		}
		ownName, ownIP := parseHost(own)
		every := ownName == "" || ownIP.IsUnspecified()
		if name != "" && name == ownName || ip.IsValid() && (ip == ownIP || every) {
			return true
		}
	}
	return false
}

// parseHost gives the name in lower case, or the IP address, of a host with or without a port.
func parseHost(host string) (name string, ip netip.Addr) {
	if alone, _, err := net.SplitHostPort(host); err == nil {
		host = alone
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if ip, err := netip.ParseAddr(name); err == nil {
		return name, ip.Unmap().WithZone("") // clients leave the zone out
	}
	return name, netip.Addr{}
}

// Refusal is what a request with another Host is told.
func (h Hosts) Refusal(host string) string {
	return fmt.Sprintf("The Host %.100q is not one of this server's: localhost, 127.0.0.1, and the hosts that it was "+
		"started with. Call it by one of these, let a proxy or tunnel send one of these as Host, or start it on that host "+
		"(--listen HOST:PORT).", host)
}

// guard answers 421 to requests with a Host of somebody else: with a problem (RFC 9457) as the API's are, and in it the
// message that the SDKs of AWS show.
func (h Hosts) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Allows(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		const code, title = "wrong_host", "The request is for another host"
		detail := h.Refusal(r.Host)
		body, err := json.Marshal(map[string]any{"type": "urn:hatchery:problem:" + code, "title": title,
			"status": http.StatusMisdirectedRequest, "detail": detail, "error": title, "code": code, "message": detail})
		if err != nil {
			body = []byte("{}") // text always encodes
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Connection", "close") // nothing of the body is read
		w.WriteHeader(http.StatusMisdirectedRequest)
		_, _ = w.Write(append(body, '\n')) // it fails when the caller is gone
	})
}
