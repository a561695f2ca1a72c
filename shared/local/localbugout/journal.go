package localbugout

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
)

// change is a line of the journal, in JSON: a resource as it then stands, or the id of one that was deleted. A last
// line without an end was cut off by a crash, before it was answered.
type change struct {
	Resource *resource `json:"resource,omitempty"`
	// Holders of Resource; nil leaves them as they are.
	Holders     []holder     `json:"holders,omitzero"`
	Deleted     string       `json:"deleted,omitempty"`
	Application *application `json:"application,omitempty"`
}

func (s *Server) openJournal() (err error) {
	if s.options.Path == "" {
		return nil
	}
	if s.journal, err = os.OpenFile(s.options.Path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	whole, err := s.replay(s.journal)
	if err == nil {
		err = s.journal.Truncate(whole)
	}
	if err == nil {
		_, err = s.journal.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("read the journal %s: %w", s.options.Path, err)
	}
	return nil
}

func (s *Server) closeJournal() error {
	if s.journal == nil {
		return nil
	}
	return s.journal.Close()
}

// replay makes every change again and says where the last whole one ends.
func (s *Server) replay(file io.Reader) (whole int64, err error) {
	in := bufio.NewReader(file)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return whole, err
		}
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			return whole, fmt.Errorf("the line at byte %d is damaged", whole)
		}
		s.apply(c)
		whole += int64(len(line))
	}
}

// apply makes a change in memory.
func (s *Server) apply(c change) {
	switch {
	case c.Application != nil:
		s.applications[c.Application.ID] = *c.Application
	case c.Resource != nil:
		if c.Holders != nil {
			s.holders[c.Resource.ID] = c.Holders
		}
		if existing, found := s.byID[c.Resource.ID]; found {
			*existing = *c.Resource
			return
		}
		s.byID[c.Resource.ID] = c.Resource
		s.resources = append(s.resources, c.Resource)
	case c.Deleted != "":
		delete(s.byID, c.Deleted)
		delete(s.holders, c.Deleted)
		s.resources = slices.DeleteFunc(s.resources, func(r *resource) bool { return r.ID == c.Deleted })
	}
}

// write adds a change to the journal, or nothing: the rest of a line would damage the next one.
func (s *Server) write(c change) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	end, err := s.journal.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err = s.journal.Write(append(line, '\n')); err == nil {
		err = s.journal.Sync()
	}
	if err != nil {
		_, back := s.journal.Seek(end, io.SeekStart)
		return errors.Join(err, back, s.journal.Truncate(end))
	}
	return nil
}

// save writes a change and makes it, and gives the answer. The lock is held.
func (s *Server) save(c change, answer any) *reply {
	if s.journal != nil {
		if err := s.write(c); err != nil { // the disk is full, for instance
			s.options.Log.Error("a change could not be kept", "error", err)
			return serverError
		}
	}
	s.apply(c)
	return &reply{http.StatusOK, answer}
}
