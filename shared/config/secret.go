package config

// Secret is a value that is used and never shown: every way of printing it gives a placeholder.
type Secret struct{ value string }

// NewSecret keeps a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal gives the value, for the one place that sends it.
func (s Secret) Reveal() string { return s.value }

// IsZero says whether there is none.
func (s Secret) IsZero() bool { return s.value == "" }

const hidden = "[hidden]"

// String hides the value from fmt.
func (s Secret) String() string { return hidden }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return hidden }

// MarshalText hides the value from JSON, slog and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
