package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/emf"
	"hatchery/shared/reconcile"
)

// The two uploads that docs/costs.md is about: a picture that POST takes, and one
// that is too large for it and goes to the bucket by a form.
const smallPicture, largePicture = 100_000, 5_000_000

// share is one thing that AWS counts of one upload: how many units of the price it takes.
type share struct {
	part         string
	price        price
	small, large amount
}

// amount is how many units an upload takes that comes alone, and how many are the floor: in a full batch, and with a
// question that finds the verdict there.
type amount struct{ units, floor float64 }

// always is an amount that nothing makes smaller.
func always(units float64) amount { return amount{units, units} }

// TestTheCostsInTheDocsAreThoseOfTheCountedCalls recomputes every table of
// docs/costs.md and docs/scale.md that holds a sum.
func TestTheCostsInTheDocsAreThoseOfTheCountedCalls(t *testing.T) {
	template := readTemplate(t)
	records := readUnits(t)
	small := workOf(t, template, records, countUpload(t, jpegOf(t, smallPicture), false), smallPicture, false)
	large := workOf(t, template, records, countUpload(t, jpegOf(t, largePicture), true), largePicture, true)
	shares := sharesOf(t, template, small, large, records)
	month, idle := monthTable(t, template)
	compareBlocks(t, sourceFile(t, "docs", "costs.md"), map[string]string{
		"prices": pricesTable(), "counted": countedTable(shares), "dollars": dollarsTable(shares,
			float64(template.ruleNumber(t, "quarantine", "ExpirationInDays")+template.ruleNumber(t, "quarantine",
				"NoncurrentDays"))),
		"assumed": assumedTable(small, large), "month": month, "scanners": scannersTable(shares),
		"survey": surveyTable(t, countSurvey(t, records.SurveyReads))})
	if dollars, _ := sum(shares); !strings.Contains(string(readFile(t, sourceFile(t, "README.md"))),
		fmt.Sprintf("a million pictures cost about $%.0f ", dollars)) {
		t.Errorf("README.md does not say that a million pictures cost about $%.0f", dollars)
	}
	for _, page := range []string{"README.md", "docs/architecture.md"} {
		if text := string(readFile(t, sourceFile(t, strings.Split(page, "/")...))); !strings.Contains(text,
			fmt.Sprintf("up to $%.0f a month", idle)) {
			t.Errorf("%s does not say that a stack that nobody uses costs up to $%.0f a month", page, idle)
		}
	}
	compareBlocks(t, sourceFile(t, "docs", "scale.md"),
		map[string]string{"littles-law": scaleTable(t, template, small, records)})
}

// work is one upload with what follows from its size, the template and the calls that were counted.
type work struct {
	counted
	size   float64
	byForm bool
	// window is how long a message waits for others, in seconds; share is the API's part of a processor.
	window, share float64
	// records are the validator's calls to the records: it reads, and settles.
	records float64
	// batch is how many messages are one batch at most, and rounds how often a full one is gone through.
	batch, rounds float64
}

func workOf(t *testing.T, x template, r recordCalls, c counted, size float64, byForm bool) work {
	t.Helper()
	arrived := func(property string) float64 {
		return float64(x.number(t, "Resources", "ValidatorFunction", "Properties", "Events", "Arrived", "Properties",
			property))
	}
	w := work{counted: c, size: size, byForm: byForm, batch: arrived("BatchSize"),
		window:  arrived("MaximumBatchingWindowInSeconds"),
		share:   x.megabytes(t, "ApiFunction") / wholeProcessor,
		records: r.Get.Reads + r.Settle.Reads + 1}
	w.rounds = math.Ceil(w.batch / float64(codeNumber(t, `messagesAtOnce = (\d+)`, "shared", "pipeline", "pipeline.go")))
	return w
}

// take is how long the API works on taking it in, in seconds; a form is only signed.
func (w work) take() float64 {
	s := assumedQuestion + assumedRecordsCall
	if !w.byForm {
		s += assumedBucketCall + w.size/assumedRate + postCPU*w.size/million/w.share
	}
	return s
}

// verdict is how long the validator works until it has settled: the read, with that of the record in its
// shadow, the copy, the settlement.
func (w work) verdict() float64 {
	return (w.records-1)*assumedRecordsCall + 2*assumedBucketCall + w.size/assumedRate
}

// judge is how long it works in all: the deletion comes last.
func (w work) judge() float64 { return w.verdict() + assumedBucketCall }

// held is how often a question that is held looks at the record, and for how long it is held: at once, then after
// 50 ms, then after ever twice as long up to a second, until it sees the verdict.
func (w work) held() (looks, seconds float64) {
	looks, at := 1.0, assumedRecordsCall
	for pause := 0.05; at-assumedRecordsCall < w.window+w.verdict(); pause = min(pause*2, 1) {
		at += pause + assumedRecordsCall
		looks++
	}
	return looks, assumedQuestion + at
}

func (w work) looks() float64 {
	looks, _ := w.held()
	return looks
}

// wait is how long a request for the status is held until it sees the verdict.
func (w work) wait() float64 {
	_, seconds := w.held()
	return seconds
}

func sharesOf(t *testing.T, template template, small, large work, r recordCalls) []share {
	t.Helper()
	api, judge := template.megabytes(t, "ApiFunction")/1024, template.megabytes(t, "ValidatorFunction")/1024
	of := func(part string, p price, units func(w work) amount) share {
		return share{part, p, units(small), units(large)}
	}
	calls := func(name string) func(work) amount {
		return func(w work) amount { return always(float64(w.calls[name])) }
	}
	return []share{
		of("API Gateway", priceHTTPAPI, func(work) amount { return always(2) }),
		of("Lambda, API", priceLambdaRequest, func(work) amount { return always(2) }),
		of("Lambda, API", priceLambdaSecond, func(w work) amount {
			return amount{api * (w.take() + w.wait()), api * (w.take() + assumedQuestion + assumedRecordsCall)}
		}),
		of("Lambda, validator", priceLambdaRequest, func(w work) amount { return amount{1, 1 / w.batch} }),
		of("Lambda, validator", priceLambdaSecond, func(w work) amount {
			return amount{judge * w.judge(), judge * w.judge() * w.rounds / w.batch}
		}),
		// A form is posted by the client, in place of the API's PUT.
		of("S3, PUT or POST", pricePut, func(w work) amount {
			if w.byForm {
				return always(float64(w.calls["PUT"]) + 1)
			}
			return always(float64(w.calls["PUT"]))
		}),
		of("S3, COPY", pricePut, calls("COPY")),
		of("S3, GET", priceGet, calls("GET")),
		of("S3, DELETE", priceDelete, calls("DELETE")),
		// Sent by S3, received and deleted by the event source mapping.
		of("SQS", priceQueue, func(w work) amount { return amount{3, 1 + 2/w.batch} }),
		of("DynamoDB, writes", priceWrite, func(work) amount { return always(r.Create.Writes + r.Settle.Writes) }),
		of("DynamoDB, reads", priceRead, func(w work) amount {
			return amount{r.reads(w), r.reads(w) - r.Get.Reads*(w.looks()-1)}
		}),
		of("CloudWatch Logs", priceLog, func(w work) amount { return always(w.logBytes() / 1e9) }),
	}
}

// reads are the read units of one upload: the validator's look and its settlement,
// and the looks of the request that waits.
func (r recordCalls) reads(w work) float64 {
	return r.Create.Reads + r.Settle.Reads + r.Get.Reads*(1+w.looks())
}

// logBytes is what one upload writes to the logs, rounded up to 100 bytes: two
// requests, one batch.
func (w work) logBytes() float64 {
	return math.Ceil(float64(w.logged)/100)*100 + math.Ceil(countedMetrics()/100)*100 + 3*assumedLinesMore +
		2*assumedAccessLine
}

func pricesTable() string {
	var b strings.Builder
	b.WriteString("| unit | price | source | dated |\n|---|---|---|---|\n")
	for _, p := range prices {
		fmt.Fprintf(&b, "| %s | %s | [%s](%s) | %s |\n", p.name, p.listed, hostOf(p.source), p.source, p.dated)
	}
	return b.String()
}

func hostOf(url string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	return host
}

func countedTable(shares []share) string {
	var b strings.Builder
	b.WriteString("| part | unit | 100 kB by POST | 5 MB by form |\n|---|---|---|---|\n")
	for _, s := range shares {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.part, s.price.name, units(s.small.units), units(s.large.units))
	}
	return b.String()
}

// units writes a number of units so that a small one can be read.
func units(n float64) string {
	if n == math.Trunc(n) {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.2g", n)
}

// dollarsTable sums by part. Refused bytes are kept for so many days.
func dollarsTable(shares []share, kept float64) string {
	var b strings.Builder
	b.WriteString("| part | 100 kB by POST | its floor | 5 MB by form | its floor |\n|---|---|---|---|---|\n")
	row := func(what, form string, of []share) {
		dollars := func(units func(share) float64) string {
			var sum float64
			for _, s := range of {
				sum += units(s) * s.price.dollars * million
			}
			return fmt.Sprintf(form, sum)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", what, dollars(func(s share) float64 { return s.small.units }),
			dollars(func(s share) float64 { return s.small.floor }), dollars(func(s share) float64 { return s.large.units }),
			dollars(func(s share) float64 { return s.large.floor }))
	}
	for rest := shares; len(rest) > 0; {
		part, n := firstWord(rest[0].part), len(rest)
		if i := slices.IndexFunc(rest, func(s share) bool { return firstWord(s.part) != part }); i > 0 {
			n = i
		}
		row(part, "$%.2f", rest[:n])
		rest = rest[n:]
	}
	row("**a million uploads**", "**$%.2f**", shares)
	fmt.Fprintf(&b, "| the bytes in quarantine, if all were refused: %.0f days | $%.2f | | $%.2f | |\n", kept,
		smallPicture*million/1e9*priceKept.dollars*kept/30.4, largePicture*million/1e9*priceKept.dollars*kept/30.4)
	fmt.Fprintf(&b, "| EventBridge, if the application is notified | $%.2f | | $%.2f | |\n", priceEvent.dollars*million,
		priceEvent.dollars*million)
	return b.String()
}

func firstWord(part string) string {
	first, _, _ := strings.Cut(part, ",")
	return first
}

func sum(shares []share) (small, large float64) {
	for _, s := range shares {
		small += s.small.units * s.price.dollars * million
		large += s.large.units * s.price.dollars * million
	}
	return small, large
}

func assumedTable(small, large work) string {
	var b strings.Builder
	b.WriteString("| seconds of work | formula | 100 kB by POST | 5 MB by form |\n|---|---|---|---|\n")
	row := func(what, formula string, of func(work) float64) {
		fmt.Fprintf(&b, "| %s | %s | %.3f | %.3f |\n", what, formula, of(small), of(large))
	}
	row("the API takes it in", "question + record + (POST alone: PUT + size / rate + processor)", work.take)
	row("the validator judges it", fmt.Sprintf("GET + COPY + %.0f record + DELETE + size / rate", small.records-1), work.judge)
	row("a message is settled", fmt.Sprintf("%.0f s of window + the validator's without DELETE", small.window),
		func(w work) float64 { return w.window + w.verdict() })
	row("the API holds the question until it sees the verdict", "question + a record at each look + the pauses", work.wait)
	return b.String()
}

func scannersTable(shares []share) string {
	small, large := sum(shares)
	var b strings.Builder
	b.WriteString("| a million uploads | 100 kB | 5 MB |\n|---|---|---|\n")
	row := func(what string, of func(size float64) float64) {
		fmt.Fprintf(&b, "| %s | $%.0f | $%.0f |\n", what, of(smallPicture), of(largePicture))
	}
	fmt.Fprintf(&b, "| Hatchery, all of it | $%.0f | $%.0f |\n", small, large)
	row("GuardDuty Malware Protection for S3: objects, bytes, and its GET of each", func(size float64) float64 {
		return million * (priceScanObject.dollars + size/1e9*priceScanByte.dollars + priceGet.dollars)
	})
	clam := func(seconds float64) func(size float64) float64 {
		return func(size float64) float64 {
			return million * (priceLambdaRequest.dollars + clamMemory*(seconds+size/assumedRate)*priceLambdaSecond.dollars +
				priceGet.dollars + pricePut.dollars)
		}
	}
	row("ClamAV in a function, engine kept loaded: GET, scan, one tag", clam(clamWarm))
	row("ClamAV in a function, engine loaded for each file", clam(clamLoad))
	return b.String()
}

// countedMetrics are the metrics that one upload writes into the log, in their length.
func countedMetrics() float64 {
	var lines bytes.Buffer
	w := emf.New(&lines, emf.Options{Namespace: "Hatchery",
		Dimensions: []emf.Dimension{{Name: "Stack", Value: "hatchery"}}, Now: time.Now})
	one := func(name string) emf.Metric { return emf.Metric{Name: name, Unit: emf.Count, Value: 1} }
	if err := errors.Join(w.Emit(one("Accepted")),
		w.Emit(one("Stored"), emf.Metric{Name: "Bytes", Unit: emf.Bytes, Value: largePicture},
			emf.Metric{Name: "SecondsToVerdict", Unit: emf.Seconds, Value: 1.234567})); err != nil {
		panic(err) // they are constants
	}
	return float64(lines.Len())
}

// monthTable is what a stack costs that nobody uses.
func monthTable(t *testing.T, x template) (table string, total float64) {
	t.Helper()
	// An alarm on an expression is paid for each metric in it.
	alarms := float64(strings.Count(string(x), " Namespace: "))
	dashboards := float64(strings.Count(string(x), "Type: AWS::CloudWatch::Dashboard\n"))
	// 16 metrics, Rejected once more for each of the 13 reasons, and Redriven for each of three counts.
	const metrics, hours, pollers, pollsAMinute = 16 + 13 + 3, 730, 5, 3
	polls := float64(pollers * pollsAMinute * 60 * hours)
	var b strings.Builder
	b.WriteString("| what | how many | a month |\n|---|---|---|\n")
	row := func(what string, n float64, p price) {
		fmt.Fprintf(&b, "| %s | %s | $%.2f |\n", what, count(n), n*p.dollars)
		total += n * p.dollars
	}
	row("metrics with an alarm", alarms, priceAlarm)
	row("dashboards", dashboards, priceDashboard)
	row("metrics, if every reason of refusal and count of redrives occurs", metrics, priceMetric)
	row("empty receptions: five pollers, each every 20 seconds", polls, priceQueue)
	fmt.Fprintf(&b, "| **in all** | | **$%.2f** |\n", total)
	return b.String(), total
}

// scaleTable is what follows from a rate of uploads.
func scaleTable(t *testing.T, x template, w work, r recordCalls) string {
	t.Helper()
	visibility := float64(x.visibility(t, x.number(t, "Parameters", "ValidatorSeconds", "Default")))
	shards := float64(codeNumber(t, `(?m)^\tshards = (\d+)`, "shared", "records", "dynamorecords", "store.go"))
	rates := []float64{float64(x.number(t, "Parameters", "ApiRate", "Default")) / 2, 1000, 10000}
	var b strings.Builder
	b.WriteString("| | formula | λ = " + count(rates[0]) + " | λ = " + count(rates[1]) + " | λ = " + count(rates[2]) +
		" |\n|---|---|---|---|---|\n")
	row := func(what, formula string, of func(rate float64) string) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", what, formula, of(rates[0]), of(rates[1]), of(rates[2]))
	}
	// A little less than a whole number more is rounding, not need.
	times := func(n float64) func(float64) string {
		return func(rate float64) string { return count(math.Ceil(rate*n - 1e-6)) }
	}
	most := func(units, each float64) func(float64) string {
		return func(float64) string { return count(math.Floor(units / each)) }
	}
	row("requests a second", "2 λ", times(2))
	row("questions to the application a second", "2 λ", times(2))
	row("API functions taking uploads in, at once", fmt.Sprintf("λ × %.3f s", w.take()), times(w.take()))
	row("API functions holding a question, at once", fmt.Sprintf("λ × %.3f s", w.wait()), times(w.wait()))
	row("validators at once, a message each", fmt.Sprintf("λ × %.3f s", w.judge()), times(w.judge()))
	row("validators at once, full batches", fmt.Sprintf("λ ÷ %.0f × %.0f × %.3f s", w.batch, w.rounds, w.judge()),
		times(w.rounds/w.batch*w.judge()))
	row("writes under the quarantine prefix a second", "2 λ: PUT and DELETE", times(2))
	row("partitions that S3 makes of that prefix", "2 λ ÷ 3,500", times(2/3500.0))
	row("reads there", "2 λ: GET, and the copy's source", times(2))
	row("writes under the files prefix", "λ: the copy", times(1))
	writes := r.Create.Writes + r.Settle.Writes
	row("write units of the table and its indexes a second", fmt.Sprintf("λ × %.0f", writes), times(writes))
	row("read units", fmt.Sprintf("λ × %.0f", r.reads(w)), times(r.reads(w)))
	// A global index has a throughput of its own; local ones share the table's.
	own := r.Create.EntryWrites + r.Settle.EntryWrites
	row("most uploads a second at once on a new table", fmt.Sprintf("4,000 ÷ %.0f", own), most(4000, own))
	row("most uploads a second under the default quota of a table", fmt.Sprintf("40,000 ÷ %.0f", own), most(40000, own))
	row("most uploads a second into one entry and kind", fmt.Sprintf("1,000 ÷ %.0f", own), most(1000, own))
	// A record enters its shard when it is created, and leaves it when it is settled.
	shard := r.Create.ShardWrites + r.Settle.ShardWrites
	row("most uploads a second through the status index", fmt.Sprintf("%.0f shards × 1,000 ÷ %.0f", shards, shard),
		most(shards*1000, shard))
	row("messages in flight, all well", fmt.Sprintf("λ × %.3f s", w.window+w.judge()),
		times(w.window+w.judge()))
	row("share of failures that fills the queue's flight", fmt.Sprintf("120,000 ÷ (λ × %.0f s)", visibility),
		func(rate float64) string {
			if share := 120000 / (rate * visibility); share < 1 {
				return fmt.Sprintf("%.1f %%", share*100)
			}
			return "none"
		})
	// Its time, but for the margin at the end; the listing is for records whose file an
	// earlier run has seen.
	run := float64(x.number(t, "Resources", "ReconcilerFunction", "Properties",
		"Timeout")) - reconcile.DefaultMargin.Seconds()
	const each, atOnce = assumedRecordsCall + assumedBucketCall, 8
	row("runs of the reconciler that a survey of one day's files takes",
		fmt.Sprintf("λ × 86,400 × %.3f s ÷ %d ÷ %.0f s", each, atOnce, run), times(86400*each/atOnce/run))
	row("logs, GB a day", fmt.Sprintf("λ × %.0f bytes × 86,400 s", w.logBytes()),
		func(rate float64) string { return count(math.Ceil(rate * w.logBytes() * 86400 / 1e9)) })
	return b.String()
}

// count writes a whole number with commas.
func count(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
