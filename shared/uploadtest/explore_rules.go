package uploadtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"hatchery/shared/upload"
)

// oracle decides whether a schedule kept the rules: it knows what really happened, seen
// from outside of the pipeline.
type oracle struct {
	bodies   map[string]Body              // by SHA-256
	arrivals map[upload.Key][]arrived     // all that ever came into quarantine
	read     map[string]bool              // SHA-256 of bytes that were read to their end
	accepted map[upload.Ref]bool          // uploads that a caller was told are accepted
	notified map[verdict]bool             // what the application was told
	before   map[upload.Ref]upload.Record // records at the step before
	// destroyed are the versions that a vandal removed; only with one among the actors.
	destroyed map[upload.Version]bool
	wrong     string // the rule that an actor broke: it called bytes lost that are not, or left a body open
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

func newOracle() *oracle {
	return &oracle{bodies: map[string]Body{}, arrivals: map[upload.Key][]arrived{}, read: map[string]bool{},
		accepted: map[upload.Ref]bool{}, notified: map[verdict]bool{}, before: map[upload.Ref]upload.Record{},
		destroyed: map[upload.Version]bool{}}
}

func (o *oracle) clone() *oracle {
	return &oracle{bodies: maps.Clone(o.bodies), arrivals: maps.Clone(o.arrivals), read: maps.Clone(o.read),
		accepted: maps.Clone(o.accepted), notified: maps.Clone(o.notified), before: maps.Clone(o.before),
		destroyed: maps.Clone(o.destroyed), wrong: o.wrong}
}

func (o *oracle) addBody(b Body) { o.bodies[sumOf(b.Data)] = b }

// append writes what of the oracle matters for later checks.
func (o *oracle) append(text []byte) []byte {
	for _, key := range slices.Sorted(maps.Keys(o.arrivals)) {
		for _, a := range o.arrivals[key] {
			text = fmt.Appendf(text, "arrived %s %s %s\n", key, a.version, a.body.Name)
		}
	}
	for _, sum := range slices.Sorted(maps.Keys(o.read)) {
		text = append(append(text, sum...), '\n')
	}
	for _, version := range slices.Sorted(maps.Keys(o.destroyed)) {
		text = append(append(text, version...), " destroyed\n"...)
	}
	return fmt.Appendf(text, "answered %d told %v\n", len(o.accepted), o.notified) // fmt sorts a map by its keys
}

// checkStep gives the rule that does not hold now, "" when all do. These rules
// hold at every moment, so also if everything stopped for good right now.
func (o *oracle) checkStep(x *execution) string {
	if broken := o.checkChanges(x); broken != "" {
		return broken
	}
	if o.wrong != "" {
		return o.wrong
	}
	for _, at := range x.targets {
		record, found := x.memory.Records.peek(at.ref)
		if broken := o.checkRecord(x, at, record, found); broken != "" {
			return broken
		}
		if broken := o.checkFiles(x, at.files, record); broken != "" {
			return broken
		}
	}
	if x.scenario.Swap {
		return o.checkEntry(x)
	}
	return ""
}

// checkChanges compares all records with what they were when it was called last.
func (o *oracle) checkChanges(x *execution) (broken string) {
	for _, at := range x.targets {
		record, found := x.memory.Records.peek(at.ref)
		before, was := o.before[at.ref]
		if found {
			o.before[at.ref] = record
		} else {
			delete(o.before, at.ref)
		}
		if broken == "" {
			broken = o.checkChange(x, at.ref, before, was, record, found)
		}
	}
	return broken
}

// checkChange holds the life of an upload: pending → stored | rejected, deleted
// from any, back to pending by an operator alone, and never back from deletion.
//
// Without compare-and-swap a late verdict may replace a verdict, which still
// leaves a verdict about bytes that were judged; and a deletion may leave nothing.
// A removed record that came back would be served again, so that is broken in
// either case.
func (o *oracle) checkChange(x *execution, ref upload.Ref, before upload.Record, was bool,
	after upload.Record, is bool) string {
	switch {
	case x.scenario.Swap && is && after.Status == upload.Rejected && !after.DroppedAt.IsZero() &&
		o.mayBeRejected(x) <= onePicture:
		return fmt.Sprintf("rule 2: the bytes of rejected upload %s were dropped although they fit", ref.ID)
	case was && is && before.Status == upload.Rejected && !before.DroppedAt.IsZero() && x.scenario.Swap &&
		after.Status != upload.Deleted && after.DroppedAt.IsZero():
		return fmt.Sprintf("rule 2: the bytes of upload %s were dropped, and it became %s", ref.ID, after.Status)
	case !was && is && after.Status != upload.Pending:
		return fmt.Sprintf("rule 2: record %s appeared as %s", ref.ID, after.Status)
	case was && !is && (x.scenario.Swap || !x.mayDelete(ref)):
		return fmt.Sprintf("rule 2: record %s vanished", ref.ID)
	case !was || !is || before.Status == after.Status && factsOf(uncounted(before)) == factsOf(uncounted(after)):
		return ""
	case after.Status == upload.Deleted:
		if !x.mayDelete(ref) {
			return fmt.Sprintf("rule 2: record %s was deleted by nobody", ref.ID)
		}
	case after.Status == upload.Pending && x.losesUpdates() && before.Status != upload.Deleted:
		// Recovery gives it a verdict again.
	case after.Status == upload.Pending:
		if before.Status != upload.Rejected || !x.mayRecheck(ref) {
			return fmt.Sprintf("rule 2: record %s went from %s to pending", ref.ID, before.Status)
		}
	case before.Status == upload.Deleted:
		return fmt.Sprintf("rule 2: record %s came back from deletion as %s", ref.ID, after.Status)
	case x.scenario.Swap && before.Status != upload.Pending:
		return fmt.Sprintf("rule 2: the verdict on %s changed from %s by version %s to %s by version %s",
			ref.ID, before.Status, before.JudgedVersion, after.Status, after.JudgedVersion)
	}
	return ""
}

// mayBeRejected sums all that came of uploads that are rejected, or may have been.
func (o *oracle) mayBeRejected(x *execution) (sum int64) {
	for _, at := range x.targets {
		r, found := x.memory.Records.peek(at.ref)
		if found && (r.Status == upload.Pending || r.Status == upload.Stored) && !x.mayRecheck(at.ref) {
			continue
		}
		for _, a := range o.arrivals[at.quarantine] {
			sum += int64(len(a.body.Data))
		}
	}
	return sum
}

// uncounted leaves out what may be counted, or noted, at any time.
func uncounted(r upload.Record) upload.Record {
	r.DroppedAt = time.Time{}
	r.Failures, r.LastFailure, r.Resends, r.ResentAt = 0, nil, 0, time.Time{}
	return r
}

// checkRecord compares a record with what really arrived.
func (o *oracle) checkRecord(x *execution, at target, r upload.Record, found bool) string {
	if !found {
		return ""
	}
	ref := at.ref
	arrivals, kept := o.arrivals[at.quarantine], x.memory.Objects.ids(at.quarantine)
	switch r.Status {
	case upload.Pending:
		if o.accepted[ref] && len(arrivals) == 0 {
			return fmt.Sprintf("rule 2: upload %s was accepted but its bytes never came into quarantine", ref.ID)
		}
		if r.Size != 0 || r.SHA256 != "" || r.ContentType != "" || r.Extension != extension {
			return fmt.Sprintf("rule 4: pending record %s states facts", ref.ID)
		}
		overwritten := x.losesUpdates() || !x.scenario.Swap && x.mayReject(ref)
		if (overwritten || x.copyAlone(at)) && len(x.memory.Objects.ids(at.files)) > 0 {
			return "" // it is given a verdict with what was promoted
		}
		if x.mayRecheck(ref) || x.losesUpdates() {
			// Late versions were removed while it had its verdict; the judged one,
			// which is judged again, stays.
			if len(kept) == 0 && len(arrivals) > 0 && !o.vandalised(at) {
				return fmt.Sprintf("rule 2: upload %s is pending but nothing of it is in quarantine", ref.ID)
			}
			return ""
		}
		for _, a := range arrivals {
			if !slices.Contains(kept, a.version) && !o.destroyed[a.version] {
				return fmt.Sprintf("rule 2: upload %s is pending but its version %s is gone from quarantine", ref.ID, a.version)
			}
		}
		return ""
	case upload.Deleted:
		return ""
	}
	byOperator := r.Reason != nil && r.Reason.Code == upload.ByOperator
	switch {
	case byOperator && !x.mayReject(ref):
		return fmt.Sprintf("rule 2: upload %s is rejected by an operator, and none asked for it", ref.ID)
	case byOperator && r.JudgedVersion == "":
		return o.checkRejectedUnseen(x, r)
	case r.Status == upload.Rejected && r.JudgedVersion == "" && o.vandalised(at):
		return o.checkExpired(x, r)
	}
	judged := slices.IndexFunc(arrivals, func(a arrived) bool { return a.version == r.JudgedVersion })
	if judged < 0 {
		return fmt.Sprintf("rule 1: upload %s was judged by version %q, which never arrived", ref.ID, r.JudgedVersion)
	}
	b := arrivals[judged].body
	if broken := o.checkFacts(r, b); broken != "" {
		return broken
	}
	if r.Status == upload.Stored {
		return o.checkStored(x, at.files, r, b)
	}
	if o.judgedCopy(x, at, r) {
		kept = append(kept, r.JudgedVersion) // the copy is kept in its place: checkTidy
	}
	return o.checkRejected(x, r, b, kept)
}

// checkFacts: what the record states was measured on the bytes.
func (o *oracle) checkFacts(r upload.Record, b Body) string {
	if r.Reason != nil && r.Reason.Code == upload.ByOperator && r.Size == 0 {
		return "" // the operator saw no more than a copy of it
	}
	if r.Size != int64(len(b.Data)) {
		return fmt.Sprintf("rule 4: record %s says %d bytes, the judged %s has %d", r.ID, r.Size, b.Name, len(b.Data))
	}
	whole := r.Status == upload.Stored
	if sum := sumOf(b.Data); r.SHA256 != sum && (whole || r.SHA256 != "") {
		return fmt.Sprintf("rule 4: record %s says SHA-256 %q, the judged %s has %s", r.ID, r.SHA256, b.Name, sum)
	}
	contentType, _ := b.described()
	if r.ContentType != contentType && (whole || r.ContentType != "") {
		return fmt.Sprintf("rule 4: record %s says type %q of %s", r.ID, r.ContentType, b.Name)
	}
	if want := map[bool]string{true: b.Extension, false: extension}[whole]; r.Extension != want {
		return fmt.Sprintf("rule 4: record %s is %s and has the extension %q, not %q, with %s", r.ID, r.Status, r.Extension,
			want, b.Name)
	}
	return ""
}

// checkStored: exactly the judged and allowed bytes are what is served.
func (o *oracle) checkStored(x *execution, files upload.Key, r upload.Record, b Body) string {
	if code := b.verdict(r.Declared, x.scenario.Corrects); code != "" {
		return fmt.Sprintf("rule 1: upload %s is stored, but %s is to be refused as %s", r.ID, b.Name, code)
	}
	if r.Reason != nil {
		return fmt.Sprintf("rule 2: upload %s is stored with a reason for refusal", r.ID)
	}
	served, ok := x.memory.Objects.Bytes(files, r.ServedVersion)
	if r.ServedVersion == "" || !ok {
		return fmt.Sprintf("rule 1: upload %s is stored, but its version %q to be served is not there", r.ID, r.ServedVersion)
	}
	if sum := sumOf(served); sum != r.SHA256 {
		return fmt.Sprintf("rule 1: upload %s serves bytes with SHA-256 %s, the judged ones have %s", r.ID, sum, r.SHA256)
	}
	return ""
}

// checkRejected: the reason is one that the bytes give, and they are kept.
func (o *oracle) checkRejected(x *execution, r upload.Record, b Body, kept []upload.Version) string {
	if r.Reason == nil || r.Reason.Code == "" || r.Reason.Message == "" {
		return fmt.Sprintf("rule 2: upload %s is rejected without a reason", r.ID)
	}
	if r.ServedVersion != "" {
		return fmt.Sprintf("rule 1: upload %s is rejected but names a version to be served", r.ID)
	}
	right := b.verdict(r.Declared, x.scenario.Corrects)
	switch {
	case r.Reason.Code == right:
	case r.Reason.Code == upload.ByOperator && r.Reason.Message == operatorsWords:
	case right == "" && r.Reason.Code == upload.Duplicate && x.scenario.Unique && o.arrivedElsewhere(r.Ref(), b):
	case right == "" && r.Reason.Code == upload.NotAllowed && (x.scenario.MaxFiles > 0 || x.scenario.OneFits):
	default:
		return fmt.Sprintf("rule 3: upload %s is rejected as %s (%s), but %s deserves %q", r.ID, r.Reason.Code,
			r.Reason.Message, b.Name, right)
	}
	// Without compare-and-swap another verdict may have stood for a while, under
	// which these bytes were late and were removed. The reason stands without them.
	if x.scenario.Swap && !slices.Contains(kept, r.JudgedVersion) && !o.destroyed[r.JudgedVersion] &&
		r.DroppedAt.IsZero() {
		return fmt.Sprintf("rule 2: the bytes of rejected upload %s are not kept", r.ID)
	}
	return ""
}

// checkRejectedUnseen: of an upload that an operator rejected before its bytes came, or after
// they had gone, nothing is known but that.
func (o *oracle) checkRejectedUnseen(x *execution, r upload.Record) string {
	if r.Status != upload.Rejected || r.Reason.Message != operatorsWords || r.ServedVersion != "" || r.Size != 0 ||
		r.SHA256 != "" {
		return fmt.Sprintf("rule 2: upload %s was rejected by an operator with other words, or with facts", r.ID)
	}
	return ""
}

// vandalised says whether a vandal removed anything of an upload.
func (o *oracle) vandalised(at target) bool {
	return slices.ContainsFunc(o.arrivals[at.quarantine], func(a arrived) bool { return o.destroyed[a.version] })
}

// checkExpired: the reason is what the record knows of the bytes that were destroyed.
// Without compare-and-swap a count may come, or be undone, beside the verdict.
func (o *oracle) checkExpired(x *execution, r upload.Record) string {
	code := upload.NeverArrived // no validator ever heard of them
	if r.BytesCame() {
		code = upload.BytesLost
	}
	switch {
	case r.Reason == nil || r.Reason.Message == "" || r.ServedVersion != "" || r.Size != 0 || r.SHA256 != "":
		return fmt.Sprintf("rule 2: upload %s was expired without a reason, or with facts", r.ID)
	case r.Reason.Code == code || !x.scenario.Swap && (r.Reason.Code == upload.BytesLost ||
		r.Reason.Code == upload.NeverArrived):
		return ""
	}
	return fmt.Sprintf("rule 2: upload %s was expired as %s, and its record has a reason to say %s", r.ID, r.Reason.Code,
		code)
}

// nothingLeft says whether there is neither a version nor a copy of an upload.
func (x *execution) nothingLeft(quarantine upload.Key) bool {
	i := slices.IndexFunc(x.targets, func(at target) bool { return at.quarantine == quarantine })
	return i >= 0 && x.oracle.vandalised(x.targets[i]) && x.empty(quarantine)
}

// empty says whether nothing of an upload is there now, for whatever reason.
func (x *execution) empty(quarantine upload.Key) bool {
	ref, _ := upload.DefaultLayout.ParseQuarantineKey(quarantine)
	return len(x.memory.Objects.ids(quarantine)) == 0 &&
		len(x.memory.Objects.ids(upload.DefaultLayout.FilesKey(ref))) == 0
}

// checkUnseen: an operator's rejection is about no bytes only if there were none at some
// moment while it looked. Else those that are there would be late, and be removed.
func (x *execution) checkUnseen(outcome upload.Outcome, sawEmpty bool) {
	if outcome.Result == upload.ResultRejected && outcome.Version == "" && !sawEmpty {
		x.oracle.wrong = fmt.Sprintf("rule 2: an operator rejected upload %s by none of the bytes that are there",
			outcome.Ref.ID)
	}
}

// checkLost: a validator calls the bytes of an upload lost only if a vandal removed some,
// and if nothing was left of it at some moment while the validator looked.
func (x *execution) checkLost(outcome upload.Outcome, sawNothing bool) {
	if outcome.Result == upload.ResultLost && (!sawNothing || !outcome.Record.BytesCame()) {
		x.oracle.wrong = fmt.Sprintf("rule 2: the bytes of upload %s were called lost, nothing left %t, noted %t",
			outcome.Ref.ID, sawNothing, outcome.Record.BytesCame())
	}
}

func (o *oracle) arrivedElsewhere(ref upload.Ref, b Body) bool {
	for key, arrivals := range o.arrivals {
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
func (o *oracle) checkFiles(x *execution, key upload.Key, r upload.Record) string {
	for _, version := range x.memory.Objects.ids(key) {
		data, _ := x.memory.Objects.Bytes(key, version)
		sum := sumOf(data)
		if !o.read[sum] {
			return fmt.Sprintf("rule 1: %s version %s was promoted before anybody had read its bytes", short(key), version)
		}
		if code := o.bodies[sum].verdict(r.Declared, x.scenario.Corrects); code != "" {
			return fmt.Sprintf("rule 1: %s version %s holds %s, which is to be refused as %s", short(key), version,
				o.bodies[sum].Name, code)
		}
		contentType, disposition, _ := x.memory.Objects.Described(key, version)
		if wantType, want := o.bodies[sum].described(); contentType != wantType || disposition != want {
			return fmt.Sprintf("rule 1: %s version %s holds %s and is described as %s, %s", short(key), version,
				o.bodies[sum].Name, contentType, disposition)
		}
	}
	return ""
}

// checkEntry: what the policy says of the entry as a whole. Without
// compare-and-swap two verdicts at once may both pass.
func (o *oracle) checkEntry(x *execution) string {
	var stored int64
	owners := map[string]upload.ID{}
	for _, at := range x.targets {
		r, found := x.memory.Records.peek(at.ref)
		if !found || r.Status != upload.Stored {
			continue
		}
		stored++
		if other, taken := owners[r.SHA256]; taken && x.scenario.Unique {
			return fmt.Sprintf("rule 2: the same bytes are stored as %s and as %s", other, r.ID)
		}
		owners[r.SHA256] = r.ID
	}
	if m := x.scenario.MaxFiles; m > 0 && stored > m {
		return fmt.Sprintf("rule 2: %d files are stored where %d are allowed", stored, m)
	}
	return ""
}

// checkQuiet gives the rule that does not hold after recovery.
func (o *oracle) checkQuiet(x *execution, how recovery) string {
	var held int64
	for _, d := range x.deletes {
		r, found := x.memory.Records.peek(d.ref)
		if d.deleted && found && r.Status != upload.Deleted {
			return fmt.Sprintf("rule 2: upload %s was deleted, and is %s", d.ref.ID, r.Status)
		}
	}
	for _, at := range x.targets {
		r, found := x.memory.Records.peek(at.ref)
		if broken := o.checkAccepted(x, at, r, found); broken != "" {
			return broken
		}
		if broken := o.checkTidy(x, at, r, found, how); broken != "" {
			return broken
		}
		if broken := o.checkNotified(x, at, r, found, how); broken != "" {
			return broken
		}
		if found && r.Status == upload.Rejected && slices.Contains(x.memory.Objects.ids(at.quarantine), r.JudgedVersion) {
			held += r.Size
		}
	}
	if x.scenario.OneFits && x.scenario.Swap && how.redeliver && held > onePicture {
		return fmt.Sprintf("rule 2: rejected uploads have %d bytes in quarantine, and at most %d are kept", held, onePicture)
	}
	return ""
}

// checkAccepted: an upload whose bytes came has its verdict, or was deleted by
// somebody.
func (o *oracle) checkAccepted(x *execution, at target, r upload.Record, found bool) string {
	ref := at.ref
	accepted := o.accepted[ref] || len(o.arrivals[at.quarantine]) > 0
	switch {
	case !accepted:
		return ""
	case !found && !x.mayDelete(ref):
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
//   - Without compare-and-swap, late bytes in quarantine of an upload that came with
//     its request, and so has no tombstone: nothing tells them from those of a record that a
//     store forgot by mistake. Quarantine's lifecycle removes them.
//   - When a validator stopped between its copy and its verdict and the message
//     is lost for good, the copy, once a deletion has removed what was in
//     quarantine: there is nothing for the sweep to find.
func (o *oracle) checkTidy(x *execution, at target, r upload.Record, found bool, how recovery) string {
	hasForm := slices.Index(x.targets, at) < len(x.scenario.Uploads)
	switch {
	case !found && hasForm && len(x.memory.Objects.ids(at.quarantine)) > 0:
		return fmt.Sprintf("rule 2: upload %s was deleted, and what was posted by its form stays", at.ref.ID)
	case !found || !x.scenario.Swap && r.Status != upload.Deleted:
		return ""
	}
	quarantine, files := x.memory.Objects.ids(at.quarantine), x.memory.Objects.ids(at.files)
	var keptInQuarantine, keptInFiles []upload.Version
	switch r.Status {
	case upload.Stored:
		keptInFiles = []upload.Version{r.ServedVersion}
	case upload.Rejected:
		if r.JudgedVersion != "" && r.DroppedAt.IsZero() { // else it was expired, or dropped
			keptInQuarantine = []upload.Version{r.JudgedVersion}
		}
		if o.judgedCopy(x, at, r) || o.destroyed[r.JudgedVersion] {
			keptInQuarantine, keptInFiles = nil, files[:min(len(files), 1)]
		}
	}
	if !slices.Equal(quarantine, keptInQuarantine) {
		return fmt.Sprintf("rule 2: upload %s is %s and has %v in quarantine instead of %v", r.ID, r.Status, quarantine,
			keptInQuarantine)
	}
	if how.redeliver && !slices.Equal(files, keptInFiles) {
		return fmt.Sprintf("rule 2: upload %s is %s and has %v under files/ instead of %v", r.ID, r.Status, files,
			keptInFiles)
	}
	return ""
}

// checkNotified: the application was notified of the verdict that stands. When all messages
// are lost for good, nothing comes back to a rejected upload, nor to one of which there
// was a copy alone.
func (o *oracle) checkNotified(x *execution, at target, r upload.Record, found bool, how recovery) string {
	settled := found && (r.Status == upload.Stored && (how.redeliver || !x.copyAlone(at) && !o.vandalised(at)) ||
		r.Status == upload.Rejected && how.redeliver)
	if x.scenario.Notified && settled && !o.notified[verdictOn(r)] {
		return fmt.Sprintf("notification: upload %s is %s, and the application was never told", r.ID, r.Status)
	}
	return ""
}

// losesUpdates says whether a verdict may be undone by a change that began before it.
func (x *execution) losesUpdates() bool { return x.scenario.WritesBack && !x.scenario.Swap }

// copyAlone says whether a copy is all that there was of an upload from the start.
func (x *execution) copyAlone(at target) bool {
	i := slices.Index(x.targets, at)
	return i < len(x.scenario.Uploads) && x.scenario.Uploads[i].CopyAlone
}

// judgedCopy says whether a verdict is about the copy that there was alone.
func (o *oracle) judgedCopy(x *execution, at target, r upload.Record) bool {
	return x.copyAlone(at) && r.JudgedVersion == o.arrivals[at.quarantine][0].version
}

// mayDelete, mayRecheck and mayReject say whether an actor of the scenario does that.
func (x *execution) mayDelete(ref upload.Ref) bool {
	return slices.ContainsFunc(x.scenario.Actors,
		func(a Actor) bool { return a.deletes && x.targets[a.upload].ref == ref })
}

func (x *execution) mayRecheck(ref upload.Ref) bool {
	return slices.ContainsFunc(x.scenario.Actors,
		func(a Actor) bool { return a.rechecks && x.targets[a.upload].ref == ref })
}

func (x *execution) mayReject(ref upload.Ref) bool {
	return slices.ContainsFunc(x.scenario.Actors,
		func(a Actor) bool { return a.rejects && x.targets[a.upload].ref == ref })
}
