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
// Higher counts in the target are no difference: counts are for people, a call that was given up and repeated may
// have happened twice, and a target in use has a reconciler and a validator, which meet what a broken-off run had
// begun. When those gave the same verdict on the same version, its time is no difference either, nor is a later round.
func differences(source, target upload.Record) []string {
	sameVerdict := target.Status == source.Status && target.JudgedVersion != "" &&
		target.JudgedVersion == source.JudgedVersion
	bothPending := source.Status == upload.Pending && target.Status == upload.Pending
	if sameVerdict || bothPending && target.Round() >= source.Round() {
		target.SettledAt = source.SettledAt
	}
	if sameVerdict && source.DroppedAt.IsZero() {
		target.DroppedAt = source.DroppedAt // a target in use makes room in quarantine, too
	}
	if sameVerdict || target.Failures >= min(source.Failures, maxCounted) {
		target.Failures, target.LastFailure = source.Failures, source.LastFailure
	}
	if sameVerdict || target.Resends >= min(source.Resends, maxCounted) {
		target.Resends, target.ResentAt = source.Resends, source.ResentAt
	}
	target.Revision = source.Revision // each store has its own
	var names []string
	x, y := reflect.ValueOf(source), reflect.ValueOf(target)
	for i := range x.NumField() {
		if !equal(x.Field(i).Interface(), y.Field(i).Interface()) {
			names = append(names, x.Type().Field(i).Name)
		}
	}
	return names
}

func equal(a, b any) bool {
	if at, ok := a.(time.Time); ok {
		return at.Equal(b.(time.Time))
	}
	return reflect.DeepEqual(a, b)
}

// describe says in which fields two records differ, and how: nothing in a record is a secret.
func describe(source, target upload.Record) string {
	var parts []string
	for _, name := range differences(source, target) {
		parts = append(parts, fmt.Sprintf("%s is %s instead of %s", name, valueOf(target, name), valueOf(source, name)))
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
	return cut(text, maxValueBytes)
}

// cut shortens a text for a person to so many bytes.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
