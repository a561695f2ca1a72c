package locals3_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/local/locals3"
)

// contents gives the bytes of every file below dir, the undo log apart.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == locals3.UndoLog(dir) {
			return err
		}
		body, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func write(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// As versitygw does: never into the file that is there.
	if err := os.WriteFile(path+".tmp", []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

// Each case is a state in which the files are between two steps of versitygw or of this package, made by hand.
func TestAChangeThatWasCutShortIsSettledAtTheNextStart(t *testing.T) {
	const attributes = `{"etag":"Im5ldyI=","version-id":"MDFBUlozTkRFS1RTVjRSUkZGUTY5RzVGQVY="}`
	type files struct{ bytes, attributes func(id string) string }
	tests := []struct {
		name   string
		bodies []string                                   // the versions that are there before
		remove int                                        // the one to delete, counted from 1; 0 for a new version
		cut    func(t *testing.T, at files, ids []string) // the steps that were done
		gone   bool                                       // the deletion is completed, not undone
	}{
		{"new key: nothing done", nil, 0, func(*testing.T, files, []string) {}, false},
		{"new key: bytes without attributes", nil, 0, func(t *testing.T, at files, _ []string) {
			write(t, at.bytes(""), "new bytes")
		}, false},
		{"new key: bytes and half of the attributes", nil, 0, func(t *testing.T, at files, _ []string) {
			write(t, at.bytes(""), "new bytes")
			write(t, at.attributes("")+".new", attributes[:20])
		}, false},
		{"new key: everything but the commit", nil, 0, func(t *testing.T, at files, _ []string) {
			write(t, at.bytes(""), "new bytes")
			write(t, at.attributes(""), attributes)
		}, false},
		{"overwrite: the current version put aside, without attributes", []string{"one", "two"}, 0,
			func(t *testing.T, at files, ids []string) {
				write(t, at.bytes(ids[1]), "two")
			}, false},
		{"overwrite: new bytes under a second name", []string{"one"}, 0, func(t *testing.T, at files, ids []string) {
			write(t, at.bytes(ids[0]), "one")
			write(t, filepath.Join(filepath.Dir(at.bytes("")), ".k.sgwtmp.123456"), "two")
		}, false},
		{"overwrite: new bytes, old attributes", []string{"one", "two"}, 0, func(t *testing.T, at files, ids []string) {
			write(t, at.bytes(ids[1]), "two")
			write(t, at.bytes(""), "three")
		}, false},
		{"overwrite: everything but the commit", []string{"one"}, 0, func(t *testing.T, at files, ids []string) {
			write(t, at.bytes(ids[0]), "one")
			write(t, at.attributes(ids[0]), attributes)
			write(t, at.bytes(""), "two")
			write(t, at.attributes(""), attributes)
		}, false},
		{"delete the only version: nothing done", []string{"one"}, 1, func(*testing.T, files, []string) {}, true},
		{"delete the only version: attributes left", []string{"one"}, 1, func(t *testing.T, at files, _ []string) {
			remove(t, at.bytes(""))
		}, true},
		{"delete the current version: the earlier one moved without its attributes", []string{"one", "two"}, 2,
			func(t *testing.T, at files, ids []string) {
				if err := os.Rename(at.bytes(ids[0]), at.bytes("")); err != nil {
					t.Fatal(err)
				}
			}, false},
		{"delete the current version: everything but the commit", []string{"one", "two"}, 2,
			func(t *testing.T, at files, ids []string) {
				if err := errors.Join(os.Rename(at.bytes(ids[0]), at.bytes("")),
					os.Rename(at.attributes(ids[0]), at.attributes(""))); err != nil {
					t.Fatal(err)
				}
			}, false},
		{"delete an earlier version: attributes left", []string{"one", "two", "three"}, 1,
			func(t *testing.T, at files, ids []string) {
				remove(t, at.bytes(ids[0]))
			}, true},
	}
	dir := filepath.Join(t.TempDir(), "s3")
	key := func(i int) string { return fmt.Sprintf("quarantine/j/entries/%d/images/k", i) }
	ids := make([][]string, len(tests))
	elsewhere(t, func() {
		during(t, dir, func() {
			for i, tt := range tests {
				for _, body := range tt.bodies {
					ids[i] = append(ids[i], *put(t, key(i), body, func(in *s3.PutObjectInput) {
						in.Metadata = map[string]string{"body": body}
					}).VersionId)
				}
			}
		})
		before := contents(t, dir)
		begin, err := locals3.BeginChanges(dir, bucket)
		if err != nil {
			t.Fatal(err)
		}
		for i, tt := range tests {
			version := ""
			if tt.remove > 0 {
				version = ids[i][tt.remove-1]
			}
			if err := begin(key(i), version); err != nil {
				t.Fatal(err)
			}
			tt.cut(t, files{
				func(id string) string { return locals3.BytesFile(dir, bucket, key(i), id) },
				func(id string) string { return locals3.AttributesFile(dir, bucket, key(i), id) },
			}, ids[i])
		}
		if n := locals3.Unfinished(t, dir); n != len(tests) {
			t.Fatalf("%d changes are under way, want %d", n, len(tests))
		}
		during(t, dir, func() {})
		after := contents(t, dir)
		for i, tt := range tests {
			if tt.gone {
				id := ids[i][tt.remove-1]
				if id == ids[i][len(ids[i])-1] {
					id = ""
				}
				delete(before, strings.TrimPrefix(locals3.BytesFile(dir, bucket, key(i), id), dir))
				delete(before, strings.TrimPrefix(locals3.AttributesFile(dir, bucket, key(i), id), dir))
			}
		}
		if !maps.Equal(before, after) {
			t.Errorf("files before, without those that were to be deleted:\n%q\nafter:\n%q", slices.Sorted(maps.Keys(before)),
				slices.Sorted(maps.Keys(after)))
		}
		during(t, dir, func() {
			for i, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					left := 0
					for v, id := range ids[i] {
						if tt.gone && v == tt.remove-1 {
							if !gone(t, key(i), id) {
								t.Errorf("version %d is there, want its deletion completed", v+1)
							}
							continue
						}
						left++
						if body, out := get(t, key(i), id); body != tt.bodies[v] || out.Metadata["body"] != body {
							t.Errorf("version %d reads %q with metadata %v, want %q", v+1, body, out.Metadata, tt.bodies[v])
						}
					}
					if left == 0 {
						put(t, key(i), "now it works", createOnly)
					}
				})
			}
		})
	})
}

func TestNothingIsLeftOfVersionsThatWereDeleted(t *testing.T) {
	const key = "quarantine/k"
	elsewhere(t, func() {
		dir := filepath.Join(t.TempDir(), "s3")
		during(t, dir, func() { put(t, "files/beside", "stays") })
		before := contents(t, dir)
		during(t, dir, func() {
			var ids []string
			for range 3 {
				ids = append(ids, *put(t, key, "x").VersionId)
			}
			for _, i := range []int{1, 2, 0} { // an earlier one, the current one, the only one
				if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{
					Bucket: aws.String(bucket), Key: aws.String(key), VersionId: &ids[i]}); err != nil {
					t.Error(err)
				}
			}
		})
		if after := contents(t, dir); !maps.Equal(before, after) {
			t.Errorf("files before:\n%q\nafter:\n%q", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
		}
	})
}

func TestALineOfTheUndoLogThatWasCutShortMeansNothing(t *testing.T) {
	const key = "quarantine/k"
	elsewhere(t, func() {
		dir := filepath.Join(t.TempDir(), "s3")
		during(t, dir, func() { put(t, key, "one") })
		begin, err := locals3.BeginChanges(dir, bucket)
		if err != nil {
			t.Fatal(err)
		}
		if err := begin(key, ""); err != nil {
			t.Fatal(err)
		}
		line, err := os.ReadFile(locals3.UndoLog(dir))
		if err != nil {
			t.Fatal(err)
		}
		write(t, locals3.UndoLog(dir), string(line[:len(line)-10]))
		during(t, dir, func() {
			if body, _ := get(t, key, ""); body != "one" {
				t.Errorf("the key reads %q", body)
			}
		})
		if left, err := os.ReadDir(locals3.UndoFolder(dir)); err != nil || len(left) != 1 {
			t.Errorf("in the undo folder: %v, %v, want the log alone", left, err)
		}
	})
}

func TestAnUndoLogThatNamesFilesElsewhereIsRefused(t *testing.T) {
	elsewhere(t, func() {
		dir := filepath.Join(t.TempDir(), "s3")
		during(t, dir, func() {})
		outside := filepath.Join(filepath.Dir(dir), "outside")
		write(t, outside, "stays")
		for _, line := range []string{`{"id":1,"remove":["../outside"]}`,
			`{"id":1,"paths":[{"path":"../outside","there":false}]}`} {
			write(t, locals3.UndoLog(dir), line)
			if s, err := locals3.Open(t.Context(), options(dir)); err == nil ||
				!strings.Contains(err.Error(), "outside of the folder") {
				t.Errorf("opened with %s: %v, %v", line, s, err)
			}
			if _, err := os.Stat(outside); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestARestartKeepsEverything(t *testing.T) {
	elsewhere(t, func() {
		dir := filepath.Join(t.TempDir(), "s3")
		source, copied := "quarantine/restart/é a", "files/restart"
		var ids []string
		check := func(dir string) {
			during(t, dir, func() {
				for i, want := range []string{"one", "two"} {
					if body, _ := get(t, source, ids[i]); body != want {
						t.Errorf("version %d reads %q", i+1, body)
					}
				}
				if body, out := get(t, copied, ""); body != "one" || out.Metadata["source-version"] != ids[0] ||
					*out.ContentType != "image/png" {
					t.Errorf("the copy reads %q, %v as %s", body, out.Metadata, *out.ContentType)
				}
				if _, err := client.CopyObject(t.Context(), promotion(source, ids[0], copied)); code(err) != "PreconditionFailed" {
					t.Errorf("a second promotion: %v", err)
				}
			})
		}
		during(t, dir, func() {
			ids = append(ids, *put(t, source, "one").VersionId, *put(t, source, "two").VersionId)
			if _, err := client.CopyObject(t.Context(), promotion(source, ids[0], copied)); err != nil {
				t.Fatal(err)
			}
		})
		check(dir)
		moved := filepath.Join(t.TempDir(), "moved")
		if err := os.Rename(dir, moved); err != nil {
			t.Fatal(err)
		}
		check(moved)
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	ctx := t.Context()
	if _, err := locals3.Open(ctx, options(t.TempDir())); !errors.Is(err, locals3.ErrAlreadyOpen) {
		t.Errorf("a second server: %v, want ErrAlreadyOpen", err)
	}
	if _, err := locals3.Open(ctx, locals3.Options{Dir: "relative"}); err == nil ||
		!strings.Contains(err.Error(), `"relative" is not absolute`) || !strings.Contains(err.Error(), "Bucket is empty") {
		t.Errorf("empty options: %v, want all faults", err)
	}
	elsewhere(t, func() {
		file := filepath.Join(t.TempDir(), "file")
		write(t, file, "")
		foreign := t.TempDir()
		write(t, filepath.Join(foreign, "root", "uploads", "somebody's file"), "")
		busy, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		for _, tt := range []struct {
			name string
			with func(*locals3.Options)
			says string
		}{
			{"a folder that cannot be made", func(o *locals3.Options) { o.Dir = filepath.Join(file, "s3") },
				filepath.Join(file, "s3")},
			{"a busy port", func(o *locals3.Options) { o.Listen = busy.Addr().String() }, busy.Addr().String()},
			{"somebody else's folder", func(o *locals3.Options) { o.Dir = foreign }, "store.json is missing"},
			{"an origin that is none", func(o *locals3.Options) { o.CORSOrigins = []string{"http://*.*"} }, "http://*.*"},
		} {
			workedIn, _ := os.Getwd()
			o := options(filepath.Join(t.TempDir(), "s3"))
			tt.with(&o)
			s, err := locals3.Open(ctx, o)
			if err == nil {
				t.Errorf("%s: it opened", tt.name)
				err = s.Close(ctx)
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: %v, want an error that names %s", tt.name, err, tt.says)
			}
			if now, _ := os.Getwd(); now != workedIn {
				t.Errorf("%s: the working directory is left at %s", tt.name, now)
			}
		}
	})
}

func TestCloseStopsServingAndCanBeRepeated(t *testing.T) {
	elsewhere(t, func() {
		s, err := locals3.Open(t.Context(), options(filepath.Join(t.TempDir(), "s3")))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := clientFor(s.URL(), secretKey).ListBuckets(t.Context(), nil); err == nil {
			t.Error("it still answers")
		}
	})
}
