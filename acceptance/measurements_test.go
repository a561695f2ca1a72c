//go:build acceptance

package acceptance

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// measurementsPage has commands, in lines of four spaces. A table below a command with -bench is made by it: a row for
// each benchmark that it prints, a column for each metric that the table's head names.
const measurementsPage = "docs/measurements.md"

// TestTheTablesOfMeasurementsAreThoseOfTheirCommands holds the heads and rows of the tables against the benchmarks. With
// -update it measures anew, one table or all:
//
//	CGO_ENABLED=0 go test -tags acceptance ./acceptance -run TablesOfMeasurements -update -timeout 2h
func TestTheTablesOfMeasurementsAreThoseOfTheirCommands(t *testing.T) {
	page := filepath.Join(moduleRoot(t), measurementsPage)
	text, err := os.ReadFile(page)
	check(t, err)
	lines := strings.Split(string(text), "\n")
	tables := measuredTables(lines)
	if len(tables) < 5 {
		t.Errorf("%s has %d tables that a benchmark makes", measurementsPage, len(tables))
	}
	for _, table := range slices.Backward(tables) { // the later lines move
		t.Run(table.benchmark, func(t *testing.T) {
			if *update {
				printed := mustRun(t, command{folder: moduleRoot(t), limit: 40 * time.Minute,
					args: []string{"/bin/sh", "-c", table.command}}).stdout
				rows, err := table.rows(benchmarks(printed))
				check(t, err)
				lines = slices.Replace(lines, table.first, table.end, rows...)
				check(t, os.WriteFile(page, []byte(strings.Join(lines, "\n")), 0o644))
				return
			}
			table.checkSource(t)
			for _, row := range lines[table.first:table.end] {
				if strings.Count(row, "|") != len(table.metrics)+2 {
					t.Errorf("the row %q has not %d figures", row, len(table.metrics))
				}
			}
		})
	}
}

// TestATableIsMadeOfWhatItsCommandPrints: names without the number of processors, and figures in the order of the head.
func TestATableIsMadeOfWhatItsCommandPrints(t *testing.T) {
	page := []string{"    go test ./x -run '^$' -bench Walks -benchtime 5x", "", "| picture | warm CPU ms | peak MB |", "|---|---|---|",
		"| old | 1 | 2 |", "", "| another | table |", "|---|---|", "| by | hand |"}
	tables := measuredTables(page)
	if len(tables) != 1 || tables[0].first != 4 || tables[0].end != 5 || tables[0].benchmark != "Walks" ||
		tables[0].command != "go test ./x -run '^$' -bench Walks -benchtime 5x" {
		t.Fatalf("found the tables %+v", tables)
	}
	const printed = "goos: linux\nBenchmarkWalks/a:_10_kB,_TLS-2  \t 5\t 131.4 peak-MB\t 0.5049 warm-CPU-ms\n" +
		"BenchmarkWalks/b-2  \t 5\t 12.34 peak-MB\t 4096 warm-CPU-ms\nPASS\n"
	rows, err := tables[0].rows(benchmarks(printed))
	if want := []string{"| a: 10 kB, TLS | 0.50 | 131 |", "| b | 4096 | 12.3 |"}; err != nil || !slices.Equal(rows, want) {
		t.Errorf("made %q, %v; want %q", rows, err, want)
	}
	for what, printed := range map[string]string{"no benchmark": "PASS\n",
		"a metric is missing": "BenchmarkWalks/a-2  5  131.4 peak-MB\n"} {
		if rows, err := tables[0].rows(benchmarks(printed)); err == nil {
			t.Errorf("%s: made %q", what, rows)
		}
	}
}

// measuredTable is a table of the page.
type measuredTable struct {
	command, benchmark string
	metrics            []string // as its head names them
	first, end         int      // the lines of its rows
}

var benchmarkOf = regexp.MustCompile(`^    (.*go test .*-bench '?(\w+).*)`)

// measuredTables finds the tables.
func measuredTables(lines []string) (tables []measuredTable) {
	var last measuredTable
	for i, line := range lines {
		if strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "## ") {
			last = measuredTable{}
		}
		if m := benchmarkOf.FindStringSubmatch(line); m != nil {
			last = measuredTable{command: m[1], benchmark: m[2]}
		}
		if last.command == "" || !strings.HasPrefix(line, "|") || strings.HasPrefix(lines[i-1], "|") {
			continue
		}
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|")[1:] {
			last.metrics = append(last.metrics, strings.ReplaceAll(strings.TrimSpace(cell), " ", "-"))
		}
		last.first = i + 2
		for last.end = last.first; strings.HasPrefix(lines[last.end], "|"); last.end++ {
		}
		tables = append(tables, last)
		last = measuredTable{}
	}
	return tables
}

// rows makes the table's rows.
func (m measuredTable) rows(results []benchmarkResult) (rows []string, err error) {
	for _, r := range results {
		row := "| " + r.name
		for _, metric := range m.metrics {
			value, ok := r.metrics[metric]
			if !ok {
				return nil, fmt.Errorf("the benchmark %s has no metric %s: %v", r.name, metric, r.metrics)
			}
			row += " | " + figure(value)
		}
		rows = append(rows, row+" |")
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s printed no benchmark", m.command)
	}
	return rows, nil
}

// figure has as many digits as mean something.
func figure(value float64) string {
	switch {
	case value >= 100:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case value >= 10:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 2, 64)
}

// checkSource finds the benchmark and its metrics in the package that the command names.
func (m measuredTable) checkSource(t *testing.T) {
	folder := regexp.MustCompile(` \./(\S+)`).FindStringSubmatch(m.command)
	if folder == nil {
		t.Fatalf("%q names no package", m.command)
	}
	files, err := filepath.Glob(filepath.Join(moduleRoot(t), folder[1], "*_test.go"))
	check(t, err)
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(t, err)
		source.Write(text)
	}
	if !strings.Contains(source.String(), "func Benchmark"+m.benchmark+"(b *testing.B)") {
		t.Errorf("%s has no Benchmark%s", folder[1], m.benchmark)
	}
	for _, metric := range m.metrics {
		if !strings.Contains(source.String(), `"`+metric+`"`) {
			t.Errorf("nothing in %s reports %s", folder[1], metric)
		}
	}
}

// benchmarkResult is one line that `go test -bench` prints.
type benchmarkResult struct {
	name    string // behind the first slash
	metrics map[string]float64
}

var processors = regexp.MustCompile(`-\d+$`) // which the name ends in, unless there is one

// benchmarks reads what `go test -bench` printed.
func benchmarks(printed string) (results []benchmarkResult) {
	lines := bufio.NewScanner(strings.NewReader(printed))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		_, name, _ := strings.Cut(processors.ReplaceAllString(fields[0], ""), "/")
		r := benchmarkResult{name: strings.ReplaceAll(name, "_", " "), metrics: map[string]float64{}}
		for i := 2; i+1 < len(fields); i += 2 { // behind the number of runs
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r.metrics[fields[i+1]] = value
			}
		}
		results = append(results, r)
	}
	return results
}
