package sqliterecords_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

var (
	child     = flag.String("child", "", "write to the records in this `file` without end; for the tests themselves")
	childFrom = flag.Int64("child-from", 0, "the first `number` that the child writes")
	seed      = flag.Uint64("seed", 0, "`seed` of the moments at which children are killed; 0 chooses one")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *child != "" {
		fmt.Fprintln(os.Stderr, writeWithoutEnd(*child, *childFrom))
		return
	}
	m.Run()
}

// writeWithoutEnd creates records, settles every second one and deletes every
// fourth, and prints each change after it was acknowledged.
func writeWithoutEnd(path string, from int64) error {
	ctx := context.Background()
	s, err := sqliterecords.Open(ctx, path, sqliterecords.Options{})
	if err != nil {
		return err
	}
	const callers = 6
	var all sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		all.Go(func() {
			for n := from + int64(i); errs[i] == nil; n += callers {
				errs[i] = writeOne(ctx, s, n)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func writeOne(ctx context.Context, s *sqliterecords.Store, n int64) error {
	r := draft(n)
	if _, err := s.Create(ctx, r,
		&upload.IdempotencyKey{Scope: "scope", Key: fmt.Sprint(n), Fingerprint: "print",
			Expires: time.Now().Add(time.Hour)}); err != nil {
		return err
	}
	fmt.Printf("%d %s\n", n, upload.Pending)
	if n%2 == 0 {
		if _, err := s.Update(ctx, r.Ref(), upload.Settle(verdict(n))); err != nil {
			return err
		}
		fmt.Printf("%d %s\n", n, upload.Stored)
	}
	if n%4 == 0 {
		if _, err := s.Update(ctx, r.Ref(), upload.Delete(time.Now(), time.Now().Add(time.Hour))); err != nil {
			return err
		}
		fmt.Printf("%d %s\n", n, upload.Deleted)
	}
	return nil
}

// start runs a child that writes to path from the number on.
func start(t *testing.T, path string, from int64) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-child", path, "-child-from", fmt.Sprint(from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// acknowledged reads one line of a child.
func acknowledged(t *testing.T, line string) (n int64, s upload.Status) {
	t.Helper()
	if _, err := fmt.Sscan(line, &n, &s); err != nil {
		t.Fatalf("the child says %q: %v", line, err)
	}
	return n, s
}

// rank orders the states that a record of a child goes through.
var rank = map[upload.Status]int{"": 0, upload.Pending: 1, upload.Stored: 2, upload.Deleted: 3}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -seed=%d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	path := file(t)
	known := map[int64]upload.Status{}
	for round := range int64(5) {
		cmd, lines := start(t, path, round*1_000_000)
		for left := 1 + random.IntN(300); lines.Scan(); left-- {
			n, s := acknowledged(t, lines.Text())
			known[n] = s
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child ended with %v", err)
		}
		s := open(t, path, nil)
		for n, least := range known {
			// A change may have been made and its acknowledgement died.
			if got := status(t, s, draft(n).Ref()); rank[got] < rank[least] {
				t.Errorf("round %d: record %d was acknowledged as %s and is %q", round, n, least, got)
			}
		}
		closeStore(t, s)
		if n := count(t, path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); n != 0 {
			t.Fatalf("round %d: the file has %d faults", round, n)
		}
		if n := count(t, path, "SELECT count(*) FROM once WHERE id NOT IN (SELECT id FROM uploads)"); n != 0 {
			t.Fatalf("round %d: %d keys were kept without their record", round, n)
		}
	}
	t.Logf("%d records were acknowledged", len(known))
}

func TestTwoProcessesWriteToOneFile(t *testing.T) {
	path := file(t)
	s := open(t, path, nil)
	cmd, lines := start(t, path, 1_000_000)
	known := map[int64]upload.Status{}
	for n := int64(1); lines.Scan() && len(known) < 100; n++ {
		create(t, s, draft(n), nil)
		theirs, state := acknowledged(t, lines.Text())
		known[theirs], known[n] = state, upload.Pending
		if got := status(t, s, draft(theirs).Ref()); rank[got] < rank[state] {
			t.Errorf("record %d was acknowledged as %s by the other process and is %q here", theirs, state, got)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended with %v", err)
	}
	if len(known) < 100 {
		t.Fatalf("only %d records were written", len(known))
	}
	for n, least := range known {
		if got := status(t, s, draft(n).Ref()); rank[got] < rank[least] {
			t.Errorf("record %d was acknowledged as %s and is %q", n, least, got)
		}
	}
}

func TestTwoStoresOnOneFileGiveOneWinner(t *testing.T) {
	path := file(t)
	// Opened at once on a file that is not there yet.
	stores := make([]*sqliterecords.Store, 4)
	errs := make([]error, len(stores))
	var all sync.WaitGroup
	for i := range stores {
		all.Go(func() { stores[i], errs[i] = sqliterecords.Open(t.Context(), path, sqliterecords.Options{}) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		defer closeStore(t, stores[i])
	}
	for n := range int64(20) {
		create(t, stores[0], draft(n), nil)
		won := make([]bool, len(stores))
		for i, s := range stores {
			all.Go(func() {
				v := verdict(n)
				v.Served = upload.Version(fmt.Sprint(i))
				_, err := s.Update(t.Context(), draft(n).Ref(), upload.Settle(v))
				if err != nil && !errors.Is(err, upload.ErrConflict) {
					t.Error(err)
				}
				won[i] = err == nil
			})
		}
		all.Wait()
		winners := 0
		for i := range won {
			if won[i] {
				winners++
				if r, err := stores[0].Get(t.Context(), draft(n).Ref()); err != nil ||
					r.ServedVersion != upload.Version(fmt.Sprint(i)) {
					t.Errorf("the winner is %d and the record says %q, %v", i, r.ServedVersion, err)
				}
			}
		}
		if winners != 1 {
			t.Errorf("%d stores won", winners)
		}
	}
}
