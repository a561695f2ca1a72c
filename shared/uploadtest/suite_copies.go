package uploadtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"hatchery/shared/upload"
)

var promoteCases = []objectsCase{
	{"a copy has the bytes, their SHA-256, and its source", func(s *objectsSuite) {
		body := []byte("some bytes")
		from, to, version := s.put(body)
		made := s.promote(from, version, to, body)
		s.holds(to, made.Version, body)
		s.versions(to, made.Version)
		s.holds(from, version, body)
	}},
	{"a copy is described as it was found, whatever the source said", func(s *objectsSuite) {
		from, to := s.keys()
		version := s.Overwrite(s.T, from, []byte("bytes"))
		made := s.promote(from, version, to, []byte("bytes"))
		want := s.promotion(from, version, to)
		contentType, disposition := s.Described(s.T, to, made.Version)
		if contentType != want.ContentType || disposition != want.Disposition {
			s.Errorf("the copy is %q, %q; want %q, %q", contentType, disposition, want.ContentType, want.Disposition)
		}
	}},
	{"the named version is copied although there is a newer one", func(s *objectsSuite) {
		from, to, first := s.put([]byte("first"))
		s.Overwrite(s.T, from, []byte("the second"))
		s.promote(from, first, to, []byte("first"))
		s.newest(to, []byte("first"))
	}},
	{"a version below a delete marker is copied", func(s *objectsSuite) {
		from, to, version := s.put([]byte("bytes"))
		s.Mark(s.T, from)
		s.promote(from, version, to, []byte("bytes"))
	}},
	{"an empty object is copied", func(s *objectsSuite) {
		from, to, version := s.put(nil)
		s.promote(from, version, to, nil)
		s.newest(to, nil)
	}},
	{"six megabytes are copied", func(s *objectsSuite) {
		body := sixMegabytes()
		from, to, version := s.put(body)
		s.promote(from, version, to, body)
		s.newest(to, body)
	}},
	{"where an object is, nothing is copied", func(s *objectsSuite) {
		from, to, first := s.put([]byte("first"))
		second := s.Overwrite(s.T, from, []byte("second"))
		made := s.promote(from, first, to, []byte("first"))
		for _, version := range []upload.Version{first, second} {
			_, err := s.Objects.Promote(s.ctx, s.promotion(from, version, to))
			s.is(err, upload.ErrExists, "promote again")
		}
		s.holds(to, made.Version, []byte("first"))
		s.versions(to, made.Version)
	}},
	{"of copies to one key at once one wins and is what is there", func(s *objectsSuite) {
		from, to := s.keys()
		bodies, versions, copies := make([][]byte, 8), make([]upload.Version, 8), make([]upload.Copy, 8)
		for i := range bodies {
			bodies[i] = bytes.Repeat([]byte{byte('a' + i)}, 1000+i)
			versions[i] = s.Overwrite(s.T, from, bodies[i])
		}
		winner := s.one(race(len(copies), func(i int) (err error) {
			copies[i], err = s.Objects.Promote(s.ctx, s.promotion(from, versions[i], to))
			return err
		}))
		s.stats(to, copies[winner])
		if copies[winner].Source != versions[winner] {
			s.Errorf("the winner's source is %q, want %q", copies[winner].Source, versions[winner])
		}
		s.versions(to, s.newest(to, bodies[winner]))
	}},
	{"a key with nothing but a delete marker, or nothing any more, is free", func(s *objectsSuite) {
		from, to, version := s.put([]byte("bytes"))
		made := s.promote(from, version, to, []byte("bytes"))
		s.Mark(s.T, to)
		s.must(s.Objects.Remove(s.ctx, to, made.Version), "remove")
		made = s.promote(from, version, to, []byte("bytes"))
		s.removeAll(to)
		s.gone(to)
		if again := s.promote(from, version, to, []byte("bytes")); again.Version == made.Version {
			s.Errorf("the version %q was given twice", made.Version)
		}
	}},
	{"a source that is not there is gone and nothing is made", func(s *objectsSuite) {
		from, to, version := s.put([]byte("bytes"))
		second := s.Overwrite(s.T, from, []byte("second"))
		_, _, foreign := s.put([]byte("other bytes"))
		absent, _ := s.keys()
		s.must(s.Objects.Remove(s.ctx, from, second), "remove")
		for _, id := range append(malformed(), second, foreign) {
			_, err := s.Objects.Promote(s.ctx, s.promotion(from, id, to))
			s.is(err, upload.ErrGone, "promote version %q", id)
		}
		_, err := s.Objects.Promote(s.ctx, s.promotion(absent, version, to))
		s.is(err, upload.ErrGone, "promote a version of another key")
		s.gone(to)
	}},
}

func (s *objectsSuite) stats(key upload.Key, want upload.Copy) {
	s.Helper()
	got, err := s.Objects.Stat(s.ctx, key)
	s.must(err, "stat %q", key)
	if got != want {
		s.Errorf("%q is %+v, want %+v", key, got, want)
	}
}

func (s *objectsSuite) removeAll(key upload.Key) {
	s.Helper()
	ids, err := s.Objects.Versions(s.ctx, key)
	s.must(err, "list versions of %q", key)
	for _, id := range ids {
		s.must(s.Objects.Remove(s.ctx, key, id), "remove %q version %q", key, id)
	}
}

var statCases = []objectsCase{
	{"what Promote said is found later", func(s *objectsSuite) {
		from, to, version := s.put([]byte("bytes"))
		made := s.promote(from, version, to, []byte("bytes"))
		s.stats(to, made)
		s.must(s.Objects.Remove(s.ctx, from, version), "remove the source")
		s.stats(to, made)
	}},
	{"a copy says in which round it was made", func(s *objectsSuite) {
		from, to, version := s.put([]byte("bytes"))
		p := s.promotion(from, version, to)
		p.Round = 1772625600123456
		made, err := s.Objects.Promote(s.ctx, p)
		s.must(err, "promote")
		if made.Round != p.Round {
			s.Errorf("the round is %d, want %d", made.Round, p.Round)
		}
		s.stats(to, made)
	}},
	{"an object that Promote did not make has no source", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		got, err := s.Objects.Stat(s.ctx, key)
		s.must(err, "stat")
		if got.Source != "" || got.Version != version {
			s.Errorf("the object is %+v", got)
		}
	}},
	{"what is not there, or hidden by a delete marker, is gone", func(s *objectsSuite) {
		absent, _ := s.keys()
		_, err := s.Objects.Stat(s.ctx, absent)
		s.is(err, upload.ErrGone, "stat what never was")
		from, to, version := s.put([]byte("bytes"))
		made := s.promote(from, version, to, []byte("bytes"))
		s.Mark(s.T, to)
		_, err = s.Objects.Stat(s.ctx, to)
		s.is(err, upload.ErrGone, "stat below a marker")
		s.must(s.Objects.Remove(s.ctx, to, made.Version), "remove")
		_, err = s.Objects.Stat(s.ctx, to)
		s.is(err, upload.ErrGone, "stat a key that has only a marker")
	}},
}

var removeCases = []objectsCase{
	{"a removed version is gone and the others stay", func(s *objectsSuite) {
		key, _, first := s.put([]byte("first"))
		second := s.Overwrite(s.T, key, []byte("second"))
		third := s.Overwrite(s.T, key, []byte("third"))
		s.must(s.Objects.Remove(s.ctx, key, second), "remove")
		s.versions(key, first, third)
		s.must(s.Objects.Remove(s.ctx, key, third), "remove the newest")
		if got := s.newest(key, []byte("first")); got != first {
			s.Errorf("the newest is %q, want %q", got, first)
		}
		s.must(s.Objects.Remove(s.ctx, key, first), "remove the last")
		s.gone(key)
	}},
	{"what is not there is removed without an error", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		other, _, foreign := s.put([]byte("other bytes"))
		absent, _ := s.keys()
		s.must(s.Objects.Remove(s.ctx, absent, version), "remove from a key that never was")
		s.must(s.Objects.Remove(s.ctx, key, foreign), "remove a version of another key")
		s.holds(key, version, []byte("bytes"))
		s.holds(other, foreign, []byte("other bytes"))
		s.must(s.Objects.Remove(s.ctx, key, version), "remove")
		s.must(s.Objects.Remove(s.ctx, key, version), "remove again")
		s.gone(key)
	}},
	{"without a version nothing is removed or hidden", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		if err := s.Objects.Remove(s.ctx, key, ""); err == nil {
			s.Error("a removal without a version was no error")
		}
		s.newest(key, []byte("bytes"))
		s.versions(key, version)
	}},
	{"a delete marker is removed as a version is", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		s.Mark(s.T, key)
		ids, err := s.Objects.Versions(s.ctx, key)
		s.must(err, "list versions")
		for _, id := range ids {
			if id != version {
				s.must(s.Objects.Remove(s.ctx, key, id), "remove the marker")
			}
		}
		s.newest(key, []byte("bytes"))
		s.versions(key, version)
	}},
	{"of removals at once none is an error", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		for i, err := range race(6, func(int) error { return s.Objects.Remove(s.ctx, key, version) }) {
			s.must(err, "remove, number %d", i)
		}
		s.gone(key)
	}},
}

var versionsCases = []objectsCase{
	{"every version and delete marker is listed", func(s *objectsSuite) {
		key, _, first := s.put([]byte("first"))
		s.Mark(s.T, key)
		third := s.Overwrite(s.T, key, []byte("third"))
		s.Mark(s.T, key)
		ids, err := s.Objects.Versions(s.ctx, key)
		s.must(err, "list versions")
		seen := map[upload.Version]bool{}
		for _, id := range ids {
			seen[id] = true
		}
		if len(ids) != 4 || len(seen) != 4 || !seen[first] || !seen[third] || seen[""] {
			s.Errorf("the versions are %q, want four with %q and %q", ids, first, third)
		}
		s.removeAll(key)
		s.gone(key)
	}},
	{"keys that this one begins are not listed", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		for _, longer := range []upload.Key{key + "b", key + "-1", key + ".png"} {
			s.must(s.Objects.Put(s.ctx, longer, strings.NewReader("neighbour"), 9), "put")
		}
		s.versions(key, version)
		shorter := key[:len(key)-1]
		s.versions(shorter)
		s.gone(shorter)
	}},
	{"a key that never was has none", func(s *objectsSuite) {
		key, _ := s.keys()
		s.versions(key)
	}},
}

var everyObjectCases = []objectsCase{
	{"a context that has ended is an error and changes nothing", func(s *objectsSuite) {
		from, to, version := s.put([]byte("bytes"))
		fresh, _ := s.keys()
		ended, cancel := context.WithCancel(s.ctx)
		cancel()
		for name, call := range map[string]func() error{
			"Put":      func() error { return s.Objects.Put(ended, fresh, strings.NewReader("bytes"), 5) },
			"Open":     func() error { _, err := s.Objects.Open(ended, from, version); return err },
			"Promote":  func() error { _, err := s.Objects.Promote(ended, s.promotion(from, version, to)); return err },
			"Stat":     func() error { _, err := s.Objects.Stat(ended, from); return err },
			"Remove":   func() error { return s.Objects.Remove(ended, from, version) },
			"Versions": func() error { _, err := s.Objects.Versions(ended, from); return err },
			"ReadRange": func() error {
				_, err := s.Objects.ReadRange(ended, from, version, 1, 2)
				return err
			},
		} {
			s.is(call(), context.Canceled, "%s", name)
		}
		s.holds(from, version, []byte("bytes"))
		s.gone(fresh)
		s.gone(to)
	}},
}

var rangeCases = []objectsCase{
	{"a range is read of the named version", func(s *objectsSuite) {
		const body = "0123456789"
		key, _, version := s.put([]byte(body))
		s.Overwrite(s.T, key, []byte("abcdefghijkl"))
		for _, c := range []struct {
			offset, length int64
			want           string
		}{{0, -1, body}, {0, 10, body}, {3, -1, "3456789"}, {3, 4, "3456"}, {9, 1, "9"}, {0, 1, "0"}, {9, -1, "9"}} {
			got, err := s.readRange(key, version, c.offset, c.length)
			s.must(err, "read %d from %d", c.length, c.offset)
			if got != c.want {
				s.Errorf("%d bytes from %d are %q, want %q", c.length, c.offset, got, c.want)
			}
		}
	}},
	{"a range is read while the version is open", func(s *objectsSuite) {
		key, _, version := s.put([]byte("0123456789"))
		o, err := s.Objects.Open(s.ctx, key, version)
		s.must(err, "open")
		first := make([]byte, 2)
		_, err = io.ReadFull(o.Body, first)
		s.must(err, "read its beginning")
		last, err := s.readRange(key, o.Version, 8, 2)
		s.must(err, "read its end")
		rest, err := io.ReadAll(o.Body)
		s.must(errors.Join(err, o.Body.Close()), "read the rest")
		if string(first) != "01" || last != "89" || string(rest) != "23456789" {
			s.Errorf("read %q, its end %q and then %q", first, last, rest)
		}
	}},
	{"an empty object is read to its end", func(s *objectsSuite) {
		key, _, version := s.put(nil)
		got, err := s.readRange(key, version, 0, -1)
		s.must(err, "read all of nothing")
		if got != "" {
			s.Errorf("nothing was read as %q", got)
		}
	}},
	{"a version that is not there is gone", func(s *objectsSuite) {
		key, absent, version := s.put([]byte("bytes"))
		_, _, foreign := s.put([]byte("other bytes"))
		for _, id := range append(malformed(), foreign) {
			_, err := s.readRange(key, id, 0, -1)
			s.is(err, upload.ErrGone, "read version %q", id)
		}
		_, err := s.readRange(absent, version, 1, 2)
		s.is(err, upload.ErrGone, "read a key that never was")
	}},
}

// downloadCases hold of a bucket that is upload.Downloads; of another there is
// nothing to hold.
var downloadCases = []objectsCase{
	{"a link names the key and the version", func(s *objectsSuite) {
		d, ok := s.Objects.(upload.Downloads)
		if !ok {
			return
		}
		key, _, version := s.put([]byte("bytes"))
		link, err := d.Link(s.ctx,
			upload.Link{Key: key, Version: version, ContentType: "image/png", Disposition: "inline", Lifetime: time.Minute})
		s.must(err, "sign a link")
		if !strings.Contains(link, string(key)) || !strings.Contains(link, string(version)) {
			s.Errorf("the link %s does not name %q and %q", link, key, version)
		}
	}},
}

func (s *objectsSuite) readRange(key upload.Key, version upload.Version, offset, length int64) (string, error) {
	body, err := s.Objects.ReadRange(s.ctx, key, version, offset, length)
	if err != nil {
		return "", err
	}
	got, err := io.ReadAll(body)
	return string(got), errors.Join(err, body.Close())
}
