package uploadtest

import (
	"fmt"

	"hatchery/shared/upload"
)

// After gives what a transition makes of a record. It panics where the transition may
// not go from there: a test that expects a record has a wrong picture then.
func After(t upload.Transition, r upload.Record) upload.Record {
	after, err := t.To(r)
	if err != nil {
		panic(fmt.Sprintf("%s a %s record: %v", t.Name, r.Status, err))
	}
	return after
}
