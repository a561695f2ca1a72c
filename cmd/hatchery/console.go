package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/config"
	"hatchery/shared/console"
	"hatchery/shared/local"
	"hatchery/shared/local/httpserver"
	"hatchery/shared/pipeline"
	"hatchery/shared/policy"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

func consoleCommand(term terminal) *cobra.Command {
	var f deploymentFlags
	var listen string
	command := &cobra.Command{
		Use:   "console",
		Short: "Look at dead letters and uploads in a browser, and put them right",
		Long: `Console serves pages on this machine that show what hatchery dlq and hatchery show
show, and do what dlq, recheck and reject do: list, redrive (with a probe), reject,
discard, restore, recheck, and search. It has no rights of its own: it acts as you.

It prints an address with a token: open that in a browser on this machine. No other
machine reaches it, and no other page can use it. The pages need no JavaScript. One action runs
at a time, and goes on when the browser is closed. Ctrl-C interrupts it as it does the
commands: what was not done is given back.

It exits 0 when it was asked to end, 2 when it was used wrongly, and 3 when another
system failed, or the address is taken.`,
		Example: `  hatchery console --stack hatchery
  hatchery console --data .hatchery
  hatchery console --stack hatchery --listen 127.0.0.1:8090`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !loopback(listen) {
				return usage("--listen: found %q; accepted: an address of this machine alone, as 127.0.0.1:8090", listen)
			}
			return serveConsole(cmd.Context(), f, listen, term)
		},
	}
	addDeploymentFlags(command.Flags(), &f)
	command.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "the `address`, on the loopback; port 0 is any free one")
	return command
}

// loopback says whether an address is one that no other machine reaches.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip, ipErr := netip.ParseAddr(host)
	return err == nil && isAddress(address) && (host == "localhost" || ipErr == nil && ip.IsLoopback())
}

func serveConsole(ctx context.Context, f deploymentFlags, listen string, term terminal) (err error) {
	r, err := openReview(ctx, f, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	c, err := console.New(ctx, console.Config{Review: r.Review, Source: r.source, Dead: r.dead,
		Downloads: r.deployment.Objects, LastRun: lastRunIn(r.Records), Paused: pausedIn(r.deployment.mapping),
		CountAlways: f.countsForNothing(), Deployment: f.called(), Flags: f.words(), Random: rand.Reader, Log: r.Log})
	if err != nil {
		return system(err)
	}
	defer c.Close()
	const read, write = time.Minute, 2 * time.Minute
	server, err := httpserver.Listen(ctx, listen, nil, read, write, r.Log)
	if err != nil {
		return system(fmt.Errorf("serve the console: %w (choose another with --listen, 127.0.0.1:0 for any free port)", err))
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(c) }()
	_, err = fmt.Fprintf(term.out, "The console of %s. What you do there is done as %s.\n\n  %s%s\n\n"+
		"Open this on this machine; the token in it lets a browser in. Ctrl-C ends it.\n",
		safe(f.called()), safe(r.Operator), server.URL(), c.Path())
	if err == nil {
		select {
		case err = <-served:
			served <- nil
		case <-ctx.Done():
		}
	}
	err = errors.Join(err, server.Close(context.WithoutCancel(ctx)), <-served)
	if err != nil {
		return system(fmt.Errorf("serve the console: %w", err))
	}
	return nil
}

// called is what a person calls the deployment.
func (f deploymentFlags) called() string {
	switch {
	case f.stack != "":
		return "the stack " + f.stack
	case f.data != "":
		return "the hatchery dev on " + f.data
	}
	return "the deployment of the environment"
}

// countsForNothing says whether records are read without cost: those in a file of this machine.
func (f deploymentFlags) countsForNothing() bool {
	return f.data != "" && cmp.Or(f.records, config.RecordsSQLite) == config.RecordsSQLite
}

// lastRunIn says when the reconciler ran, where the store keeps its note; nil where it keeps none.
func lastRunIn(records any) func(context.Context) (time.Time, error) {
	notes, ok := records.(reconcile.Notes)
	if !ok {
		return nil
	}
	return func(ctx context.Context) (time.Time, error) { return reconcile.LastRun(ctx, notes) }
}

// pausedIn says whether the mapping is off; nil where there is none that it could look at.
func pausedIn(find func() (mapping, error)) func(context.Context) (bool, error) {
	m, err := find()
	if err != nil {
		return nil
	}
	return func(ctx context.Context) (bool, error) {
		state, err := m.State(ctx)
		return state == mappingDisabled, err
	}
}

// consoleBase is where dev serves the console.
const consoleBase = "/console"

// devConsole is the console of a dev. Its actions end with ctx.
func devConsole(ctx context.Context, f devFlags, components *pipeline.Components, records upload.Records,
	stack *local.Stack, log *slog.Logger) (*console.Console, error) {
	source := components.Queue()
	dead, err := source.DeadLetterQueue(ctx)
	if err != nil {
		return nil, err
	}
	where := deploymentFlags{data: stack.Path("")}
	if f.records != config.RecordsSQLite {
		where.records = f.records
	}
	return console.New(ctx, console.Config{Review: components.Review(dead, userHere(user.Current)), Source: source,
		Dead: dead, Downloads: components.Objects, LastRun: lastRunIn(records), CountAlways: where.countsForNothing(),
		Paused:     pausedIn(func() (mapping, error) { return localMapping{dir: stack.Path("")}, nil }),
		Deployment: where.called(), Flags: where.words(), Base: consoleBase, Random: rand.Reader, Log: log})
}

// firstKind is the kind that the start page uploads: images, where the policy has them.
func firstKind(p policy.Policy) string {
	names := slices.Sorted(maps.Keys(p.Kinds))
	if slices.Contains(names, "images") {
		return "images"
	}
	return string(names[0]) // a policy has one at least
}

// inFront puts the pages before the API, whose routes stay as they are.
func inFront(pages *console.Console, start *console.Start) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == consoleBase || strings.HasPrefix(r.URL.Path, consoleBase+"/") {
			pages.ServeHTTP(w, r)
			return
		}
		start.ServeHTTP(w, r)
	})
}
