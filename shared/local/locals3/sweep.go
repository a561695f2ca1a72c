package locals3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"

	"hatchery/shared/arrival"
)

// sweepBatch is how many names of a folder are held in memory at once.
const sweepBatch = 256

// Quarantined yields every version of every object under the quarantine prefix, the delete markers left out, as if it
// had arrived by PUT when it was stored; the versions of one key come oldest first. It finds the arrivals that were
// never announced: Created failed, or the process died between storing and announcing. What is stored or deleted
// meanwhile may or may not be yielded. Memory does not grow with the number of objects. It stops at the first error of
// yield, which it returns as it is.
//
// It reads the folders itself: versitygw's listing starts over for each page, and repeats a version between pages.
func (s *Server) Quarantined(ctx context.Context, yield func(arrival.Created) error) error {
	return s.sweep(ctx, "", yield)
}

// sweep goes through the keys that begin with folder, which is empty or ends in a slash.
func (s *Server) sweep(ctx context.Context, folder string, yield func(arrival.Created) error) error {
	prefix := s.opts.QuarantinePrefix
	dir, err := os.Open(s.store.layout.object(s.opts.Bucket, folder))
	if isAbsent(err) {
		return nil // removed meanwhile
	}
	if err != nil {
		return fmt.Errorf("sweep quarantine: %w", err)
	}
	defer dir.Close() //nolint:errcheck // nothing was written that could be lost
	for {
		entries, err := dir.ReadDir(sweepBatch)
		for _, entry := range entries {
			key := folder + entry.Name()
			var err error
			switch inside := key + "/"; {
			case entry.IsDir() && key != stagingName && (strings.HasPrefix(inside, prefix) || strings.HasPrefix(prefix, inside)):
				err = s.sweep(ctx, inside, yield)
			case entry.Type().IsRegular() && strings.HasPrefix(key, prefix):
				err = s.sweepKey(ctx, key, yield)
			}
			if err != nil {
				return err
			}
		}
		if err == io.EOF || isAbsent(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sweep quarantine: %w", err)
		}
	}
}

func (s *Server) sweepKey(ctx context.Context, key string, yield func(arrival.Created) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sweep quarantine: %w", err)
	}
	versions, err := s.store.versionsOf(s.opts.Bucket, key)
	if err != nil {
		return fmt.Errorf("sweep quarantine: list the versions of %q: %w", key, err)
	}
	for _, version := range versions {
		created, err := s.describe(ctx, key, version)
		if isGone(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("sweep quarantine: look at %q version %q: %w", key, version, err)
		}
		if err := yield(created); err != nil {
			return err
		}
	}
	return nil
}

// versionsOf gives the ids of all versions of a key, oldest first.
func (g *guarded) versionsOf(bucket, key string) ([]string, error) {
	defer g.share(&bucket, &key)()
	versions, err := regularFiles(g.layout.versionFolder(bucket, key))
	if err != nil {
		return nil, err
	}
	if current := g.attribute(bucket, key, versionAttribute); current != "" {
		versions = append(versions, current)
	}
	return versions, nil
}

// describe reads one version.
func (s *Server) describe(ctx context.Context, key, version string) (arrival.Created, error) {
	head, err := s.store.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.opts.Bucket, Key: &key, VersionId: &version})
	if err != nil {
		return arrival.Created{}, err
	}
	at := s.opts.Now()
	if head.LastModified != nil {
		at = head.LastModified.Round(time.Millisecond)
	}
	created := arrival.Created{
		Name: "ObjectCreated:Put", Time: at, Region: s.opts.Region, Bucket: s.opts.Bucket, Key: key, VersionID: version,
		ETag: strings.Trim(backend.GetStringFromPtr(head.ETag), `"`), Sequencer: arrival.Sequencer(at, 0),
	}
	if head.ContentLength != nil {
		created.Size = *head.ContentLength
	}
	return created, nil
}

// isGone says that an object or a version is not there, or is a delete marker.
func isGone(err error) bool {
	var failure s3err.S3Error
	if !errors.As(err, &failure) {
		return false
	}
	status := failure.StatusCode()
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}
