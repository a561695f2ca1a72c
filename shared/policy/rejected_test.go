package policy_test

import (
	"testing"

	"hatchery/shared/policy"
)

func TestRejectedBytesAreBoundedByWhatTheEntryMayHold(t *testing.T) {
	for _, c := range []struct {
		kind policy.Kind
		want int64
	}{
		{policy.Kind{MaxBytes: 10}, 1000},
		{policy.Kind{MaxBytes: 10, MaxFiles: 2}, 20},
		{policy.Kind{MaxBytes: 10, MaxFiles: 1 << 62}, 1000},
		{policy.Kind{MaxBytes: 10, MaxTotalBytes: 55}, 55},
		{policy.Kind{MaxBytes: 10, MaxTotalBytes: 5000}, 1000},
		{policy.Kind{MaxBytes: 10, MaxTotalBytes: 5}, 10},
		{policy.Kind{MaxBytes: 10, MaxFiles: 2, MaxTotalBytes: 15}, 15},
		{policy.Kind{MaxBytes: policy.LargestObject, MaxFiles: 1 << 62}, 100 * policy.LargestObject},
	} {
		if got := c.kind.MaxRejectedBytes(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.kind, got, c.want)
		}
	}
}
