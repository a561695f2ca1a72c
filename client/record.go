package client

import (
	"slices"
	"strings"
	"time"
)

// Status is what became of an upload.
type Status string

// The statuses.
const (
	Pending  Status = "pending"
	Stored   Status = "stored"
	Rejected Status = "rejected"
	Deleted  Status = "deleted"
)

// Record is what is known of an upload. What is not known before the verdict is the zero value.
type Record struct {
	ID        string `json:"id"`
	Journal   string `json:"journal_id"`
	Entry     string `json:"entry_id"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Extension string `json:"extension"`
	// Filename is what the person called the file, "" where that is Name.Extension.
	Filename string `json:"filename,omitempty"`
	// CreatedAt is in UTC, like 2021-09-19 15:15:00.437163.
	CreatedAt   string    `json:"created_at"`
	Status      Status    `json:"status"`
	Size        int64     `json:"size,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	SHA256      string    `json:"sha256,omitempty"` // hex
	Reason      *Reason   `json:"reason,omitempty"`
	SettledAt   time.Time `json:"settled_at,omitzero"`
}

// FullName is the file's name as the person wrote it, with the extension of what the file was found to be.
func (r Record) FullName() string {
	dot := strings.LastIndexByte(r.Filename, '.')
	switch {
	case dot < 0:
		return r.Name + "." + r.Extension
	case sameExtension(strings.ToLower(r.Filename[dot+1:]), r.Extension):
		return r.Filename
	}
	return r.Filename[:dot+1] + r.Extension
}

// sameExtension says whether two extensions name the same type of file.
func sameExtension(a, b string) bool {
	for _, alike := range [][]string{{"jpg", "jpeg", "jpe", "jfif"}, {"heic", "heif"}} {
		if slices.Contains(alike, a) && slices.Contains(alike, b) {
			return true
		}
	}
	return a == b
}

// Reason is why an upload was rejected.
type Reason struct {
	Code    string `json:"code"`    // for programs
	Message string `json:"message"` // what the uploader can do
}
