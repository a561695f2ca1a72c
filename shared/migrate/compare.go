package migrate

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// differences names the fields in which the target's record is not like the source's.
func differences(source, there upload.Record) []string {
	// More failures than in the source are a call that was given up, repeated, and
	// happened twice after all. The count is for people.
	source.Failures = min(source.Failures, maxCounted)
	there.Failures = min(there.Failures, source.Failures)
	source.Reenqueued, there.Reenqueued = min(source.Reenqueued, maxCounted), min(there.Reenqueued, maxCounted)
	var names []string
	x, y := reflect.ValueOf(source), reflect.ValueOf(there)
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
		parts = append(parts, fmt.Sprintf("%s is %s instead of %s", name, valueOf(there, name), valueOf(source, name)))
	}
	return strings.Join(parts, ", ")
}

// maxValueBytes is how much is shown of a value.
const maxValueBytes = 80

// valueOf writes a field's value for a person.
func valueOf(r upload.Record, field string) string {
	value := reflect.ValueOf(r).FieldByName(field)
	if value.IsZero() && value.Kind() != reflect.Int {
		return "nothing"
	}
	text := fmt.Sprint(reflect.Indirect(value))
	if len(text) > maxValueBytes {
		text = strings.ToValidUTF8(text[:maxValueBytes], "") + "…"
	}
	return text
}
