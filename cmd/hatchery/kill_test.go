package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// promise is an upload that was answered with success, and what has become of it
// since.
type promise struct {
	path, id       string
	sha256         string
	falseExtension bool
	// A DELETE was sent, and maybe answered, before the process was killed.
	deleting, deleted bool
}

// TestKilledUnderLoadEveryAcceptedUploadIsSettled kills the whole process at random
// moments while clients post pictures and files with a false extension, send forms
// and delete, starts it again on the same folder, and asks about everything that was
// promised. A DynamoDB has a process of its own, which is not killed: AWS's goes on, too.
//
// HATCHERY_KILLS sets how often, all stores together (20); HATCHERY_SEED repeats a
// run's choices.
func TestKilledUnderLoadEveryAcceptedUploadIsSettled(t *testing.T) {
	kills, err := strconv.Atoi(envOr("HATCHERY_KILLS", "20"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := strconv.ParseUint(envOr("HATCHERY_SEED", strconv.FormatInt(time.Now().UnixNano(), 10)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	onEveryStore(t, func(t *testing.T, store string) {
		// An equal share for each, and what is left over for the first ones.
		share := (kills + len(stores) - 1 - slices.Index(stores, store)) / len(stores)
		killUnderLoad(t, store, share, seed)
	})
}

func killUnderLoad(t *testing.T, store string, kills int, seed uint64) {
	t.Logf("%d kills, HATCHERY_SEED=%d", kills, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	data := t.TempDir()

	var all []*promise
	slowest := time.Duration(0)
	h := startHatchery(t, data, "--records", store)
	for round := range kills {
		made := loadUntilKilled(t, h, random, round)
		h = startHatchery(t, data, "--records", store)
		began := time.Now()
		// This round's promises, and a few old ones that nothing may have disturbed.
		asked := append([]*promise{}, made...)
		for range min(5, len(all)) {
			asked = append(asked, all[random.IntN(len(all))])
		}
		checkPromises(t, h, asked, remembersDeleted(store))
		slowest = max(slowest, time.Since(began))
		all = append(all, made...)
		if t.Failed() {
			t.Fatalf("after kill %d of %d, HATCHERY_SEED=%d\n%s", round+1, kills, seed, h.log)
		}
	}
	checkPromises(t, h, all, remembersDeleted(store))
	if code := h.interrupt(); code != exitDone {
		t.Errorf("the last run ended with exit code %d: %s", code, h.errors)
	}
	t.Logf("%d kills, %d uploads promised, all kept; after a start the slowest round was settled and checked in %v",
		kills, len(all), slowest.Round(time.Millisecond))
	if len(all) < kills {
		t.Errorf("only %d uploads were accepted over %d rounds: this proves little", len(all), kills)
	}
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// loadUntilKilled puts a hatchery under load, kills it at a random moment, and
// gives what was promised until then.
func loadUntilKilled(t *testing.T, h *hatchery, random *rand.Rand, round int) []*promise {
	ctx, stop := context.WithCancel(t.Context())
	var (
		mu   sync.Mutex
		made []*promise
		work sync.WaitGroup
	)
	keep := func(p *promise) {
		mu.Lock()
		defer mu.Unlock()
		made = append(made, p)
	}
	path := func(worker int) string { return fmt.Sprintf("/files/kill/entries/r%d-w%d/images", round, worker) }
	for worker := range 4 {
		picks := rand.New(rand.NewPCG(random.Uint64(), 1))
		work.Go(func() {
			for ctx.Err() == nil {
				h.uploadOne(ctx, t, path(worker), picks, keep)
			}
		})
	}
	time.AfterFunc(time.Duration(20+random.IntN(400))*time.Millisecond, func() {
		h.kill()
		stop()
	})
	work.Wait()
	return made
}

// uploadOne does one upload and sometimes deletes it. What fails was cut off by
// the kill and promises nothing.
func (h *hatchery) uploadOne(ctx context.Context, t *testing.T, path string, random *rand.Rand, keep func(*promise)) {
	data := pngOf(t, 8+random.IntN(120), random.Uint64())
	p := &promise{path: path}
	if p.falseExtension = random.IntN(5) == 0; p.falseExtension {
		data = fmt.Appendf(nil, "#!/bin/sh\necho %d\n", random.Uint64())
	}
	sum := sha256.Sum256(data)
	p.sha256 = hex.EncodeToString(sum[:])
	if random.IntN(4) == 0 {
		f, err := h.askForm(path, map[string]any{"name": "form.png"})
		if err != nil {
			return
		}
		a, err := h.sendForm(ctx, f, data)
		if err != nil || a.status != http.StatusCreated {
			return
		}
		p.id = f.Record.ID
	} else {
		a, err := h.post(ctx, path, "cat.png", data)
		if err != nil {
			return
		}
		if a.status != http.StatusAccepted {
			if ctx.Err() == nil && a.status != http.StatusServiceUnavailable {
				t.Errorf("POST was answered %d: %s", a.status, a.body)
			}
			return
		}
		p.id = a.record(t).ID
	}
	if random.IntN(6) == 0 {
		p.deleting = true
		a, err := h.try(ctx, http.MethodDelete, path+"/"+p.id, "", nil)
		p.deleted = err == nil && a.status == http.StatusOK
	}
	keep(p)
}

// checkPromises asks about each upload: settled within 30 s, with its bytes.
func checkPromises(t *testing.T, h *hatchery, promises []*promise, tombstones bool) {
	t.Helper()
	var work sync.WaitGroup
	gate := make(chan struct{}, 8)
	for _, p := range promises {
		work.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			if err := h.kept(p, tombstones); err != nil {
				t.Errorf("%s/%s: %v", p.path, p.id, err)
			}
		})
	}
	work.Wait()
}

func (h *hatchery) kept(p *promise, tombstones bool) error {
	if p.deleting && !tombstones {
		gone, err := h.gone(p)
		if gone || err != nil {
			return err
		}
		// While a form may be posted, a tombstone is kept there, too.
	}
	r, err := h.verdict(p.path, p.id, 30*time.Second)
	if err != nil {
		return err
	}
	a, err := h.try(context.Background(), http.MethodGet, p.path+"/"+p.id, "", nil)
	if err != nil {
		return err
	}
	switch {
	case p.deleted || p.deleting && r.Status == "deleted":
		if r.Status != "deleted" || a.status != http.StatusNotFound {
			return fmt.Errorf("was deleted, but is %s and its bytes are answered %d", r.Status, a.status)
		}
	case p.falseExtension:
		if r.Status != "rejected" || r.Reason == nil || r.Reason.Code != "type_mismatch" || a.status != http.StatusGone {
			return fmt.Errorf("has a false extension, but is %+v and its bytes are answered %d", r, a.status)
		}
	default:
		sum := sha256.Sum256(a.body)
		if r.Status != "stored" || a.status != http.StatusOK || hex.EncodeToString(sum[:]) != p.sha256 {
			return fmt.Errorf("is %s, and its bytes are answered %d with %d bytes, the same: %t: %s", r.Status, a.status,
				len(a.body),
				hex.EncodeToString(sum[:]) == p.sha256, bytes.TrimSpace(a.body[:min(len(a.body), 200)]))
		}
	}
	return nil
}

// gone says whether neither record nor bytes of an upload are there.
func (h *hatchery) gone(p *promise) (bool, error) {
	for _, path := range []string{p.path + "/" + p.id + "/status", p.path + "/" + p.id} {
		a, err := h.try(context.Background(), http.MethodGet, path, "", nil)
		if err != nil || a.status != http.StatusNotFound {
			return false, err
		}
	}
	return true, nil
}
