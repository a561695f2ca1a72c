package localbrood

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// journal is the file of changes, one line of JSON each: a resource as it then
// stands, or the id of one that was deleted. A last line without an end was cut
// off by a crash, before it was answered.
type journal struct{ file *os.File }

type change struct {
	Resource *resource `json:"resource,omitempty"`
	// Holders of Resource; nil leaves them as they are.
	Holders     []holder     `json:"holders,omitzero"`
	Deleted     string       `json:"deleted,omitempty"`
	Application *application `json:"application,omitempty"`
}

func (s *Server) openJournal() error {
	s.journal = &journal{}
	if s.options.Path == "" {
		return nil
	}
	file, err := os.OpenFile(s.options.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	whole, err := s.replay(file)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("read the journal %s: %w", s.options.Path, err), file.Close())
	}
	s.journal.file = file
	return nil
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
			return whole, fmt.Errorf("at byte %d: %w", whole, err)
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
		if there, found := s.byID[c.Resource.ID]; found {
			*there = *c.Resource
			return
		}
		s.byID[c.Resource.ID] = c.Resource
		s.resources = append(s.resources, c.Resource)
	case c.Deleted != "":
		delete(s.byID, c.Deleted)
		delete(s.holders, c.Deleted)
		for i, r := range s.resources {
			if r.ID == c.Deleted {
				s.resources = append(s.resources[:i:i], s.resources[i+1:]...)
				break
			}
		}
	}
}

// keep writes a change and makes it. The lock is held.
func (s *Server) keep(c change) error {
	if err := s.journal.write(c); err != nil {
		return err
	}
	s.apply(c)
	return nil
}

func (j *journal) write(c change) error {
	if j.file == nil {
		return nil
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err = j.file.Write(append(line, '\n')); err == nil {
		err = j.file.Sync()
	}
	return err
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
