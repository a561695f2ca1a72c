package emf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"hatchery/shared/emf"
)

var moment = time.Date(2026, 3, 4, 5, 6, 7, 891_234_567, time.UTC)

func writer(w *bytes.Buffer) *emf.Writer {
	return emf.New(w, emf.Options{Namespace: "Hatchery", Dimensions: []emf.Dimension{{Name: "Stack", Value: "hatchery"}},
		Now: func() time.Time { return moment }})
}

func TestALineIsWhatCloudWatchReads(t *testing.T) {
	var out bytes.Buffer
	err := writer(&out).Emit(
		emf.Metric{Name: "Rejected", Unit: emf.Count, Value: 1, Also: []emf.Dimension{{Name: "Code", Value: "truncated"}}},
		emf.Metric{Name: "SecondsToVerdict", Unit: emf.Seconds, Value: 1.25},
		emf.Metric{Name: "Bytes", Unit: emf.Bytes, Value: 5_000_000_000})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Bytes":5000000000,"Code":"truncated","Rejected":1,"SecondsToVerdict":1.25,"Stack":"hatchery","_aws":{"CloudWatchMetrics":[` +
		`{"Namespace":"Hatchery","Dimensions":[["Stack"],["Stack","Code"]],"Metrics":[{"Name":"Rejected","Unit":"Count"}]},` +
		`{"Namespace":"Hatchery","Dimensions":[["Stack"]],"Metrics":[{"Name":"SecondsToVerdict","Unit":"Seconds"},{"Name":"Bytes","Unit":"Bytes"}]}],` +
		`"Timestamp":1772600767891}}` + "\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
	wantSchema(t, out.Bytes())
}

func TestWhatCloudWatchWouldRefuseIsNotWritten(t *testing.T) {
	count := func(name string) emf.Metric { return emf.Metric{Name: name, Unit: emf.Count, Value: 1} }
	many := func(n int) (metrics []emf.Metric) {
		for i := range n {
			metrics = append(metrics, count(fmt.Sprintf("m%d", i)))
		}
		return metrics
	}
	dimensions := func(n int) (d []emf.Dimension) {
		for i := range n {
			d = append(d, emf.Dimension{Name: fmt.Sprintf("d%d", i), Value: "v"})
		}
		return d
	}
	also := func(name string, d ...emf.Dimension) emf.Metric {
		return emf.Metric{Name: name, Unit: emf.Count, Value: 1, Also: d}
	}
	var wide []emf.Metric
	for i := range 100 {
		wide = append(wide, also(fmt.Sprintf("m%d", i),
			emf.Dimension{Name: fmt.Sprintf("a%d", i), Value: strings.Repeat("x", 2000)},
			emf.Dimension{Name: fmt.Sprintf("b%d", i), Value: strings.Repeat("x", 2000)},
			emf.Dimension{Name: fmt.Sprintf("c%d", i), Value: strings.Repeat("x", 2000)}))
	}
	for name, c := range map[string]struct {
		metrics []emf.Metric
		refused bool
	}{
		"100 metrics":            {many(100), false},
		"none":                   {nil, true},
		"101 metrics":            {many(101), true},
		"30 dimensions":          {[]emf.Metric{also("a", dimensions(29)...)}, false},
		"31 dimensions":          {[]emf.Metric{also("a", dimensions(30)...)}, true},
		"a metric twice":         {[]emf.Metric{count("a"), count("a")}, true},
		"a dimension's name":     {[]emf.Metric{count("Stack")}, true},
		"another's dimension":    {[]emf.Metric{also("a", emf.Dimension{Name: "b", Value: "1"}), count("b")}, true},
		"the metadata's name":    {[]emf.Metric{count("_aws")}, true},
		"the writer's dimension": {[]emf.Metric{also("a", emf.Dimension{Name: "Stack", Value: "other"})}, true},
		"one dimension for two": {[]emf.Metric{also("a", emf.Dimension{Name: "Code", Value: "1"}),
			also("b", emf.Dimension{Name: "Code", Value: "1"})}, false},
		"two values of a name": {[]emf.Metric{also("a", emf.Dimension{Name: "Code", Value: "1"}),
			also("b", emf.Dimension{Name: "Code", Value: "2"})}, true},
		"no name":                 {[]emf.Metric{count("")}, true},
		"a blank name":            {[]emf.Metric{count("  ")}, true},
		"a name of 250":           {[]emf.Metric{count(strings.Repeat("n", 250))}, false},
		"a name of 251":           {[]emf.Metric{count(strings.Repeat("n", 251))}, true},
		"a name with a new line":  {[]emf.Metric{count("a\nb")}, true},
		"a name beyond ASCII":     {[]emf.Metric{count("größe")}, true},
		"a dimension of a colon":  {[]emf.Metric{also("a", emf.Dimension{Name: ":b", Value: "1"})}, true},
		"no unit":                 {[]emf.Metric{{Name: "a", Value: 1}}, true},
		"another unit":            {[]emf.Metric{{Name: "a", Unit: "Parsecs", Value: 1}}, true},
		"no number":               {[]emf.Metric{{Name: "a", Unit: emf.Count, Value: math.NaN()}}, true},
		"no end":                  {[]emf.Metric{{Name: "a", Unit: emf.Count, Value: math.Inf(1)}}, true},
		"too small a number":      {[]emf.Metric{{Name: "a", Unit: emf.Count, Value: -0x1p361}}, true},
		"a negative number":       {[]emf.Metric{{Name: "a", Unit: emf.Seconds, Value: -0.5}}, false},
		"a line of 300 kilobytes": {wide, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := writer(&out).Emit(c.metrics...)
			if (err != nil) != c.refused {
				t.Fatalf("error %v", err)
			}
			if c.refused && out.Len() > 0 {
				t.Errorf("wrote %.100q", out.String())
			}
			if !c.refused {
				wantSchema(t, out.Bytes())
			}
		})
	}
}

func TestADimensionsValueIsMadeToFit(t *testing.T) {
	for given, want := range map[string]string{"": "?", " \t": " ?", "   ": "?", "a\nb\x00c": "a?b?c", "größe": "gr??e",
		"\xff":      "?",
		`"},{"x":"`: `"},{"x":"`, strings.Repeat("y", 2000): strings.Repeat("y", 1024)} {
		var out bytes.Buffer
		if err := writer(&out).Emit(emf.Metric{Name: "a", Unit: emf.Count, Value: 1,
			Also: []emf.Dimension{{Name: "Code", Value: given}}}); err != nil {
			t.Errorf("%.20q: %v", given, err)
			continue
		}
		if got := wantSchema(t, out.Bytes())["Code"]; got != want {
			t.Errorf("%.20q became %.40q, want %.40q", given, got, want)
		}
	}
}

// pieces fails a test when a line comes in more than one call of Write.
type pieces struct {
	t  *testing.T
	mu sync.Mutex
	n  int
}

func (p *pieces) Write(line []byte) (int, error) {
	if !p.mu.TryLock() {
		p.t.Error("two lines are written at once")
		return len(line), nil
	}
	defer p.mu.Unlock()
	p.n++
	wantSchema(p.t, line)
	return len(line), nil
}

func TestLinesOfManyGoroutinesDoNotMix(t *testing.T) {
	out := &pieces{t: t}
	w := emf.New(out, emf.Options{Namespace: "Hatchery", Dimensions: []emf.Dimension{{Name: "Stack", Value: "s"}},
		Now: time.Now})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if err := w.Emit(emf.Metric{Name: "a", Unit: emf.Count, Value: 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if out.n != 400 {
		t.Errorf("%d lines, want 400", out.n)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestALineThatCannotBeWrittenIsAnError(t *testing.T) {
	w := emf.New(closed{}, emf.Options{Namespace: "N", Dimensions: []emf.Dimension{{Name: "a", Value: "b"}},
		Now: time.Now})
	if err := w.Emit(emf.Metric{Name: "c", Unit: emf.Count}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("error %v", err)
	}
}

func TestAWriterWithoutDimensionsOrNamespaceSaysSo(t *testing.T) {
	for _, o := range []emf.Options{{Namespace: "N"}, {Dimensions: []emf.Dimension{{Name: "a", Value: "b"}}}} {
		o.Now = time.Now
		var out bytes.Buffer
		if err := emf.New(&out, o).Emit(emf.Metric{Name: "c", Unit: emf.Count}); err == nil || out.Len() > 0 {
			t.Errorf("%+v: %v, wrote %q", o, err, out.String())
		}
	}
}

// FuzzEmit: whatever the texts and numbers, a line is valid or is not written.
func FuzzEmit(f *testing.F) {
	f.Add("Stack", "hatchery", "Rejected", "Code", "corrupt", 1.0)
	f.Add("_aws", "\n", "a\"b", "Stack", "\xff\xfe", math.Inf(-1))
	f.Add("a", "b", "a", "c", "", math.MaxFloat64)
	f.Fuzz(func(t *testing.T, dimension, value, metric, also, alsoValue string, number float64) {
		var out bytes.Buffer
		w := emf.New(&out, emf.Options{Namespace: "Hatchery", Dimensions: []emf.Dimension{{Name: dimension, Value: value}},
			Now: func() time.Time { return moment }})
		err := w.Emit(emf.Metric{Name: metric, Unit: emf.Count, Value: number,
			Also: []emf.Dimension{{Name: also, Value: alsoValue}}},
			emf.Metric{Name: "Other", Unit: emf.Bytes, Value: 2})
		if err != nil {
			if out.Len() > 0 {
				t.Fatalf("%v, and wrote %q", err, out.String())
			}
			return
		}
		root := wantSchema(t, out.Bytes())
		if root[metric] != number || root["Other"] != 2.0 {
			t.Fatalf("the values are not there: %s", out.Bytes())
		}
	})
}

var units = regexp.MustCompile(
	`^(Seconds|Microseconds|Milliseconds|((Kilo|Mega|Giga|Tera)?(Bytes|Bits|bytes|bits)|Count)(/Second)?|Percent|None)$`)

// wantSchema holds a line against the rules that AWS publishes for the format, and
// gives its members.
func wantSchema(t *testing.T, line []byte) map[string]any {
	t.Helper()
	text, ended := strings.CutSuffix(string(line), "\n")
	if !ended || strings.Contains(text, "\n") || !utf8.ValidString(text) || len(text) > 256<<10 {
		t.Fatalf("not one line of text: %.200q", line)
	}
	var root map[string]any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		t.Fatalf("%v in %.200q", err, line)
	}
	var head struct {
		AWS *struct {
			Timestamp         *int64
			CloudWatchMetrics []map[string]json.RawMessage
		} `json:"_aws"`
	}
	if err := json.Unmarshal([]byte(text), &head); err != nil || head.AWS == nil || head.AWS.Timestamp == nil ||
		len(head.AWS.CloudWatchMetrics) == 0 {
		t.Fatalf("metadata %+v, %v", head, err)
	}
	length := func(what, s string, maxLength int) {
		if n := utf8.RuneCountInString(s); n < 1 || n > maxLength || strings.ContainsAny(s, "\n\r") {
			t.Errorf("%s %.50q has %d characters, want 1 to %d", what, s, n, maxLength)
		}
	}
	for _, raw := range head.AWS.CloudWatchMetrics {
		var d struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []map[string]any
		}
		whole, err := json.Marshal(raw)
		if err == nil {
			err = json.Unmarshal(whole, &d)
		}
		if err != nil || len(raw) != 3 {
			t.Fatalf("directive %s: %v", whole, err)
		}
		length("namespace", d.Namespace, 255)
		if len(d.Dimensions) < 1 || len(d.Metrics) < 1 || len(d.Metrics) > 100 {
			t.Errorf("%d dimension sets, %d metrics", len(d.Dimensions), len(d.Metrics))
		}
		for _, set := range d.Dimensions {
			if len(set) > 30 {
				t.Errorf("%d dimensions in a set", len(set))
			}
			for _, name := range set {
				length("dimension", name, 250)
				value, ok := root[name].(string)
				if !ok {
					t.Errorf("dimension %q is %v, want a text", name, root[name])
				}
				length("value of "+name, value, 1024)
			}
		}
		for _, m := range d.Metrics {
			name, _ := m["Name"].(string)
			unit, _ := m["Unit"].(string)
			length("metric", name, 255)
			if len(m) != 2 || !units.MatchString(unit) {
				t.Errorf("definition %v", m)
			}
			if _, ok := root[name].(float64); !ok {
				t.Errorf("metric %q is %v, want a number", name, root[name])
			}
		}
	}
	return root
}
