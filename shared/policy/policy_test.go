package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
	"hatchery/shared/sniff"
)

// readable is what a validator of 60 s reads at the default rate.
const readable = 1_140_000_000

func TestTheDefaultPolicyIsTheDocumentedOne(t *testing.T) {
	const documented = `{"kinds":{"images":{"extensions":["png","jpg","jpeg","bmp","gif"],"min_bytes":1,"max_bytes":5500000,"max_pixels":50000000,"max_side":16384,"duplicates":"allow","after_end":["mpf","padding","samsung"],"mismatch":"refuse"}}}`
	got, err := json.Marshal(policy.Default())
	if err != nil || string(got) != documented {
		t.Errorf("the default policy is\n%s (%v), want\n%s", got, err, documented)
	}
	read, err := policy.Parse([]byte(documented), readable)
	if err != nil || !reflect.DeepEqual(read, policy.Default()) {
		t.Errorf("the documented policy is read as %+v, %v", read, err)
	}
}

func TestWhatAKindLeavesOutHasTheDefaultsValue(t *testing.T) {
	p, err := policy.Parse([]byte(
		`{"kinds":{"photos":{},"icons":{"extensions":["png"],"max_bytes":1000,"duplicates":"refuse","after_end":[],"mismatch":"correct","max_files":3,"max_total_bytes":2000,"max_ancillary_bytes":10,"active":["macros"]}}}`), readable)
	if err != nil {
		t.Fatal(err)
	}
	if photos := policy.Default().Kinds["images"]; !reflect.DeepEqual(p.Kinds["photos"], photos) {
		t.Errorf("photos: %+v, want %+v", p.Kinds["photos"], photos)
	}
	want := policy.Kind{Extensions: []string{"png"}, MinBytes: 1, MaxBytes: 1000, MaxPixels: 50_000_000, MaxSide: 16_384,
		Duplicates: policy.DuplicatesRefuse, AfterEnd: []string{}, Mismatch: policy.MismatchCorrect, MaxFiles: 3, MaxTotalBytes: 2000, MaxAncillaryBytes: 10, Active: []string{"macros"}}
	if !reflect.DeepEqual(p.Kinds["icons"], want) {
		t.Errorf("icons: %+v, want %+v", p.Kinds["icons"], want)
	}
}

func TestAKindDoesNotChangeAnother(t *testing.T) {
	// Both begin as the default, whose lists must not be shared.
	p, err := policy.Parse([]byte(`{"kinds":{"a":{"extensions":["gif","bmp"]},"b":{}}}`), readable)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Kinds["b"].Extensions; !reflect.DeepEqual(got, policy.Default().Kinds["images"].Extensions) {
		t.Errorf("b has the extensions %v", got)
	}
}

func TestAPolicyIsRefusedForEachFault(t *testing.T) {
	kind := func(members string) string { return `{"kinds":{"images":{` + members + `}}}` }
	for _, c := range []struct{ policy, setting, found, accepted string }{
		{``, "HATCHERY_POLICY", "EOF", "a JSON object like"},
		{`picture`, "HATCHERY_POLICY", `"picture"`, "or all, documents, media, pictures"},
		{`null`, "HATCHERY_POLICY", "no kinds", "at least one kind"},
		{`{}`, "HATCHERY_POLICY", "no kinds", "at least one kind"},
		{`{"kinds":{}}`, "HATCHERY_POLICY", "no kinds", "at least one kind"},
		{`[]`, "HATCHERY_POLICY", "array", "a JSON object like"},
		{`{"kinds":`, "HATCHERY_POLICY", "EOF", "a JSON object like"},
		{`{"kinds":{"images":{}},"sizes":{}}`, "HATCHERY_POLICY", `unknown field "sizes"`, "a JSON object like"},
		{`{"kinds":{"images":{}}} {}`, "HATCHERY_POLICY", "more text after", "a JSON object like"},
		{`{"kinds":{"images":{}}}x`, "HATCHERY_POLICY", "more text after", "a JSON object like"},
		{strings.Repeat(" ", 64<<10) + `{"kinds":{"images":{}}}`, "HATCHERY_POLICY", "65559 bytes", "at most 65536"},
		{`{"kinds":{"Images":{}}}`, "HATCHERY_POLICY", `"Images"`, "beginning with a letter"},
		{`{"kinds":{"":{}}}`, "HATCHERY_POLICY", `""`, "beginning with a letter"},
		{`{"kinds":{"a/b":{}}}`, "HATCHERY_POLICY", `"a/b"`, "beginning with a letter"},
		{`{"kinds":{"` + strings.Repeat("k", 33) + `":{}}}`, "HATCHERY_POLICY", "kkk", "at most 32"},
		{`{"kinds":{"images":[]}}`, "HATCHERY_POLICY kinds.images", "array", "members extensions, min_bytes"},
		{kind(`"maxbytes":5`), "HATCHERY_POLICY kinds.images", `unknown field "maxbytes"`, "max_bytes"},
		{kind(`"max_bytes":"5 MB"`), "HATCHERY_POLICY kinds.images", "string", "members"},
		{kind(`"max_bytes":1e40`), "HATCHERY_POLICY kinds.images", "1e40", "members"},
		{kind(`"extensions":[]`), "HATCHERY_POLICY kinds.images.extensions", "none", "at least one of png"},
		{kind(`"extensions":null`), "HATCHERY_POLICY kinds.images.extensions", "none", "at least one of png"},
		{kind(`"extensions":["png","svg"]`), "HATCHERY_POLICY kinds.images.extensions",
			`"svg", for which there is no checker`, "png, jpg"},
		{kind(`"extensions":["PNG"]`), "HATCHERY_POLICY kinds.images.extensions", `"PNG"`, "png, jpg"},
		{kind(`"extensions":[".png"]`), "HATCHERY_POLICY kinds.images.extensions", `".png"`, "png, jpg"},
		{kind(`"min_bytes":-1`), "HATCHERY_POLICY kinds.images.min_bytes", "-1", "0 or more"},
		{kind(`"min_bytes":0,"max_bytes":0`), "HATCHERY_POLICY kinds.images.max_bytes", "0", "1 to 5000000000"},
		{kind(`"max_bytes":5000000001`), "HATCHERY_POLICY kinds.images.max_bytes", "5000000001", "1 to 5000000000"},
		{kind(fmt.Sprintf(`"max_bytes":%d`, readable+1)), "HATCHERY_POLICY kinds.images.max_bytes", fmt.Sprint(readable + 1),
			fmt.Sprint("at most ", readable, ", what the validator can read")},
		{kind(`"min_bytes":10,"max_bytes":9`), "HATCHERY_POLICY kinds.images.min_bytes", "10, above max_bytes 9",
			"at most max_bytes"},
		{kind(`"max_pixels":0`), "HATCHERY_POLICY kinds.images.max_pixels", "0", "1 or more"},
		{kind(`"max_side":0`), "HATCHERY_POLICY kinds.images.max_side", "0", "1 or more"},
		{kind(`"max_files":-1`), "HATCHERY_POLICY kinds.images.max_files", "-1", "0 or more"},
		{kind(`"max_total_bytes":-1`), "HATCHERY_POLICY kinds.images.max_total_bytes", "-1", "0 or more"},
		{kind(`"max_ancillary_bytes":-1`), "HATCHERY_POLICY kinds.images.max_ancillary_bytes", "-1", "0 or more"},
		{kind(`"duplicates":"deny"`), "HATCHERY_POLICY kinds.images.duplicates", `"deny"`, `"allow" or "refuse"`},
		{kind(`"duplicates":""`), "HATCHERY_POLICY kinds.images.duplicates", `""`, `"allow" or "refuse"`},
		{kind(`"mismatch":"allow"`), "HATCHERY_POLICY kinds.images.mismatch", `"allow"`, `"refuse" or "correct"`},
		{kind(`"mismatch":""`), "HATCHERY_POLICY kinds.images.mismatch", `""`, `"refuse" or "correct"`},
		{kind(`"mismatch":true`), "HATCHERY_POLICY kinds.images", "bool", "mismatch"},
		{kind(`"after_end":["mpf","anything"]`), "HATCHERY_POLICY kinds.images.after_end", `"anything"`,
			`"mpf", "zeros", "padding", "samsung", "video"`},
		{kind(`"active":["macros","scripts"]`), "HATCHERY_POLICY kinds.images.active", `"scripts"`,
			`"macros", "external", "embedded"`},
	} {
		t.Run(fmt.Sprintf("%.60s", c.policy), func(t *testing.T) {
			_, err := policy.Parse([]byte(c.policy), readable)
			var faults policy.Faults
			if !errors.As(err, &faults) || len(faults) != 1 {
				t.Fatalf("error %v, want one fault", err)
			}
			f := faults[0]
			if f.Setting != c.setting || !strings.Contains(f.Found, c.found) || !strings.Contains(f.Accepted, c.accepted) {
				t.Errorf("fault %+v; want setting %q, found %q, accepted %q", f, c.setting, c.found, c.accepted)
			}
		})
	}
}

func TestAllFaultsOfAPolicyAreReportedAtOnce(t *testing.T) {
	_, err := policy.Parse([]byte(`{"kinds":{
		"Bad":{"duplicates":"x"},
		"first":{"mismatch":"maybe","extensions":["svg","exe"],"min_bytes":-1,"max_bytes":6000000000,"max_pixels":-5},
		"second":{"what":1},
		"third":{"after_end":["a","b"]}}}`), readable)
	var faults policy.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error %v, want Faults", err)
	}
	var settings []string
	for _, f := range faults {
		settings = append(settings, strings.TrimPrefix(f.Setting, "HATCHERY_POLICY"))
		if f.Found == "" || f.Accepted == "" {
			t.Errorf("fault %+v does not say what was found and what is accepted", f)
		}
	}
	want := []string{"", " kinds.Bad.duplicates", " kinds.first.extensions", " kinds.first.extensions",
		" kinds.first.min_bytes", " kinds.first.max_bytes",
		" kinds.first.max_pixels", " kinds.first.mismatch", " kinds.second", " kinds.third.after_end", " kinds.third.after_end"}
	if !reflect.DeepEqual(settings, want) {
		t.Errorf("faults of\n%q, want\n%q", settings, want)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != len(want) || !strings.Contains(lines[2], `found "svg"`) ||
		!strings.Contains(lines[2], "accepted: png") {
		t.Errorf("the error does not name one fault a line:\n%v", err)
	}
}

func TestTheLargestObjectIsAcceptedWhereItCanBeRead(t *testing.T) {
	text := []byte(`{"kinds":{"images":{"max_bytes":5000000000}}}`)
	if _, err := policy.Parse(text, 5_000_000_000); err != nil {
		t.Errorf("error %v, want none", err)
	}
	if _, err := policy.Parse(text, 4_999_999_999); err == nil {
		t.Error("accepted, though the validator cannot read so much")
	}
}

func TestNoFaultsAreNoError(t *testing.T) {
	if err := (policy.Faults{}).Err(); err != nil {
		t.Errorf("error %v", err)
	}
}

func TestAnUnknownKindIsRefusedNamingTheKnownOnes(t *testing.T) {
	p, err := policy.Parse([]byte(`{"kinds":{"photos":{},"images":{}}}`), readable)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Kind("videos")
	var refusal *policy.Refusal
	if !errors.As(err, &refusal) || refusal.Problem != policy.ProblemKind ||
		!strings.Contains(refusal.Message, `"videos" here: use images, photos`) {
		t.Errorf("error %v", err)
	}
	if _, err := p.Kind("photos"); err != nil {
		t.Errorf("photos: %v", err)
	}
}

func TestARefusedExtensionNamesTheKindsThatTakeIt(t *testing.T) {
	p, err := policy.Parse([]byte(`{"kinds":{"images":{},"scans":{"extensions":["pdf","bmp"]},"papers":{"extensions":["pdf"]}}}`),
		readable)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ kind, extension, says, taker string }{
		{"scans", "png", `Files ending in ".png" are not accepted as scans: upload them as images.`, "images"},
		{"images", "pdf", `Files ending in ".pdf" are not accepted as images: upload them as papers or scans.`, ""},
		{"papers", "svg", `Files ending in ".svg" are not accepted as papers: use pdf.`, ""},
	} {
		var refusal *policy.Refusal
		if err := p.CheckExtension(policy.KindName(c.kind), c.extension); !errors.As(err, &refusal) ||
			refusal.Problem != policy.ProblemExtension || refusal.Message != c.says || string(refusal.Kind) != c.taker {
			t.Errorf("%s as %s: %+v, want %q and the kind %q", c.extension, c.kind, refusal, c.says, c.taker)
		}
	}
	if err := p.CheckExtension("scans", "bmp"); err != nil {
		t.Error(err)
	}
}

func TestEveryCheckedExtensionHasAType(t *testing.T) {
	for _, e := range sniff.Extensions() {
		if got := policy.ExpectedType(e); !strings.Contains(got, "/") || got == policy.ExpectedType("exe") {
			t.Errorf("%s has the type %q", e, got)
		}
	}
	if got := policy.ExpectedType("exe"); got != "application/octet-stream" {
		t.Errorf("an unknown extension has the type %q", got)
	}
}

func TestATypesProperNameIsNotThatOfAnother(t *testing.T) {
	k := policy.Kind{Extensions: []string{"docx", "xlsx", "zip", "jpg", "jpeg"}}
	for mediaType, want := range map[string]string{"application/zip": "zip", "application/x-zip-compressed": "", "image/pjpeg": "jpg",
		policy.ExpectedType("xlsx"): "xlsx", "text/plain": ""} {
		if got := k.ExtensionOf(mediaType); got != want {
			t.Errorf("%s names %q, want %q", mediaType, got, want)
		}
	}
}

func TestOnlyAPolicyThatCorrectsAllowsOtherTypes(t *testing.T) {
	refuses := policy.Kind{Extensions: []string{"gif", "jpg", "jpeg"}, Mismatch: policy.MismatchRefuse}
	corrects := refuses
	corrects.Mismatch = policy.MismatchCorrect
	for _, k := range []policy.Kind{refuses, corrects} {
		l := k.Limits()
		if l.Correct != (k.Mismatch == policy.MismatchCorrect) || !reflect.DeepEqual(l.Extensions, k.Extensions) {
			t.Errorf("with mismatch %s: %+v; want the kind's own extensions in their order", k.Mismatch, l)
		}
	}
	for mediaType, want := range map[string][2]bool{"image/jpeg": {true, true}, "image/pjpeg": {true, true},
		"image/gif": {false, true}, "image/png": {false, false}, "text/html": {false, false}, "": {false, false}} {
		if got := [2]bool{refuses.AllowsType("jpg", mediaType), corrects.AllowsType("jpg", mediaType)}; got != want {
			t.Errorf("%q of a .jpg: %v, want %v", mediaType, got, want)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	for _, s := range []string{`{"kinds":{"images":{}}}`, `{"kinds":{"images":null}}`, `null`, `{}`, `[`,
		`{"kinds":{"a":{"max_bytes":1,"min_bytes":0}}}`,
		`{"kinds":{"a":{"extensions":["gif"],"after_end":null,"max_files":9223372036854775807}}}`,
		`{"kinds":{"a":{},"a":{"max_side":5}}}`,
		`{"KINDS":{"a":{"Duplicates":"refuse"}}}`, `{"kinds":{"a":{"max_bytes":-9223372036854775808}}} 1`} {
		f.Add([]byte(s), int64(readable))
	}
	f.Fuzz(func(t *testing.T, data []byte, readable int64) {
		p, err := policy.Parse(data, readable)
		if err != nil {
			var faults policy.Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("error %v, want faults", err)
			}
			for _, fault := range faults {
				if fault.Setting == "" || fault.Found == "" || fault.Accepted == "" {
					t.Fatalf("fault %+v is silent about something", fault)
				}
			}
			return
		}
		if len(p.Kinds) == 0 {
			t.Fatal("a policy without kinds was accepted")
		}
		for name, k := range p.Kinds {
			if len(k.Extensions) == 0 || k.MinBytes < 0 || k.MaxBytes < max(k.MinBytes, 1) ||
				k.MaxBytes > min(readable, policy.LargestObject) ||
				k.Mismatch != policy.MismatchRefuse && k.Mismatch != policy.MismatchCorrect ||
				k.MaxPixels < 1 || k.MaxSide < 1 || k.MaxFiles < 0 || k.MaxTotalBytes < 0 || k.MaxAncillaryBytes < 0 {
				t.Fatalf("accepted as %s: %+v", name, k)
			}
			for _, e := range k.Extensions {
				if !slices.Contains(sniff.Extensions(), e) {
					t.Fatalf("%s accepts %q", name, e)
				}
			}
		}
		written, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(written) > 64<<10 {
			return // longer than a policy may be, with all defaults written out
		}
		again, err := policy.Parse(written, readable)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("written as %s and read again as %+v, %v; want %+v", written, again, err, p)
		}
	})
}
