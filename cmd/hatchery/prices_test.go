package main

// price is what one unit costs in us-east-1, in dollars, beyond any free tier.
type price struct {
	name    string
	dollars float64 // for one unit
	listed  string  // as AWS lists it
	source  string
	dated   string // when the source was written or read
}

const million = 1e6

// The prices. None of AWS's pages could be read live: they come from copies and
// transcriptions, whose dates are given. A price that changes is changed here;
// docs/costs.md is then made anew with -update.
var (
	priceHTTPAPI = price{"HTTP API request, per 512 KB begun", 1.00 / million, "$1.00 a million",
		"https://docs.aws.amazon.com/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html", "undated"}
	priceLambdaRequest = price{"Lambda request", 0.20 / million, "$0.20 a million",
		"https://aws.amazon.com/lambda/pricing/", "2024, transcribed"}
	priceLambdaSecond = price{"Lambda GB-second, arm64", 0.0000133334, "$0.0000133334",
		"https://cloudchipr.com/blog/aws-lambda-pricing", "2024"}
	pricePut = price{"S3 PUT, COPY, POST or LIST", 0.005 / 1000, "$0.005 a thousand",
		"https://aws.amazon.com/s3/pricing/", "4 October 2026, transcribed"}
	priceGet = price{"S3 GET or HEAD", 0.0004 / 1000, "$0.0004 a thousand",
		"https://aws.amazon.com/s3/pricing/", "4 October 2026, transcribed"}
	priceDelete = price{"S3 DELETE", 0, "nothing", "https://aws.amazon.com/s3/faqs/", "undated"}
	priceKept   = price{"S3 Standard, a GB for a month", 0.023, "$0.023", "https://aws.amazon.com/s3/pricing/",
		"4 October 2026, transcribed"}
	priceQueue = price{"SQS request, per 64 KB begun", 0.40 / million, "$0.40 a million",
		"https://cloudburn.io/blog/amazon-sqs-pricing", "March 2026"}
	priceWrite = price{"DynamoDB write request unit", 0.625 / million, "$0.625 a million",
		"https://aws.amazon.com/dynamodb/pricing/on-demand/", "4 October 2026, transcribed"}
	priceRead = price{"DynamoDB read request unit", 0.125 / million, "$0.125 a million",
		"https://aws.amazon.com/dynamodb/pricing/on-demand/", "4 October 2026, transcribed"}
	priceLog = price{"CloudWatch Logs, a GB taken in", 0.50, "$0.50",
		"https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/", "June 2026"}
	priceMetric = price{"CloudWatch metric, a month", 0.30, "$0.30",
		"https://signoz.io/guides/cloudwatch-pricing", "February 2026"}
	priceAlarm = price{"CloudWatch alarm, a month", 0.10, "$0.10",
		"https://aws.amazon.com/cloudwatch/pricing/", "not verified"}
	priceDashboard = price{"CloudWatch dashboard, a month", 3.00, "$3.00",
		"https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/", "June 2026"}
	priceEvent = price{"EventBridge event, per 64 KB begun", 1.00 / million, "$1.00 a million",
		"https://cloudburn.io/blog/amazon-eventbridge-pricing", "March 2026"}
	priceScanObject = price{"GuardDuty Malware Protection for S3, an object", 0.215 / 1000, "$0.215 a thousand",
		"https://aws.amazon.com/guardduty/pricing/", "28 September 2026, transcribed"}
	priceScanByte = price{"GuardDuty Malware Protection for S3, a GB", 0.09, "$0.09",
		"https://aws.amazon.com/guardduty/pricing/", "28 September 2026, transcribed"}
)

var prices = []price{priceHTTPAPI, priceLambdaRequest, priceLambdaSecond, pricePut, priceGet, priceDelete,
	priceKept, priceQueue, priceWrite, priceRead,
	priceLog, priceMetric, priceAlarm, priceDashboard, priceEvent, priceScanObject, priceScanByte}

// What cannot be counted without AWS is assumed, and said so in docs/costs.md. All
// in seconds but for the rate.
const (
	assumedBucketCall  = 0.050      // "tens of milliseconds" for small requests, in the S3 performance whitepaper
	assumedRecordsCall = 0.010      // "single-digit millisecond", in the DynamoDB guide
	assumedQuestion    = 0.050      // the application's answer: its own affair
	assumedRate        = 20_000_000 // bytes a second: the default of HATCHERY_READ_RATE
	// What an invocation's lines have beside what is counted: its id, and 26 bytes that CloudWatch counts for each line.
	// Lambda's own lines are written of failures alone.
	assumedLinesMore  = 100.0
	assumedAccessLine = 400.0
	// postCPU is the seconds of a processor that the API needs for a POST, for each MB of its body, by
	// docs/measurements.md. A function has a whole processor at so many MB of memory.
	postCPU        = 0.005
	wholeProcessor = 1769
)

// ClamAV in a function: what its own documentation and maintainers say.
const (
	clamMemory = 3.0  // GiB, the minimum in docs.clamav.net "ClamAV in Docker"
	clamLoad   = 22.3 // seconds to load 8.7 million signatures: Cisco-Talos/clamav#1370
	clamWarm   = 1.0  // seconds a file with the engine loaded: assumed
)
