package sniff

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// advised checks what the first bytes of a file named as one of t give.
func advised(t *testing.T, of Type, head string, l Limits) string {
	t.Helper()
	w := &walker{stream: newStream(t.Context(), strings.NewReader(head)), Type: of, limits: l}
	defer w.close()
	return w.mismatch().Error()
}

func TestMessagesSayWhatKindOfThingAFileIs(t *testing.T) {
	of := func(name, noun string) *walker {
		return &walker{stream: newStream(t.Context(), bytes.NewReader(nil)), Type: Type{Name: name, Noun: noun}}
	}
	pdf, mp4, zip, csv := of("PDF", "document"), of("MP4", "video"), of("ZIP", "archive"), of("CSV", "text")
	for _, test := range []struct {
		got  error
		want string
	}{
		{pdf.corrupt(9, "no"), "The PDF document is damaged at byte 9: no; export the document again as PDF and upload that."},
		{zip.corrupt(9, "no"), "pack the archive again as ZIP"},
		{csv.corrupt(9, "no"), "save the text again as CSV"},
		{mp4.truncated(), "The file is empty (0 bytes); choose the video again"},
		{mp4.dimensions(0, 0, 7), "the video claims to be 0 x 7 pixels"},
		{mp4.trailing(7), "The MP4 video ends at byte 7, but"},
		{mp4.mismatch(), "The name says that this is an MP4 video, but"},
		{pdf.mismatch(), "The name says that this is a PDF document, but"},
	} {
		var refusal *Refusal
		if !errors.As(test.got, &refusal) || !strings.Contains(refusal.Message, test.want) {
			t.Errorf("%v\nwant %q", test.got, test.want)
		}
	}
}

// A name from a file may try to end the sentence, or to look like more of it.
func TestANameIsShownButEndsNoSentence(t *testing.T) {
	for name, want := range map[string]string{
		"word/a.xml": `"word/a.xml"`, "../a.sh": `"../a.sh"`, "a/../../b": `"a/../../b"`, `..\a`: `"..\x5ca"`, "a..b": `"a..b"`,
		"a. Pay": `"a\x2e Pay"`, "a.. Pay": `"a\x2e\x2e Pay"`, "a...b": `"a\x2e..b"`, "a.": `"a\x2e"`, "..": `"\x2e\x2e"`,
		`a"; b`: `"a\x22\x3b b"`, "é": `"\xc3\xa9"`,
	} {
		if got := quoted([]byte(name)); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
}

// A script in the place of a video is not a matter of exporting a picture.
func TestTheAdviceIsAboutWhatTheNameSays(t *testing.T) {
	mp4 := Type{Name: "MP4", Noun: "video"}
	for head, want := range map[string]string{
		"hello":            "choose the video itself and upload that",
		"<html>":           "so save the video itself and upload that",
		"II*\x00\x08\x00":  "export the video as MP4 and upload that",
		"\x1aE\xdf\xa3":    "export the video as MP4 and upload that",
		"PK\x03\x04":       "unpack it and upload the video that is in it",
		"\x00\x00\x01\x00": "export the video as MP4 and upload that",
		"ID3\x03\x00":      "export the video as MP4 and upload that",
	} {
		if got := advised(t, mp4, head, Limits{Extensions: []string{"mp4"}}); !strings.Contains(got, want) || strings.Contains(got, "picture itself") {
			t.Errorf("%q: %s\nwant %q", head, got, want)
		}
	}
	zip := Type{Name: "ZIP", Noun: "archive"}
	if got := advised(t, zip, "Rar!\x1a\x07", Limits{}); !strings.Contains(got, "unpack it, pack its files as ZIP") {
		t.Errorf("a RAR archive as .zip: %s", got)
	}
}

// To rename a file to what the kind refuses, too, is no help.
func TestAFileIsToldToBeRenamedOnlyToWhatTheKindTakes(t *testing.T) {
	gif, _ := TypeOf("gif")
	for _, test := range []struct {
		taken []string
		want  string
	}{
		{nil, "ends in .jpg, or"}, {[]string{"gif", "jpeg"}, "ends in .jpeg, or"}, {[]string{"gif", "png"}, "; export the picture as GIF"},
	} {
		if got := advised(t, gif, "\xff\xd8\xff\xe0", Limits{Extensions: test.taken}); !strings.Contains(got, test.want) {
			t.Errorf("a JPEG as .gif, where %v are taken: %s\nwant %q", test.taken, got, test.want)
		}
	}
}
