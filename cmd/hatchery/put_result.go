package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hatchery/client"
)

// put is one line of --json.
type put struct {
	File    string `json:"file"`
	Status  string `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Type    string `json:"content_type"`
	SHA256  string `json:"sha256"`
	Already bool   `json:"already"` // it was stored before this run
}

// What put calls a file that has no verdict, or none of this run.
const (
	putRefused  = "refused"
	putFailed   = "failed"
	putUnread   = "unread"
	putNotTried = "not_tried"
)

func resultOf(file localFile, kind string, r client.Record) put {
	result := put{File: file.path, Status: string(r.Status), ID: r.ID, Kind: kind, Name: r.FullName(),
		Size: cmp.Or(r.Size, file.size), Type: r.ContentType, SHA256: r.SHA256}
	if r.Reason != nil {
		result.Code, result.Message = r.Reason.Code, r.Reason.Message
	}
	return result
}

// cannotRead says so, and goes on with the next file.
func (p *putter) cannotRead(path string, err error) error {
	cause := withoutPath(err)
	fmt.Fprintf(p.meter, "hatchery: cannot read %s: %v\n", shown(path), cause)
	return p.print(put{File: path, Status: putUnread, Message: fmt.Sprintf("It cannot be read: %v.", cause)})
}

// leaveOut says that a file without a line was not tried, and why.
func (p *putter) leaveOut(file *localFile, why error) error {
	if file.told {
		return nil
	}
	return p.print(put{File: file.path, Status: putNotTried, Message: why.Error(), Size: file.size})
}

// print counts what became of one file, and writes it.
func (p *putter) print(r put) error {
	p.mu.Lock()
	p.verdicts[r.Status]++
	as := ""
	if p.mixed && r.Status == string(client.Stored) && r.Kind != p.kind {
		p.elsewhere[r.Kind]++
		as = ", as " + r.Kind
	}
	p.mu.Unlock()
	var line bytes.Buffer
	switch {
	case p.json:
		if err := printJSON(&line, r); err != nil {
			return err
		}
	case r.Status == putUnread || r.Status == putNotTried:
		return nil // the one has been told, and the others are counted
	case r.Already:
		fmt.Fprintf(&line, "%-8s  %s  %s bytes, there already%s, %s\n", r.Status, shown(r.File), grouped(r.Size), as,
			safe(r.ID))
	case r.Status == string(client.Stored):
		fmt.Fprintf(&line, "%-8s  %s  %s, %s bytes%s, %s\n", r.Status, shown(r.File), safe(r.Type), grouped(r.Size), as,
			safe(r.ID))
	case r.Code != "":
		fmt.Fprintf(&line, "%-8s  %s  %s: %s\n", r.Status, shown(r.File), safe(r.Code), safe(r.Message))
	default:
		fmt.Fprintf(&line, "%-8s  %s  %s\n", r.Status, shown(r.File), safe(r.Message))
	}
	_, err := p.meter.writeTo(p.term.out, line.Bytes())
	return err
}

// end says how many of what there were, and gives the exit code. why is for those that were not tried.
func (p *putter) end(why error) error {
	all, words := 0, []string{}
	for _, status := range []string{"stored", "rejected", putRefused, putFailed, "pending", "deleted", putUnread,
		putNotTried} {
		if n := p.verdicts[status]; n > 0 {
			all += n
			words = append(words, grouped(int64(n))+" "+strings.ReplaceAll(status, "_", " "))
		}
	}
	if all > 1 {
		fmt.Fprintf(p.term.err, "%s of %s\n", strings.Join(words, ", "), countOf(all, "file"))
	}
	for _, kind := range slices.Sorted(maps.Keys(p.elsewhere)) {
		fmt.Fprintf(p.term.err, "%s stored as %s: ls, get and rm find them with --kind %[2]s\n",
			grouped(int64(p.elsewhere[kind])), kind)
	}
	unsettled := p.verdicts[putFailed] + p.verdicts["pending"]
	switch {
	case why != nil && (len(p.files) == 0 || p.verdicts[putNotTried]+unsettled > 0): // else it came when all was done
		return why
	case unsettled > 0:
		return &exitError{code: exitSystem}
	}
	if p.forget != nil {
		p.forget()
	}
	switch {
	case p.verdicts[putUnread] > 0:
		return &exitError{code: exitUsage}
	case p.verdicts[string(client.Stored)] < all:
		return &exitError{code: exitNo}
	}
	return nil
}
