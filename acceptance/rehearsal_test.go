//go:build acceptance

package acceptance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// rehearsal is a `hatchery dev` that is broken as a section of the runbook says, and a person in its folder who types
// what the pages say.
type rehearsal struct {
	t      *testing.T
	name   string
	folder string
	env    []string
	dev    *server
	api    string
	exits  int
	before string // what a shell has to know first
}

// devAPI finds where the API is in what dev prints, as text or as JSON.
var devAPI = regexp.MustCompile(`(?i)\bapi"?:?\s*"?(http://[0-9.:]+)`)

// startRehearsal starts dev, with --json where its log is to be read.
func startRehearsal(t *testing.T, name string, flags ...string) *rehearsal {
	t.Helper()
	program := hatcheryProgram(t)
	r := &rehearsal{t: t, name: name, folder: t.TempDir(),
		env: bareEnvironment(t, "PATH="+filepath.Dir(program)+":"+filepath.Dir(tool(t, "aws"))+":"+os.Getenv("PATH"))}
	check(t, os.WriteFile(filepath.Join(r.folder, "cat.gif"), picture(t), 0o600))
	r.dev = serve(t, "dev-"+name, nil, append([]string{program, "dev", "--listen", "127.0.0.1:0", "--data",
		filepath.Join(r.folder, ".hatchery")}, flags...)...)
	eventually(t, time.Minute, "hatchery dev is ready", func() (bool, string) {
		said := r.dev.tail(64 << 10)
		var ready struct{ Env map[string]string }
		if line, _, whole := strings.Cut(said, "\n"); whole && json.Unmarshal([]byte(line), &ready) == nil {
			for name, value := range ready.Env {
				r.env = append(r.env, name+"="+value)
			}
		} else if strings.HasPrefix(said, "{") {
			return false, said
		}
		if found := devAPI.FindStringSubmatch(said); found != nil {
			r.api = found[1]
		}
		return r.api != "", said
	})
	return r
}

// types has a shell run a line of the page against dev, as the page says, with nobody to ask.
func (r *rehearsal) types(line string, codes ...int) string {
	r.t.Helper()
	line = strings.ReplaceAll(line, `--stack "$stack"`, "--data .hatchery")
	line = strings.ReplaceAll(line, "<WORDS>", "'a rehearsal'")
	if regexp.MustCompile(`^hatchery (dlq (redrive|reject|discard)|reject) `).MatchString(line) {
		line, _, _ = strings.Cut(line, "   ") // its comment
		line += " --yes"
	}
	return r.runs(line, codes...)
}

// runs has a shell run a line in the folder.
func (r *rehearsal) runs(line string, codes ...int) string {
	r.t.Helper()
	got := run(r.t, command{args: []string{tool(r.t, "bash"), "-uo", "pipefail", "-c", r.before + line}, folder: r.folder, env: r.env})
	r.exits = got.code
	for _, code := range append(codes, 0) {
		if got.code == code {
			return got.stdout
		}
	}
	r.t.Fatalf("%s: %s", r.name, got)
	return ""
}

// uploads posts the picture, and gives the id and the status of the answer.
func (r *rehearsal) uploads() (id, status string) {
	r.t.Helper()
	return r.uploadsTo("demo/entries/1", "cat.gif")
}

// uploadsTo posts a file of the folder to an entry.
func (r *rehearsal) uploadsTo(entry, file string) (id, status string) {
	r.t.Helper()
	out := r.runs(fmt.Sprintf(`curl -sS -w '\n%%{http_code}' -H 'Authorization: demo' -F 'file=@%s' '%s/files/%s/images'`,
		file, r.api, entry))
	body, status := out[:strings.LastIndex(out, "\n")], out[strings.LastIndex(out, "\n")+1:]
	var record struct{ ID string }
	check(r.t, json.Unmarshal([]byte(body), &record))
	return record.ID, status
}

func (r *rehearsal) says(text string) {
	r.t.Helper()
	eventually(r.t, 90*time.Second, r.name+": dev says "+text, func() (bool, string) {
		return strings.Contains(r.dev.tail(1<<20), text), "it does not yet"
	})
}

// dies waits until something is among the dead letters, and gives what ls says.
func (r *rehearsal) dies() (listed string) {
	r.t.Helper()
	eventually(r.t, 90*time.Second, r.name+": a dead letter", func() (bool, string) {
		listed = r.types(usualOrder(r.t)[0], 1)
		return r.exits == 1, listed
	})
	return listed
}

// status of an upload.
func (r *rehearsal) status(id string) string {
	r.t.Helper()
	var shown struct{ Record struct{ Status string } }
	check(r.t, json.Unmarshal([]byte(r.types("hatchery show --json --data .hatchery "+id)), &shown))
	return shown.Record.Status
}

// watches runs the command that counts until it counts so.
func (r *rehearsal) watches(line, says string) {
	r.t.Helper()
	watch := serve(r.t, "watch", r.env, tool(r.t, "bash"), "-c", "cd "+r.folder+" && exec "+line)
	eventually(r.t, 30*time.Second, line+" counts "+says, func() (bool, string) {
		return strings.Contains(watch.tail(2000), says), watch.tail(2000)
	})
	watch.end()
}

// usesAWS lets the shell know what the page says to set for the AWS CLI and a dev.
func (r *rehearsal) usesAWS() {
	r.t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	check(r.t, err)
	_, text, _ := strings.Cut(string(page), "\n## Trying this against hatchery dev\n")
	names, _, found := strings.Cut(text[strings.Index(text, "    bucket="):], "\n")
	_, calls, _ := strings.Cut(text, "\n    aws() {")
	calls, _, ends := strings.Cut(calls, "esac; }")
	if !found || !ends {
		r.t.Fatalf("the page does not say how the AWS CLI is used: %q", names)
	}
	r.before = "table=\n" + strings.Replace(names, " table=$HATCHERY_TABLE", "", 1) + "\naws() {" + calls + "esac; }\n"
}

// sendsForeign sends a message by hand, as the page says, about another bucket.
func (r *rehearsal) sendsForeign() {
	r.t.Helper()
	r.usesAWS()
	_, send, _ := strings.Cut(codeBlocks(r.t, "docs/operations.md", "### A message by hand")[0], "\n") // not the first: what is in quarantine
	r.types("bucket=another key=a/b version=v size=1\n" + send)
}

// receivesUntilDead lets a message die without any reason, as the page says.
func (r *rehearsal) receivesUntilDead() {
	r.t.Helper()
	r.usesAWS()
	r.types("for n in 1 2 3 4 5 6; do " + commandsIn(r.t, "unknown", "aws")[0] + "; done")
}

// putsOther puts other bytes under the key of a stored upload, as the page says.
func (r *rehearsal) putsOther(id string) {
	r.t.Helper()
	r.usesAWS()
	check(r.t, os.WriteFile(filepath.Join(r.folder, "other.gif"), []byte("other bytes"), 0o600))
	r.types(strings.Replace(commandsIn(r.t, "unfinished", "aws")[0], "/ID", "/"+id, 1))
}

// usualOrder are the lines of the section on dead letters that end by themselves: ls is the first.
func usualOrder(t *testing.T) (lines []string) {
	t.Helper()
	blocks := codeBlocks(t, "docs/operations.md", "### DeadLettersVisible")
	for line := range strings.Lines(blocks[0] + blocks[1]) {
		if !strings.Contains(line, "dlq watch") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != 6 || !strings.HasPrefix(lines[0], "hatchery dlq ls ") {
		t.Fatalf("the section has %q", lines)
	}
	return lines
}

// rehearse gives what a section says to type to rehearse it.
func rehearse(t *testing.T, section string) (commands []string) {
	return commandsIn(t, section, "hatchery")
}

// commandsIn gives the calls of a program in the line of a section that says how to rehearse it.
func commandsIn(t *testing.T, section, program string) (commands []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	check(t, err)
	_, text, _ := strings.Cut(string(page), "\n### "+section+"\n")
	_, line, found := strings.Cut(text, "\nRehearse: ")
	line, _, _ = strings.Cut(line, "\n\n")
	for _, code := range regexp.MustCompile("`("+program+" [^`]*)`").FindAllStringSubmatch(line, -1) {
		commands = append(commands, code[1])
	}
	if !found || len(commands) == 0 {
		t.Fatalf("%s has no rehearsal: %q", section, line)
	}
	return commands
}

// TestEachFailureIsRehearsedAndPutRightAsTheRunbookSays: each dev is broken as its section says, an upload dies of it,
// and what the page says puts it right.
func TestEachFailureIsRehearsedAndPutRightAsTheRunbookSays(t *testing.T) {
	cases := []*struct {
		section, cause string
		which          int                      // of the commands that break
		ends           string                   // the upload
		does           func(*rehearsal, string) // once its file is uploaded
		stores         bool                     // the file first
		*rehearsal
		id string
	}{
		{section: "denied", ends: "stored"}, {section: "unreachable", ends: "stored"},
		{section: "unreachable", which: 1, ends: "stored"}, {section: "no_time", ends: "stored"},
		{section: "crashed", ends: "stored"}, {section: "poison", ends: "stored"}, {section: "bytes_lost", ends: "rejected"},
		{section: "obsolete", cause: "unreachable", ends: "stored"},
		{section: "foreign", ends: "stored", stores: true, does: func(r *rehearsal, _ string) { r.sendsForeign() }},
		{section: "unfinished", ends: "stored", stores: true, does: (*rehearsal).putsOther},
		{section: "unknown", ends: "stored", does: func(r *rehearsal, _ string) { r.receivesUntilDead() }},
	}
	for _, c := range cases { // first all of them: each takes a minute
		c.rehearsal = startRehearsal(t, c.section, "--json")
		if c.stores {
			c.id, _ = c.uploads()
			c.settles(c.id, "stored")
		}
		c.types(rehearse(t, c.section)[c.which])
		if !c.stores {
			c.id, _ = c.uploads()
		}
		if c.does != nil {
			c.does(c.rehearsal, c.id)
		}
	}
	for _, c := range cases {
		t.Run(c.section, func(t *testing.T) {
			c.t = t
			cause := cmp.Or(c.cause, c.section)
			listed := c.dies()
			suggested := regexp.MustCompile(`\n  (hatchery dlq \w+ --cause ` + cause + ` .*)\n`).FindStringSubmatch(listed)
			if !strings.Contains(listed, "  "+cause+" ") || suggested == nil {
				t.Fatalf("listed is\n%s", listed)
			}
			if want := c.section; !strings.Contains(c.types("hatchery dlq show --data .hatchery "+firstMessage(listed)), cause) {
				t.Errorf("show does not say %s", want)
			}
			c.types("hatchery mend")
			if c.section == "obsolete" {
				c.types(strings.Replace(rehearse(t, c.section)[2], " ID", " "+c.id, 1))
				c.settles(c.id, c.ends)
				c.types("hatchery dlq ls --data .hatchery", 1)
			} else if strings.Contains(suggested[1], "redrive") {
				lines := usualOrder(t)[1:5]
				if c.section == "unfinished" { // its verdict stands: none is awaited
					lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "--probe") })
				}
				for _, line := range lines {
					c.types(strings.Replace(line, "CAUSE", cause, 1))
				}
			} else {
				c.types(suggested[1])
			}
			c.settles(c.id, c.ends)
			c.types(usualOrder(t)[5]) // what is obsolete
			if left := c.types(usualOrder(t)[0], 1); c.exits != 0 {
				t.Errorf("left is\n%s", left)
			}
		})
	}
}

var messageID = regexp.MustCompile(`(?m)^[0-9a-f-]{36}`)

func firstMessage(listed string) string { return messageID.FindString(listed) }

func (r *rehearsal) settles(id, want string) {
	r.t.Helper()
	eventually(r.t, 30*time.Second, "the upload is "+want, func() (bool, string) {
		status := r.status(id)
		return status == want, status
	})
}

// TestAlarmsAreRehearsedAsTheRunbookSays: those of which dev has the cause, but for the dead letters.
func TestAlarmsAreRehearsedAsTheRunbookSays(t *testing.T) {
	t.Run("ApiFails", func(t *testing.T) {
		r := startRehearsal(t, "ApiFails", "--json")
		commands := rehearse(t, r.name)
		r.types(commands[0])
		if _, status := r.uploads(); status != "503" {
			t.Errorf("it is answered %s", status)
		}
		r.says(`"code":"unavailable"`)
		r.types(commands[1])
		if _, status := r.uploads(); status != "202" {
			t.Errorf("when it is mended it is answered %s", status)
		}
	})
	t.Run("QueueIsOld", func(t *testing.T) {
		r := startRehearsal(t, "QueueIsOld", "--json")
		commands := rehearse(t, r.name)
		r.types(commands[0])
		id, _ := r.uploads()
		r.watches(commands[1], "1 waiting")
		r.types(commands[2])
		r.settles(id, "stored")
	})
	t.Run("ReconcilerFails", func(t *testing.T) {
		r := startRehearsal(t, "ReconcilerFails", "--json")
		r.dev.end()
		if r.types(rehearse(t, r.name)[1], 3); r.exits != 3 {
			t.Errorf("it exits %d", r.exits)
		}
	})
	t.Run("ValidatorFails", func(t *testing.T) {
		r := startRehearsal(t, "ValidatorFails", "--json")
		r.types(rehearse(t, r.name)[0])
		id, _ := r.uploads()
		r.says("the function ended without an answer")
		r.types("hatchery mend")
		r.settles(id, "stored")
	})
	t.Run("BytesAreLost", func(t *testing.T) {
		r := startRehearsal(t, "BytesAreLost", "--json")
		r.types(rehearse(t, r.name)[0])
		id, _ := r.uploads()
		r.says(`"result":"lost"`)
		eventually(t, 90*time.Second, "the reconciler reports it", func() (bool, string) {
			said := r.types("hatchery reconcile --data .hatchery --dry-run", 1)
			return strings.Contains(said, "bytes_lost") && strings.Contains(said, id), said
		})
	})
	t.Run("PendingTooLong", func(t *testing.T) {
		r := startRehearsal(t, "PendingTooLong", "--json")
		commands := rehearse(t, r.name)
		r.types(commands[0])
		id, _ := r.uploads()
		r.dies()
		said := ""
		for range 3 {
			said = r.types(commands[1], 1)
			<-time.After(2 * time.Second)
		}
		if !strings.Contains(said, "pending_too_long") || !strings.Contains(said, id) {
			t.Errorf("the third run says\n%s", said)
		}
		r.types("hatchery mend")
		r.types(strings.Replace(`hatchery recheck --stack "$stack" ID`, "ID", id, 1))
		r.settles(id, "stored")
	})
}
