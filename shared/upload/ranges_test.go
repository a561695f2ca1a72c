package upload_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// archive is a ZIP archive with one entry of random bytes.
func archive(t testing.TB, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(rnd.Uint32())
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "data.bin", Method: zip.Store})
	if err == nil {
		_, err = w.Write(content)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// archives is a desk that takes archives, with one that is larger than what is read at a time.
func archives(t testing.TB, size int) (*desk, upload.Record, upload.Version) {
	t.Helper()
	d := newDesk()
	d.kind(func(k *policy.Kind) { k.Extensions = []string{"zip"} })
	r, v := d.accept(t, "files.zip", archive(t, size))
	return d, r, v
}

// rangesAs counts the ranges that are read, and changes what reading one gives.
type rangesAs struct {
	upload.Objects
	change func(io.ReadCloser, error) (io.ReadCloser, error)
	read   *int
}

func (o rangesAs) ReadRange(ctx context.Context, key upload.Key, version upload.Version,
	offset, length int64) (io.ReadCloser, error) {
	*o.read++
	part, err := o.Objects.ReadRange(ctx, key, version, offset, length)
	if o.change != nil {
		return o.change(part, err)
	}
	return part, err
}

func TestAnArchivesDirectoryIsReadByOneRangeOfTheSameVersion(t *testing.T) {
	for size, want := range map[int]int{1000: 0, 300_000: 1} { // a small file is in the first block of the stream
		d, r, v := archives(t, size)
		later := d.objects.Post(d.quarantine(r), []byte("another version, which is not read"))
		read := 0
		d.Objects = rangesAs{d.Objects, nil, &read}
		d.validate(t, r, v, upload.ResultStored)
		if read != want || d.open != 0 {
			t.Errorf("%d bytes: %d ranges were read, want %d; %d bodies stay open", size, read, want, d.open)
		}
		d.validate(t, r, later, upload.ResultLate)
	}
}

func TestARangeMayComeInPieces(t *testing.T) {
	d, r, v := archives(t, 300_000)
	read := 0
	d.Objects = rangesAs{d.Objects, func(part io.ReadCloser, err error) (io.ReadCloser, error) {
		return struct {
			io.Reader
			io.Closer
		}{iotest.HalfReader(part), part}, err
	}, &read}
	d.validate(t, r, v, upload.ResultStored)
	if read != 1 {
		t.Errorf("%d ranges were read", read)
	}
}

func TestARangeThatCannotBeReadIsTroubleAndNoVerdict(t *testing.T) {
	for what, change := range map[string]func(io.ReadCloser, error) (io.ReadCloser, error){
		"refused": func(part io.ReadCloser, _ error) (io.ReadCloser, error) {
			return nil, errors.Join(errTrouble, part.Close())
		},
		"cut short": func(part io.ReadCloser, err error) (io.ReadCloser, error) {
			return struct {
				io.Reader
				io.Closer
			}{io.LimitReader(part, 100), part}, err
		},
	} {
		d, r, v := archives(t, 300_000)
		sound, read := d.Objects, 0
		d.Objects = rangesAs{sound, change, &read}
		d.validateInTrouble(t, r, v)
		d.wantStatus(t, r, upload.Pending)
		if d.open != 0 {
			t.Errorf("%s: %d bodies stay open", what, d.open)
		}
		d.Objects = sound
		d.validate(t, r, v, upload.ResultStored)
	}
}

func TestAVersionThatIsRemovedBeforeItsRangeIsReadIsGone(t *testing.T) {
	d, r, v := archives(t, 300_000)
	d.before["ReadRange"] = func() error { return d.objects.Remove(t.Context(), d.quarantine(r), v) }
	if _, err := d.Validate(t.Context(), d.quarantine(r), v); !errors.Is(err, upload.ErrGone) {
		t.Fatalf("%v, want that the version is gone", err)
	}
	d.wantStatus(t, r, upload.Pending)
	d.validate(t, r, v, upload.ResultLost)
}
