package localbrood

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// groupID is the group of every application here.
const groupID = "7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10"

// maxBody is more than Brood was seen to take; the stand-in has a bound.
const maxBody = 8 << 20

type resource struct {
	ID          string
	Application string
	Data        object
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

type application struct {
	ID          string `json:"id"`
	GroupID     string `json:"group_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// wireResource is a resource as Brood shows it.
type wireResource struct {
	ID          string `json:"id"`
	Application string `json:"application_id"`
	Data        object `json:"resource_data"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`
}

// MarshalJSON shows a resource as Brood does.
func (r resource) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireResource{r.ID, r.Application, r.Data, pythonTime(r.CreatedAt), pythonTime(r.UpdatedAt)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *resource) UnmarshalJSON(text []byte) error {
	var w struct {
		wireResource
		Data json.RawMessage `json:"resource_data"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	data, err := parseJSON(w.Data)
	if err != nil {
		return err
	}
	o, ok := data.(object)
	if !ok {
		return errors.New("the data is no object")
	}
	created, err := time.Parse(time.RFC3339, w.CreatedAt)
	if err != nil {
		return err
	}
	updated, err := time.Parse(time.RFC3339, w.UpdatedAt)
	if err != nil {
		return err
	}
	*r = resource{w.ID, w.Application, o, created, updated}
	return nil
}

// pythonTime is isoformat(): six decimals, or none when all are zero, and an offset.
func pythonTime(t time.Time) string {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05-07:00")
	}
	return t.Format("2006-01-02T15:04:05.000000-07:00")
}

// invalid is a 422.
func invalid(where, name, message, kind string) reply {
	return reply{http.StatusUnprocessableEntity, map[string]any{"detail": []any{
		map[string]any{"loc": []string{where, name}, "msg": message, "type": kind}}}}
}

var (
	notFound         = failed(http.StatusNotFound, "Not Found")
	methodNotAllowed = failed(http.StatusMethodNotAllowed, "Method Not Allowed")
	serverError      = failed(http.StatusInternalServerError, "Internal Server Error")
)

// What the framework in front of Brood says of bad values.
const (
	notAnID      = "value is not a valid uuid"
	notAnIDType  = "type_error.uuid"
	missing      = "field required"
	missingType  = "value_error.missing"
	notADict     = "value is not a valid dict"
	notADictType = "type_error.dict"

	notInEnum     = "value is not a valid enumeration member"
	notInEnumType = "type_error.enum"
)

func failed(status int, detail string) reply {
	return reply{status, map[string]string{"detail": detail}}
}

// readBody reads a JSON object as the framework in front of Brood does.
func readBody(r *http.Request) (object, *reply) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		bad := invalid("body", "0", "the body is too large for the stand-in", "value_error")
		return nil, &bad
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Header.Get("Content-Type") != "" && (err != nil || kind != "application/json") {
		bad := invalid("body", "0", notADict, notADictType)
		return nil, &bad
	}
	v, err := parseJSON(body)
	if errors.Is(err, errNotJSONB) {
		return nil, &serverError
	}
	o, ok := v.(object)
	if err != nil || !ok {
		bad := invalid("body", "0", notADict, notADictType)
		return nil, &bad
	}
	return o, nil
}

func (s *Server) create(r *http.Request, who caller) reply {
	body, bad := readBody(r)
	if bad != nil {
		return *bad
	}
	given, found := body["application_id"]
	text, _ := given.(string)
	id, err := uuid.Parse(text)
	switch {
	case !found:
		return invalid("body", "application_id", missing, missingType)
	case err != nil:
		return invalid("body", "application_id", notAnID, notAnIDType)
	}
	data, isObject := body["resource_data"].(object)
	if _, found := body["resource_data"]; !found {
		return invalid("body", "resource_data", missing, missingType)
	}
	if !isObject {
		return invalid("body", "resource_data", notADict, notADictType)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.applications[id.String()]; !known {
		return failed(http.StatusNotFound, "Not found")
	}
	if who.role != Member {
		return failed(http.StatusForbidden, "Forbidden")
	}
	now := s.options.Now()
	made := &resource{uuid.NewString(), id.String(), data, now, now}
	holders := []holder{{who.user, "user", []string{admin}}, {s.applications[made.Application].GroupID, "group", []string{admin}}}
	if err := s.keep(change{Resource: made, Holders: holders}); err != nil {
		return s.broken(err)
	}
	return reply{http.StatusOK, *made}
}

func (s *Server) list(r *http.Request, who caller) reply {
	query := r.URL.Query()
	want := map[string]string{}
	for name, values := range query {
		want[name] = values[len(values)-1]
	}
	in, filtered := want["application_id"]
	delete(want, "application_id")
	if filtered {
		id, err := uuid.Parse(in)
		if err != nil {
			return serverError
		}
		in = id.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []resource{}
	for _, there := range s.resources {
		if s.sees(who, there) && (!filtered || there.Application == in) && there.Data.matchesAll(want) {
			found = append(found, *there)
		}
	}
	return reply{http.StatusOK, map[string][]resource{"resources": found}}
}

func (o object) matchesAll(want map[string]string) bool {
	for key, text := range want {
		if !o.matches(key, text) {
			return false
		}
	}
	return true
}

// held finds the resource of the path, for those who may do what they want with it.
// The lock is held.
func (s *Server) held(r *http.Request, may func(*resource) bool) (*resource, *reply) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		bad := invalid("path", "resource_id", notAnID, notAnIDType)
		return nil, &bad
	}
	there, found := s.byID[id.String()]
	if !found || !may(there) {
		return nil, &notFound
	}
	return there, nil
}

func (s *Server) get(r *http.Request, who caller) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	there, bad := s.held(r, s.seenBy(who))
	if bad != nil {
		return *bad
	}
	return reply{http.StatusOK, *there}
}

func (s *Server) update(r *http.Request, who caller) reply {
	return s.merge(r, who, nil)
}

// merge is update. between, when set, is called after reading, without the lock, and
// says whether to write.
func (s *Server) merge(r *http.Request, who caller, between func(*http.Request) bool) reply {
	body, bad := readBody(r)
	if bad != nil {
		return *bad
	}
	update, isObject := body["update"].(object)
	if _, found := body["update"]; !found {
		return invalid("body", "update", missing, missingType)
	}
	drop, isList := body["drop_keys"].([]any)
	if !isObject || !isList && body["drop_keys"] != nil {
		return invalid("body", "update", notADict, notADictType)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	there, bad := s.held(r, s.ruledBy(who))
	if bad != nil {
		return *bad
	}
	was := *there
	if between != nil {
		s.mu.Unlock()
		on := between(r)
		s.mu.Lock()
		if _, bad = s.held(r, func(*resource) bool { return on }); bad != nil {
			return *bad // deleted meanwhile, or nobody waits for an answer
		}
	}
	changed := was
	changed.Data = maps.Clone(was.Data)
	maps.Copy(changed.Data, update)
	for _, key := range drop {
		name, _ := key.(string)
		delete(changed.Data, name)
	}
	if fmt.Sprint(changed.Data) != fmt.Sprint(was.Data) {
		changed.UpdatedAt = s.options.Now()
	}
	if err := s.keep(change{Resource: &changed}); err != nil {
		return s.broken(err)
	}
	return reply{http.StatusOK, changed}
}

func (s *Server) remove(r *http.Request, who caller) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	there, bad := s.held(r, s.ruledBy(who))
	if bad != nil {
		return *bad
	}
	was := *there
	if err := s.keep(change{Deleted: was.ID}); err != nil {
		return s.broken(err)
	}
	return reply{http.StatusOK, was}
}

// broken is the end of the journal: the disk is full, for instance.
func (s *Server) broken(err error) reply {
	s.options.Log.Error("a change could not be kept", "error", err)
	return serverError
}

// register makes an application, POST /applications in a form.
func (s *Server) register(r *http.Request) reply {
	r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return invalid("body", "group_id", missing, missingType)
	}
	for _, name := range []string{"group_id", "name"} {
		if r.PostForm.Get(name) == "" {
			return invalid("body", name, missing, missingType)
		}
	}
	if _, err := uuid.Parse(r.PostForm.Get("group_id")); err != nil {
		return invalid("body", "group_id", notAnID, notAnIDType)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made := application{uuid.NewString(), r.PostForm.Get("group_id"), r.PostForm.Get("name"), r.PostForm.Get("description")}
	if err := s.keep(change{Application: &made}); err != nil {
		return s.broken(err)
	}
	return reply{http.StatusOK, made}
}
