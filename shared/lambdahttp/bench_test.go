package lambdahttp_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/lambdahttp"
)

// beside measures one way of doing something in turns with another one, and reports their ratio: the speed of the
// machine is not in it.
func beside(b *testing.B, ours, theirs func(), unit string) {
	var took, took2 time.Duration
	for b.Loop() {
		began := time.Now()
		ours()
		between := time.Now()
		theirs()
		took, took2 = took+between.Sub(began), took2+time.Since(between)
	}
	b.ReportMetric(float64(took)/float64(took2), unit)
	b.ReportMetric(float64(took)/float64(b.N), "ns/op")
}

// BenchmarkInvoke compares what the adapter does for 1 MB with encoding/json and encoding/base64 on the whole event or
// reply, in the same run.
func BenchmarkInvoke(b *testing.B) {
	file := make([]byte, 1_000_000)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(file) // it never fails
	b.Run("POST", func(b *testing.B) {
		a := lambdahttp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if n, err := io.Copy(io.Discard, r.Body); n != int64(len(file)) || err != nil {
				b.Fatal(n, err)
			}
		}), lambdahttp.Options{})
		payload := eventOf(b, viaAPI, request(b, "POST", "/", string(file), "Content-Type", "image/png"))
		beside(b, func() { invoke(b, a, b.Context(), payload) }, func() {
			var e events.APIGatewayV2HTTPRequest
			if err := json.Unmarshal(payload, &e); err != nil {
				b.Fatal(err)
			}
			if _, err := base64.StdEncoding.DecodeString(e.Body); err != nil {
				b.Fatal(err)
			}
		}, "of-encoding/json")
	})
	b.Run("GET", func(b *testing.B) {
		a := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", strconv.Itoa(len(file)))
			_, _ = w.Write(file)
		}), lambdahttp.Options{})
		payload := eventOf(b, viaAPI, request(b, "GET", "/", ""))
		beside(b, func() { invoke(b, a, b.Context(), payload) }, func() {
			var text strings.Builder
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK,
				Body: base64.StdEncoding.EncodeToString(file), IsBase64Encoded: true}); err != nil {
				b.Fatal(err)
			}
		}, "of-encoding/json")
	})
}
