package localbugout

import (
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// admin is what a change of a resource or its holders needs, whatever other permissions are called.
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

// holdersOf gives the holders of a resource. One from a journal without any belongs to the application's group. The
// lock is held, as it is for all that follow.
func (s *Server) holdersOf(r *resource) []holder {
	if holders, found := s.holders[r.ID]; found {
		return holders
	}
	return []holder{{s.applications[r.Application].GroupID, "group", []string{admin}}}
}

// holds says whether a caller was given one of the permissions, itself or through the application's group.
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

// rules says whether a caller may change a resource.
func (s *Server) rules(who caller, r *resource) bool { return s.holds(who, r, admin) }

type shownHolders struct {
	Holders  []holder `json:"holders"`
	Resource string   `json:"resource_id"`
}

func (s *Server) listHolders(r *resource) *reply {
	return &reply{http.StatusOK, shownHolders{s.holdersOf(r), r.ID}}
}

// changeHolder adds permissions, or with DELETE removes them.
func (s *Server) changeHolder(r *http.Request, who caller) *reply {
	body, bad := readBody(r)
	if bad != nil {
		return bad
	}
	text, _ := body["holder_id"].(string)
	id, err := uuid.Parse(text)
	if err != nil {
		return invalid("body", "holder_id", notAnID)
	}
	kind, _ := body["holder_type"].(string)
	if !slices.Contains(holderTypes, kind) {
		return invalid("body", "holder_type", notInEnum)
	}
	list, isList := body["permissions"].([]any)
	if !isList {
		return invalid("body", "permissions", missing)
	}
	var given []string
	for _, element := range list {
		permission, _ := element.(string)
		if !slices.Contains(permissions, permission) {
			return invalid("body", "permissions", notInEnum)
		}
		if !slices.Contains(given, permission) {
			given = append(given, permission)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, bad := s.find(r, who, s.rules)
	if bad != nil {
		return bad
	}
	if !s.exists(id.String(), kind) {
		return serverError
	}
	changed := changedHolders(s.holdersOf(found), holder{id.String(), kind, given}, r.Method == http.MethodDelete)
	return s.save(change{Resource: found, Holders: changed}, shownHolders{changed, found.ID})
}

// changedHolders is was with the permissions of one added or removed. It is never nil, and what it is made of stays
// as it was.
func changedHolders(was []holder, one holder, remove bool) []holder {
	same := func(h holder) bool { return h.ID == one.ID && h.Type == one.Type }
	var now []string
	if i := slices.IndexFunc(was, same); i >= 0 {
		now = slices.Clone(was[i].Permissions)
	}
	// Without those that are given, none of them is left, and none is there twice.
	now = slices.DeleteFunc(now, func(p string) bool { return slices.Contains(one.Permissions, p) })
	if !remove {
		now = append(now, one.Permissions...)
	}
	changed := slices.DeleteFunc(append([]holder{}, was...), same)
	if len(now) > 0 {
		changed = append(changed, holder{one.ID, one.Type, now})
	}
	return changed
}

// exists says whether there is such a user or group.
func (s *Server) exists(id, kind string) bool {
	if kind == "group" {
		for _, a := range s.applications {
			if a.GroupID == id {
				return true
			}
		}
		return id == groupID
	}
	for token, role := range s.tokens {
		if role != 0 && userOf(token, role) == id {
			return true
		}
	}
	return false
}
