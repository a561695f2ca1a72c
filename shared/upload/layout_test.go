package upload_test

import (
	"strings"
	"testing"

	"hatchery/shared/upload"
)

const someID = "0195600d-5a1e-7c3d-8e4f-0123456789ab"

var someRef = upload.Ref{Journal: "j-1_A", Entry: "e_2-B", Kind: "images", ID: someID}

func TestKeysHaveTheDocumentedForm(t *testing.T) {
	if got := upload.DefaultLayout.QuarantineKey(someRef); got != "quarantine/j-1_A/entries/e_2-B/images/"+someID {
		t.Errorf("quarantine key %q", got)
	}
	if got := upload.DefaultLayout.FilesKey(someRef); got != "files/j-1_A/entries/e_2-B/images/"+someID {
		t.Errorf("files key %q", got)
	}
}

func TestAQuarantineKeyIsReadBack(t *testing.T) {
	for _, layout := range []upload.Layout{upload.DefaultLayout, {Quarantine: "dev/in/", Files: "dev/out/"},
		{Quarantine: "entries/", Files: "f/"}} {
		for _, ref := range []upload.Ref{someRef, {Journal: "entries", Entry: "entries", Kind: "entries", ID: someID},
			{Journal: upload.Journal(strings.Repeat("j", 64)), Entry: "-", Kind: "k", ID: someID}} {
			got, ok := layout.ParseQuarantineKey(layout.QuarantineKey(ref))
			if !ok || got != ref {
				t.Errorf("%+v under %+v was read back as %+v, %v", ref, layout, got, ok)
			}
		}
	}
}

func TestAKeyThatTheLayoutNeverMadeIsForeign(t *testing.T) {
	good := string(upload.DefaultLayout.QuarantineKey(someRef))
	for _, key := range []string{
		"", "/", "quarantine/", "quarantine", someID,
		"/" + good, good + "/", good + "/x", good + "\n", " " + good, good + "%20",
		"x/" + good, "Quarantine/" + strings.TrimPrefix(good, "quarantine/"),
		string(upload.DefaultLayout.FilesKey(someRef)),
		strings.Replace(good, "quarantine/", "quarantine//", 1),
		strings.Replace(good, "/entries/", "/entry/", 1),
		strings.Replace(good, "/entries/", "/../", 1),
		strings.Replace(good, "j-1_A", "..", 1),
		strings.Replace(good, "j-1_A", "", 1),
		strings.Replace(good, "j-1_A", "j 1", 1),
		strings.Replace(good, "j-1_A", "jé", 1),
		strings.Replace(good, "j-1_A", "j\x00", 1),
		strings.Replace(good, "j-1_A", strings.Repeat("j", 65), 1),
		strings.Replace(good, "e_2-B", "", 1),
		strings.Replace(good, "e_2-B", "e.2", 1),
		strings.Replace(good, "images", "Images", 1),
		strings.Replace(good, "images", "", 1),
		strings.Replace(good, "images", strings.Repeat("k", 33), 1),
		strings.ToUpper(good),
		strings.Replace(good, someID, strings.ToUpper(someID), 1),
		strings.Replace(good, someID, strings.ReplaceAll(someID, "-", ""), 1),
		strings.Replace(good, someID, "{"+someID+"}", 1),
		strings.Replace(good, someID, "urn:uuid:"+someID, 1),
		strings.Replace(good, someID, "0195600d-5a1e-7c3d-8e4f-0123456789ag", 1),
		strings.Replace(good, someID, "cat.png", 1),
		strings.Replace(good, someID, "", 1),
	} {
		if ref, ok := upload.DefaultLayout.ParseQuarantineKey(upload.Key(key)); ok {
			t.Errorf("key %q was read as %+v", key, ref)
		}
	}
}

func FuzzParseQuarantineKey(f *testing.F) {
	f.Add(string(upload.DefaultLayout.QuarantineKey(someRef)))
	f.Add("quarantine/a/entries/b/c/" + strings.ToUpper(someID))
	f.Add("quarantine/../entries/b/c/d")
	f.Fuzz(func(t *testing.T, key string) {
		ref, ok := upload.DefaultLayout.ParseQuarantineKey(upload.Key(key))
		if ok && string(upload.DefaultLayout.QuarantineKey(ref)) != key {
			t.Fatalf("%q was read as %+v, whose key is another", key, ref)
		}
		if !ok && ref != (upload.Ref{}) {
			t.Fatalf("%q is foreign and yet gives %+v", key, ref)
		}
	})
}

func TestAnIDIsAUUIDInCanonicalForm(t *testing.T) {
	for _, s := range []string{someID, strings.ToUpper(someID), "00000000-0000-0000-0000-000000000000"} {
		if id, err := upload.ParseID(s); err != nil || string(id) != strings.ToLower(s) {
			t.Errorf("ParseID(%q) = %q, %v", s, id, err)
		}
	}
	for _, s := range []string{"", "cat.png", "1", strings.ReplaceAll(someID, "-", ""), "{" + someID + "}",
		"urn:uuid:" + someID, someID + "0", someID[:35],
		" " + someID[1:], strings.Replace(someID, "-", "_", 1), someID[:35] + "g", someID[:35] + "\n",
		strings.Repeat("a", 36), "../../../../../../../../etc/passwdxx"} {
		if id, err := upload.ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %q, want an error", s, id)
		}
	}
}

func TestNewIDsAreVersion7AndSortByTime(t *testing.T) {
	var last upload.ID
	for range 1000 {
		id, err := upload.NewID()
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := upload.ParseID(string(id)); err != nil || parsed != id || id[14] != '7' {
			t.Fatalf("id %q (%v) is no UUID of version 7 in canonical form", id, err)
		}
		if id <= last {
			t.Fatalf("id %q came after %q", id, last)
		}
		last = id
	}
}

func TestAStatusIsOneOfFour(t *testing.T) {
	for _, s := range []string{"pending", "stored", "rejected", "deleted"} {
		if got, err := upload.ParseStatus(s); err != nil || string(got) != s {
			t.Errorf("ParseStatus(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "Stored", "stored ", "all", "pending,stored"} {
		if got, err := upload.ParseStatus(s); err == nil || got != "" {
			t.Errorf("ParseStatus(%q) = %q, %v; want an error", s, got, err)
		}
	}
}

func TestAPathIDIsShortAndPlain(t *testing.T) {
	for _, s := range []string{"a", "A-z_09", "-", strings.Repeat("x", 64), someID} {
		if !upload.ValidPathID(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", ".", "..", "a/b", "a b", "a%2fb", "é", "a\n", "a\x00", strings.Repeat("x", 65)} {
		if upload.ValidPathID(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}
