package console

import (
	"context"
	"errors"
	"sync"
	"time"

	"hatchery/shared/deadletter"
)

// maxResults is how many results the page of an action shows, the newest. The audit has all of them.
const maxResults = 200

// job is an action that runs, or the last that ran. A browser that goes away does not end it.
type job struct {
	action string
	form   string // what the browser sent
	total  int    // of messages or uploads; 0 is not known
	began  time.Time
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	ended    time.Time
	counts   map[string]int
	results  []deadletter.Result // the newest
	sentence string              // what came of it
	snapshot string              // the listing that it made
	audit    string              // the id of its trace
	sends    bool                // a verdict is to come about what is done
	back     time.Time           // when what failed again is back; zero is not known
	others   *planned            // what is left to redrive after a probe
	err      error
}

// note counts one result.
func (j *job) note(r deadletter.Result) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[r.Result]++
	if j.results = append(j.results, r); len(j.results) > 2*maxResults {
		j.results = append([]deadletter.Result{}, j.results[len(j.results)-maxResults:]...)
	}
}

// tell keeps what came of the action.
func (j *job) tell(sentence string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sentence = sentence
}

// leave keeps what is left to redrive after a probe.
func (j *job) leave(probed planned) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if probed.N--; probed.N > 0 {
		probed.Order.Action = string(deadletter.Redrive)
		j.others = &probed
	}
}

// jobs runs one action at a time.
type jobs struct {
	life context.Context // ends them all, as Ctrl-C ends a command
	now  func() time.Time

	mu      sync.Mutex
	newest  *job
	running sync.WaitGroup
}

// start begins an action, unless one is running.
func (s *jobs) start(action, form string, total int, run func(context.Context, *job) error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil || s.newest != nil && s.newest.view().Running {
		return false
	}
	ctx, cancel := context.WithCancel(s.life)
	j := &job{action: action, form: form, total: total, began: s.now(), ctx: ctx, cancel: cancel, counts: map[string]int{}}
	s.newest = j
	s.running.Go(func() {
		defer cancel()
		err := run(ctx, j)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.err, j.ended = err, s.now()
	})
	return true
}

// last gives the action that runs, or the last that ran; nil is none.
func (s *jobs) last() *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// jobView is an action as its page shows it.
type jobView struct {
	Action          string
	Running         bool
	Total, Done     int
	Began, Ended    time.Time
	Counts          map[string]int
	Results         []deadletter.Result // newest first
	More            int
	Sentence        string
	Snapshot, Audit string
	Sends           bool
	Back            time.Time
	Others          *planned
	Interrupted     bool
	Error           string
}

func (j *job) view() jobView {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := jobView{Action: j.action, Running: j.ended.IsZero(), Total: j.total, Began: j.began, Ended: j.ended,
		Counts: map[string]int{}, Sentence: j.sentence, Snapshot: j.snapshot, Audit: j.audit,
		Sends: j.sends, Back: j.back, Others: j.others}
	for result, n := range j.counts {
		v.Counts[result] = n
		v.Done += n
	}
	for i := len(j.results) - 1; i >= 0 && len(v.Results) < maxResults; i-- {
		v.Results = append(v.Results, j.results[i])
	}
	v.More = v.Done - len(v.Results)
	if v.Interrupted = errors.Is(j.err, context.Canceled); !v.Interrupted && j.err != nil {
		v.Error = told(j.err)
	}
	return v
}
