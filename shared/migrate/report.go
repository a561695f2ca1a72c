package migrate

import (
	"slices"

	"hatchery/shared/upload"
)

// Report says what a migration did, or would do.
type Report struct {
	Read int `json:"read"`
	// Copied records were missing in the target, or were copied in part before.
	Copied int `json:"copied"`
	// Same are in the target as they are in the source.
	Same int `json:"same"`
	// Different are in the target with other contents: they are left alone.
	Different int `json:"different"`
	// Alone are records that the target has and the source, which keeps no tombstones, has not: deleted there since
	// they were copied, or uploaded to the target.
	Alone int `json:"alone"`
	// Forgotten are tombstones that the target has no place for.
	Forgotten int `json:"forgotten"`
	// Adopted are images of the replaced service that were judged and promoted; Refused are those that were judged
	// and may not be, which stay what they were.
	Adopted int `json:"adopted"`
	Refused int `json:"refused"`
	// Checked are records whose file was looked for; Unserved are those whose file is not in the bucket.
	Checked  int `json:"checked"`
	Unserved int `json:"unserved"`
	// Unchecked are images of the replaced service whose file was not looked for: nobody said where they lie.
	Unchecked int `json:"unchecked"`
	// Failed are records that could not be handled. Another run tries them again.
	Failed int `json:"failed"`
	// Damaged are records that the stores' lists passed over, as whoever opened the stores adds them.
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

// finding is about a record.
func finding(r upload.Record, what string) Finding {
	return Finding{Upload: r.Ref().String(), What: what}
}

// add counts what became of one record.
func (r *Report) add(one Report) {
	r.Read += one.Read
	r.Copied += one.Copied
	r.Same += one.Same
	r.Different += one.Different
	r.Alone += one.Alone
	r.Forgotten += one.Forgotten
	r.Adopted += one.Adopted
	r.Refused += one.Refused
	r.Checked += one.Checked
	r.Unserved += one.Unserved
	r.Unchecked += one.Unchecked
	r.Failed += one.Failed
	for _, f := range one.Findings {
		r.find(f)
	}
}

// Damage adds a damaged record: what its store calls it, and what is wrong.
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

// find keeps a finding: as one more of a failure for the same cause, or as one of the first hundred.
func (r *Report) find(f Finding) {
	if f.cause != "" {
		if i := slices.IndexFunc(r.Findings, func(g Finding) bool { return g.cause == f.cause }); i >= 0 {
			r.Findings[i].More++
			return
		}
	}
	if len(r.Findings) == maxFindings {
		return
	}
	f.What = cut(f.What, maxFindingBytes)
	r.Findings = append(r.Findings, f)
}
