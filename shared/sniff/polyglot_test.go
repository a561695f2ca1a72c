package sniff_test

import (
	"archive/zip"
	"bytes"
	"slices"
	"testing"

	"hatchery/shared/sniff"
)

// holds reports whether a program that looks for a type of file wherever it stands finds one in data: an archive by its
// end, a document by its header within the first 1,024 bytes and its end.
func holds(data []byte, guest string) bool {
	if guest == "pdf" {
		at := bytes.Index(data[:min(len(data), 1024)], []byte("%PDF-"))
		return at >= 0 && bytes.Contains(data[at:], []byte("startxref")) && bytes.Contains(data[at:], []byte("%%EOF"))
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	return err == nil && len(z.File) > 0
}

// isOffice reports whether an extension is that of an archive which is an office file.
func isOffice(extension string) bool {
	return slices.Contains([]string{"docx", "xlsx", "pptx"}, extension)
}

// Of two types that both stand at a file's first byte, a file can only be one. An archive or a document can be in a file
// of any other type besides.
func TestTheSamplesHaveAPolyglotOfEveryTwoTypesThatAllowOne(t *testing.T) {
	all := samples(t)
	for _, host := range firsts() {
		for _, guest := range []string{"zip", "pdf"} {
			if host == guest || guest == "zip" && isOffice(host) {
				continue
			}
			if !slices.ContainsFunc(all, func(s sample) bool {
				return s.extension() == host && s.isOf(host) && holds(s.data, guest)
			}) {
				t.Errorf("no sample is a %s and a %s at once", host, guest)
			}
		}
	}
}

// isOf reports whether a sample begins as a file of a type does.
func (s sample) isOf(extension string) bool {
	return s.isText() || sniff.Looks(extension, s.data) != ""
}

// An office file is an archive, and a text is any kind of text. A film that has sound alone may have the name of a sound.
func TestNoFilePassesAsTwoTypes(t *testing.T) {
	for _, s := range samples(t) {
		var passes []string
		for _, e := range firsts() {
			if verdict(t, s.data, e, everything()) == "ok" {
				passes = append(passes, e)
			}
		}
		if len(passes) == 2 && (isOffice(passes[0]) && passes[1] == "zip" || slices.Equal(passes, []string{"txt", "csv"}) ||
			slices.Equal(passes, []string{"mp4", "m4a"})) {
			continue
		}
		if len(passes) > 1 {
			t.Errorf("%s passes as %q", s.file, passes)
		}
	}
}

// A file that follows another one whole is found by whoever looks at the end first, as office programs do.
func TestAnOfficeFileBehindAnyOtherIsRefusedAsBoth(t *testing.T) {
	guests := map[string][]byte{}
	for _, s := range genuine(t) {
		if isOffice(s.extension()) && guests[s.extension()] == nil {
			guests[s.extension()] = s.data
		}
	}
	hosts := map[string]bool{}
	for _, s := range genuine(t) {
		if hosts[s.extension()] || s.endless() {
			continue
		}
		hosts[s.extension()] = true
		for guest, data := range guests {
			both := slices.Concat(s.data, data)
			for _, claimed := range []string{s.extension(), guest, "zip"} {
				if got := verdict(t, both, claimed, everything()); got == "ok" {
					t.Errorf("%s with a %s behind it passes as %s", s.file, guest, claimed)
				}
			}
		}
	}
}
