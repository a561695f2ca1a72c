package localbrood

import (
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// admin is what a change of a resource or its holders needs, whatever other
// permissions are called.
const admin = "admin"

var (
	holderTypes = []string{"user", "group"}
	permissions = []string{admin, "create", "read", "update", "delete"}
)

// holder is a user or a group that was given permissions on a resource.
type holder struct {
	ID          string   `json:"id"`
	Type        string   `json:"holder_type"`
	Permissions []string `json:"permissions"`
}

// holdersOf gives the holders of a resource. One from a journal without any belongs to
// the application's group. The lock is held, as it is for all that follow.
func (s *Server) holdersOf(r *resource) []holder {
	if there, found := s.holders[r.ID]; found {
		return there
	}
	return []holder{{s.applications[r.Application].GroupID, "group", []string{admin}}}
}

// holds says whether a caller was given one of the permissions, itself or through the
// application's group.
func (s *Server) holds(who caller, r *resource, oneOf ...string) bool {
	return slices.ContainsFunc(s.holdersOf(r), func(h holder) bool {
		its := h.ID == who.user && h.Type == "user" || who.role == Member && h.Type == "group"
		return its && slices.ContainsFunc(h.Permissions, func(p string) bool { return slices.Contains(oneOf, p) })
	})
}

// sees says whether a resource is shown to a caller: any permission is enough.
func (s *Server) sees(who caller, r *resource) bool {
	return who.role == Reader || s.holds(who, r, permissions...)
}

func (s *Server) seenBy(who caller) func(*resource) bool {
	return func(r *resource) bool { return s.sees(who, r) }
}

func (s *Server) ruledBy(who caller) func(*resource) bool {
	return func(r *resource) bool { return s.holds(who, r, admin) }
}

func (s *Server) listHolders(r *http.Request, who caller) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	there, bad := s.held(r, s.seenBy(who))
	if bad != nil {
		return *bad
	}
	return s.showHolders(there)
}

func (s *Server) showHolders(r *resource) reply {
	return reply{http.StatusOK, map[string]any{"resource_id": r.ID, "holders": s.holdersOf(r)}}
}

// changeHolder adds permissions, or with DELETE removes them.
func (s *Server) changeHolder(r *http.Request, who caller) reply {
	body, bad := readBody(r)
	if bad != nil {
		return *bad
	}
	text, _ := body["holder_id"].(string)
	id, err := uuid.Parse(text)
	if err != nil {
		return invalid("body", "holder_id", notAnID, notAnIDType)
	}
	kind, _ := body["holder_type"].(string)
	if !slices.Contains(holderTypes, kind) {
		return invalid("body", "holder_type", notInEnum, notInEnumType)
	}
	list, isList := body["permissions"].([]any)
	if !isList {
		return invalid("body", "permissions", missing, missingType)
	}
	var given []string
	for _, element := range list {
		permission, _ := element.(string)
		if !slices.Contains(permissions, permission) {
			return invalid("body", "permissions", notInEnum, notInEnumType)
		}
		if !slices.Contains(given, permission) {
			given = append(given, permission)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	there, bad := s.held(r, s.ruledBy(who))
	if bad != nil {
		return *bad
	}
	if !s.exists(id.String(), kind) {
		return serverError
	}
	changed := changedHolders(s.holdersOf(there), holder{id.String(), kind, given}, r.Method == http.MethodDelete)
	if err := s.keep(change{Resource: there, Holders: changed}); err != nil {
		return s.broken(err)
	}
	return s.showHolders(there)
}

// changedHolders is was with the permissions of one added or removed. It is never nil,
// and what it is made of stays as it was.
func changedHolders(was []holder, one holder, remove bool) []holder {
	changed := []holder{}
	now := []string{}
	for _, h := range was {
		if h.ID == one.ID && h.Type == one.Type {
			now = h.Permissions
			continue
		}
		changed = append(changed, h)
	}
	// Without those that are given they are neither there twice nor left.
	now = slices.DeleteFunc(slices.Clone(now), func(p string) bool { return slices.Contains(one.Permissions, p) })
	if !remove {
		now = append(now, one.Permissions...)
	}
	if len(now) > 0 {
		changed = append(changed, holder{one.ID, one.Type, now})
	}
	return changed
}

// exists says whether there is such a user or group.
func (s *Server) exists(id, kind string) bool {
	if kind == "group" {
		if id == groupID {
			return true
		}
		for _, a := range s.applications {
			if a.GroupID == id {
				return true
			}
		}
		return false
	}
	for token, role := range s.tokens {
		if userOf(token, role) == id {
			return true
		}
	}
	return false
}
