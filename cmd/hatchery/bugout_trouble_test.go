package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/policy"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// TestNoBytesAreTouchedWithATokenThatSeesNothing: with a token that Bugout refuses, and
// with a valid one of a user who is shown an empty list, records are not absent. What
// the pipeline and the reconciler do ends in an error then, and every byte stays.
func TestNoBytesAreTouchedWithATokenThatSeesNothing(t *testing.T) {
	for name, role := range map[string]localbugout.Role{"unknown": 0, "revoked": localbugout.Revoked,
		"restricted": localbugout.Restricted, "a stranger's": localbugout.Stranger} {
		t.Run(name, func(t *testing.T) {
			brood := startBrood(t)
			records := func() *bugoutrecords.Store {
				s, err := bugoutrecords.New(bugoutrecords.Options{URL: brood.URL(), Application: broodApplication,
					Token: func(context.Context) (string, error) { return broodToken, nil }})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			// Long ago, so that everything is old enough for the reconciler.
			then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
			objects := uploadtest.NewObjects()
			objects.SetClock(func() time.Time { return then })
			p := &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: records(),
				Objects: objects,
				Now:     func() time.Time { return then }, NewID: upload.NewID, TombstoneLife: upload.DefaultTombstoneLife}
			picture := pngOf(t, 4, 1)
			begun := func(bytesCome bool) upload.Ref {
				r, err := p.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: "cat.png"})
				if err == nil && bytesCome {
					r, err = p.Accept(t.Context(), r, nil, bytes.NewReader(picture), int64(len(picture)))
				} else if err == nil {
					r, err = p.Begin(t.Context(), r, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				return r.Ref()
			}
			validate := func(ref upload.Ref) error {
				_, err := p.Validate(t.Context(), p.Layout.QuarantineKey(ref), "")
				return err
			}
			stored, waits, empty := begun(true), begun(true), begun(false)
			if err := validate(stored); err != nil {
				t.Fatal(err)
			}
			objects.Post(p.Layout.QuarantineKey(stored), picture) // late bytes, which a validation deletes
			before := objects.Digest()

			brood.SetRole(broodToken, role)
			p.Records = records()
			for what, do := range map[string]func() error{
				"Validate what waits":     func() error { return validate(waits) },
				"Validate what is stored": func() error { return validate(stored) },
				"Delete what waits":       func() error { _, err := p.Delete(t.Context(), waits); return err },
				"Delete what is stored":   func() error { _, err := p.Delete(t.Context(), stored); return err },
				"Expire":                  func() error { _, err := p.Expire(t.Context(), empty); return err },
				"a run of the reconciler": func() error {
					r := &reconcile.Reconciler{Records: p.Records, Inventory: objects, Pipeline: p, Queue: &queuetest.Memory{},
						Layout: p.Layout, Bucket: "uploads", Region: "eu-south-1",
						Limits: reconcile.DefaultLimits(5, time.Minute), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
					report, err := r.Run(t.Context(), reconcile.Options{})
					if report.NeedsPerson() || report.NeverArrived > 0 {
						t.Errorf("the reconciler reports %+v", report)
					}
					return err
				},
			} {
				if err := do(); err == nil || errors.Is(err, upload.ErrNotFound) {
					t.Errorf("%s: %v", what, err)
				}
				if objects.Digest() != before {
					t.Fatalf("%s touched bytes: %v", what, objects.Keys())
				}
			}

			// With its rights back everything goes on.
			brood.SetRole(broodToken, localbugout.Member)
			if err := errors.Join(validate(waits), validate(stored)); err != nil {
				t.Error(err)
			}
			if _, err := p.Expire(t.Context(), empty); err != nil {
				t.Error(err)
			}
		})
	}
}
