//go:build acceptance

package acceptance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

var base = flag.String("base", "", "a commit, whose functions BenchmarkFunctions measures in turns "+
	"with these, TestTwoVersionsWorkTogether runs beside these, and TestAnUpgradeAndARollbackLoseNothing begins with")

// warmInvocations are measured of each started program, after some that are not.
const warmInvocations, unmeasured = 20, 3

// allJudged is the validator's reply when no message has to come again.
const allJudged = `{"batchItemFailures":[]}`

// workload is one kind of event for one function.
type workload struct {
	name     string
	function string // the folder in lambdas/
	secure   bool   // TLS to S3, DynamoDB and the application
	held     latencies
	// prepare makes what the events need, and gives what makes an event.
	prepare func(t testing.TB, s *side) (event func() []byte)
	// right says whether a reply is what the event is to bring.
	right func(reply []byte) bool
	// after checks the bucket after so many invocations; nil is nothing to check.
	after func(t testing.TB, s *side, invocations int)
}

// workloads are the rows of the table in docs/measurements.md.
func workloads(t testing.TB) []workload {
	small, mega, most := noise(t, 316, 316), noise(t, 1000, 1000), noise(t, 2090, 2100)
	fits := noise(t, 830, 840) // what a load balancer passes on both ways
	far := latencies{s3: 30 * time.Millisecond, dynamodb: 6 * time.Millisecond}
	return []workload{
		pingLoad("http", "ping"),
		postLoad("http", "POST of 1 MB", mega),
		postLoad("http", "POST of 4.4 MB", most),
		getLoad("http", "GET of 1 MB", mega),
		listLoad("http", "list of 100"),
		pingLoad("alb", "ping, load balancer"),
		postLoad("alb", "POST of 0.7 MB, load balancer", fits),
		getLoad("alb", "GET of 0.7 MB, load balancer", fits),
		listLoad("alb", "list of 100, load balancer"),
		postLoad("http", "POST of 1 MB", mega).secured(),
		postLoad("http", "POST of 4.4 MB", most).secured(),
		getLoad("http", "GET of 1 MB", mega).secured(),
		judgeLoad("1 picture of 100 kB", 1, small),
		judgeLoad("10 pictures of 100 kB", 10, small),
		judgeLoad("10 pictures of 100 kB", 10, small).secured(),
		judgeLoad("1 picture of 100 kB", 1, small).from(far),
		judgeLoad("10 pictures of 100 kB", 10, small).from(far),
	}
}

func (w workload) secured() workload {
	w.name, w.secure = w.name+", TLS", true
	return w
}

func (w workload) from(far latencies) workload {
	w.name, w.held = w.name+", S3 "+far.s3.String()+", DynamoDB "+far.dynamodb.String(), far
	return w
}

func pingLoad(front, name string) workload {
	return workload{name: "api: " + name, function: "api",
		prepare: func(t testing.TB, _ *side) func() []byte { return always(sampleEvent(t, "api-"+front+"-ping.json")) },
		right:   func(reply []byte) bool { return httpReply(reply).is(http.StatusOK, []byte(`{"status":"ok"}`)) }}
}

func postLoad(front, name string, file []byte) workload {
	return workload{name: "api: " + name, function: "api",
		prepare: func(t testing.TB, _ *side) func() []byte {
			return always(posted(t, "api-"+front+"-post-raw.json", file))
		},
		right: func(reply []byte) bool {
			var record struct{ Status upload.Status }
			r := httpReply(reply)
			return r.StatusCode == http.StatusAccepted && json.Unmarshal(r.body(), &record) == nil &&
				record.Status == upload.Pending
		},
		after: func(t testing.TB, s *side, invocations int) {
			put := s.cloud.bucket.keys("quarantine/")
			for _, key := range put {
				if !bytes.Equal(s.cloud.bucket.find(key, "").body, file) {
					t.Fatalf("%s has other bytes than were posted", key)
				}
			}
			if len(put) != invocations {
				t.Fatalf("%d invocations put %d objects", invocations, len(put))
			}
		}}
}

func getLoad(front, name string, file []byte) workload {
	return workload{name: "api: " + name, function: "api",
		prepare: func(t testing.TB, s *side) func() []byte {
			refs := s.stored(t, "get", file, 1)
			return always(bytes.ReplaceAll(sampleEvent(t, "api-"+front+"-get.json"),
				[]byte("0199d1c4-5a00-7000-8000-000000000003"), []byte(refs[0].ID)))
		},
		right: func(reply []byte) bool { return httpReply(reply).is(http.StatusOK, file) }}
}

func listLoad(front, name string) workload {
	const records = 100
	return workload{name: "api: " + name, function: "api",
		prepare: func(t testing.TB, s *side) func() []byte {
			s.stored(t, "list", noise(t, 10, 10), records)
			return always(sampleEvent(t, "api-"+front+"-list.json"))
		},
		right: func(reply []byte) bool {
			var listed struct {
				Images []struct{ Status upload.Status }
			}
			r := httpReply(reply)
			return r.StatusCode == http.StatusOK && json.Unmarshal(r.body(), &listed) == nil &&
				len(listed.Images) == records && listed.Images[records-1].Status == upload.Stored
		}}
}

func judgeLoad(name string, batch int, file []byte) workload {
	return workload{name: "validator: " + name, function: "validator",
		prepare: func(t testing.TB, s *side) func() []byte {
			return func() []byte {
				return arrivedAt(t, cloudBucket, len(file), s.accepted(t, "post", file, batch)...)
			}
		},
		right: func(reply []byte) bool { return string(reply) == allJudged },
		after: func(t testing.TB, s *side, _ int) { s.settled(t) }}
}

func always(event []byte) func() []byte { return func() []byte { return event } }

// apiReply is an answer of the api function, as a front gets it.
type apiReply struct {
	StatusCode      int
	Headers         map[string]string
	Body            string
	IsBase64Encoded bool
}

func httpReply(reply []byte) (r apiReply) {
	_ = json.Unmarshal(reply, &r) // what cannot be read has no status
	return r
}

func (r apiReply) body() []byte {
	if !r.IsBase64Encoded {
		return []byte(r.Body)
	}
	decoded, _ := base64.StdEncoding.DecodeString(r.Body) // what cannot be read is compared
	return decoded
}

func (r apiReply) is(status int, body []byte) bool {
	return r.StatusCode == status && bytes.Equal(bytes.TrimSpace(r.body()), bytes.TrimSpace(body))
}

// side is one commit's functions, with a cloud for one workload.
type side struct {
	programs       string // the folder
	cloud          *cloud
	api, validator *process // for what is not measured
	event          func() []byte
	costs
}

// costs are what was measured in each round.
type costs struct{ cold, coldCPU, warm, warmCPU, peak []float64 }

// newSide makes one side ready for a workload.
func newSide(t testing.TB, programs string, w workload) *side {
	t.Helper()
	s := &side{programs: programs, cloud: newCloud(t, w.secure)}
	s.api, s.validator = s.start(t, "api"), s.start(t, "validator")
	s.event = w.prepare(t, s)
	return s
}

func (s *side) start(t testing.TB, function string) *process {
	t.Helper()
	return startProcess(t, filepath.Join(s.programs, function), s.cloud.env)
}

// accepted posts a file so many times.
func (s *side) accepted(t testing.TB, entry string, file []byte, times int) (refs []upload.Ref) {
	t.Helper()
	event := bytes.ReplaceAll(posted(t, "api-http-post-raw.json", file), []byte("/entries/post/"),
		[]byte("/entries/"+entry+"/"))
	for range times {
		reply, _ := s.api.invoke(t, event)
		var record struct{ ID upload.ID }
		r := httpReply(reply)
		if err := json.Unmarshal(r.body(), &record); err != nil || r.StatusCode != http.StatusAccepted {
			t.Fatalf("POST: %s", reply)
		}
		refs = append(refs, upload.Ref{Journal: "samples", Entry: upload.Entry(entry), Kind: "images", ID: record.ID})
	}
	return refs
}

// stored posts a file so many times, and has it judged.
func (s *side) stored(t testing.TB, entry string, file []byte, times int) []upload.Ref {
	t.Helper()
	refs := s.accepted(t, entry, file, times)
	for at := 0; at < times; at += 10 {
		reply, _ := s.validator.invoke(t, arrivedAt(t, cloudBucket, len(file), refs[at:min(at+10, times)]...))
		if string(reply) != allJudged {
			t.Fatalf("validator: %s", reply)
		}
	}
	s.settled(t)
	return refs
}

// settled: the validator removes from quarantine last, and only what is stored.
func (s *side) settled(t testing.TB) {
	t.Helper()
	if left := s.cloud.bucket.keys("quarantine/"); len(left) > 0 {
		t.Fatalf("not stored: %s", left)
	}
}

// round measures one start of the program, and warm invocations of it.
func (s *side) round(t testing.TB, w workload, warm, unmeasured int) {
	t.Helper()
	s.cloud.held.Store(&latencies{})
	events := make([][]byte, 1+unmeasured+warm)
	for i := range events {
		events[i] = s.event()
	}
	s.cloud.held.Store(&w.held)
	p := s.start(t, w.function)
	invoke := func(event []byte) float64 {
		reply, took := p.invoke(t, event)
		if !w.right(reply) {
			t.Fatalf("%s: the function replied %s", w.name, reply[:min(len(reply), 1000)])
		}
		return milliseconds(took)
	}
	s.cold = append(s.cold, invoke(events[0]))
	s.coldCPU = append(s.coldCPU, milliseconds(p.cpu(t)))
	for _, event := range events[1 : 1+unmeasured] {
		invoke(event)
	}
	before := p.cpu(t)
	for _, event := range events[1+unmeasured:] {
		s.warm = append(s.warm, invoke(event))
	}
	s.warmCPU = append(s.warmCPU, milliseconds(p.cpu(t)-before)/float64(warm))
	s.peak = append(s.peak, float64(p.peak())/1e6)
	p.end()
	if w.after != nil {
		w.after(t, s, len(events))
	}
	s.cloud.bucket.empty("quarantine/")
}

// BenchmarkFunctions measures the built functions under a Runtime API of our own. A round starts the program, which gives
// the cold start, and goes on with warm invocations; the figures are medians. CPU is what an invocation takes of the
// program's, its start included when it is cold. It fails on no speed.
//
//	CGO_ENABLED=0 go test -tags acceptance ./acceptance -run '^$' -bench Functions -benchtime 10x
//
// With `-args -base COMMIT` that commit's functions are measured, too, in turns: metrics in x are this over that.
func BenchmarkFunctions(b *testing.B) {
	programs := []string{builtPrograms(b, moduleRoot(b))}
	if *base != "" {
		programs = append(programs, builtPrograms(b, exported(b, *base)))
	}
	for _, w := range workloads(b) {
		b.Run(w.name, func(b *testing.B) {
			var sides []*side
			for _, folder := range programs {
				sides = append(sides, newSide(b, folder, w))
			}
			turns := slices.Clone(sides)
			for b.Loop() {
				for _, s := range turns {
					s.round(b, w, warmInvocations, unmeasured)
				}
				slices.Reverse(turns) // neither is always the first
			}
			sides[0].report(b, sides[1:]...)
		})
	}
}

func (s *side) report(b *testing.B, bases ...*side) {
	b.ReportMetric(0, "ns/op")
	for unit, of := range map[string]func(*side) []float64{
		"cold-ms":     func(s *side) []float64 { return s.cold },
		"cold-CPU-ms": func(s *side) []float64 { return s.coldCPU },
		"warm-ms":     func(s *side) []float64 { return s.warm },
		"warm-CPU-ms": func(s *side) []float64 { return s.warmCPU },
		"peak-MB":     func(s *side) []float64 { return s.peak },
	} {
		b.ReportMetric(median(of(s)), unit)
		for _, base := range bases {
			b.ReportMetric(median(of(s))/median(of(base)), unit[:strings.LastIndex(unit, "-")]+"-x")
		}
	}
}

// TestEachMeasuredInvocationIsAnsweredRightly keeps the measurements working. No speed fails it.
func TestEachMeasuredInvocationIsAnsweredRightly(t *testing.T) {
	programs := builtPrograms(t, moduleRoot(t))
	page, err := os.ReadFile(filepath.Join(moduleRoot(t), measurementsPage))
	check(t, err)
	for _, w := range workloads(t) {
		t.Run(w.name, func(t *testing.T) {
			if !strings.Contains(string(page), "\n| "+w.name+" |") {
				t.Errorf("%s has no row for it: measure anew", measurementsPage)
			}
			s := newSide(t, programs, w)
			s.round(t, w, 1, 0)
			if s.cold[0] <= 0 || s.warm[0] <= 0 || s.coldCPU[0] <= 0 || s.warmCPU[0] <= 0 || s.peak[0] < 1 {
				t.Errorf("measured %+v", s.costs)
			}
		})
	}
}

// builtPrograms builds the measured functions of a module as they are deployed, and further programs.
func builtPrograms(t testing.TB, module string, more ...string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	mustRun(t, command{folder: module, limit: 10 * time.Minute, env: bareEnvironment(t, "CGO_ENABLED=0"),
		args: append([]string{tool(t, "go"), "build", "-buildvcs=false", "-trimpath", "-tags=lambda.norpc",
			"-ldflags=-s -w", "-o", folder + string(os.PathSeparator), "./lambdas/api", "./lambdas/validator"}, more...)})
	return folder
}

// exported is a folder with the files of a commit.
func exported(t testing.TB, commit string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	archive := filepath.Join(t.TempDir(), "commit.tar")
	mustRun(t, command{folder: moduleRoot(t), args: []string{tool(t, "git"), "archive", "--output", archive, commit}})
	mustRun(t, command{folder: folder, args: []string{tool(t, "tar"), "-xf", archive}})
	return folder
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
