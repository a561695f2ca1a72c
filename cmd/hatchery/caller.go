package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"hatchery/client"
	"hatchery/shared/baseurl"
	"hatchery/shared/local/demoapp"
)

// callerFlags say which files put, get, ls and rm are about, and who asks.
type callerFlags struct {
	url, journal, entry, kind, tokenFile string
}

// devURL is where dev listens unless it is told otherwise.
const devURL = "http://" + defaultListen

// callersHelp is what the help of put, get, ls and rm says of them all.
const callersHelp = `The token is the value of the Authorization header, which the application decides by:
the first line of --token-file, or else HATCHERY_TOKEN. A dev on this machine needs
none: it is asked as demo.`

func (f *callerFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "url", devURL, "the `address` of the API")
	flags.StringVar(&f.journal, "journal", "", "the `id` of the journal")
	flags.StringVar(&f.entry, "entry", "", "the `id` of the journal's entry")
	flags.StringVar(&f.kind, "kind", "images", "the `kind` of the files")
	flags.StringVar(&f.tokenFile, "token-file", "", "read the token from the first line of this `file`, - being "+
		"the standard input")
}

// open gives access to the files.
func (f *callerFlags) open(term terminal) (*client.Entry, error) {
	api, err := f.connect(term)
	if err != nil {
		return nil, err
	}
	return api.Entry(f.journal, f.entry, f.kind), nil
}

// connect gives access to the API.
func (f *callerFlags) connect(term terminal) (*client.Client, error) {
	if f.journal == "" || f.entry == "" {
		return nil, usage("--journal and --entry are needed, as in: --journal demo --entry 1")
	}
	address, err := baseurl.Parse("--url:", f.url)
	if err != nil {
		return nil, usage("%w", err)
	}
	f.url = address
	token, err := firstLineOf("--token-file", f.tokenFile)
	if err != nil {
		return nil, err
	}
	token = cmp.Or(token, strings.TrimSpace(term.getenv("HATCHERY_TOKEN")))
	switch {
	case f.tokenFile != "" && token == "":
		return nil, usage("--token-file: the first line of %s is empty, and should be the token", shown(f.tokenFile))
	case token == "" && !onThisMachine(address):
		return nil, usage("there is no token for %s: write it into a file for --token-file, or set HATCHERY_TOKEN", address)
	}
	return &client.Client{URL: address, Authorization: client.Token(cmp.Or(token, demoapp.Token))}, nil
}

// onThisMachine says whether an address is a loopback one.
func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

// failed gives the exit code of an error of the client's: what the API refuses is a no, all else another system's.
func (f *callerFlags) failed(err error) error {
	if refused, ok := errors.AsType[*client.Error](err); ok && isNo(refused) {
		return &exitError{exitNo, err}
	}
	if errors.Is(err, context.Canceled) {
		return &exitError{exitNo, errors.New("interrupted")}
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" && f.url == devURL {
		err = fmt.Errorf("%w\nIs hatchery dev running? For another API give its --url", err)
	}
	return system(err)
}

// each does something about one upload after the other, and says which it failed for. The exit code is the highest.
// done says what became of those before an interruption.
func (f *callerFlags) each(ctx context.Context, term terminal, ids []string, done string,
	do func(id string) error,
) error {
	code, n := exitDone, 0
	for _, id := range ids {
		err := do(id)
		if err == nil {
			n++
			continue
		}
		if ctx.Err() != nil {
			return &exitError{max(code, exitNo), fmt.Errorf("interrupted at %s: %s of %s %s. The same command goes on with "+
				"the rest", safe(id), grouped(int64(n)), countOf(len(ids), "upload"), done)}
		}
		fmt.Fprintf(term.err, "hatchery: %s: %s\n", safe(id), safe(err.Error()))
		if failed, ok := errors.AsType[*exitError](f.failed(err)); ok { // it always is one
			code = max(code, failed.code)
		}
	}
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// isNo says whether an answer is a no, rather than a failure that may pass.
func isNo(refused *client.Error) bool {
	return refused.Status/100 == 4 && refused.Status != 408 && refused.Status != 429
}

// whyNot writes an error for a line about one file: a refusal by its code and its sentence.
func whyNot(err error) (code, message string) {
	if refused, ok := errors.AsType[*client.Error](err); ok && isNo(refused) {
		return cmp.Or(refused.Code, fmt.Sprint(refused.Status)), refused.Detail
	}
	return "", err.Error()
}
