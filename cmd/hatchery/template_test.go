package main

import (
	"strconv"
	"strings"
	"testing"

	"hatchery/shared/config"
)

// template is the text of template.yaml. Its scalars are found by their place in
// the text, by indentation: enough for comparing them with the docs, with Go alone.
// What CloudFormation makes of the template is asserted in acceptance/.
type template string

func readTemplate(t *testing.T) template {
	t.Helper()
	return template(readFile(t, sourceFile(t, "template.yaml")))
}

// allTemplates is the text of template.yaml and of those that go with it.
func allTemplates(t *testing.T) string {
	t.Helper()
	text := string(readTemplate(t))
	for _, name := range []string{"network.yaml", "alb.yaml", "cloudfront.yaml", "deployer.yaml"} {
		text += string(readFile(t, sourceFile(t, name)))
	}
	return text
}

// at gives what stands under a path of keys: a scalar, or the lines below the key.
func (x template) at(t *testing.T, path ...string) string {
	t.Helper()
	lines := strings.Split(string(x), "\n")
	indent := 0
	for n, key := range path {
		found := -1
		for i, line := range lines {
			if at, told := indentOf(line); told && at == indent && strings.HasPrefix(line[at:], key+":") {
				found = i
				break
			}
		}
		if found < 0 {
			t.Fatalf("template.yaml has no %s", strings.Join(path[:n+1], "."))
		}
		value, _, _ := strings.Cut(strings.TrimPrefix(lines[found][indent:], key+":"), " #")
		end := found + 1
		for end < len(lines) {
			if at, told := indentOf(lines[end]); told && at <= indent {
				break
			}
			end++
		}
		lines = lines[found+1 : end]
		if value = strings.Trim(strings.TrimSpace(value), `'"`); value != "" && n == len(path)-1 {
			return value
		}
		for _, line := range lines {
			if at, told := indentOf(line); told {
				indent = at
				break
			}
		}
	}
	return strings.Join(lines, "\n")
}

// indentOf says how far a line is indented; blank lines and comments say nothing.
func indentOf(line string) (indent int, told bool) {
	text := strings.TrimLeft(line, " ")
	return len(line) - len(text), text != "" && !strings.HasPrefix(text, "#")
}

// value is a scalar, or the default of the parameter that stands in its place.
func (x template) value(t *testing.T, path ...string) string {
	t.Helper()
	value := x.at(t, path...)
	if name, ok := strings.CutPrefix(value, "!Ref "); ok {
		return x.at(t, "Parameters", name, "Default")
	}
	return value
}

func (x template) number(t *testing.T, path ...string) int {
	t.Helper()
	n, err := strconv.Atoi(x.value(t, path...))
	if err != nil {
		t.Fatalf("template.yaml: %s: %v", strings.Join(path, "."), err)
	}
	return n
}

// defaultSettings are what the settings mean that nobody sets, the template neither.
func defaultSettings(t *testing.T) config.Config {
	t.Helper()
	settings, err := config.Load(func(name string) string {
		return map[string]string{"HATCHERY_BUCKET": "bucket", "HATCHERY_RECORDS": "sqlite"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// megabytes is the memory of a function.
func (x template) megabytes(t *testing.T, function string) float64 {
	t.Helper()
	return float64(x.number(t, "Resources", function, "Properties", "MemorySize"))
}
