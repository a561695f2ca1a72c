package policy_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
	"hatchery/shared/sniff"
)

func TestANamedPolicyIsOneThatCouldBeWritten(t *testing.T) {
	for _, name := range policy.Names() {
		p, err := policy.Parse([]byte(" "+name+"\n"), readable)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		written, err := policy.Parse(text, readable)
		if err != nil || !reflect.DeepEqual(written, p) {
			t.Errorf("%s, written as JSON: %v\n%s", name, err, text)
		}
		if _, err := p.Kind("images"); err != nil {
			t.Errorf("%s has no images", name)
		}
	}
}

// What can be checked has its place in a named policy, and in one kind of it.
func TestEveryTypeIsInTheLargestNamedPolicyOnce(t *testing.T) {
	all, _ := policy.Named("all", readable)
	var taken []string
	for _, k := range all.Kinds {
		taken = append(taken, k.Extensions...)
	}
	want := sniff.Extensions()
	slices.Sort(taken)
	slices.Sort(want)
	if !slices.Equal(taken, want) {
		t.Errorf("all takes %v, want %v", taken, want)
	}
}

func TestANamedPolicyTakesWhatItsNameSays(t *testing.T) {
	for name, kinds := range map[string][]policy.KindName{"pictures": {"images"}, "media": {"images", "media"},
		"documents": {"images", "documents"}, "all": {"images", "media", "documents"}} {
		p, ok := policy.Named(name, readable)
		if !ok {
			t.Errorf("there is no %s", name)
		}
		for kind := range p.Kinds {
			if !slices.Contains(kinds, kind) {
				t.Errorf("%s has a kind %s", name, kind)
			}
		}
		for _, e := range []string{"png", "jpg", "jpeg", "gif", "bmp", "webp"} {
			if !p.Kinds["images"].AllowsExtension(e) {
				t.Errorf("%s takes no %s", name, e)
			}
		}
	}
	if _, ok := policy.Named("everything", readable); ok {
		t.Error("there is a policy named everything")
	}
}

// A phone's largest picture has 200 million pixels, a clip behind it, and perhaps the name of another type.
func TestANamedPolicyTakesWhatPhonesMake(t *testing.T) {
	p, _ := policy.Named("pictures", readable)
	l := p.Kinds["images"].Limits()
	if l.MaxPixels < 16_320*12_240 || l.MaxSide < 16_382 || !l.Video || !l.Samsung || !l.MPF || !l.Padding || !l.Correct {
		t.Errorf("%+v", l)
	}
}

func TestANamedPolicyTakesNoMoreThanTheValidatorCanRead(t *testing.T) {
	for _, name := range policy.Names() {
		p, err := policy.Parse([]byte(name), 5_700_000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for kind, k := range p.Kinds {
			if k.MaxBytes != 5_700_000 {
				t.Errorf("%s takes %s of %d bytes", name, kind, k.MaxBytes)
			}
		}
	}
}

func TestTheDefaultIsNoNamedPolicy(t *testing.T) {
	if e := strings.Join(policy.Default().Kinds["images"].Extensions, " "); e != "png jpg jpeg bmp gif" {
		t.Errorf("the default takes %s", e)
	}
}
