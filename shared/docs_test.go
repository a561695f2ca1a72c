package shared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the project's folder, seen from here.
const root = ".."

// pointer is "[`file`](link): `name`, `another`" in a page: a file and what is declared there. A method is written
// Type.Method, a field or a method of an interface likewise.
var (
	pointer  = regexp.MustCompile("\\[`([^`]+)`\\]\\(([^)]+)\\): (`[^`]+`(?:, `[^`]+`)*)")
	inQuotes = regexp.MustCompile("`([^`]+)`")
)

// TestWhereToLookIsThere: what docs/tour.md and the table of CONTRIBUTING.md point to exists.
func TestWhereToLookIsThere(t *testing.T) {
	for _, guide := range []struct {
		page, heading string
		row           string // how a row begins, each of which points somewhere
		least         int
	}{
		{"docs/tour.md", "## Ten stops", `^\d+\. `, 10},
		{"docs/tour.md", "## Beside the way", `^- `, 6},
		{"CONTRIBUTING.md", "## To change X, begin at Y", `^\| [^|]+ \| \[`, 12},
	} {
		text, err := os.ReadFile(path.Join(root, guide.page))
		if err != nil {
			t.Fatal(err)
		}
		_, section, found := strings.Cut(string(text), "\n"+guide.heading+"\n")
		if !found {
			t.Fatalf("%s has no heading %q", guide.page, guide.heading)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		rows := 0
		for line := range strings.Lines(section) {
			pointers := pointer.FindAllStringSubmatch(line, -1)
			if regexp.MustCompile(guide.row).MatchString(line) {
				rows++
				if len(pointers) == 0 {
					t.Errorf("%s: this points nowhere: %s", guide.page, line)
				}
			}
			for _, p := range pointers {
				file := p[1]
				if linked := path.Join(path.Dir(guide.page), p[2]); linked != file {
					t.Errorf("%s: the link of %s leads to %s", guide.page, file, linked)
				}
				there := declared(t, file)
				for _, name := range inQuotes.FindAllStringSubmatch(p[3], -1) {
					if !slices.Contains(there, name[1]) {
						t.Errorf("%s points to %s in %s, which does not declare it", guide.page, name[1], file)
					}
				}
			}
		}
		if rows < guide.least {
			t.Errorf("%s, %s: %d rows, at least %d are needed", guide.page, guide.heading, rows, guide.least)
		}
	}
}

var yamlKey = regexp.MustCompile(`(?m)^ *([A-Za-z]+):`)

// declared are the names that a file declares: of a YAML file its keys.
func declared(t *testing.T, file string) []string {
	t.Helper()
	var names []string
	if path.Ext(file) == ".yaml" {
		text, err := os.ReadFile(path.Join(root, file))
		if err != nil {
			t.Error(err)
		}
		for _, key := range yamlKey.FindAllStringSubmatch(string(text), -1) {
			names = append(names, key[1])
		}
		return names
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path.Join(root, file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return nil
	}
	for _, declaration := range parsed.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			names = append(names, receiver(d)+d.Name.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range s.Names {
						names = append(names, name.Name)
					}
				case *ast.TypeSpec:
					names = append(names, s.Name.Name)
					names = append(names, members(s)...)
				}
			}
		}
	}
	return names
}

// receiver is "Type." of a method, "" of a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}

// members are the fields of a struct and the methods of an interface.
func members(s *ast.TypeSpec) []string {
	var fields *ast.FieldList
	switch of := s.Type.(type) {
	case *ast.StructType:
		fields = of.Fields
	case *ast.InterfaceType:
		fields = of.Methods
	default:
		return nil
	}
	var names []string
	for _, field := range fields.List {
		for _, name := range field.Names {
			names = append(names, s.Name.Name+"."+name.Name)
		}
	}
	return names
}

// TestEveryPackageIsInTheArchitecture: the table in docs/architecture.md has a row for
// each, and none for what there is not.
func TestEveryPackageIsInTheArchitecture(t *testing.T) {
	text, err := os.ReadFile(path.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Packages\n")
	if !found {
		t.Fatal("docs/architecture.md has no heading Packages")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for line := range strings.Lines(section) {
		packages, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, name := range inQuotes.FindAllStringSubmatch(packages, -1) {
			if strings.HasPrefix(line, "| ") {
				listed = append(listed, name[1])
			}
		}
	}
	there := packagesIn(t, root)
	for _, name := range there {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/architecture.md has no row for %s", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(there, name) {
			t.Errorf("docs/architecture.md has a row for %s, which there is not", name)
		}
	}
}

// packagesIn are the folders with Go files, but for testdata and this one.
func packagesIn(t *testing.T, root string) []string {
	t.Helper()
	var packages []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return fs.SkipDir
		case path.Ext(name) == ".go" && path.Dir(name) != "shared":
			packages = append(packages, path.Dir(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// TestTheLifecycleIsInTheArchitecture: the table of transitions above Transition and the
// one in docs/architecture.md are the same. shared/upload's own test holds the first.
func TestTheLifecycleIsInTheArchitecture(t *testing.T) {
	code, err := os.ReadFile(path.Join(root, "shared/upload/lifecycle.go"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	var inCode, inPage []string
	row := regexp.MustCompile(`(?m)^//\t(\w+) {2,}(\S[^\n]*)$`)
	for _, found := range row.FindAllStringSubmatch(string(code), -1) {
		columns := regexp.MustCompile(` {2,}`).Split(found[2], -1)
		inCode = append(inCode, strings.Join(append([]string{found[1]}, columns...), " | "))
	}
	cells := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*) \\| [^|]+ \\|$")
	for _, found := range cells.FindAllStringSubmatch(string(page), -1) {
		if columns := strings.Split(found[2], " | "); len(columns) == 4 {
			inPage = append(inPage, found[1]+" | "+found[2])
		}
	}
	if len(inCode) == 0 || !slices.Equal(inCode, inPage) {
		t.Errorf("shared/upload/lifecycle.go has the transitions\n%s\ndocs/architecture.md has\n%s",
			strings.Join(inCode, "\n"), strings.Join(inPage, "\n"))
	}
}

// TestTheChangelogIsByVersion: what is not released yet is first, and then every version, the newest first, with its day.
func TestTheChangelogIsByVersion(t *testing.T) {
	text, err := os.ReadFile(path.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`^## (\d+)\.(\d+)\.(\d+) \(\d{4}-\d{2}-\d{2}\)$`)
	var before []int
	for i, heading := range regexp.MustCompile(`(?m)^## .*$`).FindAllString(string(text), -1) {
		parts := version.FindStringSubmatch(heading)
		if i == 0 && heading == "## Unreleased" {
			continue
		}
		if i == 0 || parts == nil {
			t.Fatalf(`heading %d is %q, want "## Unreleased" first, then "## 1.2.3 (2026-01-31)"`, i+1, heading)
		}
		var numbers []int
		for _, part := range parts[1:] {
			n, err := strconv.Atoi(part)
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, n)
		}
		if before != nil && slices.Compare(numbers, before) >= 0 {
			t.Errorf("%q is below an older version, or stands twice", heading)
		}
		before = numbers
	}
}
