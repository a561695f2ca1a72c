package api

import (
	"net/http"
	"slices"
)

// What a page from an allowed origin may send, and may read of an answer.
const (
	corsMethods = "GET, HEAD, POST, DELETE, OPTIONS"
	corsRequest = "Authorization, Content-Type, Content-Digest, Idempotency-Key, Range, " +
		"If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range"
	corsAnswer = "Location, Link, ETag, Retry-After, x-bugout-image-fullname, Content-Disposition, Content-Length, " +
		"Content-Range, Accept-Ranges, Last-Modified, Allow, X-Request-Id"
	// corsAge is how long a browser may keep a preflight's answer, in seconds: the longest that browsers heed.
	corsAge = "7200"
)

// allowOrigin lets pages of the configured origins read the answer, refusals included. Credentials are never allowed:
// a page sends Authorization itself, and cookies mean nothing here.
func (h *handler) allowOrigin(c *call) {
	if len(h.CORSOrigins) == 0 && h.AllowOrigin == nil {
		return
	}
	header, allowed := c.w.Header(), "*"
	if !slices.Equal(h.CORSOrigins, []string{"*"}) {
		header.Add("Vary", "Origin")
		allowed = c.r.Header.Get("Origin")
		known := slices.Contains(h.CORSOrigins, allowed) || h.AllowOrigin != nil && h.AllowOrigin(allowed)
		if allowed == "" || !known {
			return
		}
	}
	header.Set("Access-Control-Allow-Origin", allowed)
	header.Set("Access-Control-Expose-Headers", corsAnswer)
}

// options answers OPTIONS, which a browser sends as a preflight without Authorization.
func (h *handler) options(c *call) {
	header := c.w.Header()
	header.Set("Allow", c.route.allow())
	switch {
	case c.r.Header.Get("Access-Control-Request-Method") == "":
	case header.Get("Access-Control-Allow-Origin") == "":
		c.note = "refused a preflight: HATCHERY_CORS_ORIGINS does not name the origin of the page"
	default:
		header.Del("Access-Control-Expose-Headers")
		header.Set("Access-Control-Allow-Methods", corsMethods)
		header.Set("Access-Control-Allow-Headers", corsRequest)
		header.Set("Access-Control-Max-Age", corsAge)
	}
	c.w.WriteHeader(http.StatusNoContent)
}
