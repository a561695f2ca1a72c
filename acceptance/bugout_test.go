//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/upload"
)

const (
	broodApplication = "4bf67555-b4f3-4a2e-95ff-7142d49d167b"
	tokenSecret      = "hatchery/bugout-token"
	legacyImages     = "old-images"
	oldPrefix        = "dev/journals"
	// What the deployment is known by, at first and after a rotation, and a caller.
	firstToken  = "11111111-1111-4111-8111-c0ffee000001"
	secondToken = "22222222-2222-4222-8222-c0ffee000002"
	callerToken = "33333333-3333-4333-8333-c0ffee000003"
)

// broodStack is a stack whose records Bugout keeps, with the Bugout around it.
type broodStack struct {
	*stack
	brood *localbugout.Server
	// token is what the deployment should be known by now.
	token string
	spire *spire
}

// spire stands in for Bugout's own application, with its answers.
type spire struct {
	*httptest.Server
	brood string
	mu    sync.Mutex
	seen  map[string]bool // Authorization headers
}

func newSpire(t testing.TB, brood string) *spire {
	s := &spire{brood: brood, seen: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers GET /journals/{journal}/entries/{entry}: the journal
// "acceptance" is everybody's whom Brood knows, and no other exists.
func (s *spire) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	authorization := r.Header.Get("Authorization")
	s.mu.Lock()
	s.seen[authorization] = true
	s.mu.Unlock()
	if authorization == "" {
		http.Error(w, "No authorization header passed with request", http.StatusForbidden)
		return
	}
	if len(strings.Fields(authorization)) != 2 {
		http.Error(w, "Wrong authorization header", http.StatusForbidden)
		return
	}
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.brood+"/auth", nil)
	if err != nil {
		http.Error(w, "Internal server error", http.StatusInternalServerError)
		return
	}
	ask.Header.Set("Authorization", authorization)
	known, err := http.DefaultClient.Do(ask)
	if err != nil {
		http.Error(w, "Internal server error", http.StatusInternalServerError)
		return
	}
	defer known.Body.Close()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case known.StatusCode != http.StatusOK:
		http.Error(w, "Internal server error", http.StatusInternalServerError)
	case len(parts) != 4 || parts[0] != "journals" || parts[1] != "acceptance":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"detail":"Not Found"}`)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"e","title":"an entry","tags":[]}`)
	}
}

// TestTheDeployedStackWithBugout deploys the variant without a table, uses it as
// callers of the replaced service do, and takes its token away for a while.
func TestTheDeployedStackWithBugout(t *testing.T) {
	e := startEmulator(t)
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Application: broodApplication,
		Tokens: map[string]localbugout.Role{firstToken: localbugout.Member, callerToken: localbugout.Stranger}})
	check(t, err)
	t.Cleanup(func() { _ = brood.Close() })
	w := &broodStack{brood: brood, token: firstToken, spire: newSpire(t, brood.URL())}
	e.target(t, "secretsmanager", "secretsmanager.CreateSecret",
		map[string]any{"Name": tokenSecret, "SecretString": firstToken, "ClientRequestToken": entryID() + entryID()}, nil)
	_, err = s3Client(e.config(root())).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(legacyImages)})
	check(t, err)

	values := parameters("hatchery-bugout")
	for name, value := range map[string]string{"ApplicationUrl": w.spire.URL, "ApplicationKind": "spire",
		"Records": "bugout", "BugoutUrl": brood.URL(),
		"BugoutApplicationId": broodApplication, "BugoutTokenSecret": tokenSecret, "LegacyBucket": legacyImages,
		"LegacyPrefix": oldPrefix} {
		values[name] = value
	}
	b := builtFunctions(t, values["Architecture"])
	w.stack = deployStack(t, e, "hatchery-bugout", builtTemplate(t, b), b, values)
	if w.table != "" {
		t.Errorf("there is a table %s", w.table)
	}

	t.Run("an upload by POST lives and dies as a resource", func(t *testing.T) {
		entry, picture := w.newEntry(), picture(t)
		r, err := entry.post(t.Context(), "images", "My.Cat.GIF", picture)
		check(t, err)
		check(t, w.followed(t.Context(), entry, r, picture, "my_cat"))
	})
	t.Run("an upload by a signed form, too", func(t *testing.T) {
		entry, picture := w.newEntry(), picture(t)
		asked, err := entry.form(t.Context(), "images",
			map[string]any{"name": "cat.gif", "size": len(picture), "type": "image/gif"})
		check(t, err)
		a, err := entry.fill(t.Context(), asked.Form, picture)
		if err != nil || a.status/100 != 2 {
			t.Fatal(a, err)
		}
		check(t, w.followed(t.Context(), entry, asked.Record, picture, "cat"))
	})
	if t.Failed() {
		t.FailNow() // nothing else can be well then
	}
	t.Run("a file with a false extension is refused", func(t *testing.T) {
		entry := w.newEntry()
		r, err := entry.post(t.Context(), "images", "cat.png", sample(t, "refused/cat.png"))
		check(t, err)
		check(t, entry.rejected(t.Context(), r, upload.TypeMismatch))
	})
	t.Run("callers hear what is wrong with them", func(t *testing.T) { w.refusesCallers(t) })
	t.Run("a legacy image is listed, served and deleted", func(t *testing.T) { w.servesLegacyImages(t) })
	t.Run("without its right nothing is read, and the log names it", func(t *testing.T) { w.needsItsRights(t) })
	t.Run("the reconciler runs, and notes how far it came", func(t *testing.T) { w.reconciles(t) })
	t.Run("a verdict that Bugout lost is given again", func(t *testing.T) { w.restoresVerdicts(t) })
	t.Run("a token that was rotated is found without a redeployment", func(t *testing.T) { w.survivesRotation(t) })
	t.Run("no message failed for good", func(t *testing.T) { check(t, w.noDeadLetters(t.Context())) })
	t.Run("no token is written anywhere", func(t *testing.T) { w.showsNoToken(t) })
	if brood.Stalled() {
		t.Error("Bugout was asked more at once than it bears")
	}
}

// newEntry is an entry that nobody else uses, of a caller whom Bugout knows.
func (w *broodStack) newEntry() entry {
	e := w.stack.newEntry()
	e.token = "Bearer " + callerToken
	return e
}

// resources are those of an entry, as any of Bugout's clients sees them.
func (w *broodStack) resources(ctx context.Context, filter url.Values) ([]map[string]any, error) {
	filter.Set("application_id", broodApplication)
	var answer struct {
		Resources []struct {
			Data map[string]any `json:"resource_data"`
		}
	}
	if err := w.ask(ctx, http.MethodGet, "/resources/?"+filter.Encode(), nil, &answer); err != nil {
		return nil, err
	}
	found := []map[string]any{}
	for _, r := range answer.Resources {
		found = append(found, r.Data)
	}
	return found, nil
}

// ask speaks with Brood as the deployment does.
func (w *broodStack) ask(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, w.brood.URL()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+w.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("Brood answers %s %s with %s", method, path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(out)
}

// followed is what has to hold of an accepted picture: it is a stored resource, with
// the members that old clients know, and leaves nothing when it is deleted.
func (w *broodStack) followed(ctx context.Context, e entry, accepted record, picture []byte, name string) error {
	r, err := e.stored(ctx, accepted)
	if err != nil {
		return err
	}
	there, err := w.resources(ctx, url.Values{"journal_id": {e.journal}, "entry_id": {e.id}})
	if err != nil {
		return err
	}
	if len(there) != 1 {
		return fmt.Errorf("Bugout has %v, want one resource", there)
	}
	for member, want := range map[string]any{"id": r.ID, "journal_id": e.journal, "entry_id": e.id, "name": name,
		"extension":  "gif",
		"created_at": accepted.CreatedAt, "status": "stored", "sha256": hexSum(picture), "size": fmt.Sprint(len(picture))} {
		if there[0][member] != want {
			return fmt.Errorf("the resource has %s=%v, want %v, in %v", member, there[0][member], want, there[0])
		}
	}
	if _, err := time.Parse("2006-01-02 15:04:05.999999", accepted.CreatedAt); err != nil {
		return err
	}
	for _, step := range []func(context.Context, record, []byte) error{e.served, e.listed} {
		if err := step(ctx, r, picture); err != nil {
			return err
		}
	}
	for _, call := range []struct {
		method string
		path   string
		status int
	}{
		{http.MethodDelete, e.path("images", r.ID), http.StatusOK},
		{http.MethodDelete, e.path("images", r.ID), http.StatusNotFound},
		{http.MethodGet, e.path("images", r.ID), http.StatusNotFound},
	} {
		if _, err := e.want(ctx, call.status, nil, call.method, call.path, nil); err != nil {
			return err
		}
	}
	for _, key := range []string{e.quarantineKey(r), e.filesKey(r)} {
		if versions, err := e.versions(ctx, key); err != nil || len(versions) > 0 {
			return fmt.Errorf("after the deletion %s has the versions %v, %w", key, versions, err)
		}
	}
	// While a form may be posted, a tombstone stays: what comes by the form is removed.
	there, err = w.resources(ctx, url.Values{"entry_id": {e.id}})
	for _, left := range there {
		if left["status"] != "deleted" || left["form_expires"] == nil {
			err = fmt.Errorf("after the deletion Bugout has %v", there)
		}
	}
	return err
}

// refusesCallers: what Bugout's application says by 500 and 404 is told apart.
func (w *broodStack) refusesCallers(t *testing.T) {
	for name, c := range map[string]struct {
		token   string
		journal string
		status  int
	}{
		"a token that Bugout does not know": {"Bearer 44444444-4444-4444-8444-444444444444", "acceptance",
			http.StatusUnauthorized},
		"a token that is no UUID":               {"Bearer demo", "acceptance", http.StatusUnauthorized},
		"no token":                              {"", "acceptance", http.StatusUnauthorized},
		"a journal that the caller may not see": {"Bearer " + callerToken, "other", http.StatusNotFound},
		"all is well":                           {"Bearer " + callerToken, "acceptance", http.StatusOK},
	} {
		e := w.newEntry()
		e.token, e.journal = c.token, c.journal
		if _, err := e.want(t.Context(), c.status, nil, http.MethodGet, e.path("images"), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// servesLegacyImages: what the replaced service recorded and stored is the entry's.
func (w *broodStack) servesLegacyImages(t *testing.T) {
	ctx, e, bytes := t.Context(), w.newEntry(), picture(t)
	const id = "6f1f6c9e-6d70-4d33-9d0c-0d3e6b6d0a11"
	key := aws.String(oldPrefix + "/" + e.journal + "/entries/" + e.id + "/images/" + id)
	_, err := w.objects.PutObject(ctx,
		&s3.PutObjectInput{Bucket: aws.String(legacyImages), Key: key, Body: strings.NewReader(string(bytes))})
	check(t, err)
	old := map[string]string{"id": id, "journal_id": e.journal, "entry_id": e.id, "name": "old", "extension": "gif",
		"created_at": "2022-05-06 07:08:09.101112"}
	var made map[string]any
	check(t, w.ask(ctx, http.MethodPost, "/resources/",
		map[string]any{"application_id": broodApplication, "resource_data": old}, &made))

	check(t, e.listed(ctx, record{ID: id, Kind: "images"}, nil))
	a, err := e.want(ctx, http.StatusOK, nil, http.MethodGet, e.path("images", id), nil)
	check(t, err)
	if string(a.body) != string(bytes) || a.header.Get("Content-Type") != "image/gif" {
		t.Errorf("served as %s", a)
	}
	restore := w.without(t, "ApiRole", "OldImages")
	_, err = e.want(ctx, http.StatusServiceUnavailable, nil, http.MethodGet, e.path("images", id), nil)
	check(t, err)
	restore()
	_, err = e.want(ctx, http.StatusOK, nil, http.MethodDelete, e.path("images", id), nil)
	check(t, err)
	_, err = e.want(ctx, http.StatusNotFound, nil, http.MethodDelete, e.path("images", id), nil)
	check(t, err)
	if _, err := w.objects.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(legacyImages), Key: key}); err == nil {
		t.Error("the legacy image is still in its bucket")
	}
	if there, err := w.resources(ctx, url.Values{"id": {id}}); err != nil || len(there) > 0 {
		t.Errorf("the legacy image's resource: %v, %v", there, err)
	}
}

// needsItsRights: the token is read with a right that the template grants.
func (w *broodStack) needsItsRights(t *testing.T) {
	ctx, e := t.Context(), w.newEntry()
	w.without(t, "ApiRole", "ReadToken")
	w.setting(t, "ApiFunction", "HATCHERY_GRANT_SECONDS", "1") // a new process, which knows no token
	_, err := e.want(ctx, http.StatusServiceUnavailable, nil, http.MethodGet, e.path("images"), nil)
	check(t, err)
	check(t, waitFor(ctx, w.patience, "the log names the right", func() (bool, string) {
		log, err := w.log(ctx, "api")
		return strings.Contains(log, "secretsmanager:GetSecretValue"), fmt.Sprint(err, log[max(0, len(log)-2000):])
	}))
}

// reconciles: a run comes to its end, and its place is kept with Bugout.
func (w *broodStack) reconciles(t *testing.T) {
	var report struct {
		Complete bool
		Failed   int
	}
	w.invoke(t, "ReconcilerFunction", map[string]any{}, &report)
	if !report.Complete || report.Failed > 0 {
		t.Errorf("the run gave %+v", report)
	}
	notes, err := w.resources(t.Context(), url.Values{"hatchery_note": {"reconcile"}})
	check(t, err)
	if len(notes) != 1 {
		t.Errorf("Bugout has the notes %v, want one", notes)
	}
}

// restoresVerdicts: a stored upload whose resource says pending again, as after two of
// Bugout's processes wrote at once, is found by the reconciler and stored as it was.
func (w *broodStack) restoresVerdicts(t *testing.T) {
	ctx, e, bytes := t.Context(), w.newEntry(), picture(t)
	r, err := e.post(ctx, "images", "cat.gif", bytes)
	check(t, err)
	r, err = e.stored(ctx, r)
	check(t, err)
	check(t, waitFor(ctx, w.patience, "quarantine to be empty", func() (bool, string) {
		versions, err := w.versions(ctx, e.quarantineKey(r))
		return err == nil && len(versions) == 0, fmt.Sprint(versions, err)
	}))
	var there struct {
		Resources []struct {
			ID string `json:"id"`
		}
	}
	check(t, w.ask(ctx, http.MethodGet, "/resources/?"+url.Values{"id": {r.ID}}.Encode(), nil, &there))
	if len(there.Resources) != 1 {
		t.Fatalf("Bugout has %+v", there)
	}
	long := time.Now().UTC().Add(-25 * time.Hour).Format("2006-01-02 15:04:05.000000")
	var changed any
	check(t, w.ask(ctx, http.MethodPut, "/resources/"+there.Resources[0].ID,
		map[string]any{"update": map[string]string{"status": "pending", "created_at": long},
			"drop_keys": []string{"size", "content_type", "sha256", "settled_at", "judged_version", "served_version"}},
		&changed))

	w.setting(t, "ReconcilerFunction", "HATCHERY_VISIBILITY_SECONDS", "1") // messages are given up after 5 s
	eventually(t, 2*w.patience, "its message is sent again", func() (bool, string) {
		var report struct {
			Reenqueued int `json:"reenqueued"`
		}
		w.invoke(t, "ReconcilerFunction", map[string]any{}, &report)
		return report.Reenqueued == 1, fmt.Sprintf("%+v", report)
	})
	again, err := e.stored(ctx, r)
	check(t, err)
	check(t, e.served(ctx, again, bytes))
	if again.SHA256 != r.SHA256 || again.Size == nil || *again.Size != int64(len(bytes)) {
		t.Errorf("it was %+v, and is %+v", r, again)
	}
}

// survivesRotation: with a token that Bugout does not take any more everything is
// answered 503 and says so in the log, until the secret has another one.
func (w *broodStack) survivesRotation(t *testing.T) {
	ctx, e := t.Context(), w.newEntry()
	w.brood.SetRole(firstToken, localbugout.Revoked)
	a, err := e.want(ctx, http.StatusServiceUnavailable, nil, http.MethodGet, e.path("images"), nil)
	check(t, err)
	if a.code() != "unavailable" || a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), tokenSecret) {
		t.Errorf("answered %s", a)
	}
	_, err = e.want(ctx, http.StatusServiceUnavailable, nil, http.MethodPost, e.path("images")+"?name=cat.gif", picture(t))
	check(t, err)
	check(t, waitFor(ctx, w.patience, "the log says what to do", func() (bool, string) {
		log, err := w.log(ctx, "api")
		return strings.Contains(log, `the deployment's token is not accepted by Bugout`) &&
			strings.Contains(log, tokenSecret), fmt.Sprint(err, log[max(0, len(log)-2000):])
	}))

	w.brood.SetRole(secondToken, localbugout.Member)
	w.token = secondToken
	w.target(t, "secretsmanager", "secretsmanager.PutSecretValue",
		map[string]any{"SecretId": tokenSecret, "SecretString": secondToken, "ClientRequestToken": entryID() + entryID()},
		nil)
	check(t, waitFor(ctx, 20*time.Second, "the new token is used", func() (bool, string) {
		a, err := e.call(ctx, http.MethodGet, e.path("images"), nil)
		return err == nil && a.status == http.StatusOK, fmt.Sprint(a, err)
	}))
	// The validator has its own memory of the token.
	picture := picture(t)
	r, err := e.post(ctx, "images", "cat.gif", picture)
	check(t, err)
	check(t, w.followed(ctx, e, r, picture, "cat"))
}

// log is what a function has logged.
func (s *stack) log(ctx context.Context, function string) (string, error) {
	asked, err := json.Marshal(map[string]any{"logGroupName": "/aws/lambda/" + s.name + "/" + function, "limit": 10_000})
	if err != nil {
		return "", err
	}
	text, err := s.signedCall(ctx, root(), "logs", http.MethodPost, "/",
		http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328.FilterLogEvents"}}, asked)
	if err != nil {
		return "", err
	}
	var answer struct{ Events []struct{ Message string } }
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", err
	}
	var all strings.Builder
	for _, e := range answer.Events {
		all.WriteString(e.Message + "\n")
	}
	if all.Len() == 0 {
		return "", errors.New("there is no line")
	}
	return all.String(), nil
}

// showsNoToken: neither the deployment's tokens nor a caller's are in the logs or in the
// records; and the application saw the callers' alone.
func (w *broodStack) showsNoToken(t *testing.T) {
	ctx := t.Context()
	places := map[string]string{"what the emulator printed": w.server.tail(64 << 20)}
	for _, function := range []string{"api", "validator", "reconciler"} {
		log, err := w.log(ctx, function)
		check(t, err)
		places["the log of "+function] = log
	}
	records, err := w.resources(ctx, url.Values{})
	check(t, err)
	places["the records"] = fmt.Sprint(records)
	for where, text := range places {
		for _, token := range []string{firstToken, secondToken, callerToken} {
			if strings.Contains(text, token) {
				t.Errorf("%s: %s", where, token)
			}
		}
	}
	w.spire.mu.Lock()
	defer w.spire.mu.Unlock()
	if w.spire.seen["Bearer "+firstToken] || w.spire.seen["Bearer "+secondToken] || !w.spire.seen["Bearer "+callerToken] {
		t.Error("the application was not asked with the callers' tokens alone")
	}
}
