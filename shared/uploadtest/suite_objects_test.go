package uploadtest_test

import (
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestObjectsKeepTheContract(t *testing.T) {
	uploadtest.RunObjects(t, func(*testing.T) uploadtest.ObjectsHarness {
		bucket := uploadtest.NewObjects()
		return uploadtest.ObjectsHarness{
			Objects:   bucket,
			Overwrite: func(_ *testing.T, key upload.Key, body []byte) upload.Version { return bucket.Post(key, body) },
			Mark:      func(_ *testing.T, key upload.Key) { bucket.Mark(key) },
			Described: func(t *testing.T, key upload.Key, version upload.Version) (string, string) {
				contentType, disposition, ok := bucket.Described(key, version)
				if !ok {
					t.Fatalf("%q version %q is not there", key, version)
				}
				return contentType, disposition
			},
		}
	})
}
