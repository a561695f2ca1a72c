package localbugout

import (
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

// maxBody is more than Bugout was seen to take; the stand-in has a bound.
const maxBody = 8 << 20

// resource is one as Bugout shows it, and as the journal keeps it.
type resource struct {
	ID          string `json:"id"`
	Application string `json:"application_id"`
	Data        object `json:"resource_data"`
	CreatedAt   moment `json:"created_at"`
	UpdatedAt   moment `json:"updated_at"`
}

type application struct {
	ID          string `json:"id"`
	GroupID     string `json:"group_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// moment is a time as Python's isoformat() writes it: six decimals, or none when all are zero, and an offset.
type moment struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (m moment) MarshalJSON() ([]byte, error) {
	layout := `"2006-01-02T15:04:05.000000-07:00"`
	if m.Nanosecond() < 1000 {
		layout = `"2006-01-02T15:04:05-07:00"`
	}
	return []byte(m.UTC().Format(layout)), nil
}

var (
	notFound         = failed(http.StatusNotFound, "Not Found")
	methodNotAllowed = failed(http.StatusMethodNotAllowed, "Method Not Allowed")
	serverError      = failed(http.StatusInternalServerError, "Internal Server Error")
	// crashed is what the framework in front of Bugout says when a handler fails where nobody expected it.
	crashed = &reply{http.StatusInternalServerError, "Internal Server Error"}
)

func failed(status int, detail string) *reply {
	return &reply{status, map[string]string{"detail": detail}}
}

// problem is what the framework in front of Bugout says of a bad value.
type problem struct{ message, kind string }

var (
	notAnID   = problem{"value is not a valid uuid", "type_error.uuid"}
	missing   = problem{"field required", "value_error.missing"}
	notADict  = problem{"value is not a valid dict", "type_error.dict"}
	notInEnum = problem{"value is not a valid enumeration member", "type_error.enum"}
	tooLarge  = problem{"the body is too large for the stand-in", "value_error"}
)

// invalid is a 422.
func invalid(where, name string, p problem) *reply {
	return &reply{http.StatusUnprocessableEntity, map[string]any{"detail": []any{
		map[string]any{"loc": []string{where, name}, "msg": p.message, "type": p.kind}}}}
}

// readBody reads a JSON object as the framework in front of Bugout does.
func readBody(r *http.Request) (object, *reply) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, invalid("body", "0", tooLarge)
	}
	if given := r.Header.Get("Content-Type"); given != "" {
		if kind, _, err := mime.ParseMediaType(given); err != nil || kind != "application/json" {
			return nil, invalid("body", "0", notADict)
		}
	}
	v, err := parseJSON(body)
	if errors.Is(err, errNotJSONB) {
		return nil, serverError
	}
	o, ok := v.(object)
	if err != nil || !ok {
		return nil, invalid("body", "0", notADict)
	}
	return o, nil
}

// dict is a member of the body that must be an object.
func (o object) dict(name string) (object, *reply) {
	value, found := o[name]
	if !found {
		return nil, invalid("body", name, missing)
	}
	d, ok := value.(object)
	if !ok {
		return nil, invalid("body", name, notADict)
	}
	return d, nil
}

func (s *Server) create(r *http.Request, who caller) *reply {
	body, bad := readBody(r)
	if bad != nil {
		return bad
	}
	given, found := body["application_id"]
	if !found {
		return invalid("body", "application_id", missing)
	}
	text, _ := given.(string)
	id, err := uuid.Parse(text)
	if err != nil {
		return invalid("body", "application_id", notAnID)
	}
	data, bad := body.dict("resource_data")
	if bad != nil {
		return bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in, known := s.applications[id.String()]
	if !known {
		return failed(http.StatusNotFound, "Not found")
	}
	if who.role != Member {
		return failed(http.StatusForbidden, "Forbidden")
	}
	now := moment{s.options.now()}
	made := resource{uuid.NewString(), id.String(), data, now, now}
	holders := []holder{{who.user, "user", []string{admin}}, {in.GroupID, "group", []string{admin}}}
	return s.save(change{Resource: &made, Holders: holders}, made)
}

func (s *Server) list(r *http.Request, who caller) *reply {
	want := map[string]string{}
	for name, values := range r.URL.Query() {
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
	for _, one := range s.resources {
		if s.sees(who, one) && (!filtered || one.Application == in) && one.Data.matches(want) {
			found = append(found, *one)
		}
	}
	return &reply{http.StatusOK, map[string][]resource{"resources": found}}
}

// find finds the resource of the path, for those who may do with it what they want. The lock is held.
func (s *Server) find(r *http.Request, who caller, may func(caller, *resource) bool) (*resource, *reply) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return nil, invalid("path", "resource_id", notAnID)
	}
	found := s.byID[id.String()]
	if found == nil || !may(who, found) {
		return nil, notFound
	}
	return found, nil
}

// onResource is an action on the resource of the path.
func (s *Server) onResource(may func(caller, *resource) bool, do func(*resource) *reply) action {
	return func(r *http.Request, who caller) *reply {
		s.mu.Lock()
		defer s.mu.Unlock()
		found, bad := s.find(r, who, may)
		if bad != nil {
			return bad
		}
		return do(found)
	}
}

func (s *Server) get(r *resource) *reply { return &reply{http.StatusOK, *r} }

func (s *Server) update(r *http.Request, who caller) *reply {
	body, bad := readBody(r)
	if bad != nil {
		return bad
	}
	update, bad := body.dict("update")
	if bad != nil {
		return bad
	}
	drop, isList := body["drop_keys"].([]any)
	if !isList && body["drop_keys"] != nil {
		return invalid("body", "update", notADict)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, bad := s.find(r, who, s.rules)
	if bad != nil {
		return bad
	}
	was := *found
	if who.overtakes && (!s.overtake(r) || s.byID[was.ID] == nil) {
		return crashed // deleted meanwhile, or nobody waits for an answer
	}
	changed := was
	changed.Data = maps.Clone(was.Data)
	maps.Copy(changed.Data, update)
	for _, key := range drop {
		name, _ := key.(string)
		delete(changed.Data, name)
	}
	if fmt.Sprint(changed.Data) != fmt.Sprint(was.Data) {
		changed.UpdatedAt = moment{s.options.now()}
	}
	return s.save(change{Resource: &changed}, changed)
}

// remove deletes a resource. One that another deletes between its reading and its deletion is deleted by both.
func (s *Server) remove(r *http.Request, who caller) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, bad := s.find(r, who, s.rules)
	if bad != nil {
		return bad
	}
	was := *found
	if who.overtakes && !s.overtake(r) {
		return crashed // nobody waits for an answer
	}
	return s.save(change{Deleted: was.ID}, was)
}

// register makes an application, POST /applications in a form.
func (s *Server) register(r *http.Request, who caller) *reply {
	r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return invalid("body", "group_id", missing)
	}
	form := r.PostForm
	for _, name := range []string{"group_id", "name"} {
		if form.Get(name) == "" {
			return invalid("body", name, missing)
		}
	}
	group, err := uuid.Parse(form.Get("group_id"))
	if err != nil {
		return invalid("body", "group_id", notAnID)
	}
	if who.role != Member || group.String() != groupID {
		return failed(http.StatusNotFound,
			"No group with that group id or you do not have permission to view this resource")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made := application{uuid.NewString(), groupID, form.Get("name"), form.Get("description")}
	return s.save(change{Application: &made}, made)
}
