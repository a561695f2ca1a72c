//go:build acceptance

package acceptance

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// codeInDocs is the one block of a language in a page of docs, with the address of an API in the place of the one that
// the page has.
func codeInDocs(t *testing.T, page, language, api string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), "docs", page))
	check(t, err)
	_, rest, found := strings.Cut(string(text), "\n```"+language+"\n")
	code, after, ended := strings.Cut(rest, "\n```\n")
	if !found || !ended || strings.Contains(after, "```"+language) {
		t.Fatalf("docs/%s has not one block of %s", page, language)
	}
	if api == "" {
		return code + "\n"
	}
	const documented = `"http://127.0.0.1:8080"`
	if strings.Count(code, documented) != 1 {
		t.Fatalf("docs/%s does not say once where the API is: %s", page, documented)
	}
	return strings.Replace(code, documented, strconv.Quote(api), 1) + "\n"
}

// TestThePythonInTheDocsWorks runs the code of docs/client.md against `hatchery dev`, with its own limits and with the
// template's.
func TestThePythonInTheDocsWorks(t *testing.T) {
	const script = `
import sys, hatchery
folder, entry = sys.argv[1], "/files/demo/entries/python/images"

for name in "Größe 1.png", "large.png":
    record = hatchery.upload(entry, f"{folder}/{name}")
    assert record["status"] == "stored" and record["content_type"] == "image/png", record
    hatchery.download(entry, record, f"{folder}/copy")
    assert open(f"{folder}/copy", "rb").read() == open(f"{folder}/{name}", "rb").read(), name

for name, code, says in ("script.png", "type_mismatch", "looks like a script"), ("note.txt", "extension", ".txt"):
    try:
        hatchery.upload(entry, f"{folder}/{name}")
        raise SystemExit(f"{name} was stored")
    except hatchery.Refused as refused:
        assert refused.code == code and says in str(refused), (refused.code, refused)

listed = list(hatchery.records(entry))
assert [r["name"] for r in listed] == ["large", "größe 1"], listed
assert [r["name"] for r in hatchery.records(entry, "rejected")] == ["script"]
for record in listed:
    hatchery.delete(entry, record)
assert list(hatchery.records(entry)) == []

hatchery.TOKEN = "other"
try:
    list(hatchery.records(entry))
    raise SystemExit("another token was let in")
except hatchery.Refused as refused:
    assert refused.status == 403, refused
print("played")
`
	folder := t.TempDir()
	for name, content := range map[string][]byte{"Größe 1.png": sample(t, "genuine/go-nrgba.png"), "large.png": largePicture(t),
		"script.png": []byte("#!/bin/sh\necho I am a script\n"), "note.txt": []byte("a note")} {
		write(t, filepath.Join(folder, name), string(content))
	}
	program := devProgram(t)
	for name, args := range map[string][]string{"dev": nil, "dev --like-aws": {"--like-aws"}} {
		t.Run(name, func(t *testing.T) {
			_, ready := startDev(t, program, args...)
			code := t.TempDir()
			write(t, filepath.Join(code, "hatchery.py"), codeInDocs(t, "client.md", "python", ready.API))
			r := mustRun(t, command{folder: code, args: []string{tool(t, "python3"), "-X", "utf8", "-W", "error", "-c", script, folder}})
			if r.stdout != "played\n" {
				t.Error(r)
			}
		})
	}
}
