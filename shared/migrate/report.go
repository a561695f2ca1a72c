package migrate

import (
	"strings"

	"hatchery/shared/upload"
)

// Report says what a migration did, or would do.
type Report struct {
	Read int `json:"read"`
	// Copied records were missing in the target, or were copied in part before.
	Copied int `json:"copied"`
	// Same are in the target as they are in the source.
	Same int `json:"same"`
	// Different are in the target, but otherwise: they are left alone.
	Different int `json:"different"`
	// Alone are records that the target has and the source, which keeps no tombstones,
	// has not: deleted there since they were copied, or uploaded to the target.
	Alone int `json:"alone"`
	// Forgotten are tombstones that the target has no place for.
	Forgotten int `json:"forgotten"`
	// Adopted are images of the replaced service that were judged and promoted;
	// Refused are those that were judged and may not be, which stay what they were.
	Adopted int `json:"adopted"`
	Refused int `json:"refused"`
	// Checked are records whose file was looked for; Unserved are those of them, stored,
	// whose file is not in the bucket.
	Checked  int `json:"checked"`
	Unserved int `json:"unserved"`
	// Unchecked are images of the replaced service whose file was not looked for,
	// because nobody said where they lie.
	Unchecked int `json:"unchecked"`
	// Failed are those with which there was trouble. Another run tries them again.
	Failed int `json:"failed"`
	// Damaged are records that the stores' lists passed over. A Migration does not hear
	// of them: whoever opened the stores does.
	Damaged int `json:"damaged"`
	// Findings are the first hundred of what somebody should look at.
	Findings []Finding `json:"findings"`
}

// Finding is one record that somebody should look at.
type Finding struct {
	// Upload is which one it is; of a damaged record, how its store names it.
	Upload string `json:"upload"`
	What   string `json:"what"`
	// More is how many other records failed for the same cause.
	More int `json:"more,omitempty"`

	cause string // of a failure
}

// Bounds of a report: an error of a store may be long.
const (
	maxFindings     = 100
	maxFindingBytes = 1000
)

// result is what became of one record.
type result struct {
	outcome outcome
	detail  string // for different
	trouble error  // for failed
	// there is the record that the target has, or would have.
	there     upload.Record
	missing   string // why its file cannot be served
	checked   bool
	unchecked bool
	adopted   bool
	refused   string // why an old image was not adopted
}

type outcome int

const (
	unhandled outcome = iota
	copied
	alike
	different
	forgotten
	failed
)

func (r *Report) add(source upload.Record, got result) {
	if got.outcome == unhandled {
		return // the run was broken off before
	}
	r.Read++
	switch got.outcome {
	case copied:
		r.Copied++
	case alike:
		r.Same++
	case forgotten:
		r.Forgotten++
	case different:
		r.Different++
		r.find(Finding{Upload: source.Ref().String(), What: "differs in the target: " + got.detail})
	case failed:
		r.fail(source, got.trouble)
	}
	if got.checked {
		r.Checked++
	}
	if got.adopted {
		r.Adopted++
	}
	if got.refused != "" {
		r.Refused++
		r.find(Finding{Upload: source.Ref().String(), What: got.refused})
	}
	if got.missing != "" {
		r.Unserved++
		r.find(Finding{Upload: source.Ref().String(), What: got.missing})
	}
	if got.unchecked {
		r.Unchecked++
	}
}

func (r *Report) fail(record upload.Record, trouble error) {
	r.Failed++
	cause := causeOf(trouble)
	for i := range r.Findings {
		if r.Findings[i].cause == cause {
			r.Findings[i].More++
			return
		}
	}
	r.find(Finding{Upload: record.Ref().String(), What: trouble.Error(), cause: cause})
}

// Damage adds a damaged record to the report: what its store calls it, and what is wrong.
func (r *Report) Damage(record, what string) {
	r.Damaged++
	r.find(Finding{Upload: record, What: what})
}

// Hidden is how many findings there are beyond the first hundred.
func (r *Report) Hidden() int {
	hidden := r.Different + r.Alone + r.Refused + r.Unserved + r.Failed + r.Damaged
	for _, f := range r.Findings {
		hidden -= 1 + f.More
	}
	return hidden
}

func (r *Report) find(f Finding) {
	if len(r.Findings) == maxFindings {
		return
	}
	if len(f.What) > maxFindingBytes {
		f.What = strings.ToValidUTF8(f.What[:maxFindingBytes], "") + "…"
	}
	r.Findings = append(r.Findings, f)
}
