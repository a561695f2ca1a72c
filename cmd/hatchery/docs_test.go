package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
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

var link = regexp.MustCompile(`(?:\]\(|\bsrc(?:set)?=")([^)"\s]+)[)"]`)

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

// TestWhatThePagesMakeIsNotForTheRepository looks for what their commands write into the folder of this repository.
func TestWhatThePagesMakeIsNotForTheRepository(t *testing.T) {
	made := []string{".aws-sam/", ".hatchery/", "hatchery"} // by sam build, dev and go build
	for _, page := range pages(t) {
		for _, code := range codeOf(string(readFile(t, page))) {
			made = append(made, allOf(`(?:[^-=<>\d&]|^)>\s?([A-Za-z][\w-]*(?:\.\w+)?)(?:\W|$)`, code)...)
			made = append(made, allOf(`^ +cp \S+ (\S+)\n`, code)...)
		}
	}
	ignored := strings.Fields(string(readFile(t, sourceFile(t, ".gitignore"))))
	for _, name := range made {
		if !slices.ContainsFunc(ignored, func(pattern string) bool {
			is, err := path.Match(pattern, "/"+name)
			return is && err == nil
		}) {
			t.Errorf("%s is made, and .gitignore does not have it", name)
		}
	}
	for _, name := range []string{"cat.png", "script.png", "token"} {
		if !slices.Contains(made, name) {
			t.Errorf("%s is not seen; found are %q", name, made)
		}
	}
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
	var alarms []string
	for _, alarm := range allOf(`(?m)^  (\w+):\n    Type: AWS::CloudWatch::Alarm$`, allTemplates(t)) {
		if !slices.Contains(alarms, alarm) { // ApiFails is one of each front
			alarms = append(alarms, alarm)
		}
	}
	told := allOf(`(?m)^### (\w+)$`, section(t, "Alarms"))
	if len(alarms) == 0 || !slices.Equal(alarms, told) {
		t.Errorf("the templates have the alarms %q, docs/operations.md tells of %q", alarms, told)
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

// TestListsInThePagesAreThoseOfTheCode holds together what the code declares one by one
// and a page lists.
func TestListsInThePagesAreThoseOfTheCode(t *testing.T) {
	read := func(file string) string { return string(readFile(t, sourceFile(t, strings.Split(file, "/")...))) }
	openapi, operations, policies := read("docs/openapi.yaml"), read("docs/operations.md"), read("docs/policy.md")
	wordsOf := func(text string) []string { return allOf(`(\w+)`, text) }
	one := func(pattern, text string) string {
		found := allOf(pattern, text)
		if len(found) != 1 {
			t.Fatalf("%s is there %d times", pattern, len(found))
		}
		return found[0]
	}
	const afterEnd = `(?s)var afterEnd = \[\]string\{(.*?)\}`
	for _, list := range []struct {
		what       string
		code, page []string
	}{
		{"reason codes, in openapi.yaml", allOf(`Code = "(\w+)"`, read("shared/upload/reason.go")),
			wordsOf(one(`(?s)\n    Reason:.*?enum: \[([^]]+)\]`, openapi))},
		{"reason codes, in policy.md", allOf(`Code = "(\w+)"`, read("shared/upload/reason.go")),
			firstColumn(t, policies, "code")},
		{"statuses, in openapi.yaml", allOf(`Status = "(\w+)"`, read("shared/upload/record.go")),
			wordsOf(one(`\n    Status: \{enum: \[([^]]+)\]`, openapi))},
		{"problem codes, in openapi.yaml", allOf(`problemType\{"(\w+)"`, read("shared/api/errors.go")),
			wordsOf(one(`(?s)\n    Problem:\n +type.*?enum:\n([ \n\w-]*?)\n +reason:`, openapi))},
		{"results of a validation, in operations.md", allOf(`Result = "(\w+)"`, read("shared/upload/validate.go")),
			allOf("`(\\w+)`", one("(?s)\n`result` is (.*?)\\. ", operations))},
		{"findings of the reconciler, in operations.md", allOf(`What = "(\w+)"`, read("shared/reconcile/report.go")),
			firstColumn(t, operations, "it finds")},
		{"members of a kind, in policy.md", allOf(`json:"([a-z_]{4,})[,"]`,
			one(`(?s)type Kind struct \{(.*?)\n\}`, read("shared/policy/policy.go"))), firstColumn(t, policies, "member")},
		{"what may follow a picture, in policy.md", wordsOf(one(afterEnd, read("shared/policy/policy.go"))),
			firstColumn(t, policies, "word")},
		{"named policies, in policy.md", policy.Names(), firstColumn(t, policies, "policy")},
	} {
		slices.Sort(list.code)
		slices.Sort(list.page)
		if len(list.code) == 0 || !slices.Equal(list.code, list.page) {
			t.Errorf("%s: the code has %q, the page %q", list.what, list.code, list.page)
		}
	}
}

// firstColumn is what stands between backticks in the first column of the table with
// that heading.
func firstColumn(t *testing.T, page, heading string) []string {
	t.Helper()
	_, table, found := strings.Cut(page, "\n| "+heading+" |")
	if !found {
		t.Fatalf("no table has the heading %q", heading)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var all []string
	for _, cell := range allOf(`(?m)^\| ([^|]+) \|`, table) {
		all = append(all, allOf("`(\\w+)`", cell)...)
	}
	return all
}

// TestTheDefaultPolicyInThePages compares what a deployment takes by default.
func TestTheDefaultPolicyInThePages(t *testing.T) {
	code, err := json.Marshal(policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readFile(t, sourceFile(t, "docs", "policy.md"))), "\n    {\"kinds\"")
	shown, _, _ = strings.Cut(`{"kinds"`+shown, "\n\n")
	if shown = strings.Join(strings.Fields(shown), ""); shown != string(code) {
		t.Errorf("docs/policy.md shows the default policy\n%s\nand it is\n%s", shown, code)
	}
	size := fmt.Sprintf("up to %d bytes", policy.Default().Kinds["images"].MaxBytes)
	for _, page := range []string{"deploy.md", "settings.md"} {
		if !strings.Contains(strings.ReplaceAll(string(readFile(t, sourceFile(t, "docs", page))), ",", ""), size) {
			t.Errorf("docs/%s does not say that pictures are taken %s", page, size)
		}
	}
}

// TestTheBoundOfPartsInThePages compares how many chunks, segments and frames a file may have.
func TestTheBoundOfPartsInThePages(t *testing.T) {
	read := func(file ...string) string {
		return strings.NewReplacer("_", "", ",", "", "\n", " ").Replace(string(readFile(t, sourceFile(t, file...))))
	}
	code := read("shared", "sniff", "check.go")
	most, each := allOf(`maxParts += (\d+)`, code), allOf(`partBytes += (\d+)`, code)
	if len(most) != 1 || len(each) != 1 {
		t.Fatalf("check.go has the bounds %q and %q", most, each)
	}
	for page, words := range map[string]string{"docs/security.md": "at most %s parts and one more for each %s bytes",
		"docs/measurements.md": "%s parts and one more for each %s bytes", "CHANGELOG.md": "%s and one more for each %s   bytes"} {
		if want := fmt.Sprintf(words, most[0], each[0]); !strings.Contains(read(strings.Split(page, "/")...), want) {
			t.Errorf("%s does not say %q", page, want)
		}
	}
}

// TestPagesNameWhatTheTemplateHas looks at every word in backticks that is written
// as the template's names are.
func TestPagesNameWhatTheTemplateHas(t *testing.T) {
	template := allTemplates(t)
	// Names of that form which are not the template's.
	const firstColumn = "(?m)^\\| `(\\w+)` \\|"
	elsewhere := append(slices.Concat(allOf(firstColumn, section(t, "Metrics")),
		allOf(firstColumn, section(t, "Upgrade and rollback")), allOf(firstColumn, section(t, "Keys and secrets"))), "Records")
	for _, page := range []string{"operations.md", "deploy.md", "cloudfront.md", "bugout.md", "scale.md", "costs.md"} {
		for _, name := range allOf("`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", string(readFile(t, sourceFile(t, "docs", page)))) {
			if !regexp.MustCompile(`\b`+name+`\b`).MatchString(template) && !slices.Contains(elsewhere, name) {
				t.Errorf("docs/%s speaks of %s, which no template knows", page, name)
			}
		}
	}
}

// TestPagesShowCommandsThatThereAre asks the program itself about every
// "hatchery COMMAND" that a page shows as code, and about the flags behind it.
func TestPagesShowCommandsThatThereAre(t *testing.T) {
	shown := regexp.MustCompile(`(?:hatchery|cmd/hatchery) ((?:dlq |bugout )?[a-z]+)((?: [^|;&` + "`" + `\n]*)?)`)
	for _, page := range pages(t) {
		if filepath.Base(filepath.Dir(page)) == "decisions" {
			continue // they speak of what might have been
		}
		for _, code := range codeOf(string(readFile(t, page))) {
			for _, found := range shown.FindAllStringSubmatch(code, -1) {
				var help bytes.Buffer
				if exit := run(t.Context(), append(strings.Fields(found[1]), "--help"),
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

// TestPagesShowTestsThatThereAre looks for what a page's "go test" commands would run.
func TestPagesShowTestsThatThereAre(t *testing.T) {
	command := regexp.MustCompile(`go test (?:-[a-z]+ (?:acceptance )?)*\./([\w/]+)[^;&` + "`" + `\n]*`)
	shown := 0
	for _, page := range pages(t) {
		for _, code := range codeOf(string(readFile(t, page))) {
			for _, found := range command.FindAllStringSubmatch(code, -1) {
				files, err := filepath.Glob(filepath.Join(sourceFile(t, filepath.FromSlash(found[1])), "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				var there []string
				for _, file := range files {
					there = append(there, allOf(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`, string(readFile(t, file)))...)
				}
				for _, pattern := range allOf(`-(?:run|bench) '?([\w|]+)`, found[0]) {
					for name := range strings.SplitSeq(pattern, "|") {
						shown++
						if !strings.Contains(strings.Join(there, " "), name) {
							t.Errorf("%s: no test of ./%s is named by %q", page, found[1], name)
						}
					}
				}
			}
		}
	}
	if shown < 15 {
		t.Errorf("only %d patterns of tests were found", shown)
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

// TestEveryServiceThatTheTemplatesUseIsInDataProtection: who is asked who processes the data reads it there.
func TestEveryServiceThatTheTemplatesUseIsInDataProtection(t *testing.T) {
	page := string(readFile(t, sourceFile(t, "docs", "data-protection.md")))
	called := map[string]string{"ApiGatewayV2": "API Gateway", "ElasticLoadBalancingV2": "Elastic Load Balancing", "Logs": "CloudWatch",
		"Serverless": "Lambda", "Route53": "Route 53", "Events": "EventBridge", "CertificateManager": "Certificate Manager",
		"SecretsManager": "Secrets Manager", "WAFv2": "WAF"}
	for _, service := range allOf(`(?m)^    Type: AWS::(\w+)::`, allTemplates(t)) {
		if name := cmp.Or(called[service], service); !regexp.MustCompile(`(?m)^\|[^|]*\b` + name + `\b`).MatchString(page) {
			t.Errorf("docs/data-protection.md does not say what %s gets", name)
		}
	}
}
