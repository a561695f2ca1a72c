package upload

import "hatchery/shared/wording"

// Code is a stable reason for a rejection.
type Code string

// The reason codes. They are part of the public contract.
const (
	TypeMismatch     Code = "type_mismatch"
	Truncated        Code = "truncated"
	Corrupt          Code = "corrupt"
	TrailingData     Code = "trailing_data"
	TooLarge         Code = "too_large"
	TooSmall         Code = "too_small"
	TooManyPixels    Code = "too_many_pixels"
	NotAllowed       Code = "not_allowed"
	Duplicate        Code = "duplicate"
	ChecksumMismatch Code = "checksum_mismatch"
	NeverArrived     Code = "never_arrived"
	BytesLost        Code = "bytes_lost"
	ByOperator       Code = "operator"
)

// Codes gives all of them.
func Codes() []Code {
	return []Code{TypeMismatch, Truncated, Corrupt, TrailingData, TooLarge, TooSmall, TooManyPixels, NotAllowed, Duplicate,
		ChecksumMismatch, NeverArrived, BytesLost, ByOperator}
}

// Reason is why an upload was rejected: a code for programs and a sentence that
// tells the uploader what to do.
type Reason struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func newReason(code Code, format string, args ...any) *Reason {
	return &Reason{code, wording.Sprintf(format, args...)}
}
