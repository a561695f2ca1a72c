package uploadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/upload"
)

// ObjectsHarness is a bucket and what the suite needs beside upload.Objects to
// bring about and to see what others do with a bucket.
type ObjectsHarness struct {
	// Objects is under test. Where it is upload.Downloads too, that is tested.
	Objects upload.Objects
	// Overwrite adds a version under a key whatever is there, as a client does
	// with a signed form, of content type text/html and with the disposition
	// "inline".
	Overwrite func(t *testing.T, key upload.Key, body []byte) upload.Version
	// Mark puts a delete marker on a key, as a deletion without a version does.
	Mark func(t *testing.T, key upload.Key)
	// Described gives what a version is described with.
	Described func(t *testing.T, key upload.Key, version upload.Version) (contentType, disposition string)
}

// RunObjects checks every sentence of the contract of upload.Objects. open may
// give the same bucket each time: every case has keys of its own.
func RunObjects(t *testing.T, open func(t *testing.T) ObjectsHarness) {
	cases := 0
	for _, group := range []struct {
		name  string
		cases []objectsCase
	}{
		{"Put", putCases}, {"Open", openCases}, {"Promote", promoteCases}, {"Stat", statCases},
		{"Remove", removeCases}, {"Versions", versionsCases}, {"Every method", everyObjectCases},
		{"ReadRange", rangeCases}, {"Downloads", downloadCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					cases++
					c.run(&objectsSuite{T: t, ctx: t.Context(), ObjectsHarness: open(t), number: cases})
				})
			}
		})
	}
}

type objectsCase struct {
	name string
	run  func(*objectsSuite)
}

// objectsSuite is what one case works with.
type objectsSuite struct {
	*testing.T
	ObjectsHarness
	ctx          context.Context
	number, made int
}

// keys makes the two keys of a new upload.
func (s *objectsSuite) keys() (quarantine, files upload.Key) {
	s.made++
	ref := upload.Ref{Journal: suiteJournal, Entry: upload.Entry(fmt.Sprintf("entry-%d", s.number)), Kind: suiteKind,
		ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012x", s.made))}
	return upload.DefaultLayout.QuarantineKey(ref), upload.DefaultLayout.FilesKey(ref)
}

// put stores a body under a new key and gives the version that it has.
func (s *objectsSuite) put(body []byte) (quarantine, files upload.Key, version upload.Version) {
	s.Helper()
	quarantine, files = s.keys()
	s.must(s.Objects.Put(s.ctx, quarantine, bytes.NewReader(body), int64(len(body))), "put %q", quarantine)
	return quarantine, files, s.newest(quarantine, body)
}

func (s *objectsSuite) promotion(from upload.Key, version upload.Version, to upload.Key) upload.Promotion {
	return upload.Promotion{From: from, Version: version, To: to, ContentType: "image/png",
		Disposition: `inline; filename="caf_.png"; filename*=UTF-8''caf%C3%A9.png`}
}

// promote copies and checks what is said of the copy.
func (s *objectsSuite) promote(from upload.Key, version upload.Version, to upload.Key, body []byte) upload.Copy {
	s.Helper()
	made, err := s.Objects.Promote(s.ctx, s.promotion(from, version, to))
	s.must(err, "promote %q", from)
	want := upload.Copy{Version: made.Version, Source: version, SHA256: sumOf(body)}
	if made.Version == "" || made != want {
		s.Fatalf("the copy is %+v, want %+v with a version", made, want)
	}
	return made
}

// newest checks that body is what the newest version holds.
func (s *objectsSuite) newest(key upload.Key, body []byte) upload.Version {
	s.Helper()
	return s.holds(key, "", body)
}

// holds checks that a version holds body, and gives the version that answered.
func (s *objectsSuite) holds(key upload.Key, version upload.Version, body []byte) upload.Version {
	s.Helper()
	o, err := s.Objects.Open(s.ctx, key, version)
	s.must(err, "open %q version %q", key, version)
	got, err := io.ReadAll(o.Body)
	s.must(errors.Join(err, o.Body.Close()), "read %q version %q", key, version)
	if !bytes.Equal(got, body) || o.Size != int64(len(body)) {
		s.Fatalf("%q version %q has %d bytes beginning %.20q and says %d, want %d beginning %.20q", key, version, len(got),
			got, o.Size, len(body), body)
	}
	if o.Version == "" || version != "" && o.Version != version {
		s.Fatalf("%q version %q was answered with version %q", key, version, o.Version)
	}
	return o.Version
}

// gone checks that neither the newest nor any other version is there.
func (s *objectsSuite) gone(key upload.Key) {
	s.Helper()
	s.hidden(key)
	s.versions(key)
}

// hidden checks that there is no newest version.
func (s *objectsSuite) hidden(key upload.Key) {
	s.Helper()
	_, err := s.Objects.Open(s.ctx, key, "")
	s.is(err, upload.ErrGone, "open %q", key)
	_, err = s.Objects.Stat(s.ctx, key)
	s.is(err, upload.ErrGone, "stat %q", key)
}

// versions checks which versions a key has, in any order.
func (s *objectsSuite) versions(key upload.Key, want ...upload.Version) {
	s.Helper()
	got, err := s.Objects.Versions(s.ctx, key)
	s.must(err, "list versions of %q", key)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.Errorf("%q has the versions %q, want %q", key, got, want)
	}
}

func (s *objectsSuite) must(err error, format string, args ...any) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func (s *objectsSuite) is(err, want error, format string, args ...any) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error is %v, want %v", fmt.Sprintf(format, args...), err, want)
	}
}

// one checks that exactly one of a race won and gives its number.
func (s *objectsSuite) one(errs []error) int {
	s.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err != nil:
			s.is(err, upload.ErrExists, "number %d of the race", i)
		case winner >= 0:
			s.Fatalf("number %d and number %d both won", winner, i)
		default:
			winner = i
		}
	}
	if winner < 0 {
		s.Fatal("nobody won the race")
	}
	return winner
}

// brokenBody fails after half of its bytes.
type brokenBody struct{ io.ReadSeeker }

var errBroken = errors.New("the body broke off")

func (b brokenBody) Read(p []byte) (int, error) {
	at, err := b.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if at >= 50 {
		return 0, errBroken
	}
	return b.ReadSeeker.Read(p[:min(len(p), int(50-at))])
}

var putCases = []objectsCase{
	{"what was put is read back", func(s *objectsSuite) {
		key, _, version := s.put([]byte("some bytes"))
		s.holds(key, version, []byte("some bytes"))
		s.versions(key, version)
	}},
	{"an empty object is an object", func(s *objectsSuite) {
		key, _, version := s.put(nil)
		s.versions(key, version)
	}},
	{"six megabytes are read back", func(s *objectsSuite) { s.put(sixMegabytes()) }},
	{"a second put under the same key is refused and changes nothing", func(s *objectsSuite) {
		key, _, version := s.put([]byte("first"))
		s.is(s.Objects.Put(s.ctx, key, strings.NewReader("second"), 6), upload.ErrExists, "put again")
		s.is(s.Objects.Put(s.ctx, key, strings.NewReader("first"), 5), upload.ErrExists, "put the same again")
		s.newest(key, []byte("first"))
		s.versions(key, version)
	}},
	{"a body that is not as long as announced is an error and stores nothing", func(s *objectsSuite) {
		for _, size := range []int64{0, 1, 9, 11, 1000} {
			key, _ := s.keys()
			if err := s.Objects.Put(s.ctx, key, strings.NewReader("ten bytes."), size); err == nil ||
				errors.Is(err, upload.ErrExists) {
				s.Errorf("ten bytes put as %d: error is %v", size, err)
			}
			s.gone(key)
		}
	}},
	{"a body that breaks off is an error and stores nothing", func(s *objectsSuite) {
		key, _ := s.keys()
		if err := s.Objects.Put(s.ctx, key, brokenBody{bytes.NewReader(make([]byte, 100))}, 100); err == nil {
			s.Error("half a body was put without an error")
		}
		s.gone(key)
		s.must(s.Objects.Put(s.ctx, key, strings.NewReader("whole"), 5), "put again")
		s.newest(key, []byte("whole"))
	}},
	{"of puts at once one wins and is what is there", func(s *objectsSuite) {
		key, _ := s.keys()
		body := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 10_000+i) }
		winner := s.one(race(8, func(i int) error {
			return s.Objects.Put(s.ctx, key, bytes.NewReader(body(i)), int64(len(body(i))))
		}))
		s.versions(key, s.newest(key, body(winner)))
	}},
	{"a key with nothing but a delete marker is free", func(s *objectsSuite) {
		key, _, version := s.put([]byte("first"))
		s.Mark(s.T, key)
		s.must(s.Objects.Remove(s.ctx, key, version), "remove")
		s.must(s.Objects.Put(s.ctx, key, strings.NewReader("second"), 6), "put again")
		s.newest(key, []byte("second"))
	}},
}

func sixMegabytes() []byte {
	body := make([]byte, 6<<20)
	for i := range body {
		body[i] = byte(i>>16 ^ i*31)
	}
	return body
}

var openCases = []objectsCase{
	{"each version is read by its id, and the newest without one", func(s *objectsSuite) {
		key, _, first := s.put([]byte("first"))
		second := s.Overwrite(s.T, key, []byte("the second"))
		s.holds(key, first, []byte("first"))
		s.holds(key, second, []byte("the second"))
		if got := s.newest(key, []byte("the second")); got != second || first == second {
			s.Errorf("the newest is version %q, want %q after %q", got, second, first)
		}
	}},
	{"what is not there is gone", func(s *objectsSuite) {
		key, _ := s.keys()
		s.gone(key)
	}},
	{"a version that is not there is gone", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		second := s.Overwrite(s.T, key, []byte("second"))
		_, _, foreign := s.put([]byte("other bytes"))
		absent, _ := s.keys()
		s.must(s.Objects.Remove(s.ctx, key, second), "remove")
		for _, id := range append(malformed(), second, foreign) {
			_, err := s.Objects.Open(s.ctx, key, id)
			s.is(err, upload.ErrGone, "open version %q", id)
		}
		_, err := s.Objects.Open(s.ctx, absent, version)
		s.is(err, upload.ErrGone, "open a version of another key")
		s.holds(key, version, []byte("bytes"))
	}},
	{"below a delete marker the newest is gone and every version is there", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		s.Mark(s.T, key)
		s.hidden(key)
		s.holds(key, version, []byte("bytes"))
	}},
	{"a delete marker is no version to read", func(s *objectsSuite) {
		key, _, version := s.put([]byte("bytes"))
		s.Mark(s.T, key)
		ids, err := s.Objects.Versions(s.ctx, key)
		s.must(err, "list versions")
		for _, id := range ids {
			if id != version {
				_, err := s.Objects.Open(s.ctx, key, id)
				s.is(err, upload.ErrGone, "open marker %q", id)
			}
		}
	}},
}

// malformed are version ids that no store makes.
func malformed() []upload.Version {
	return []upload.Version{"x", "nonsense", "../../etc/passwd", "' OR 1=1", "%00", "a b&c=d", "0", "-1", "é",
		"00000000000000000000000000", upload.Version(strings.Repeat("v", 1000))}
}
