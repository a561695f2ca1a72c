package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
	"hatchery/shared/sniff"
	"hatchery/shared/wording"
)

// TestTheTypesOfFileInTheDocs holds docs/kinds.md to the table of types and to the named policies.
func TestTheTypesOfFileInTheDocs(t *testing.T) {
	file, page := sourceFile(t, "docs", "kinds.md"), typesPage()+policiesPage()
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if string(readFile(t, file)) != page {
		t.Errorf("%s is not what the code says: run go test ./cmd/hatchery -run InTheDocs -update", file)
	}
}

func typesPage() string {
	var b strings.Builder
	b.WriteString("# What can be taken, and what is checked of it\n\n" +
		"A [policy](policy.md) takes files by their extensions. What a verdict proves of each type, and what it does not, " +
		"is below.\nA file whose type a browser shows, and whose walk is complete, is served inline; every other one as an " +
		"attachment. Why that is\nsafe is in [security](security.md). This page is made from the code: " +
		"`go test ./cmd/hatchery -run InTheDocs -update`.\n\n" +
		"| type | extensions | content type | served | read |\n|---|---|---|---|---|\n")
	for _, t := range sniff.Types() {
		served := "attachment"
		if t.Inline {
			served = "inline"
		}
		fmt.Fprintf(&b, "| %s %s | `%s` | `%s` | %s | %s |\n", t.Name, t.Noun, strings.Join(t.Extensions, "`, `"), t.ContentType,
			served, cmp.Or(t.Reads, "once, forward"))
	}
	b.WriteString("\nOf every type: the first bytes are those of the type that the extension claims, its container is " +
		"walked from there to the\nend, what is behind the end is what the policy allows there, the dimensions that it " +
		"declares are within the policy's, it\nhas no more parts than files of its size have, and the SHA-256 is of " +
		"exactly these bytes. `.jfif` and `.jpe` are `.jpg`.\n")
	for all := sniff.Types(); len(all) > 0; {
		alike, names := 0, []string(nil)
		for alike < len(all) && all[alike].Checked == all[0].Checked && all[alike].Unchecked == all[0].Unchecked {
			names = append(names, all[alike].Name)
			alike++
		}
		fmt.Fprintf(&b, "\n## %s\n\n- Checked: %s\n- Not checked: %s\n", strings.Join(names, ", "), all[0].Checked, all[0].Unchecked)
		for _, t := range all[:alike] {
			if len(t.Declared) > 0 {
				fmt.Fprintf(&b, "- A caller may also declare, for %s: `%s`\n", t.Name, strings.Join(t.Declared, "`, `"))
			}
		}
		all = all[alike:]
	}
	return b.String()
}

func policiesPage() string {
	var b strings.Builder
	b.WriteString("\n## Named policies\n\nWhat each takes is in [policy](policy.md). `max_bytes` is less where the " +
		"validator cannot read so much in its time\n(`HATCHERY_VALIDATOR_SECONDS` times `HATCHERY_READ_RATE`).\n\n" +
		"| kind | in | extensions | `max_bytes` | `max_pixels` | `max_side` | `after_end` | `mismatch` | `charsets` |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	all, _ := policy.Named("all", policy.LargestObject)
	for _, name := range []policy.KindName{"images", "media", "documents"} {
		k, ok := all.Kinds[name]
		if !ok {
			continue
		}
		var in []string
		for _, n := range policy.Names() {
			if p, _ := policy.Named(n, policy.LargestObject); slices.ContainsFunc(p.Kinds[name].Extensions, k.AllowsExtension) {
				in = append(in, "`"+n+"`")
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s | %s |\n", name, strings.Join(in, ", "),
			strings.Join(k.Extensions, ", "), wording.Grouped(k.MaxBytes), wording.Grouped(k.MaxPixels),
			wording.Grouped(k.MaxSide), strings.Join(k.AfterEnd, ", "), k.Mismatch, strings.Join(k.Charsets, ", "))
	}
	return b.String()
}
