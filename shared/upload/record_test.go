package upload_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

const someSum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// full is a record with something in every field.
func full() upload.Record {
	return upload.Record{ID: someID, Journal: "j1", Entry: "e1", Kind: "images", Name: "my_cat", Extension: "png",
		CreatedAt: time.Date(2021, 9, 19, 17, 15, 0, 437163000, time.FixedZone("", 2*60*60)), Status: upload.Stored,
		Size: 4711, ContentType: "image/png", SHA256: someSum, SettledAt: time.Date(2021, 9, 19, 15, 15, 1, 500000000, time.UTC),
		Declared: upload.Declared{Size: 31337, Type: "image/x-declared", SHA256: "declaredsum"}, FormExpires: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		JudgedVersion: "judged-version", ServedVersion: "served-version", Failures: 987,
		LastFailure: &upload.Failure{At: time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), Message: "internal failure"},
		DeletedAt:   time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), ForgetAfter: time.Date(1996, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func TestARecordHasItsPublicForm(t *testing.T) {
	const head = `{"id":"` + someID + `","journal_id":"j1","entry_id":"e1","name":"my_cat","extension":"png","created_at":"2021-09-19 15:15:00.437163","kind":"images",`
	pending := full()
	pending.Status, pending.Size, pending.ContentType, pending.SHA256, pending.SettledAt = upload.Pending, 0, "", "", time.Time{}
	rejected := full()
	rejected.Status, rejected.ContentType, rejected.SHA256 = upload.Rejected, "", ""
	rejected.Reason = &upload.Reason{Code: upload.TypeMismatch, Message: "Not a PNG."}
	tombstone := full().Tombstone(noon, noon.Add(time.Hour))
	round := full()
	round.CreatedAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		what   string
		record upload.Record
		want   string
	}{
		{"pending", pending, head + `"status":"pending","size":null,"content_type":null,"sha256":null,"reason":null,"settled_at":null}`},
		{"stored", full(), head + `"status":"stored","size":4711,"content_type":"image/png","sha256":"` + someSum + `","reason":null,"settled_at":"2021-09-19T15:15:01.5Z"}`},
		{"rejected", rejected, head + `"status":"rejected","size":4711,"content_type":null,"sha256":null,"reason":{"code":"type_mismatch","message":"Not a PNG."},"settled_at":"2021-09-19T15:15:01.5Z"}`},
		{"deleted", tombstone, head + `"status":"deleted","size":4711,"content_type":"image/png","sha256":"` + someSum + `","reason":null,"settled_at":"2021-09-19T15:15:01.5Z"}`},
		{"made at a full second", round, strings.Replace(head, "2021-09-19 15:15:00.437163", "2026-03-04 05:06:07.000000", 1) +
			`"status":"stored","size":4711,"content_type":"image/png","sha256":"` + someSum + `","reason":null,"settled_at":"2021-09-19T15:15:01.5Z"}`},
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
			for _, private := range []string{"judged-version", "served-version", "987", "internal failure", "31337", "image/x-declared", "declaredsum", "1999", "1998", "1997", "1996"} {
				if strings.Contains(string(got), private) {
					t.Errorf("%q is shown to callers", private)
				}
			}
		})
	}
}

func TestAVerdictBecomesTheRecordsFacts(t *testing.T) {
	pending := upload.Record{ID: someID, Status: upload.Pending, Failures: 2}
	at := time.Date(2026, 3, 4, 14, 0, 0, 123456789, time.FixedZone("", 7200))
	got := upload.Verdict{Status: upload.Stored, Version: "v1", At: at, Size: 5, ContentType: "image/gif", SHA256: someSum, Served: "s1"}.Apply(pending)
	want := upload.Record{ID: someID, Status: upload.Stored, Failures: 2, SettledAt: noon, JudgedVersion: "v1", Size: 5, ContentType: "image/gif", SHA256: someSum, ServedVersion: "s1"}
	if got != want {
		t.Errorf("stored as\n%+v, want\n%+v", got, want)
	}
	if got.SettledAt.Location() != time.UTC {
		t.Errorf("settled at %v, want UTC", got.SettledAt)
	}
	reason := &upload.Reason{Code: upload.Corrupt, Message: "Broken."}
	got = upload.Verdict{Status: upload.Rejected, Version: "v1", At: at, Size: 5, Reason: reason}.Apply(pending)
	want = upload.Record{ID: someID, Status: upload.Rejected, Failures: 2, SettledAt: noon, JudgedVersion: "v1", Size: 5, Reason: reason}
	if got != want {
		t.Errorf("rejected as\n%+v, want\n%+v", got, want)
	}
}

func TestAReopenedRecordKnowsNothingOfItsVerdict(t *testing.T) {
	r := full()
	r.Status, r.Reason = upload.Rejected, &upload.Reason{Code: upload.Corrupt, Message: "Broken."}
	r.DeletedAt, r.ForgetAfter = time.Time{}, time.Time{}
	want := upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Name: r.Name, Extension: r.Extension, CreatedAt: r.CreatedAt,
		Status: upload.Pending, Declared: r.Declared, FormExpires: r.FormExpires}
	if got := r.Reopened(); got != want {
		t.Errorf("reopened as\n%+v, want\n%+v", got, want)
	}
}

func TestATombstoneKeepsTheFactsAndSaysWhenItMayBeForgotten(t *testing.T) {
	want := full()
	want.Status, want.DeletedAt, want.ForgetAfter = upload.Deleted, noon, noon.Add(time.Hour)
	if got := full().Tombstone(noon.Add(999*time.Nanosecond), noon.Add(time.Hour)); got.ForgetAfter != want.ForgetAfter || got.DeletedAt != want.DeletedAt ||
		got.Status != want.Status || got.SHA256 != want.SHA256 || got.SettledAt != want.SettledAt || got.JudgedVersion != want.JudgedVersion {
		t.Errorf("tombstone\n%+v, want\n%+v", got, want)
	}
}

func TestAFailureIsKeptInWholeCharactersOfBoundedLength(t *testing.T) {
	long := strings.Repeat("a", 1999)
	for in, want := range map[string]string{"": "", "slow": "slow", long + "ab": long + "a", long + "é": long, "a\xffb": "ab"} {
		at := noon.Add(time.Nanosecond).In(time.FixedZone("", 3600))
		got := upload.Record{Status: upload.Pending, Failures: 2}.Failed(upload.Failure{At: at, Message: in})
		if got.Failures != 3 || *got.LastFailure != (upload.Failure{At: noon, Message: want}) {
			t.Errorf("%.20q…: %d, %.20q… of %d bytes at %s", in, got.Failures, got.LastFailure.Message, len(got.LastFailure.Message), got.LastFailure.At)
		}
	}
	if r := (upload.Record{Status: upload.Stored}).Failed(upload.Failure{At: noon}); r.Failures != 0 || r.LastFailure != nil {
		t.Errorf("a stored record has %+v", r.LastFailure)
	}
}
