//go:build acceptance

package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// engine is a container engine for the SAM CLI: podman, with a store of its own.
type engine struct {
	socket string
	// image is what to give the SAM CLI as --invoke-image. The CLI runs the one
	// with the runtime interface emulator in it, by a tag that it derives.
	image string
}

// imageName is that of docs/sam-local.md.
const imageName = "localhost/hatchery-sam"

// podman is the container engine, with a store of its own.
type podman struct {
	folder string // short, as sockets and podman's folders want it
	args   []string
	env    []string
}

// newPodman gives one without images. What containers are left are removed with the test.
func newPodman(t testing.TB) podman {
	t.Helper()
	folder, err := os.MkdirTemp("", "sam")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(folder)) })
	tool(t, "runc")
	// It lets podman run where it may neither raise limits nor manage control groups by systemd: in a container, as CI is.
	_, conf, _ := strings.Cut(codeBlocks(t, "docs/sam-local.md", "## podman")[1], "<<'END'\n")
	conf, _, found := strings.Cut(conf, "\nEND\n")
	if !found {
		t.Fatal("docs/sam-local.md has no containers.conf")
	}
	p := podman{folder: folder,
		args: []string{tool(t, "podman"), "--root", filepath.Join(folder, "store"), "--runroot",
			filepath.Join(folder, "run"), "--storage-driver", "vfs"},
		env: bareEnvironment(t, "CONTAINERS_CONF="+write(t, filepath.Join(folder, "containers.conf"), conf))}
	t.Cleanup(func() {
		if r := p.run(t, "rm", "--all", "--force", "--time", "0"); r.code != 0 {
			t.Error(r)
		}
	})
	return p
}

func (p podman) command(args ...string) []string { return slices.Concat(p.args, args) }

func (p podman) run(t testing.TB, args ...string) result {
	t.Helper()
	return run(t, command{args: p.command(args...), env: p.env})
}

// must gives what a command that has to end well printed.
func (p podman) must(t testing.TB, args ...string) string {
	t.Helper()
	return strings.TrimSpace(mustRun(t, command{args: p.command(args...), env: p.env}).stdout)
}

// startEngine starts podman on a socket and makes the image.
func startEngine(t testing.TB) engine {
	t.Helper()
	p := newPodman(t)
	folder := p.folder
	bin := filepath.Join(folder, "bin")
	check(t, os.MkdirAll(bin, 0o700))
	script := "#!/bin/sh\nexec '" + strings.Join(p.args, "' '") + "' \"$@\"\n"
	check(t, os.WriteFile(filepath.Join(bin, "podman"), []byte(script), 0o700)) //nolint:gosec // it is a program
	image := strings.ReplaceAll(codeBlocks(t, "docs/sam-local.md", "## Without a registry")[0], "x86_64", thisMachine)
	mustRun(t, command{folder: folder, args: []string{tool(t, "bash"), "-euo", "pipefail", "-c", image},
		env: append(p.env, "PATH="+bin+":"+filepath.Dir(tool(t, "sam"))+":"+os.Getenv("PATH"))})

	e := engine{socket: filepath.Join(folder, "engine.sock"), image: imageName + ":al2023"}
	service := serve(t, "podman", p.env, p.command("system", "service", "--time", "0", "unix://"+e.socket)...)
	eventually(t, time.Minute, "podman listens", func() (bool, string) {
		if service.ended() {
			t.Fatalf("podman ended:\n%s", service.tail(4000))
		}
		_, err := os.Stat(e.socket)
		return err == nil, fmt.Sprint(err)
	})
	return e
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
