//go:build acceptance

package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
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

const (
	// containersConf lets podman run where it may neither raise limits nor manage
	// control groups by systemd: in a container, as CI is.
	containersConf = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
[network]
network_backend = "netavark"
`
	// containerfile is for programs that need nothing of a system: what `sam build`
	// makes, and the emulator that hands it events. Amazon Linux is not proved by it.
	containerfile = `FROM scratch
COPY root /
ENV PATH=/usr/local/bin:/usr/bin:/bin LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime
WORKDIR /var/task
`
	imageName = "localhost/hatchery-sam"
)

// startEngine starts podman on a socket and makes the image. What containers are
// left are removed with the test.
func startEngine(t testing.TB) engine {
	t.Helper()
	// Sockets and podman's folders want short paths.
	folder, err := os.MkdirTemp("", "sam")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(folder)) })
	env := bareEnvironment(t, "CONTAINERS_CONF="+write(t, filepath.Join(folder, "containers.conf"), containersConf))
	podman := []string{tool(t, "podman"), "--root", filepath.Join(folder, "store"), "--runroot",
		filepath.Join(folder, "run"), "--storage-driver", "vfs"}
	tool(t, "runc")
	t.Cleanup(func() {
		if r := run(t, command{args: append(podman, "rm", "--all", "--force", "--time", "0"), env: env}); r.code != 0 {
			t.Error(r)
		}
	})

	rootfs := filepath.Join(folder, "image", "root")
	for _, dir := range []string{"opt", "tmp", "var/rapid", "var/runtime", "var/task"} {
		check(t, os.MkdirAll(filepath.Join(rootfs, dir), 0o755))
	}
	check(t, os.Chmod(filepath.Join(rootfs, "tmp"), 0o1777|os.ModeSticky))
	check(t, os.Symlink("/var/task/bootstrap", filepath.Join(rootfs, "var/runtime/bootstrap")))
	program, err := os.ReadFile(runtimeEmulator(t))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(rootfs, "var/rapid/aws-lambda-rie"), program, 0o755))
	write(t, filepath.Join(folder, "image", "Containerfile"), containerfile)
	mustRun(t, command{args: append(podman, "build", "--quiet", "--tag", imageName+":rapid-"+thisMachine,
		filepath.Join(folder, "image")), env: env})

	e := engine{socket: filepath.Join(folder, "engine.sock"), image: imageName + ":al2023"}
	service := serve(t, "podman", env, append(podman, "system", "service", "--time", "0", "unix://"+e.socket)...)
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
