//go:build acceptance

package acceptance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
)

// noise is a PNG of about a byte for each of its pixels, which no compression makes smaller.
func noise(t testing.TB, width, height int) []byte {
	t.Helper()
	gray := image.NewGray(image.Rect(0, 0, width, height))
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(gray.Pix) // it never fails
	var b bytes.Buffer
	if err := png.Encode(&b, gray); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sampleEvent reads a file of events/.
func sampleEvent(t testing.TB, name string) []byte {
	t.Helper()
	event, err := os.ReadFile(filepath.Join(moduleRoot(t), "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// posted is a sample POST with other bytes.
func posted(t testing.TB, sample string, body []byte) []byte {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(sampleEvent(t, sample), &e); err != nil {
		t.Fatal(err)
	}
	e["body"], e["isBase64Encoded"] = base64.StdEncoding.EncodeToString(body), true
	e["headers"].(map[string]any)["content-length"] = strconv.Itoa(len(body))
	event, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// arrivedAt is the queue's batch about uploads of one size, a message for each.
func arrivedAt(t testing.TB, bucket string, size int, records ...upload.Ref) []byte {
	t.Helper()
	var batch events.SQSEvent
	for i, record := range records {
		body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Region: region,
			Bucket: bucket, Key: string(upload.DefaultLayout.QuarantineKey(record)), Size: int64(size), Sequencer: "1"})
		if err != nil {
			t.Fatal(err)
		}
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: strconv.Itoa(i), Body: string(body),
			EventSource: "aws:sqs", Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
	}
	event, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	return event
}
