package console

import (
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"

	"hatchery/shared/local/httpserver"
)

// secrets are what a browser has to show, each 32 bytes by chance.
type secrets struct {
	// token is in the address that is printed, and is exchanged for a cookie with session. csrf is in every form.
	token, session, csrf string
}

func newSecrets(random io.Reader) (s secrets, err error) {
	for _, secret := range []*string{&s.token, &s.session, &s.csrf} {
		var chance [32]byte
		if _, err := io.ReadFull(random, chance[:]); err != nil {
			return s, fmt.Errorf("make the console's token: %w", err)
		}
		*secret = hex.EncodeToString(chance[:])
	}
	return s, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// maxForm bounds the body of a form: a page of letters, all of them checked.
const maxForm = 1 << 20

// refusal is why a request is not served.
type refusal struct {
	status int
	words  string
	// stranger: the browser has not shown the token.
	stranger bool
}

// refused says why a request is not served; nil when it is.
func (c *Console) refused(w http.ResponseWriter, r *http.Request) *refusal {
	if !fromHere(r) {
		return &refusal{http.StatusMisdirectedRequest, "The console answers on this machine alone, " +
			"as localhost or 127.0.0.1. From another one, forward a port: ssh -L 8090:127.0.0.1:PORT HOST.", true}
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil || !same(cookie.Value, c.secrets.session) {
		return &refusal{http.StatusForbidden, "This browser has not shown the console's token yet, or the console was " +
			"started again since. Open the address that was printed at its last start: it ends with ?token=…", true}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if !fromItself(r) {
		return &refusal{http.StatusForbidden, "This form was sent by another page, or by none: nothing was done. " +
			"Send it from the console's own page.", false}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &refusal{http.StatusBadRequest, "The form cannot be read, or is too long: nothing was done.", false}
	}
	if !same(r.PostForm.Get("csrf"), c.secrets.csrf) {
		return &refusal{http.StatusForbidden, "The form is of another run of the console: nothing was done. " +
			"Load its page again, and send it from there.", false}
	}
	return nil
}

// fromHere says whether a request comes from this machine, and calls the server by a name of the loopback. A page of
// somebody's may have its own name lead here (DNS rebinding).
func fromHere(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback() && httpserver.Hosts(nil).Allows(r.Host)
}

// fromItself says whether a form was sent by a page of the server that it is sent to. Browsers name the sender of a
// form, and a page cannot change that.
func fromItself(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") == "http://"+r.Host && (site == "" || site == "same-origin")
}

// cookieName has the port: to a browser, all ports of a host share their cookies.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return "hatchery-console-" + port
}

// exchange takes the token out of an address and gives a cookie for it.
func (c *Console) exchange(w http.ResponseWriter, r *http.Request) *refusal {
	if !fromHere(r) || !same(r.URL.Query().Get("token"), c.secrets.token) {
		return &refusal{http.StatusForbidden, "This is not the console's token: it changes at each start. " +
			"Open the address that was printed at the last one.", true}
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Value: c.secrets.session, Path: c.Base + "/", HttpOnly: true,
		SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, c.Base+"/", http.StatusSeeOther)
	return nil
}

// protect sets the headers of every answer. images is one more origin of pictures; "" is none. A page names itself to
// itself alone (Referrer-Policy): with no-referrer, browsers would hide the Origin of our own forms, too.
func protect(header http.Header, images string) {
	from := "'self'"
	if images != "" {
		from += " " + images
	}
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src "+from+
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
}
