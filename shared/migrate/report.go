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
	// Unserved are stored records whose file is not in the bucket.
	Unserved int `json:"unserved"`
	// Unchecked are images of the replaced service whose file was not looked for,
	// because nobody said where they lie.
	Unchecked int `json:"unchecked"`
	// Failed are those with which there was trouble. Another run tries them again.
	Failed int `json:"failed"`
	// Findings are the first hundred of what somebody should look at.
	Findings []Finding `json:"findings"`
}

// Finding is one record that somebody should look at.
type Finding struct {
	Upload string `json:"upload"`
	What   string `json:"what"`
}

// Bounds of a report: an error of a store may be long.
const (
	maxFindings     = 100
	maxFindingBytes = 1000
)

// result is what became of one record.
type result struct {
	outcome outcome
	detail  string // for different and failed
	// there is the record that the target has, or would have.
	there     upload.Record
	missing   string // why its file cannot be served
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
		r.find(source, "differs in the target: "+got.detail)
	case failed:
		r.fail(source, got.detail)
	}
	if got.adopted {
		r.Adopted++
	}
	if got.refused != "" {
		r.Refused++
		r.find(source, got.refused)
	}
	if got.missing != "" {
		r.Unserved++
		r.find(source, got.missing)
	}
	if got.unchecked {
		r.Unchecked++
	}
}

func (r *Report) fail(record upload.Record, why string) {
	r.Failed++
	r.find(record, why)
}

func (r *Report) find(record upload.Record, what string) {
	if len(r.Findings) == maxFindings {
		return
	}
	if len(what) > maxFindingBytes {
		what = strings.ToValidUTF8(what[:maxFindingBytes], "") + "…"
	}
	r.Findings = append(r.Findings, Finding{record.Ref().String(), what})
}
