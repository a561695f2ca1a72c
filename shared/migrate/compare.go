package migrate

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// differences names the fields in which two records are not alike.
func differences(a, b upload.Record) []string {
	a.Failures, b.Failures = min(a.Failures, maxFailures), min(b.Failures, maxFailures)
	var names []string
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if !alikeValues(x.Field(i).Interface(), y.Field(i).Interface()) {
			names = append(names, x.Type().Field(i).Name)
		}
	}
	return names
}

func alikeValues(a, b any) bool {
	if at, ok := a.(time.Time); ok {
		return at.Equal(b.(time.Time))
	}
	return reflect.DeepEqual(a, b)
}

// describe says in which fields two records differ, and how: nothing in a record is
// a secret.
func describe(source, there upload.Record) string {
	var parts []string
	for _, name := range differences(source, there) {
		value := func(r upload.Record) string {
			return fmt.Sprintf("%.80v", reflect.Indirect(reflect.ValueOf(r).FieldByName(name)))
		}
		parts = append(parts, fmt.Sprintf("%s is %s instead of %s", name, value(there), value(source)))
	}
	return strings.Join(parts, ", ")
}
