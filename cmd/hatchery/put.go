package main

import (
	"bytes"
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
became of it. Of a folder it takes every file below it, but links and those whose name
begins with a dot. A large file goes straight to the bucket.

What the entry has stored already, under the same name and with the same bytes, is not
sent again. After Ctrl-C, or when a system failed, the same command goes on where it
ended: within 24 hours it makes no upload twice.

` + callersHelp + `

It exits 0 when all are stored, 1 when one was rejected or refused, or it was
interrupted, 2 when it was used wrongly or a file cannot be read, and 3 when another
system failed or a verdict took more than ten minutes. --json is one line for each file
that was tried: {"file","status","code","message","id","name",
"size","content_type","sha256"}, where the status is stored, rejected, refused (by the
API, so that nothing was uploaded), failed, pending (there was no verdict within ten
minutes) or deleted (by somebody else).`,
		Example: `  hatchery put --journal demo --entry 1 cat.png
  hatchery put --journal demo --entry 1 --json holiday/ | jq 'select(.status != "stored")'
  hatchery put --url https://files.example.com --token-file token --journal j1 --entry e1 scan.bmp`,
		Args: atLeastOne("put", "file or folder", "hatchery put --journal demo --entry 1 cat.png"),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := f.open(term)
			if err != nil {
				return err
			}
			p := &putter{callerFlags: &f, to: to, json: asJSON, term: term, meter: newMeter(term, time.Now)}
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
	to    *client.Entry
	json  bool
	term  terminal
	meter *meter
	// session makes the idempotency keys of this run, and of one that goes on with it.
	session string
	stored  map[content]client.Record

	files []localFile
	total int64

	mu       sync.Mutex
	sent     int64 // bytes
	verdicts map[string]int
	unread   int
	inARow   int // failures since the last file that did not fail
}

// localFile is a file of this machine.
type localFile struct {
	path string
	size int64
}

// content is what makes two uploads of an entry the same to put.
type content struct{ sha256, name string }

// put is one line of --json.
type put struct {
	File    string `json:"file"`
	Status  string `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Type    string `json:"content_type"`
	SHA256  string `json:"sha256"`

	already bool
}

// What put calls a file that has no verdict, or none of this run.
const (
	putRefused = "refused"
	putFailed  = "failed"
)

func (p *putter) run(ctx context.Context, args []string) error {
	if err := p.find(ctx, args); err != nil {
		return err
	}
	if err := p.readStored(ctx); err != nil {
		return p.failed(err)
	}
	forget, err := p.begin()
	if err != nil {
		fmt.Fprintf(p.term.err, "hatchery: after Ctrl-C this will begin anew: %v\n", err)
	}
	p.verdicts = map[string]int{}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var workers errgroup.Group
	workers.SetLimit(putsAtOnce)
	for _, file := range p.files {
		if ctx.Err() != nil {
			break
		}
		workers.Go(func() error { return p.one(ctx, stop, file) })
	}
	err = workers.Wait()
	p.meter.end()
	if err != nil {
		return system(err)
	}
	return p.end(ctx, forget)
}

// find looks for the files that the arguments name.
func (p *putter) find(ctx context.Context, args []string) error {
	for _, arg := range args {
		before := len(p.files) + p.unread
		err := filesOf(ctx, arg, func(path string, size int64) error {
			if path == arg || !strings.HasPrefix(filepath.Base(path), ".") {
				p.files = append(p.files, localFile{path, size})
				p.total += size
			}
			return nil
		}, p.cannotRead)
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("look for files in %s: %w", shown(arg), err)}
		}
		if len(p.files)+p.unread == before {
			_ = p.cannotRead(arg, errors.New("there is no file in it"))
		}
	}
	if len(p.files) == 0 {
		return &exitError{code: exitUsage}
	}
	return nil
}

// cannotRead says so, and goes on with the next file.
func (p *putter) cannotRead(path string, err error) error {
	p.mu.Lock()
	p.unread++
	p.mu.Unlock()
	_, err = fmt.Fprintf(p.meter, "hatchery: cannot read %s: %v\n", shown(path), withoutPath(err))
	return err
}

// readStored reads what the entry has.
func (p *putter) readStored(ctx context.Context) error {
	p.stored = map[content]client.Record{}
	for record, err := range p.to.List(ctx, client.Stored) {
		if err != nil {
			return err
		}
		if record.SHA256 != "" {
			p.stored[content{record.SHA256, record.Name}] = record
		}
	}
	return nil
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
func (p *putter) one(ctx context.Context, stop func(), file localFile) error {
	counted := &countedFile{add: p.addSent}
	result, err := p.upload(ctx, file, counted)
	counted.upTo(file.size)
	switch {
	case ctx.Err() != nil && result.Status == "":
		return nil // the next run asks again
	case err != nil && result.Status == "":
		return p.cannotRead(file.path, err)
	}
	p.mu.Lock()
	p.verdicts[result.Status]++
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

// upload uploads one file. A result without a status is of a file that cannot be read.
func (p *putter) upload(ctx context.Context, file localFile, counted *countedFile) (result put, err error) {
	opened, err := os.Open(file.path)
	if err != nil {
		return result, err
	}
	defer opened.Close() //nolint:errcheck // it was only read
	sum, err := sumOf(ctx, opened, file.size)
	if err != nil {
		return result, err
	}
	base := filepath.Base(file.path)
	name, _ := policy.ParseName(base, "") // the API says what is wrong with it
	if record, ok := p.stored[content{sum, name.Name}]; ok {
		result = resultOf(file, record)
		result.already = true
		return result, nil
	}
	key := sha256.Sum256([]byte(p.session + "\x00" + sum + "\x00" + base))
	counted.ReaderAt = opened
	record, err := p.to.Upload(ctx, client.File{Name: base, Content: counted, Size: file.size, SHA256: sum,
		Key: hex.EncodeToString(key[:])})
	if err == nil {
		patient, cancel := context.WithTimeout(ctx, putPatience)
		defer cancel()
		if record, err = p.to.Wait(patient, record.ID); errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			result = resultOf(file, record)
			result.Message = "There is no verdict yet: the same command asks again."
			return result, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case err != nil:
		result = put{File: file.path, Status: putFailed, Name: base, Size: file.size, SHA256: sum}
		if result.Code, result.Message = whyNot(err); result.Code != "" {
			result.Status = putRefused
		}
		return result, nil
	}
	result = resultOf(file, record)
	return result, nil
}

func resultOf(file localFile, r client.Record) put {
	result := put{File: file.path, Status: string(r.Status), ID: r.ID, Name: r.FullName(), Size: r.Size,
		Type: r.ContentType, SHA256: r.SHA256}
	if r.Reason != nil {
		result.Code, result.Message = r.Reason.Code, r.Reason.Message
	}
	return result
}

// sumOf reads a file once, for its SHA-256. It has to have as many bytes as it was found with.
func sumOf(ctx context.Context, file io.Reader, size int64) (string, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, &endingReader{ctx, file})
	if err == nil && n != size {
		err = fmt.Errorf("it had %d bytes, and now has %d", size, n)
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

// print writes what became of one file.
func (p *putter) print(r put) error {
	var line bytes.Buffer
	switch {
	case p.json:
		if err := printJSON(&line, r); err != nil {
			return err
		}
	case r.already:
		fmt.Fprintf(&line, "%-8s  %s  %s bytes, there already, %s\n", r.Status, shown(r.File), grouped(r.Size), r.ID)
	case r.Status == string(client.Stored):
		fmt.Fprintf(&line, "%-8s  %s  %s, %s bytes, %s\n", r.Status, shown(r.File), safe(r.Type), grouped(r.Size), r.ID)
	case r.Code != "":
		fmt.Fprintf(&line, "%-8s  %s  %s: %s\n", r.Status, shown(r.File), safe(r.Code), safe(r.Message))
	default:
		fmt.Fprintf(&line, "%-8s  %s  %s\n", r.Status, shown(r.File), safe(r.Message))
	}
	_, err := p.meter.writeTo(p.term.out, line.Bytes())
	return err
}

// end says how many of what there were, and gives the exit code.
func (p *putter) end(ctx context.Context, forget func()) error {
	done, words := 0, []string{}
	for _, status := range []string{"stored", "rejected", putRefused, putFailed, "pending", "deleted"} {
		if n := p.verdicts[status]; n > 0 {
			done += n
			words = append(words, fmt.Sprintf("%s %s", grouped(int64(n)), status))
		}
	}
	if len(p.files) > 1 && len(words) > 0 {
		fmt.Fprintf(p.term.err, "%s of %s\n", strings.Join(words, ", "), countOf(len(p.files), "file"))
	}
	unsettled := p.verdicts[putFailed] + p.verdicts["pending"]
	switch {
	case p.inARow >= putsAtOnce:
		return &exitError{exitSystem, errors.New("too many failed in a row: the same command goes on with the rest")}
	case ctx.Err() != nil:
		return &exitError{exitNo, errors.New("interrupted: the same command goes on where it ended")}
	case unsettled == 0:
		forget()
	}
	switch {
	case unsettled > 0:
		return &exitError{code: exitSystem}
	case p.unread > 0:
		return &exitError{code: exitUsage}
	case p.verdicts[string(client.Stored)] < done:
		return &exitError{code: exitNo}
	}
	return nil
}
