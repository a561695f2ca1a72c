//go:build acceptance

package acceptance

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local/samples"
)

// samLocal runs functions as `sam local` does, in containers, with `hatchery dev`
// in the place of AWS.
type samLocal struct {
	built  buildFolder
	engine engine
	dev    localDev
}

func startSAMLocal(t testing.TB) samLocal {
	t.Helper()
	return samLocal{built: builtFunctions(t, thisMachine), engine: startEngine(t), dev: startLocalDev(t)}
}

// command is one of `sam local`: as docs/sam-local.md says, but with the image that
// is here, because a test needs no registry.
func (s samLocal) command(t testing.TB, args ...string) (command []string, env []string) {
	t.Helper()
	command = append([]string{tool(t, "sam"), "local"}, args...)
	command = append(command, "--template", s.built.Template(), "--env-vars", s.dev.envVars(),
		"--parameter-overrides", "Architecture="+thisMachine, "--skip-pull-image", "--invoke-image", s.engine.image)
	return command, bareEnvironment(t, "DOCKER_HOST=unix://"+s.engine.socket,
		"AWS_ACCESS_KEY_ID="+s.dev.env["AWS_ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY="+s.dev.env["AWS_SECRET_ACCESS_KEY"],
		// It asks whose keys these are, and goes on when nobody says.
		"AWS_ENDPOINT_URL_STS=http://127.0.0.1:1", "AWS_MAX_ATTEMPTS=1")
}

// invoke has a function answer an event.
func (s samLocal) invoke(t testing.TB, function, event string) ([]byte, error) {
	t.Helper()
	args, env := s.command(t, "invoke", function, "--event", event)
	r := run(t, command{args: args, env: env, limit: time.Minute})
	if r.code != 0 {
		return nil, fmt.Errorf("%s", r)
	}
	return []byte(r.stdout), nil
}

// samFunctions are the template's names for the first words of events' names.
var samFunctions = map[string]string{"api": "ApiFunction", "validator": "ValidatorFunction",
	"reconciler": "ReconcilerFunction"}

// atOnce is how many containers run at once.
const atOnce = 2

func TestSAMLocal(t *testing.T) {
	s := startSAMLocal(t)
	t.Run("invokes the functions with every event", func(t *testing.T) { invokeEveryEvent(t, s) })
	t.Run("serves the API", func(t *testing.T) { serveAPI(t, s) })
}

func invokeEveryEvent(t *testing.T, s samLocal) {
	folder := filepath.Join(moduleRoot(t), "events")
	events, err := samples.Events(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	uploads, err := samples.ReadUploads(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	queue := make(chan samples.Event)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for e := range queue {
				reply, err := s.invoke(t, samFunctions[e.Function()], filepath.Join(folder, e.Name+".json"))
				if err == nil {
					err = samples.Compare(e.Reply, reply)
				}
				if err != nil {
					t.Errorf("%s:\n%v", e.Name, err)
				}
			}
		})
	}
	for _, e := range events {
		queue <- e
	}
	close(queue)
	workers.Wait()
	t.Logf("%d events took %s", len(events), time.Since(began).Round(100*time.Millisecond))

	// What the functions keep is what dev finds.
	for _, one := range uploads.Uploads {
		ref := uploads.Ref(one)
		if got := s.dev.record(t, ref); got.Status != string(one.After()) {
			t.Errorf("%s is %q, want %s", ref, got.Status, one.After())
		}
	}
}

func serveAPI(t *testing.T, s samLocal) {
	copied, _, _ := strings.Cut(codeBlocks(t, "docs/sam-local.md", "## 4. Serve the API")[0], "\n")
	local := filepath.Join(s.built.folder, "local.yaml")
	mustRun(t, command{args: []string{tool(t, "bash"), "-euc", strings.NewReplacer(".aws-sam/build/template.yaml", s.built.Template(),
		".aws-sam/build/local.yaml", local).Replace(copied)}})
	port := freePort(t)
	args, env := s.command(t, "start-api", "--warm-containers", "LAZY", "--port", fmt.Sprint(port))
	args[slices.Index(args, "--template")+1] = local
	served := serve(t, "start-api", env, args...)
	api := s.dev.caller(fmt.Sprintf("http://127.0.0.1:%d", port), "j", "e")
	eventually(t, 2*time.Minute, "sam local start-api answers", func() (bool, string) {
		if served.ended() {
			t.Fatalf("start-api ended:\n%s", served.tail(4000))
		}
		a, err := api.call(t.Context(), http.MethodGet, "/ping", nil)
		return err == nil && a.status == http.StatusOK, fmt.Sprint(a, err)
	})

	picture, err := os.ReadFile(filepath.Join(moduleRoot(t), "events", "uploads", "cat.png"))
	check(t, err)
	body, contentType := multipartOf(t, "cat.png", picture)
	var posted record
	_, err = api.want(t.Context(), http.StatusAccepted, &posted, http.MethodPost, api.path("images")+"?image_name=cat.png", body,
		"Content-Type", contentType)
	check(t, err)
	form, err := api.form(t.Context(), "images", map[string]any{"name": "cat.png"})
	check(t, err)
	if filled, err := api.fill(t.Context(), form.Form, picture); err != nil || filled.status != http.StatusCreated {
		t.Fatalf("the form: %v, %s", err, filled)
	}
	for _, uploaded := range []record{posted, form.Record} {
		validateArrived(t, s, api, uploaded, picture)
	}
}

// multipartOf is a form with one file, as a browser sends it.
func multipartOf(t *testing.T, name string, file []byte) (body []byte, contentType string) {
	t.Helper()
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	part, err := w.CreateFormFile("file", name)
	check(t, err)
	_, err = part.Write(file)
	check(t, err)
	check(t, w.Close())
	return text.Bytes(), w.FormDataContentType()
}

// validateArrived has the validator judge an upload, which is served then.
func validateArrived(t *testing.T, s samLocal, api entry, uploaded record, picture []byte) {
	t.Helper()
	// What the bucket said of it, as Lambda would hand it over.
	event := filepath.Join(t.TempDir(), "arrived.json")
	check(t, os.WriteFile(event, s.dev.batch(t, uploaded.ID), 0o600))
	reply, err := s.invoke(t, "ValidatorFunction", event)
	check(t, err)
	if err := samples.Compare([]byte(`{"batchItemFailures":[]}`), reply); err != nil {
		t.Error(err)
	}
	got, err := api.want(t.Context(), http.StatusOK, nil, http.MethodGet, api.path("images", uploaded.ID), nil)
	check(t, err)
	if !bytes.Equal(got.body, picture) {
		t.Errorf("%d bytes came back, want the %d that were sent", len(got.body), len(picture))
	}
}
