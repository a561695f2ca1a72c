package upload_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const someSum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// full is a record with something in every field.
func full() upload.Record {
	return upload.Record{ID: someID, Journal: "j1", Entry: "e1", Kind: "images", Name: "my_cat", Extension: "png",
		CreatedAt: time.Date(2021, 9, 19, 17, 15, 0, 437163000, time.FixedZone("", 2*60*60)), Status: upload.Stored,
		Size: 4711, ContentType: "image/png", SHA256: someSum,
		SettledAt:     time.Date(2021, 9, 19, 15, 15, 1, 500000000, time.UTC),
		Declared:      upload.Declared{Size: 31337, Type: "image/x-declared", SHA256: "declaredsum"},
		FormExpires:   time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		JudgedVersion: "judged-version", ServedVersion: "served-version", Failures: 987,
		LastFailure: &upload.Failure{At: time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), Message: "internal failure"},
		DeletedAt:   time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), ForgetAfter: time.Date(1996, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func TestARecordHasItsPublicForm(t *testing.T) {
	const head = `{"id":"` + someID +
		`","journal_id":"j1","entry_id":"e1","name":"my_cat","extension":"png","created_at":"2021-09-19 15:15:00.437163","kind":"images",`
	pending := full()
	pending.Status, pending.Size, pending.ContentType, pending.SHA256, pending.SettledAt = upload.Pending, 0, "", "",
		time.Time{}
	rejected := full()
	rejected.Status, rejected.ContentType, rejected.SHA256 = upload.Rejected, "", ""
	rejected.Reason = &upload.Reason{Code: upload.TypeMismatch, Message: "Not a PNG."}
	tombstone := uploadtest.After(upload.Delete(noon, noon.Add(time.Hour)), full())
	called := full()
	called.Filename = "My.Cat.PNG"
	round := full()
	round.CreatedAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		what   string
		record upload.Record
		want   string
	}{
		{"pending", pending, head +
			`"status":"pending","size":null,"content_type":null,"sha256":null,"reason":null,"settled_at":null}`},
		{"stored", full(), head + `"status":"stored","size":4711,"content_type":"image/png","sha256":"` + someSum +
			`","reason":null,"settled_at":"2021-09-19T15:15:01.5Z"}`},
		{"rejected", rejected, head +
			`"status":"rejected","size":4711,"content_type":null,"sha256":null,"reason":{"code":"type_mismatch","message":"Not a PNG."},"settled_at":"2021-09-19T15:15:01.5Z"}`},
		{"deleted", tombstone, head + `"status":"deleted","size":4711,"content_type":"image/png","sha256":"` + someSum +
			`","reason":null,"settled_at":"2021-09-19T15:15:01.5Z"}`},
		{"called otherwise", called, strings.Replace(head, `"png",`, `"png","filename":"My.Cat.PNG",`, 1) +
			`"status":"stored","size":4711,"content_type":"image/png","sha256":"` + someSum +
			`","reason":null,"settled_at":"2021-09-19T15:15:01.5Z"}`},
		{"made at a full second", round,
			strings.Replace(head, "2021-09-19 15:15:00.437163", "2026-03-04 05:06:07.000000", 1) +
				`"status":"stored","size":4711,"content_type":"image/png","sha256":"` + someSum +
				`","reason":null,"settled_at":"2021-09-19T15:15:01.5Z"}`},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := json.Marshal(c.record)
			if err != nil || string(got) != c.want {
				t.Errorf("written as\n%s (%v), want\n%s", got, err, c.want)
			}
			// A pointer, and a member of something else, are written alike.
			list, err := json.Marshal(map[string][]*upload.Record{"images": {&c.record}})
			if err != nil || string(list) != `{"images":[`+c.want+`]}` {
				t.Errorf("in a list written as\n%s (%v)", list, err)
			}
			for _, private := range []string{"judged-version", "served-version", "987", "internal failure", "31337",
				"image/x-declared", "declaredsum", "1999", "1998", "1997", "1996"} {
				if strings.Contains(string(got), private) {
					t.Errorf("%q is shown to callers", private)
				}
			}
		})
	}
}

func TestAFileIsSavedAsThePersonCalledItWithTheExtensionOfTheRecord(t *testing.T) {
	for _, c := range []struct{ filename, extension, want string }{
		{"", "png", "my_cat.png"},
		{"My.Cat.PNG", "png", "My.Cat.PNG"},
		{"My.Cat.JFIF", "jpg", "My.Cat.JFIF"},
		{"My.Cat.jpeg", "jpg", "My.Cat.jpeg"},
		{"My.Cat.jpg", "jpeg", "My.Cat.jpg"},
		// A verdict may have corrected the extension.
		{"My.Cat.JPG", "png", "My.Cat.png"},
		{"", "gif", "my_cat.gif"},
	} {
		r := full()
		r.Filename, r.Extension = c.filename, c.extension
		if got := r.DisplayName(); got != c.want {
			t.Errorf("%q with the extension %s is saved as %q, want %q", c.filename, c.extension, got, c.want)
		}
		if r.FullName() != "my_cat."+c.extension {
			t.Errorf("its full name is %q", r.FullName())
		}
	}
}
