package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"hatchery/shared/emf"
	"hatchery/shared/reconcile"
)

// The two uploads that docs/costs.md is about: a picture that POST takes, and one
// that is too large for it and goes to the bucket by a form.
const smallPicture, largePicture = 100_000, 5_000_000

// share is one thing that AWS counts of one upload.
type share struct {
	part         string
	price        price
	small, large float64 // how many units of the price one upload takes
}

// TestTheCostsInTheDocsAreThoseOfTheCountedCalls recomputes every table of
// docs/costs.md and docs/scale.md that holds a sum.
func TestTheCostsInTheDocsAreThoseOfTheCountedCalls(t *testing.T) {
	template := readTemplate(t)
	small := work{counted: countUpload(t, jpegOf(t, smallPicture), false), size: smallPicture}
	large := work{counted: countUpload(t, jpegOf(t, largePicture), true), size: largePicture, byForm: true}
	records := readUnits(t)
	shares := sharesOf(t, template, small, large, records)
	month, idle := monthTable(t, template)
	compareBlocks(t, sourceFile(t, "docs", "costs.md"), map[string]string{
		"prices": pricesTable(), "counted": countedTable(shares), "dollars": dollarsTable(shares,
			float64(template.ruleNumber(t, "quarantine", "ExpirationInDays")+template.ruleNumber(t, "quarantine",
				"NoncurrentDays"))),
		"assumed": assumedTable(small, large), "month": month, "scanners": scannersTable(shares),
		"survey": surveyTable(t, template, countSurvey(t, records.SurveyReads))})
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

// work is one upload with what follows from its size.
type work struct {
	counted
	size   float64
	byForm bool
}

// take is how long the API works on taking it in, in seconds; a form is only signed.
func (w work) take() float64 {
	s := assumedQuestion + assumedRecordsCall
	if !w.byForm {
		s += assumedBucketCall + w.size/assumedRate
	}
	return s
}

// judge is how long the validator works on it: the read, with that of the record in its
// shadow, the copy, the settlement and the deletion.
func (w work) judge() float64 {
	return assumedRecordsCall + 3*assumedBucketCall + w.size/assumedRate
}

// wait is how long a request for the status is held until there is a verdict.
func (w work) wait() float64 {
	return assumedQuestion + assumedRecordsCall + w.judge()
}

// looks is how often a held request reads the record: at once, then after 50 ms,
// then after ever twice as long up to a second.
func (w work) looks() float64 {
	n, at, pause := 1.0, 0.0, 0.05
	for left := w.judge(); at < left; pause = min(pause*2, 1) {
		at += pause
		n++
	}
	return n
}

func sharesOf(t *testing.T, template template, small, large work, r recordCalls) []share {
	t.Helper()
	api, judge := template.megabytes(t, "ApiFunction")/1024, template.megabytes(t, "ValidatorFunction")/1024
	calls := func(w work, name string) float64 { return float64(w.calls[name]) }
	both := func(part string, p price, n float64) share { return share{part, p, n, n} }
	return []share{
		both("API Gateway", priceHTTPAPI, 2),
		both("Lambda, API", priceLambdaRequest, 2),
		{"Lambda, API", priceLambdaSecond, api * (small.take() + small.wait()), api * (large.take() + large.wait())},
		both("Lambda, validator", priceLambdaRequest, 1),
		{"Lambda, validator", priceLambdaSecond, judge * small.judge(), judge * large.judge()},
		// A form is posted by the client, in place of the API's PUT.
		{"S3, PUT or POST", pricePut, calls(small, "PUT"), calls(large, "PUT") + 1},
		{"S3, COPY", pricePut, calls(small, "COPY"), calls(large, "COPY")},
		{"S3, GET", priceGet, calls(small, "GET"), calls(large, "GET")},
		{"S3, DELETE", priceDelete, calls(small, "DELETE"), calls(large, "DELETE")},
		// Sent by S3, received and deleted by the event source mapping.
		both("SQS", priceQueue, 3),
		both("DynamoDB, writes", priceWrite, r.Create.Writes+r.Settle.Writes),
		{"DynamoDB, reads", priceRead, r.reads(small), r.reads(large)},
		{"CloudWatch Logs", priceLog, small.logBytes() / 1e9, large.logBytes() / 1e9},
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
	return math.Ceil(float64(w.logged)/100)*100 + math.Ceil(countedMetrics()/100)*100 + 3*assumedPlatformLines +
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
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.part, s.price.name, units(s.small), units(s.large))
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
	b.WriteString("| part | 100 kB by POST | 5 MB by form |\n|---|---|---|\n")
	var small, large float64
	for i := 0; i < len(shares); {
		part, s, l := firstWord(shares[i].part), 0.0, 0.0
		for ; i < len(shares) && firstWord(shares[i].part) == part; i++ {
			s += shares[i].small * shares[i].price.dollars * million
			l += shares[i].large * shares[i].price.dollars * million
		}
		fmt.Fprintf(&b, "| %s | $%.2f | $%.2f |\n", part, s, l)
		small, large = small+s, large+l
	}
	fmt.Fprintf(&b, "| **a million uploads** | **$%.2f** | **$%.2f** |\n", small, large)
	fmt.Fprintf(&b, "| the bytes in quarantine, if all were refused: %.0f days | $%.2f | $%.2f |\n", kept,
		smallPicture*million/1e9*priceKept.dollars*kept/30.4, largePicture*million/1e9*priceKept.dollars*kept/30.4)
	fmt.Fprintf(&b, "| EventBridge, if the application is notified | $%.2f | $%.2f |\n", priceEvent.dollars*million,
		priceEvent.dollars*million)
	return b.String()
}

func firstWord(part string) string {
	first, _, _ := strings.Cut(part, ",")
	return first
}

func sum(shares []share) (small, large float64) {
	for _, s := range shares {
		small += s.small * s.price.dollars * million
		large += s.large * s.price.dollars * million
	}
	return small, large
}

func assumedTable(small, large work) string {
	var b strings.Builder
	b.WriteString("| seconds of work | formula | 100 kB by POST | 5 MB by form |\n|---|---|---|---|\n")
	row := func(what, formula string, of func(work) float64) {
		fmt.Fprintf(&b, "| %s | %s | %.3f | %.3f |\n", what, formula, of(small), of(large))
	}
	row("the API takes it in", "question + record + (POST alone: PUT + size / rate)", work.take)
	row("the validator judges it", "record + GET + COPY + DELETE + size / rate", work.judge)
	row("the API holds the question for the verdict", "question + record + the validator's", work.wait)
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
	batch := x.number(t, "Resources", "ValidatorFunction", "Properties", "Events", "Arrived", "Properties", "BatchSize")
	rounds := math.Ceil(float64(batch) / float64(codeNumber(t, `messagesAtOnce = (\d+)`, "shared", "pipeline",
		"pipeline.go")))
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
	row("validators at once, full batches", fmt.Sprintf("λ ÷ %d × %.0f × %.3f s", batch, rounds, w.judge()),
		times(rounds/float64(batch)*w.judge()))
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
	// A record leaves the shard of pending ones when it is settled, and enters another.
	shard := r.Create.ShardWrites + r.Settle.ShardWrites/2
	row("most uploads a second through the status index", fmt.Sprintf("%.0f shards × 1,000 ÷ %.0f", shards, shard),
		most(shards*1000, shard))
	row("messages in flight, all well", fmt.Sprintf("λ × %.3f s", w.judge()), times(w.judge()))
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
