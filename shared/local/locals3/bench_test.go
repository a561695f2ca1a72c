package locals3_test

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

var benchKeys atomic.Int64

func benchKey(prefix string) string { return fmt.Sprintf("%s/bench/%d", prefix, benchKeys.Add(1)) }

func benchPut(b *testing.B, key string, body []byte) string {
	out, err := client.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key,
		Body: bytes.NewReader(body), IfNoneMatch: aws.String("*")})
	if err != nil {
		b.Fatal(err)
	}
	return *out.VersionId
}

func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "s3")
	elsewhere(b, func() {
		for b.Loop() {
			if err := open(dir); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := shut(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}

// BenchmarkPut stores objects of 100 KB, one after the other and eight at a time.
func BenchmarkPut(b *testing.B) {
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	b.Run("sequential", func(b *testing.B) {
		for b.Loop() {
			benchPut(b, benchKey("quarantine"), body)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	})
	b.Run("8 at a time", func(b *testing.B) {
		b.SetParallelism(4) // for each of two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				benchPut(b, benchKey("quarantine"), body)
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	})
}

// BenchmarkCopy promotes objects of 100 KB, with SHA-256.
func BenchmarkCopy(b *testing.B) {
	from := benchKey("quarantine")
	version := benchPut(b, from, bytes.Repeat([]byte("0123456789"), 10_000))
	for b.Loop() {
		if _, err := client.CopyObject(b.Context(), promotion(from, version, benchKey("files"))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "copies/s")
}

// BenchmarkPipeline does what the product asks of S3 for one upload: PUT, GET, copy with SHA-256, delete the version.
func BenchmarkPipeline(b *testing.B) {
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	one := func(b *testing.B) {
		from := benchKey("quarantine")
		version := benchPut(b, from, body)
		got, err := client.GetObject(b.Context(),
			&s3.GetObjectInput{Bucket: aws.String(bucket), Key: &from, VersionId: &version})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, got.Body); err != nil {
			b.Fatal(err)
		}
		got.Body.Close()
		if _, err := client.CopyObject(b.Context(), promotion(from, version, benchKey("files"))); err != nil {
			b.Fatal(err)
		}
		if _, err := client.DeleteObject(b.Context(),
			&s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &from, VersionId: &version}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("sequential", func(b *testing.B) {
		for b.Loop() {
			one(b)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "uploads/s")
	})
	b.Run("8 at a time", func(b *testing.B) {
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				one(b)
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "uploads/s")
	})
}
