package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// idempotencyKeyLife is how long an idempotency key is remembered.
const idempotencyKeyLife = 24 * time.Hour

// readIdempotencyKey reads the Idempotency-Key: 1 to 255 visible ASCII characters, or "".
func readIdempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	invisible := func(r rune) bool { return r < 0x21 || r > 0x7e }
	if len(values) > 1 || values[0] == "" || len(values[0]) > 255 || strings.ContainsFunc(values[0], invisible) {
		return "", newProblem(badKey, "Idempotency-Key is one header of 1 to 255 visible ASCII characters.")
	}
	return values[0], nil
}

// idempotencyKey is what the store remembers of a key, nil without one. The request's values are its fingerprint.
func (h *handler) idempotencyKey(c *call, key, route string, values ...any) *upload.IdempotencyKey {
	if key == "" {
		return nil
	}
	text, err := json.Marshal(values)
	if err != nil { // strings and numbers: it cannot fail
		return nil
	}
	sum := sha256.Sum256(text)
	return &upload.IdempotencyKey{
		Scope: strings.Join([]string{string(c.Journal), string(c.Entry), string(c.Kind), route}, "/"),
		Key:   key, Fingerprint: hex.EncodeToString(sum[:]), Expires: h.Now().Add(idempotencyKeyLife),
	}
}
