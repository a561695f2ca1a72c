package samples_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"hatchery/shared/local/samples"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func folder(files ...string) fstest.MapFS {
	f := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		f[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return f
}

func TestEventsAndRepliesGoTogether(t *testing.T) {
	events, err := samples.Events(folder("validator-b.json", "{}", "api-a.json", "[1]", "README.md", "",
		"replies/api-a.json", "[2]", "replies/validator-b.json", "{}", "uploads/uploads.json", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0].Name != "api-a" || events[0].Function() != "api" || string(events[0].Payload) != "[1]" ||
		string(events[0].Reply) != "[2]" || events[1].Function() != "validator" {
		t.Errorf("%+v", events)
	}
	for name, c := range map[string]struct {
		folder fstest.MapFS
		says   string
	}{
		"an event without a reply": {folder("api-a.json", "{}", "api-b.json", "{}", "replies/api-b.json", "{}"), "api-a.json has no reply: put it into replies/api-a.json"},
		"a reply without an event": {folder("api-a.json", "{}", "replies/api-a.json", "{}", "replies/api-b.json", "{}"), "replies/api-b.json is the reply to no event"},
		"no events":                {folder("replies/README.md", ""), "no events"},
		"no folder of replies":     {folder("api-a.json", "{}"), "replies"},
	} {
		if _, err := samples.Events(c.folder); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

const picture = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\b\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"

func list(uploads string) fstest.MapFS {
	return folder("uploads/uploads.json", `{"journal":"j","kind":"images","uploads":[`+uploads+`]}`, "uploads/a.png", picture, "uploads/false.png", "#!/bin/sh\n")
}

func TestUploadsAreReadWithTheirFiles(t *testing.T) {
	u, err := samples.ReadUploads(list(`{"id":"1","entry":"e","name":"A.png","file":"a.png","status":"pending","event":"x","becomes":"stored"},
		{"id":"2","entry":"e","name":"b.png","file":"false.png","status":"rejected"}`))
	if err != nil {
		t.Fatal(err)
	}
	if u.Uploads[0].Size() != int64(len(picture)) || u.Uploads[0].After() != upload.Stored || u.Uploads[1].After() != upload.Rejected {
		t.Errorf("%+v", u.Uploads)
	}
	if ref := u.Ref(u.Uploads[0]); ref != (upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "1"}) {
		t.Errorf("%v", ref)
	}
	for name, c := range map[string]struct {
		folder fstest.MapFS
		says   string
	}{
		"no list":         {folder("x", ""), "uploads/uploads.json"},
		"no JSON":         {folder("uploads/uploads.json", "["), "uploads/uploads.json"},
		"an odd member":   {list(`{"id":"1","colour":"red"}`), "colour"},
		"an odd status":   {list(`{"id":"1","file":"a.png","status":"deleted"}`), "accepted: pending, stored, rejected"},
		"a missing file":  {list(`{"id":"1","file":"gone.png","status":"pending"}`), "gone.png"},
		"a file outside":  {list(`{"id":"1","file":"../../a.png","status":"pending"}`), "1"},
		"something after": {folder("uploads/uploads.json", `{"uploads":[]} {}`), "something follows"},
	} {
		if _, err := samples.ReadUploads(c.folder); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func TestUploadsArePutAsTheyArePresumedAndNotTwice(t *testing.T) {
	const stored, rejected, waits = "0199d1c4-5a00-7000-8000-000000000001", "0199d1c4-5a00-7000-8000-000000000002", "0199d1c4-5a00-7000-8000-000000000003"
	u, err := samples.ReadUploads(list(`{"id":"` + stored + `","entry":"e","name":"A.png","file":"a.png","status":"stored"},
		{"id":"` + rejected + `","entry":"e","name":"b.png","file":"false.png","status":"rejected"},
		{"id":"` + waits + `","entry":"e","name":"c.png","file":"a.png","status":"pending"}`))
	if err != nil {
		t.Fatal(err)
	}
	records, objects := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}), uploadtest.NewObjects()
	pipeline := pipelineOn(records, objects)
	for range 2 {
		if err := u.Put(t.Context(), pipeline); err != nil {
			t.Fatal(err)
		}
		for _, one := range u.Uploads {
			record, err := records.Get(t.Context(), u.Ref(one))
			if err != nil || record.Status != one.Status {
				t.Errorf("%s is %q (%v), want %s", one.ID, record.Status, err, one.Status)
			}
		}
		// What an event made of it since stays.
		if _, err := records.Update(t.Context(), u.Ref(u.Uploads[2]), upload.Delete(start, start)); err == nil {
			u.Uploads[2].Status = upload.Deleted
		}
	}
	if n := len(objects.Arrivals()); n != 3 {
		t.Errorf("%d objects arrived, want 3", n)
	}
}

func TestAnUploadThatThePolicyJudgesOtherwiseIsAnError(t *testing.T) {
	u, err := samples.ReadUploads(list(`{"id":"0199d1c4-5a00-7000-8000-000000000001","entry":"e","name":"b.png","file":"false.png","status":"stored"}`))
	if err != nil {
		t.Fatal(err)
	}
	err = u.Put(t.Context(), pipelineOn(uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}), uploadtest.NewObjects()))
	if err == nil || !strings.Contains(err.Error(), "rejected now, want stored") {
		t.Errorf("%v", err)
	}
}
