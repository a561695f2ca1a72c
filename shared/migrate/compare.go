package migrate

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// differences names the fields in which the target's record is not like the source's.
//
// What the target counted more is none: counts are for people, a call that was given
// up and repeated may have happened twice, and a target in use has a reconciler and a
// validator, which meet what a broken-off run had begun. That they gave the same
// verdict on the same version is none either, whenever it was.
func differences(source, there upload.Record) []string {
	judgedAlike := there.Status == source.Status && there.JudgedVersion == source.JudgedVersion && there.JudgedVersion != ""
	if judgedAlike {
		there.SettledAt = source.SettledAt
	}
	if judgedAlike || there.Failures >= min(source.Failures, maxCounted) {
		there.Failures, there.LastFailure = source.Failures, source.LastFailure
	}
	if judgedAlike || there.Reenqueued >= min(source.Reenqueued, maxCounted) {
		there.Reenqueued, there.ReenqueuedAt = source.Reenqueued, source.ReenqueuedAt
	}
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
