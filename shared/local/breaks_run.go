package local

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/arrival"
)

// lookEvery is how often a stack looks what is to be broken.
const lookEvery = time.Second

// faults is what is broken in a running stack.
type faults struct {
	log    *slog.Logger
	asked  atomic.Int64 // requests to the application
	mu     sync.Mutex
	breaks []Break
	hit    map[Cause]map[string]bool
}

func (f *faults) set(breaks []Break) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.breaks, f.hit = breaks, map[Cause]map[string]bool{}
}

func (f *faults) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.breaks) > 0
}

// of gives the cause that hits a thing, "" for none: once it was hit by one it stays so until something else is
// broken. Of several the first takes it that has some left to hit.
func (f *faults) of(thing string, causes ...Cause) Cause {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cause := range causes {
		if f.hit[cause][thing] {
			return cause
		}
	}
	for _, b := range f.breaks {
		if !slices.Contains(causes, b.Cause) || b.Count > 0 && len(f.hit[b.Cause]) == b.Count {
			continue
		}
		if b.Count > 0 { // else all are hit: there is nothing to remember
			f.remember(b, thing)
		}
		return b.Cause
	}
	return ""
}

func (f *faults) remember(b Break, thing string) {
	if f.hit[b.Cause] == nil {
		f.hit[b.Cause] = map[string]bool{}
	}
	f.hit[b.Cause][thing] = true
	if len(f.hit[b.Cause]) == b.Count {
		f.log.Info("all that was to be hit is hit: what comes now is sound", "broken", b.String())
	}
}

// While something is broken, tries come soon after each other: a message is dead within a minute.
const (
	// BrokenVisibility is the queue's visibility timeout then.
	BrokenVisibility = 10 * time.Second
	// brokenFunctionTime is the validator's time then: it ends before the message is visible again.
	brokenFunctionTime = 8 * time.Second
)

// watchBreaks obeys hatchery break and hatchery mend until ctx ends.
func (s *Stack) watchBreaks(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		s.obeyAndShorten(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// obeyAndShorten also lets tries come soon. A mapping that is being made refuses a queue with a short visibility
// timeout: so it calls this itself, before each receive.
func (s *Stack) obeyAndShorten(ctx context.Context) {
	s.obeyBreaks(ctx)
	s.obeying.Lock()
	defer s.obeying.Unlock()
	if s.shortened || !s.faults.any() {
		return
	}
	if err := s.setVisibility(ctx, BrokenVisibility); err != nil {
		s.o.Log.ErrorContext(ctx, "tries come as rarely as ever", "error", err)
		return
	}
	s.shortened = true
}

// obeyBreaks looks what is to be broken, and changes what has changed since it last looked.
func (s *Stack) obeyBreaks(ctx context.Context) {
	s.obeying.Lock()
	defer s.obeying.Unlock()
	breaks, info, err := readBreaks(s.folder.dir)
	if info == nil && err != nil {
		s.o.Log.ErrorContext(ctx, "what is to be broken is not known: it stays as it is", "error", err)
		return
	}
	if was := s.obeyed; was == nil && info == nil || was != nil && info != nil && os.SameFile(was, info) &&
		was.ModTime().Equal(info.ModTime()) {
		return
	}
	if err != nil {
		s.o.Log.ErrorContext(ctx, "nothing is broken: the file that says what cannot be read; hatchery mend removes it",
			"error", err)
	}
	if len(breaks) > 0 {
		s.breakNow(ctx, breaks)
	} else if err := s.mend(ctx); err != nil {
		s.o.Log.ErrorContext(ctx, "what is broken could not be mended", "error", err)
		return
	}
	s.obeyed = info
}

// mend ends what is broken. No function may take longer than its message stays hidden, so the queue changes first.
func (s *Stack) mend(ctx context.Context) error {
	if !s.faults.any() {
		return nil
	}
	if err := s.setVisibility(ctx, s.visibility()); err != nil {
		return err
	}
	s.shortened = false
	s.faults.set(nil)
	s.o.Log.InfoContext(ctx, "mended: nothing is broken any more", "tries_apart", s.visibility().String())
	return nil
}

// breakNow breaks these and nothing else.
func (s *Stack) breakNow(ctx context.Context, breaks []Break) {
	s.faults.set(breaks)
	s.o.Log.WarnContext(ctx, "broken until hatchery mend", "broken", FormatBreaks(breaks),
		"tries_apart", BrokenVisibility.String(), "dead_within", (BrokenVisibility * (maxReceives + 1)).String(),
		"mend", s.o.Mend)
	if s.rehearses == nil && slices.ContainsFunc(breaks, func(b Break) bool { return b.Cause.Judging() }) {
		s.o.Log.WarnContext(ctx, "the validator is somewhere else: of what it calls nothing is broken")
	}
}

func (s *Stack) setVisibility(ctx context.Context, d time.Duration) error {
	return s.sqs.CreateQueue(ctx, Queue, map[string]string{"VisibilityTimeout": strconv.Itoa(int(d.Seconds()))})
}

// function is what the mapping calls: sound, or while something is broken rehearses, message by message.
func (s *Stack) function(sound Function) Function {
	return func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		if s.rehearses == nil || !s.faults.any() {
			return sound(ctx, batch)
		}
		ctx, cancel := context.WithTimeout(ctx, brokenFunctionTime)
		defer cancel()
		failed := make([]bool, len(batch.Records))
		var group sync.WaitGroup
		for i, message := range batch.Records {
			group.Go(func() { failed[i] = !s.judgeAlone(ctx, message) })
		}
		group.Wait()
		answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		for i, message := range batch.Records {
			if failed[i] {
				answer.BatchItemFailures = append(answer.BatchItemFailures,
					events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
			}
		}
		return answer, nil
	}
}

// judgeAlone hands one message to the validator, and says whether that is done with it.
func (s *Stack) judgeAlone(ctx context.Context, message events.SQSMessage) bool {
	j := &judged{}
	if about := tagOf(message.Body); about != "" {
		j.cause = s.faults.of(about, judging...)
	}
	answer, err := s.rehearses(j.in(ctx), events.SQSEvent{Records: []events.SQSMessage{message}})
	if j.died.Load() {
		s.o.Log.ErrorContext(ctx, "the function ended without an answer; the message comes back after its visibility timeout",
			"message_id", message.MessageId)
		return false
	}
	if err != nil {
		s.o.Log.ErrorContext(ctx, "the function failed", "message_id", message.MessageId, "error", err)
	}
	return err == nil && len(answer.BatchItemFailures) == 0
}

// arrived is called for each upload that S3 has stored. Its notification is sent whatever is broken.
func (s *Stack) arrived(ctx context.Context, c arrival.Created) error {
	if s.faults.of(tag(c), BreakLost) != "" {
		client := s3.NewFromConfig(s.Endpoints().AWS(), func(o *s3.Options) { o.UsePathStyle = true })
		_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.Bucket, Key: &c.Key, VersionId: &c.VersionID})
		if err != nil {
			s.o.Log.ErrorContext(ctx, "the bytes to be lost are still there", "key", c.Key, "error", err)
		}
	}
	if s.faults.of(tag(c), BreakPoison) != "" {
		if err := s.sqs.Send(ctx, Queue, "Hello from a program that writes to the wrong queue.", ""); err != nil {
			s.o.Log.ErrorContext(ctx, "the message that nobody can read was not sent", "error", err)
		}
	}
	return s.notify(ctx, c)
}

// application is the demo application, or 500 in its place.
func (f *faults) application(sound http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := strconv.FormatInt(f.asked.Add(1), 10)
		if f.of(request, BreakApplication) != "" {
			http.Error(w, "Something went wrong in the application.", http.StatusInternalServerError)
			return
		}
		sound.ServeHTTP(w, r)
	})
}
