//go:build acceptance

package acceptance

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestThePicturesOfTheDocsAreMade: those in docs/pictures, and the alarm in docs/operations.md that is put right, come from
// a hatchery dev that runs. -update writes them there, else they are made and thrown away.
func TestThePicturesOfTheDocsAreMade(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "docs", "pictures")
	alarm := startRehearsal(t, "alarm", "--break", "s3:3")
	for range 3 {
		alarm.uploads()
	}
	made := picturesOf(startEvening(t))
	recorded := alarm.recorded()
	if *update {
		writePictures(t, folder, made)
		writeRecording(t, recorded)
	}
	wantCommitted(t, folder, made)
}

// evening is a hatchery dev after some hours: most of what was uploaded is stored, and some of it died.
type evening struct {
	*rehearsal
	stored string // the id of the last upload to lisbon/day-3
}

// died and lived are files by the entry that they are uploaded to.
var (
	died = [][2]string{{"lisbon/entries/day-3", "tram 28.png"}, {"lisbon/entries/day-3", "from the ferry.png"},
		{"alps/entries/hut", "before the storm.png"}, {"lisbon/entries/day-4", "tiles.png"}, {"alps/entries/hut", "ridge.png"},
		{"alps/entries/summit", "panorama.png"}, {"kitchen/entries/bread", "crust.png"}}
	lived = [][2]string{{"alps/entries/summit", "cairn.png"}, {"lisbon/entries/day-3", "harbour.png"},
		{"lisbon/entries/day-3", "miradouro.png"}, {"lisbon/entries/day-3", "evening light.png"},
		{"lisbon/entries/day-3", "the last boat.png"}}
)

func startEvening(t *testing.T) evening {
	t.Helper()
	e := evening{rehearsal: startRehearsal(t, "evening", "--break", "s3:3,access:3,crash:1,poison:2")}
	e.uploadsPostcards(0, died)
	eventually(t, 30*time.Second, "all that was to be hit is hit", func() (bool, string) {
		said := e.dev.tail(64 << 10)
		return strings.Count(said, "all that was to be hit is hit") == 4, said
	})
	e.uploadsPostcards(len(died), lived)
	check(t, os.WriteFile(filepath.Join(e.folder, "menu.png"), []byte("#!/bin/sh\necho I am a script\n"), 0o600))
	e.uploadsTo("lisbon/entries/day-4", "menu.png")
	eventually(t, 2*time.Minute, "nine letters are dead", func() (bool, string) {
		listed := e.runs("hatchery dlq ls --data .hatchery", 0, 1)
		return strings.Contains(listed, "\n9 dead letters, "), listed
	})
	return e
}

func (e *evening) uploadsPostcards(first int, files [][2]string) {
	e.t.Helper()
	for i, file := range files {
		check(e.t, os.WriteFile(filepath.Join(e.folder, file[1]), postcard(e.t, first+i), 0o600))
		e.stored, _ = e.uploadsTo(file[0], file[1])
	}
}

// postcard draws hills below a sky: a picture that nobody owns.
func postcard(t *testing.T, n int) []byte {
	t.Helper()
	const width, height = 480, 320
	skies := [][2]color.NRGBA{{{38, 70, 110, 255}, {246, 190, 120, 255}}, {{90, 150, 200, 255}, {225, 238, 240, 255}},
		{{60, 40, 90, 255}, {240, 130, 110, 255}}, {{30, 90, 110, 255}, {190, 225, 200, 255}}}
	sky, picture := skies[n%len(skies)], image.NewNRGBA(image.Rect(0, 0, width, height))
	mix := func(a, b uint8, part float64) uint8 { return uint8(float64(a) + (float64(b)-float64(a))*part) }
	for y := range height {
		for x := range width {
			part := float64(y) / height
			c := color.NRGBA{mix(sky[0].R, sky[1].R, part), mix(sky[0].G, sky[1].G, part), mix(sky[0].B, sky[1].B, part), 255}
			if math.Hypot(float64(x-90-n*61%300), float64(y-130)) < 26 {
				c = color.NRGBA{255, 240, 200, 255}
			}
			for hill := range 3 {
				top := 180 + 45*float64(hill) + 30*math.Sin(float64(x)/(50+20*float64(hill))+float64(n*7+hill*2))
				if float64(y) > top {
					c = color.NRGBA{mix(sky[0].R, 20, float64(hill+1)/4), mix(sky[0].G, 30, float64(hill+1)/4),
						mix(sky[0].B, 30, float64(hill+1)/4), 255}
				}
			}
			picture.SetNRGBA(x, y, c)
		}
	}
	var file bytes.Buffer
	check(t, png.Encode(&file, picture))
	return file.Bytes()
}

// picturesOf goes through the evening's console as a person does, and gives what is seen on the way by its name.
func picturesOf(e evening) map[string][]byte {
	made, page := map[string][]byte{}, openBrowser(e.t)
	shoot := func(name string) {
		for _, scheme := range []string{"light", "dark"} {
			page.as(920, 300, 1.5, scheme)
			made[name+"-"+scheme+".webp"] = page.shot("webp")
		}
	}
	page.as(920, 300, 1.5, "light")
	page.open(consoleOf(e.t, serve(e.t, "console", e.env, tool(e.t, "env"), "-C", e.folder, "hatchery", "console", "--data",
		".hatchery")), "9 dead letters")
	shoot("overview")
	page.click(`tr:has(a[href*="cause=denied"]) td.text a`, "", "Letters 1 to 3 of 3")
	var name string // of the first upload
	check(e.t, page.evaluate(`(() => { const boxes = [...document.querySelectorAll("input[type=checkbox]")].slice(0, 2);
		for (const box of boxes) box.click();
		return new URL(boxes[0].closest("tr").querySelector("td:last-child a").href).searchParams.get("name"); })()`, &name))
	shoot("group")
	page.click("button[value=redrive]", "", "Redrive 2 dead letters?")
	shoot("question")
	e.runs("hatchery mend")
	page.click("button.go", "", "Ended: redrive")
	eventually(e.t, time.Minute, "the upload is stored", func() (bool, string) {
		shown := e.runs("hatchery show --data .hatchery " + name)
		return strings.Contains(shown, "status  stored"), shown
	})
	page.click("nav a", "Overview", "List them now")
	page.click("button", "List them now", "Ended: list")
	page.open(strings.TrimSuffix(pageURL(page), "/progress")+"/upload?name="+name, "stored as image/png")
	shoot("story")
	page.open(e.api+"/?journal=lisbon&entry=day-3&id="+e.stored, "The verdict")
	shoot("start")
	for _, complaint := range page.complained() {
		e.t.Errorf("the page complains: %s", complaint)
	}
	return made
}

// recorded puts an alarm right, and gives what stood in the terminal.
func (r *rehearsal) recorded() string {
	r.t.Helper()
	check(r.t, os.Symlink(r.dev.log, filepath.Join(r.folder, "dev.log")))
	listed := r.dies()
	var screen strings.Builder
	for _, line := range []string{`grep -o '.* a dead letter within [0-9]* s' dev.log`, "hatchery dlq ls --data .hatchery",
		"hatchery dlq show --data .hatchery " + firstMessage(listed) + " | grep -v ^body", "hatchery mend",
		"hatchery dlq redrive --data .hatchery --cause unreachable --probe --yes",
		"hatchery dlq redrive --data .hatchery --cause unreachable --yes", "hatchery dlq ls --data .hatchery"} {
		fmt.Fprintf(&screen, "$ %s\n%s\n", line, r.runs("{ "+line+"; } 2>&1", 1))
	}
	if r.exits != 0 {
		r.t.Errorf("letters are left:\n%s", screen.String())
	}
	return screen.String()
}

// writeRecording puts what stood in the terminal, wrapped as by one of 124 columns, between its marks in the page.
func writeRecording(t *testing.T, screen string) {
	t.Helper()
	const file, width = "../docs/operations.md", 124
	var block strings.Builder
	for line := range strings.Lines(strings.TrimSpace(screen)) {
		for row := range slices.Chunk([]rune(strings.TrimRight(line, "\n")+" "), width) {
			block.WriteString(strings.TrimRight("    "+string(row), " ") + "\n")
		}
	}
	page, err := os.ReadFile(file)
	check(t, err)
	const open, end = "<!-- made: an alarm put right -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(string(page), open)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no block for the alarm", file)
	}
	check(t, os.WriteFile(file, []byte(before+open+"\n"+block.String()+"\n"+end+after), 0o644))
}

func writePictures(t *testing.T, folder string, made map[string][]byte) {
	t.Helper()
	check(t, os.RemoveAll(folder))
	check(t, os.Mkdir(folder, 0o755))
	for name, picture := range made {
		check(t, os.WriteFile(filepath.Join(folder, name), picture, 0o644))
	}
}

// wantCommitted: the folder has exactly what is made, each small, and a page shows each.
func wantCommitted(t *testing.T, folder string, made map[string][]byte) {
	t.Helper()
	var text []byte
	for _, page := range []string{"../README.md", "../docs/operations.md"} {
		read, err := os.ReadFile(page)
		check(t, err)
		text = append(text, read...)
	}
	files, err := os.ReadDir(folder)
	check(t, err)
	total := 0
	for _, file := range files {
		picture, found := made[file.Name()]
		total += len(picture)
		if !found || len(picture) > 150_000 || !bytes.Contains(text, []byte("pictures/"+file.Name())) {
			t.Errorf("%s: made %v, with %d bytes; it has to be shown by a page", file.Name(), found, len(picture))
		}
	}
	if len(files) != len(made) || total > 1_000_000 {
		t.Errorf("%d pictures with %d bytes were made, and %d are committed", len(made), total, len(files))
	}
}
