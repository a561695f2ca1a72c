package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"hatchery/client"
	"hatchery/shared/policy"
)

func putCommand(term terminal) *cobra.Command {
	var f callerFlags
	var asJSON bool
	command := &cobra.Command{
		Use:   "put FILE... | DIR --journal J --entry E",
		Short: "Upload files, and wait for their verdicts",
		Long: `Put uploads files, four at once, waits until each is read and judged, and says what
became of it. Of a folder it takes every file below it, but links, and files and folders
whose name begins with a dot. A large file goes straight to the bucket.

Without --kind a file is uploaded as one of images or, where these do not take its
extension, of the one other kind that the API says takes it.

What the entry has stored already, under the same name and with the same bytes, is not
sent again. After Ctrl-C, or when a system failed, the same command goes on where it
ended: within 24 hours it makes no upload twice.

` + callersHelp + `

It exits 0 when all are stored, 1 when one was rejected or refused, or it was
interrupted, 2 when it was used wrongly or a file cannot be read, and 3 when another
system failed or a verdict took more than ten minutes. --json is one line for each file
that was found: {"file","status","code","message","id","kind","name","size",
"content_type","sha256","already"}, where the status is stored (already: before this
run), rejected, refused (by the API, so that nothing was uploaded), failed, pending
(there is no verdict yet), deleted (by somebody else), unread (it cannot be read), or
not_tried (after Ctrl-C, or when another system failed: nothing of it was sent).`,
		Example: `  hatchery put --journal demo --entry 1 cat.png
  hatchery put --journal demo --entry 1 --json holiday/ | jq 'select(.status != "stored")'
  hatchery put --url https://files.example.com --token-file token --journal j1 --entry e1 scan.bmp`,
		Args: atLeastOne("put", "file or folder", "hatchery put --journal demo --entry 1 cat.png"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := f.connect(term)
			if err != nil {
				return err
			}
			p := &putter{callerFlags: &f, api: api, mixed: !cmd.Flags().Changed("kind"), json: asJSON, term: term,
				meter: newMeter(term, time.Now), places: map[string]place{}, takers: map[string]string{},
				verdicts: map[string]int{}, elsewhere: map[string]int{}}
			return p.run(cmd.Context(), args)
		},
	}
	f.add(command.Flags())
	command.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line for each file")
	return command
}

// atLeastOne is for a command that takes one argument or more.
func atLeastOne(command, what, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s needs at least one %s, as in: %s", command, what, example)
		}
		return nil
	}
}

const (
	// putsAtOnce is how many files are uploaded at once.
	putsAtOnce = 4
	// putPatience is how long a verdict is waited for.
	putPatience = 10 * time.Minute
)

// putter uploads files.
type putter struct {
	*callerFlags
	api *client.Client
	// mixed: what the kind does not take goes to the one that does.
	mixed bool
	json  bool
	term  terminal
	meter *meter
	// session makes the idempotency keys of this run, and of one that goes on with it. forget is for a run that ends.
	session string
	forget  func()

	files []localFile
	total int64

	placesMu sync.Mutex
	places   map[string]place // by kind

	mu        sync.Mutex
	takers    map[string]string // by extension, which kind the API says takes it
	sent      int64             // bytes
	verdicts  map[string]int    // by status
	elsewhere map[string]int    // by kind, what is stored as another than that of the flag
	inARow    int               // failures since the last file that did not fail
}

// localFile is a file of this machine.
type localFile struct {
	path string
	size int64
	told bool // there is a line about it
}

// place is the entry's files of one kind, with what is stored there.
type place struct {
	*client.Entry
	stored map[content]client.Record
}

// content is what makes two uploads of an entry the same to put.
type content struct{ sha256, name string }

func (p *putter) run(ctx context.Context, args []string) error {
	if err := p.find(ctx, args); err != nil && ctx.Err() == nil {
		return system(err)
	}
	var why error
	if len(p.files) > 0 || ctx.Err() != nil {
		var err error
		why, err = p.uploadAll(ctx)
		p.meter.end()
		if err != nil {
			return system(err)
		}
	}
	for i := range p.files {
		if err := p.leaveOut(&p.files[i], why); err != nil {
			return system(err)
		}
	}
	return p.end(why)
}

// Why files were not tried.
var (
	errInterrupted = &exitError{exitNo, errors.New("interrupted: the same command goes on where it ended")}
	errTooMany     = &exitError{exitSystem, errors.New("too many failed in a row: the same command goes on with the rest")}
)

// uploadAll uploads the files. why is for those that were not tried; err is one of printing.
func (p *putter) uploadAll(ctx context.Context) (why, err error) {
	if _, err := p.place(ctx, p.kind); err != nil {
		if ctx.Err() != nil {
			return errInterrupted, nil
		}
		return p.failed(err), nil
	}
	if p.forget, err = p.begin(); err != nil {
		fmt.Fprintf(p.term.err, "hatchery: after Ctrl-C this will begin anew: %v\n", err)
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var workers errgroup.Group
	workers.SetLimit(putsAtOnce)
	for i := range p.files {
		if working.Err() != nil {
			break
		}
		workers.Go(func() error { return p.one(working, stop, &p.files[i]) })
	}
	err = workers.Wait()
	switch {
	case ctx.Err() != nil:
		why = errInterrupted
	case working.Err() != nil:
		why = errTooMany
	}
	return why, err
}

// find looks for the files that the arguments name. Its error is one of printing, or of ctx.
func (p *putter) find(ctx context.Context, args []string) error {
	for _, arg := range args {
		before := len(p.files) + p.verdicts[putUnread]
		hidden := func(path string) bool {
			below, err := filepath.Rel(arg, path)
			return err == nil && below != "." && strings.Contains("/"+filepath.ToSlash(below), "/.")
		}
		err := filesOf(ctx, arg, func(path string, size int64) error {
			if !hidden(path) {
				p.files = append(p.files, localFile{path: path, size: size})
				p.total += size
			}
			return nil
		}, func(path string, err error) error {
			if hidden(path) {
				return nil
			}
			return p.cannotRead(path, err)
		})
		if err == nil && len(p.files)+p.verdicts[putUnread] == before {
			err = p.cannotRead(arg, errors.New("there is no file in it"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// place gives the entry's files of a kind. What is stored there is read once.
func (p *putter) place(ctx context.Context, kind string) (place, error) {
	p.placesMu.Lock()
	defer p.placesMu.Unlock()
	if known, ok := p.places[kind]; ok {
		return known, nil
	}
	at := place{p.api.Entry(p.journal, p.entry, kind), map[content]client.Record{}}
	for record, err := range at.List(ctx, client.Stored) {
		if err != nil {
			return at, err
		}
		if record.SHA256 != "" {
			at.stored[content{record.SHA256, record.Name}] = record
		}
	}
	p.places[kind] = at
	return at, nil
}

// begin takes the session of a run that did not end, or begins one. forget is for a run that ends.
func (p *putter) begin() (forget func(), err error) {
	p.session = rand.Text()
	forget = func() {}
	folder, err := os.UserCacheDir()
	if err != nil {
		return forget, fmt.Errorf("find the folder for caches: %w", err)
	}
	folder = filepath.Join(folder, "hatchery", "put")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return forget, fmt.Errorf("make the folder for sessions: %w", err)
	}
	target := sha256.Sum256([]byte(strings.Join([]string{p.url, p.journal, p.entry, p.kind}, "\x00")))
	name := filepath.Join(folder, hex.EncodeToString(target[:]))
	forget = func() { _ = os.Remove(name) } // a session that stays is one that goes on
	if before, err := os.ReadFile(name); err == nil && len(before) == len(p.session) {
		p.session = string(before)
		return forget, nil
	}
	if err := os.WriteFile(name, []byte(p.session), 0o600); err != nil {
		return forget, fmt.Errorf("keep the session: %w", err)
	}
	return forget, nil
}

// one uploads one file and prints what became of it. Its error is one of printing.
func (p *putter) one(ctx context.Context, stop func(), file *localFile) error {
	counted := &countedFile{add: p.addSent}
	result, err := p.upload(ctx, *file, counted)
	counted.upTo(file.size)
	interrupted := err != nil && ctx.Err() != nil
	file.told = !interrupted // else nothing of it was sent
	switch {
	case interrupted:
		return nil
	case err != nil:
		return p.cannotRead(file.path, err)
	}
	p.mu.Lock()
	p.inARow++
	if result.Status != putFailed {
		p.inARow = 0
	}
	if p.inARow == putsAtOnce {
		stop() // the system is away: the rest would fare no better
	}
	p.mu.Unlock()
	return p.print(result)
}

// upload uploads one file. Its error is that the file cannot be read, or that ctx ended before anything of it was sent.
func (p *putter) upload(ctx context.Context, file localFile, counted *countedFile) (put, error) {
	opened, err := os.Open(file.path)
	if err != nil {
		return put{}, err
	}
	defer opened.Close() //nolint:errcheck // it was only read
	sum, err := sumOf(ctx, opened, file.size)
	if err != nil {
		return put{}, err
	}
	base := filepath.Base(file.path)
	key := sha256.Sum256([]byte(p.session + "\x00" + sum + "\x00" + base))
	counted.ReaderAt = opened
	sending := client.File{Name: base, Content: counted, Size: file.size, SHA256: sum, Key: hex.EncodeToString(key[:])}
	extension := strings.ToLower(filepath.Ext(base))
	p.mu.Lock()
	kind := cmp.Or(p.takers[extension], p.kind)
	p.mu.Unlock()
	result, err := p.uploadAs(ctx, kind, file, sending)
	refused, ok := errors.AsType[*client.Error](err)
	if ok && p.mixed && kind == p.kind && refused.Kind != kind && policy.KindName(refused.Kind).Valid() {
		p.mu.Lock()
		p.takers[extension] = refused.Kind
		p.mu.Unlock()
		result, _ = p.uploadAs(ctx, refused.Kind, file, sending)
	}
	return result, nil
}

// uploadAs uploads a file as one of a kind, and waits for its verdict. The result says what its error is about.
func (p *putter) uploadAs(ctx context.Context, kind string, file localFile, sending client.File) (put, error) {
	name, _ := policy.ParseName(sending.Name, "") // the API says what is wrong with it
	var record client.Record
	to, err := p.place(ctx, kind)
	if err == nil {
		if record, ok := to.stored[content{sending.SHA256, name.Name}]; ok {
			result := resultOf(file, kind, record)
			result.Already = true
			return result, nil
		}
		record, err = to.Upload(ctx, sending)
	}
	result := put{File: file.path, Status: putFailed, Kind: kind, Name: sending.Name, Size: file.size,
		SHA256: sending.SHA256}
	if err == nil {
		result = resultOf(file, kind, record)
		patient, cancel := context.WithTimeout(ctx, putPatience)
		defer cancel()
		record, err = to.Wait(patient, record.ID)
	}
	switch {
	case err == nil:
		result = resultOf(file, kind, record)
	case ctx.Err() != nil:
		result.Message = "It was interrupted: the same command goes on with it."
	case errors.Is(err, context.DeadlineExceeded) && result.ID != "":
		result.Message = "There is no verdict yet: the same command asks again."
	default:
		result.Status = putFailed
		if result.Code, result.Message = whyNot(err); result.Code != "" {
			result.Status = putRefused
		}
	}
	return result, err
}

// sumOf reads a file once, for its SHA-256. It has to have as many bytes as it was found with.
func sumOf(ctx context.Context, file io.Reader, size int64) (string, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, &endingReader{ctx, file})
	if err == nil && n != size {
		err = fmt.Errorf("it had %s bytes, and now has %s", grouped(size), grouped(n))
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

// endingReader ends with its context.
type endingReader struct {
	ctx context.Context //nolint:containedctx // of the one call that reads
	io.Reader
}

func (r *endingReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// countedFile counts what is sent of a file, once however often it is sent.
type countedFile struct {
	io.ReaderAt
	add func(n int64)

	mu   sync.Mutex
	seen int64
}

func (c *countedFile) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, offset)
	c.upTo(offset + int64(n))
	return n, err
}

// upTo counts what was not counted before. A connection may still read when its answer is there.
func (c *countedFile) upTo(end int64) {
	c.mu.Lock()
	more := max(end-c.seen, 0)
	c.seen += more
	c.mu.Unlock()
	if more > 0 {
		c.add(more)
	}
}

// addSent shows the progress, on a terminal.
func (p *putter) addSent(n int64) {
	p.mu.Lock()
	p.sent += n
	at := progress{what: "Uploading", done: p.sent, total: max(p.total, 1), bytes: true}
	p.mu.Unlock()
	if p.meter.terminal {
		p.meter.step(at)
	}
}
