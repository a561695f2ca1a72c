package samples_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"hatchery/shared/local/samples"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func pipelineOn(records upload.Records, objects upload.Objects) *upload.Pipeline {
	return &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: records, Objects: objects,
		Now: func() time.Time { return start }, NewID: upload.NewID, TombstoneLife: upload.DefaultTombstoneLife}
}

func TestRepliesAreHeldAgainstWhatIsExpected(t *testing.T) {
	for _, c := range []struct {
		name, want, got string
		says            string // "" when they are equal
	}{
		{"equal", `{"a":[1,"b",null,true]}`, `{ "a" : [1, "b", null, true] }`, ""},
		{"another order", `{"a":1,"b":2}`, `{"b":2,"a":1}`, ""},
		{"another number", `{"a":1}`, `{"a":2}`, "a: found 2, want 1"},
		{"a text for a number", `{"a":1}`, `{"a":"1"}`, "a: found 1, want 1"},
		{"a number for a text", `{"a":"1"}`, `{"a":1}`, "a: found 1, want a text"},
		{"a member less", `{"a":{"b":1}}`, `{"a":{}}`, "a.b: it is missing"},
		{"a member more", `{"a":{}}`, `{"a":{"b":1}}`, "a.b: found 1, want no such member"},
		{"null is not absent", `{"a":null}`, `{}`, "a: it is missing"},
		{"no object", `{"a":{}}`, `{"a":[]}`, "want an object"},
		{"no list", `[1]`, `{}`, "want a list of 1"},
		{"a longer list", `[1]`, `[1,2]`, "want a list of 1"},
		{"another member of a list", `[1,2]`, `[1,3]`, "[1]: found 3, want 2"},
		{"several", `{"a":1,"b":2}`, `{"a":2,"b":1}`, "b: found 1"},
		{"no JSON", `{}`, `Internal error`, "no JSON"},
		{"no JSON expected", `{`, `{}`, "what is expected"},
		{"something after", `{}`, `{} {}`, "something follows"},

		{"an id", `"x {{id}} y"`, `"x 0199d1c4-5a00-7000-8000-000000000001 y"`, ""},
		{"no id", `"{{id}}"`, `"0199d1c4"`, "want \"{{id}}\""},
		{"more than the placeholder", `"{{id}}"`, `"0199d1c4-5a00-7000-8000-000000000001 "`, "want"},
		{"a time", `"{{time}}"`, `"2026-03-01T12:00:00.437163Z"`, ""},
		{"another form of time", `"{{time}}"`, `"2026-03-01 12:00:00.437163"`, "want"},
		{"created_at", `"{{created_at}}"`, `"2026-03-01 12:00:00.437163"`, ""},
		{"the same twice", `["{{time}}","{{time}}"]`, `["2026-03-01T12:00:00Z","2026-03-01T12:00:00Z"]`, ""},
		{"the same twice but different", `["{{time}}","{{time}}"]`, `["2026-03-01T12:00:00Z","2026-03-01T12:00:01Z"]`,
			"was \"2026-03-01T12:00:00Z\" before"},
		{"numbered, different", `["{{time.1}}","{{time.2}}"]`, `["2026-03-01T12:00:00Z","2026-03-01T12:00:01Z"]`, ""},
		{"a number as text", `"{{number}}"`, `"17"`, ""},
		{"a number", `{"a":"{{number}}"}`, `{"a":17}`, ""},
		{"no number", `"{{number}}"`, `true`, "want a text"},
		{"what a pattern would mean is text", `"a.c{{id}}"`, `"abc0199d1c4-5a00-7000-8000-000000000001"`, "want"},
		{"no such placeholder", `"{{colour}}"`, `"red"`, "no placeholder {{colour}}"},
		{"braces", `"{id} {{ id }}"`, `"{id} {{ id }}"`, ""},
	} {
		err := samples.Compare([]byte(c.want), []byte(c.got))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// FuzzCompare: every JSON is equal to itself, unless it has something that reads
// like a placeholder, and nothing panics.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(`{"a":[1,"b",{"c":null}],"t":"{{time}}"}`), []byte(`{"a":[1.0,"b"]}`))
	f.Add([]byte(`"{{time}} {{time.2}}"`), []byte(`"2026-03-01T12:00:00Z 2026-03-01T12:00:00Z"`))
	f.Fuzz(func(t *testing.T, want, got []byte) {
		_ = samples.Compare(want, got)
		if json.Valid(want) && !strings.Contains(string(want), "{{") && !strings.Contains(string(want), `\u007b`) &&
			!strings.Contains(string(want), `\u007B`) {
			if err := samples.Compare(want, want); err != nil {
				t.Errorf("%q is not itself: %v", want, err)
			}
		}
	})
}
