package uploadtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"hatchery/shared/upload"
)

// ledger is what a schedule must be measured by: what really happened, seen from
// outside of the pipeline.
type ledger struct {
	bodies   map[string]Body              // by SHA-256
	arrivals map[upload.Key][]arrived     // all that ever came into quarantine
	read     map[string]bool              // SHA-256 of bytes that were read to their end
	answered map[upload.Ref]bool          // uploads that a caller was told are accepted
	told     map[verdict]bool             // what the application was told
	before   map[upload.Ref]upload.Record // records at the step before
}

// verdict is one verdict, as the application tells them apart.
type verdict struct {
	ref     upload.Ref
	version upload.Version
	status  upload.Status
}

func verdictOn(r upload.Record) verdict { return verdict{r.Ref(), r.JudgedVersion, r.Status} }

type arrived struct {
	version upload.Version
	body    Body
}

func newLedger() *ledger {
	return &ledger{bodies: map[string]Body{}, arrivals: map[upload.Key][]arrived{}, read: map[string]bool{},
		answered: map[upload.Ref]bool{}, told: map[verdict]bool{}, before: map[upload.Ref]upload.Record{}}
}

func (l *ledger) clone() *ledger {
	return &ledger{bodies: maps.Clone(l.bodies), arrivals: maps.Clone(l.arrivals), read: maps.Clone(l.read),
		answered: maps.Clone(l.answered), told: maps.Clone(l.told), before: maps.Clone(l.before)}
}

func (l *ledger) know(b Body) { l.bodies[sumOf(b.Data)] = b }

// append writes what of the ledger bears on rules to come.
func (l *ledger) append(text []byte) []byte {
	for _, key := range slices.Sorted(maps.Keys(l.arrivals)) {
		for _, a := range l.arrivals[key] {
			text = fmt.Appendf(text, "arrived %s %s %s\n", key, a.version, a.body.Name)
		}
	}
	for _, sum := range slices.Sorted(maps.Keys(l.read)) {
		text = append(append(text, sum...), '\n')
	}
	return fmt.Appendf(text, "answered %d told %v\n", len(l.answered), l.told) // fmt sorts a map by its keys
}

// checkStep gives the rule that does not hold now, "" when all do. These rules
// hold at every moment, so also if everything stopped for good right now.
func (l *ledger) checkStep(w *world) string {
	if broken := l.checkChanges(w); broken != "" {
		return broken
	}
	for _, at := range w.places {
		record, found := w.memory.Records.peek(at.ref)
		if broken := l.checkRecord(w, at, record, found); broken != "" {
			return broken
		}
		if broken := l.checkFiles(w, at.files, record); broken != "" {
			return broken
		}
	}
	if w.scenario.Swap {
		return l.checkEntry(w)
	}
	return ""
}

// checkChanges compares all records with what they were when it was called last.
func (l *ledger) checkChanges(w *world) (broken string) {
	for _, at := range w.places {
		record, found := w.memory.Records.peek(at.ref)
		before, was := l.before[at.ref]
		if found {
			l.before[at.ref] = record
		} else {
			delete(l.before, at.ref)
		}
		if broken == "" {
			broken = l.checkChange(w, at.ref, before, was, record, found)
		}
	}
	return broken
}

// checkChange holds the life of an upload: pending → stored | rejected, deleted
// from any, back to pending by an operator alone, and never back from deletion.
//
// Without compare-and-swap a late verdict may replace a verdict, which still
// leaves a verdict about bytes that were judged; and a deletion leaves nothing.
// A removed record that came back would be served again, so that is broken in
// either case.
func (l *ledger) checkChange(w *world, ref upload.Ref, before upload.Record, was bool, after upload.Record, is bool) string {
	switch {
	case !was && is && after.Status != upload.Pending:
		return fmt.Sprintf("rule 2: record %s appeared as %s", ref.ID, after.Status)
	case was && !is && (w.scenario.Swap || !w.mayDelete(ref)):
		return fmt.Sprintf("rule 2: record %s vanished", ref.ID)
	case !was || !is || before.Status == after.Status && factsOf(uncounted(before)) == factsOf(uncounted(after)):
		return ""
	case after.Status == upload.Deleted:
		if !w.mayDelete(ref) {
			return fmt.Sprintf("rule 2: record %s was deleted by nobody", ref.ID)
		}
	case after.Status == upload.Pending && w.undoes() && before.Status != upload.Deleted:
		// Recovery gives it a verdict again.
	case after.Status == upload.Pending:
		if before.Status != upload.Rejected || !w.mayRecheck(ref) {
			return fmt.Sprintf("rule 2: record %s went from %s to pending", ref.ID, before.Status)
		}
	case before.Status == upload.Deleted:
		return fmt.Sprintf("rule 2: record %s came back from deletion as %s", ref.ID, after.Status)
	case w.scenario.Swap && before.Status != upload.Pending:
		return fmt.Sprintf("rule 2: the verdict on %s changed from %s by version %s to %s by version %s",
			ref.ID, before.Status, before.JudgedVersion, after.Status, after.JudgedVersion)
	}
	return ""
}

// uncounted leaves out what may be counted at any time.
func uncounted(r upload.Record) upload.Record {
	r.Failures, r.LastFailure, r.Reenqueued, r.ReenqueuedAt = 0, nil, 0, time.Time{}
	return r
}

// checkRecord compares a record with what really arrived.
func (l *ledger) checkRecord(w *world, at place, r upload.Record, found bool) string {
	if !found {
		return ""
	}
	ref := at.ref
	arrivals, there := l.arrivals[at.quarantine], w.memory.Objects.ids(at.quarantine)
	switch r.Status {
	case upload.Pending:
		if l.answered[ref] && len(arrivals) == 0 {
			return fmt.Sprintf("rule 2: upload %s was accepted but its bytes never came into quarantine", ref.ID)
		}
		if r.Size != 0 || r.SHA256 != "" || r.ContentType != "" {
			return fmt.Sprintf("rule 4: pending record %s states facts", ref.ID)
		}
		if (w.undoes() || w.copyAlone(at)) && len(w.memory.Objects.ids(at.files)) > 0 {
			return "" // it is given a verdict with what was promoted
		}
		if w.mayRecheck(ref) || w.undoes() {
			// Late versions were removed while it had its verdict; the judged one,
			// which is judged again, stays.
			if len(there) == 0 && len(arrivals) > 0 {
				return fmt.Sprintf("rule 2: upload %s is pending but nothing of it is in quarantine", ref.ID)
			}
			return ""
		}
		for _, a := range arrivals {
			if !slices.Contains(there, a.version) {
				return fmt.Sprintf("rule 2: upload %s is pending but its version %s is gone from quarantine", ref.ID, a.version)
			}
		}
		return ""
	case upload.Deleted:
		return ""
	}
	judged := slices.IndexFunc(arrivals, func(a arrived) bool { return a.version == r.JudgedVersion })
	if judged < 0 {
		return fmt.Sprintf("rule 1: upload %s was judged by version %q, which never arrived", ref.ID, r.JudgedVersion)
	}
	b := arrivals[judged].body
	if broken := l.checkFacts(r, b); broken != "" {
		return broken
	}
	if r.Status == upload.Stored {
		return l.checkStored(w, at.files, r, b)
	}
	if l.judgedCopy(w, at, r) {
		there = append(there, r.JudgedVersion) // the copy is kept in its place: checkTidy
	}
	return l.checkRejected(w, r, b, there)
}

// checkFacts: what the record states was measured on the bytes.
func (l *ledger) checkFacts(r upload.Record, b Body) string {
	if r.Size != int64(len(b.Data)) {
		return fmt.Sprintf("rule 4: record %s says %d bytes, the judged %s has %d", r.ID, r.Size, b.Name, len(b.Data))
	}
	whole := r.Status == upload.Stored
	if sum := sumOf(b.Data); r.SHA256 != sum && (whole || r.SHA256 != "") {
		return fmt.Sprintf("rule 4: record %s says SHA-256 %q, the judged %s has %s", r.ID, r.SHA256, b.Name, sum)
	}
	if r.ContentType != "image/png" && (whole || r.ContentType != "") {
		return fmt.Sprintf("rule 4: record %s says type %q of %s", r.ID, r.ContentType, b.Name)
	}
	return ""
}

// checkStored: exactly the judged and allowed bytes are what is served.
func (l *ledger) checkStored(w *world, files upload.Key, r upload.Record, b Body) string {
	if code := b.verdict(r.Declared); code != "" {
		return fmt.Sprintf("rule 1: upload %s is stored, but %s is to be refused as %s", r.ID, b.Name, code)
	}
	if r.Reason != nil {
		return fmt.Sprintf("rule 2: upload %s is stored with a reason for refusal", r.ID)
	}
	served, ok := w.memory.Objects.Bytes(files, r.ServedVersion)
	if r.ServedVersion == "" || !ok {
		return fmt.Sprintf("rule 1: upload %s is stored, but its version %q to be served is not there", r.ID, r.ServedVersion)
	}
	if sum := sumOf(served); sum != r.SHA256 {
		return fmt.Sprintf("rule 1: upload %s serves bytes with SHA-256 %s, the judged ones have %s", r.ID, sum, r.SHA256)
	}
	return ""
}

// checkRejected: the reason is one that the bytes give, and they are kept.
func (l *ledger) checkRejected(w *world, r upload.Record, b Body, there []upload.Version) string {
	if r.Reason == nil || r.Reason.Code == "" || r.Reason.Message == "" {
		return fmt.Sprintf("rule 2: upload %s is rejected without a reason", r.ID)
	}
	if r.ServedVersion != "" {
		return fmt.Sprintf("rule 1: upload %s is rejected but names a version to be served", r.ID)
	}
	right := b.verdict(r.Declared)
	switch {
	case r.Reason.Code == right:
	case right == "" && r.Reason.Code == upload.Duplicate && w.scenario.Unique && l.arrivedElsewhere(r.Ref(), b):
	case right == "" && r.Reason.Code == upload.NotAllowed && w.scenario.MaxFiles > 0:
	default:
		return fmt.Sprintf("rule 3: upload %s is rejected as %s (%s), but %s deserves %q", r.ID, r.Reason.Code, r.Reason.Message, b.Name, right)
	}
	// Without compare-and-swap another verdict may have stood for a while, under
	// which these bytes were late and were removed. The reason stands without them.
	if w.scenario.Swap && !slices.Contains(there, r.JudgedVersion) {
		return fmt.Sprintf("rule 2: the bytes of rejected upload %s are not kept", r.ID)
	}
	return ""
}

func (l *ledger) arrivedElsewhere(ref upload.Ref, b Body) bool {
	for key, arrivals := range l.arrivals {
		for _, a := range arrivals {
			if key != upload.DefaultLayout.QuarantineKey(ref) && a.body.Name == b.Name {
				return true
			}
		}
	}
	return false
}

// checkFiles: only bytes that were read whole and deserve it are copied to where
// files are served from.
func (l *ledger) checkFiles(w *world, key upload.Key, r upload.Record) string {
	for _, version := range w.memory.Objects.ids(key) {
		data, _ := w.memory.Objects.Bytes(key, version)
		sum := sumOf(data)
		if !l.read[sum] {
			return fmt.Sprintf("rule 1: %s version %s was promoted before anybody had read its bytes", short(key), version)
		}
		if code := l.bodies[sum].verdict(r.Declared); code != "" {
			return fmt.Sprintf("rule 1: %s version %s holds %s, which is to be refused as %s", short(key), version, l.bodies[sum].Name, code)
		}
	}
	return ""
}

// checkEntry: what the policy says of the entry as a whole. Without
// compare-and-swap two verdicts at once may both pass.
func (l *ledger) checkEntry(w *world) string {
	var stored int64
	owners := map[string]upload.ID{}
	for _, at := range w.places {
		r, found := w.memory.Records.peek(at.ref)
		if !found || r.Status != upload.Stored {
			continue
		}
		stored++
		if other, taken := owners[r.SHA256]; taken && w.scenario.Unique {
			return fmt.Sprintf("rule 2: the same bytes are stored as %s and as %s", other, r.ID)
		}
		owners[r.SHA256] = r.ID
	}
	if m := w.scenario.MaxFiles; m > 0 && stored > m {
		return fmt.Sprintf("rule 2: %d files are stored where %d are allowed", stored, m)
	}
	return ""
}

// checkQuiet gives the rule that does not hold after recovery.
func (l *ledger) checkQuiet(w *world, how recovery) string {
	for _, d := range w.deletes {
		r, found := w.memory.Records.peek(d.ref)
		if d.deleted && found && r.Status != upload.Deleted {
			return fmt.Sprintf("rule 2: upload %s was deleted, and is %s", d.ref.ID, r.Status)
		}
	}
	for _, at := range w.places {
		r, found := w.memory.Records.peek(at.ref)
		if broken := l.checkAccepted(w, at, r, found); broken != "" {
			return broken
		}
		if broken := l.checkTidy(w, at, r, found, how); broken != "" {
			return broken
		}
		if broken := l.checkTold(w, at, r, found, how); broken != "" {
			return broken
		}
	}
	return ""
}

// checkAccepted: an upload whose bytes came has its verdict, or was deleted by
// somebody.
func (l *ledger) checkAccepted(w *world, at place, r upload.Record, found bool) string {
	ref := at.ref
	accepted := l.answered[ref] || len(l.arrivals[at.quarantine]) > 0
	switch {
	case !accepted:
		return ""
	case !found && !w.mayDelete(ref):
		return fmt.Sprintf("rule 2: upload %s was accepted and has no record", ref.ID)
	case found && r.Status == upload.Pending:
		return fmt.Sprintf("rule 2: upload %s is still pending after recovery", ref.ID)
	}
	return ""
}

// checkTidy: nothing is left that belongs to nobody.
//
// Three things may be left, none of which is served, since no record names it:
//   - Without compare-and-swap, a copy under files/ that another verdict or a
//     deletion overtook: it cannot be taken back, because a slow validator might
//     yet settle with it.
//   - Without tombstones, late bytes in quarantine: nothing tells them from those
//     of a record that a store forgot by mistake. Quarantine's lifecycle removes
//     them.
//   - When a validator stopped between its copy and its verdict and the message
//     is lost for good, the copy, once a deletion has removed what was in
//     quarantine: there is nothing for the sweep to find.
func (l *ledger) checkTidy(w *world, at place, r upload.Record, found bool, how recovery) string {
	if !w.scenario.Swap || !found {
		return ""
	}
	quarantine, files := w.memory.Objects.ids(at.quarantine), w.memory.Objects.ids(at.files)
	var keptInQuarantine, keptInFiles []upload.Version
	switch r.Status {
	case upload.Stored:
		keptInFiles = []upload.Version{r.ServedVersion}
	case upload.Rejected:
		keptInQuarantine = []upload.Version{r.JudgedVersion}
		if l.judgedCopy(w, at, r) {
			keptInQuarantine, keptInFiles = nil, files[:min(len(files), 1)]
		}
	}
	if !slices.Equal(quarantine, keptInQuarantine) {
		return fmt.Sprintf("rule 2: upload %s is %s and has %v in quarantine instead of %v", r.ID, r.Status, quarantine, keptInQuarantine)
	}
	if how.redeliver && !slices.Equal(files, keptInFiles) {
		return fmt.Sprintf("rule 2: upload %s is %s and has %v under files/ instead of %v", r.ID, r.Status, files, keptInFiles)
	}
	return ""
}

// checkTold: the application was told of the verdict that stands. When all messages
// are lost for good, nothing comes back to a rejected upload, nor to one of which there
// was a copy alone.
func (l *ledger) checkTold(w *world, at place, r upload.Record, found bool, how recovery) string {
	settled := found && (r.Status == upload.Stored && (how.redeliver || !w.copyAlone(at)) || r.Status == upload.Rejected && how.redeliver)
	if w.scenario.Told && settled && !l.told[verdictOn(r)] {
		return fmt.Sprintf("telling: upload %s is %s, and the application was never told", r.ID, r.Status)
	}
	return ""
}

// undoes says whether a verdict may be undone by a change that began before it.
func (w *world) undoes() bool { return w.scenario.WritesBack && !w.scenario.Swap }

// copyAlone says whether a copy is all that there was of an upload from the start.
func (w *world) copyAlone(at place) bool {
	i := slices.Index(w.places, at)
	return i < len(w.scenario.Uploads) && w.scenario.Uploads[i].CopyAlone
}

// judgedCopy says whether a verdict is about the copy that there was alone.
func (l *ledger) judgedCopy(w *world, at place, r upload.Record) bool {
	return w.copyAlone(at) && r.JudgedVersion == l.arrivals[at.quarantine][0].version
}

// mayDelete and mayRecheck say whether an actor of the scenario does that.
func (w *world) mayDelete(ref upload.Ref) bool {
	return slices.ContainsFunc(w.scenario.Actors, func(a Actor) bool { return a.deletes && w.places[a.upload].ref == ref })
}

func (w *world) mayRecheck(ref upload.Ref) bool {
	return slices.ContainsFunc(w.scenario.Actors, func(a Actor) bool { return a.rechecks && w.places[a.upload].ref == ref })
}
