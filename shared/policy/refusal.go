package policy

import "hatchery/shared/wording"

// Problem names what was wrong with a request to upload.
type Problem string

// The problems that a request can have.
const (
	ProblemName      Problem = "name"
	ProblemExtension Problem = "extension"
	ProblemSize      Problem = "size"
	ProblemType      Problem = "type"
	ProblemChecksum  Problem = "checksum"
	ProblemKind      Problem = "kind"
	ProblemQuota     Problem = "quota"
)

// Refusal is what a caller is told when an upload is not accepted: one sentence
// that says what was wrong and what would be right. It holds nothing that the
// caller did not send or may not know.
type Refusal struct {
	Problem Problem
	Message string
	// Kind is the one kind that takes such a file where that of the request does not; "" where there is none, or several.
	Kind KindName
}

func (r *Refusal) Error() string { return r.Message }

// Refuse makes a Refusal.
func Refuse(p Problem, format string, args ...any) *Refusal {
	return &Refusal{Problem: p, Message: wording.Sprintf(format, args...)}
}
