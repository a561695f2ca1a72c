package uploadtest_test

import (
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestOldImagesInMemoryKeepTheContract(t *testing.T) {
	old := uploadtest.NewLegacyImages()
	uploadtest.RunLegacyImages(t, old, func(_ *testing.T, ref upload.Ref, body []byte) { old.Put(ref, body) })
}
