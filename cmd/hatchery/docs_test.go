package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the computed tables in docs anew")

// compareBlocks holds what stands between <!-- made: NAME --> and <!-- end -->
// against what was computed, or writes it.
func compareBlocks(t *testing.T, file string, blocks map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	made := text
	for name, block := range blocks {
		open, end := []byte("<!-- made: "+name+" -->\n"), []byte("<!-- end -->")
		before, rest, found := bytes.Cut(made, open)
		_, after, ended := bytes.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s has no block %q", file, name)
		}
		made = bytes.Join([][]byte{before, open, []byte(block), end, after}, nil)
	}
	switch {
	case bytes.Equal(made, text):
	case *update:
		if err := os.WriteFile(file, made, 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not hold what was computed; see what changed and run: "+
			"go test ./cmd/hatchery -run %s -update\n%s", file, t.Name(), firstDifference(text, made))
	}
}

func firstDifference(have, want []byte) string {
	h, w := strings.Split(string(have), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(h), len(w)) {
		if h[i] != w[i] {
			return fmt.Sprintf("line %d\nhave %s\nwant %s", i+1, h[i], w[i])
		}
	}
	return "one of them is longer"
}

// pages are the documents of this repository.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		found, err := filepath.Glob(sourceFile(t, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d pages were found: %q", len(all), all)
	}
	return all
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestEveryLinkBetweenThePagesLeadsSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(withoutCode(string(readFile(t, page))), -1) {
			to, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			target := page
			if to != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(to))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere: %v", page, found[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(string(readFile(t, target))), anchor) {
				t.Errorf("%s: %s has no heading of that name", page, found[1])
			}
		}
	}
}

var inBackticks = regexp.MustCompile("`[^`\n]*`")

// withoutCode leaves out what is code: indented blocks and what stands between
// backticks.
func withoutCode(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    ") {
			b.WriteString(inBackticks.ReplaceAllString(line, ""))
		}
	}
	return b.String()
}

var notInAnchors = regexp.MustCompile(`[^a-z0-9 _-]`)

// anchors are the names under which a page's headings can be linked to.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			all = append(all, strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)),
				""), " ", "-"))
		}
	}
	return all
}

// section is what stands in docs/operations.md under a heading of the second level.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(string(readFile(t, sourceFile(t, "docs", "operations.md"))), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/operations.md has no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

func allOf(pattern, text string) []string {
	var all []string
	for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, found[1])
	}
	return all
}

func TestEveryAlarmSaysInOperationsWhatToDo(t *testing.T) {
	alarms := allOf(`(?m)^  (\w+):\n    Type: AWS::CloudWatch::Alarm$`, string(readTemplate(t)))
	told := allOf(`(?m)^### (\w+)$`, section(t, "Alarms"))
	if len(alarms) == 0 || !slices.Equal(alarms, told) {
		t.Errorf("template.yaml has the alarms %q, docs/operations.md tells of %q", alarms, told)
	}
}

func TestEveryMetricIsInOperations(t *testing.T) {
	told := allOf("(?m)^\\| `(\\w+)` \\|", section(t, "Metrics"))
	counted := allOf(`(?:count\(|gauge\(|seen\([\w.]+, |Metric\{Name: )"(\w+)"`,
		string(readFile(t, sourceFile(t, "lambdas", "bootstrap", "metrics.go"))))
	slices.Sort(told)
	slices.Sort(counted)
	counted = slices.Compact(counted)
	if len(counted) == 0 || !slices.Equal(told, counted) {
		t.Errorf("the functions count %q, docs/operations.md tells of %q", counted, told)
	}
}

// TestPagesNameWhatTheTemplateHas looks at every word in backticks that is written
// as the template's names are.
func TestPagesNameWhatTheTemplateHas(t *testing.T) {
	template := string(readTemplate(t))
	// Names of that form which are not the template's.
	elsewhere := append(allOf("(?m)^\\| `(\\w+)` \\|", section(t, "Metrics")), "Records")
	for _, page := range []string{"operations.md", "deploy.md", "scale.md", "costs.md"} {
		for _, name := range allOf("`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", string(readFile(t, sourceFile(t, "docs", page)))) {
			if !regexp.MustCompile(`\b`+name+`\b`).MatchString(template) && !slices.Contains(elsewhere, name) {
				t.Errorf("docs/%s speaks of %s, which template.yaml does not know", page, name)
			}
		}
	}
}

// TestPagesShowCommandsThatThereAre asks the program itself about every
// "hatchery COMMAND" that a page shows as code, and about the flags behind it.
func TestPagesShowCommandsThatThereAre(t *testing.T) {
	shown := regexp.MustCompile(`(?:hatchery|cmd/hatchery) ([a-z]+)((?: [^|;&` + "`" + `\n]*)?)`)
	for _, page := range pages(t) {
		if filepath.Base(filepath.Dir(page)) == "decisions" {
			continue // they speak of what might have been
		}
		for _, code := range codeOf(string(readFile(t, page))) {
			for _, found := range shown.FindAllStringSubmatch(code, -1) {
				var help bytes.Buffer
				if exit := run(t.Context(), []string{found[1], "--help"},
					terminal{out: &help, err: &help, getenv: func(string) string { return "" }}); exit != exitDone ||
					!strings.Contains(help.String(), "\n  hatchery "+found[1]+" ") {
					t.Errorf("%s shows hatchery %s, which there is not: %s", page, found[1], &help)
				}
				for _, flag := range allOf(`(--[a-z-]+)`, found[2]) {
					if !strings.Contains(help.String(), flag) {
						t.Errorf("%s shows hatchery %s with %s, which it does not know", page, found[1], flag)
					}
				}
			}
		}
	}
}

// codeOf gives what a page shows as code: indented lines, and what stands between
// backticks.
func codeOf(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") {
			all = append(all, line)
			continue
		}
		all = append(all, inBackticks.FindAllString(line, -1)...)
	}
	return all
}
