// Package emf writes metrics in CloudWatch's embedded metric format: a JSON line in the log, out of which CloudWatch
// takes the metrics by itself. No call is made and none can fail.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package emf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Unit is what a metric counts.
type Unit string

// The units that are used here, of those that CloudWatch has.
const (
	Count   Unit = "Count"
	Bytes   Unit = "Bytes"
	Seconds Unit = "Seconds"
)

// Bounds of the format, and of CloudWatch behind it.
const (
	maxMetrics    = 100 // in one line
	maxDimensions = 30  // of one metric
	maxLine       = 256 << 10
	maxName       = 250  // a dimension's; a metric's may have 255
	maxValue      = 1024 // a dimension's value
	maxNumber     = 0x1p360
)

// Dimension is part of a metric's identity: each pair of name and value is a metric of its own to CloudWatch, and is
// paid for. Values come from a small set.
type Dimension struct{ Name, Value string }

// Metric is one value.
type Metric struct {
	Name  string
	Unit  Unit
	Value float64
	// Also publishes the value a second time, under these dimensions beside the writer's own.
	Also []Dimension
}

// Options of a Writer. All are needed.
type Options struct {
	Namespace string
	// Dimensions of every metric.
	Dimensions []Dimension
	Now        func() time.Time
}

// Writer writes metrics. It may be used concurrently.
type Writer struct {
	Options
	mu sync.Mutex // held while a line is written
	w  io.Writer
}

// New makes a Writer. In a Lambda function w is the standard output.
func New(w io.Writer, o Options) *Writer { return &Writer{Options: o, w: w} }

// directive and definition are the format's own words.
type directive struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name string `json:"Name"`
	Unit Unit   `json:"Unit"`
}

// Emit writes metrics of one moment as one line, with one call of Write. What CloudWatch would refuse is an error, and
// nothing is written then: a name that is no name, one that stands twice, a number that is none, more than 100 metrics
// or 30 dimensions. A dimension's value is data, and is made to fit: what is not printable ASCII becomes "?".
func (w *Writer) Emit(metrics ...Metric) error {
	line, err := w.line(metrics)
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.w.Write(line); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func (w *Writer) line(metrics []Metric) ([]byte, error) {
	if len(metrics) == 0 || len(metrics) > maxMetrics {
		return nil, fmt.Errorf("%d metrics; a line has 1 to %d", len(metrics), maxMetrics)
	}
	if err := checkName("namespace", w.Namespace); err != nil {
		return nil, err
	}
	// root is what the line's names refer to.
	root := map[string]any{}
	own, err := addDimensions(root, nil, w.Dimensions)
	if err != nil {
		return nil, err
	}
	for _, m := range metrics {
		if err := m.check(root); err != nil {
			return nil, err
		}
		root[m.Name] = m.Value
	}
	var directives []directive
	for _, m := range metrics {
		sets := [][]string{own}
		if len(m.Also) > 0 {
			more, err := addDimensions(root, own, m.Also)
			if err != nil {
				return nil, fmt.Errorf("metric %q: %w", m.Name, err)
			}
			sets = append(sets, more)
		}
		// Metrics with the same dimensions share a directive.
		i := slices.IndexFunc(directives, func(d directive) bool {
			return slices.EqualFunc(d.Dimensions, sets, slices.Equal[[]string])
		})
		if i < 0 {
			i = len(directives)
			directives = append(directives, directive{Namespace: w.Namespace, Dimensions: sets})
		}
		directives[i].Metrics = append(directives[i].Metrics, definition{m.Name, m.Unit})
	}
	root["_aws"] = map[string]any{"Timestamp": w.Now().UnixMilli(), "CloudWatchMetrics": directives}
	line, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	if len(line) >= maxLine {
		return nil, fmt.Errorf("a line of %d bytes; less than %d fit", len(line), maxLine)
	}
	return append(line, '\n'), nil
}

// check says what CloudWatch would refuse of a metric.
func (m Metric) check(root map[string]any) error {
	if err := checkName("metric", m.Name); err != nil {
		return err
	}
	if _, taken := root[m.Name]; taken {
		return fmt.Errorf("metric %q: the name stands twice", m.Name)
	}
	if !slices.Contains([]Unit{Count, Bytes, Seconds}, m.Unit) {
		return fmt.Errorf("metric %q: unit %q", m.Name, m.Unit)
	}
	if math.Abs(m.Value) > maxNumber { // and JSON has no NaN
		return fmt.Errorf("metric %q: value %v", m.Name, m.Value)
	}
	return nil
}

// addDimensions puts dimensions into the line and gives all names of the set that they make with those of before.
func addDimensions(root map[string]any, before []string, dimensions []Dimension) ([]string, error) {
	set := slices.Clone(before)
	for _, d := range dimensions {
		if err := checkName("dimension", d.Name); err != nil {
			return nil, err
		}
		if slices.Contains(set, d.Name) {
			return nil, fmt.Errorf("dimension %q: the name stands twice", d.Name)
		}
		value := clean(d.Value)
		if existing, taken := root[d.Name]; taken && existing != value {
			return nil, fmt.Errorf("dimension %q: the name stands twice, with another value", d.Name)
		}
		root[d.Name] = value
		set = append(set, d.Name)
	}
	if len(set) == 0 || len(set) > maxDimensions {
		return nil, fmt.Errorf("%d dimensions; a metric has 1 to %d", len(set), maxDimensions)
	}
	return set, nil
}

var errName = errors.New("a name has 1 to 250 printable ASCII characters, not all of them spaces, " +
	"does not begin with a colon, and is not _aws")

func checkName(what, name string) error {
	if len(name) > maxName || name != clean(name) || name[0] == ':' || name == "_aws" {
		return fmt.Errorf("%s %.300q: %w", what, name, errName)
	}
	return nil
}

// clean makes a text fit for a dimension's value: CloudWatch takes printable ASCII, and something besides spaces.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), maxValue)])
	if strings.TrimSpace(s) == "" {
		return "?"
	}
	return s
}
