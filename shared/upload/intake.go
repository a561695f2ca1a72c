package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"hatchery/shared/policy"
)

// Request is what a caller says of an upload. Nothing in it is believed.
type Request struct {
	Journal Journal
	Entry   Entry
	Kind    policy.KindName
	// Filename is what the caller calls the file; see policy.ParseName.
	Filename string
	// Type is a media type that gives a name its extension where it has none. Declared.Type goes before it.
	Type     string
	Declared Declared
	// FormExpires is set when the bytes will come by a signed form.
	FormExpires time.Time
}

// Draft checks a request against the policy and makes the pending record that
// Begin would create. It touches no store. The error is a *policy.Refusal, or trouble
// with making an id.
func (p *Pipeline) Draft(q Request) (Record, error) {
	if !ValidPathID(string(q.Journal)) || !ValidPathID(string(q.Entry)) {
		// Its key would be foreign to Validate. The API answers 404 long before.
		return Record{}, fmt.Errorf("draft a record: journal %q or entry %q is no id", q.Journal, q.Entry)
	}
	kind, err := p.Policy.Kind(q.Kind)
	if err != nil {
		return Record{}, err
	}
	name, err := policy.ParseName(q.Filename, kind.ExtensionOf(cmp.Or(q.Declared.Type, q.Type)))
	if err != nil {
		return Record{}, err
	}
	extension := name.Extension
	if err := p.Policy.CheckExtension(q.Kind, extension); err != nil {
		return Record{}, err
	}
	d := q.Declared
	d.SHA256 = strings.ToLower(d.SHA256)
	if d.SHA256 != "" && !policy.Consists(d.SHA256, policy.Hex, 64, 64) {
		return Record{}, policy.Refuse(policy.ProblemChecksum, "The declared sha256 is not 64 hexadecimal digits.")
	}
	if d.Type = policy.MediaType(d.Type); d.Type != "" && !kind.AllowsType(extension, d.Type) {
		return Record{}, policy.Refuse(policy.ProblemType,
			"The declared type %q does not belong to the extension %q: send %s or no type.", q.Declared.Type, extension,
			policy.DeclaredTypes(extension)[0])
	}
	if d.Size != 0 {
		if err := kind.CheckSize(d.Size); err != nil {
			return Record{}, err
		}
	}
	id, err := p.NewID()
	if err != nil {
		return Record{}, err
	}
	r := Record{ID: id, Journal: q.Journal, Entry: q.Entry, Kind: q.Kind, Name: name.Name, Extension: extension,
		CreatedAt: timeOf(p.Now()), Status: Pending, Declared: d, FormExpires: timeOfOptional(q.FormExpires)}
	if name.Filename != r.FullName() {
		r.Filename = name.Filename
	}
	return r, nil
}

// Begin creates the record of a draft. With a key, a repeated request gets the
// record of the first one. The error is a *policy.Refusal when the entry is full,
// ErrKeyReused, or trouble; after trouble the record may exist, and nothing
// deletes it: a pending record without bytes is the reconciler's.
func (p *Pipeline) Begin(ctx context.Context, draft Record, key *IdempotencyKey) (Record, error) {
	kind, err := p.Policy.Kind(draft.Kind)
	if err != nil {
		return Record{}, err
	}
	// A request under an idempotency key may be a repetition, whose own first record
	// counts: it must not be refused for that. Settle keeps the bound in any case.
	if key == nil && (kind.MaxFiles > 0 || kind.MaxTotalBytes > 0) {
		if err := p.checkRoom(ctx, draft, kind); err != nil {
			return Record{}, err
		}
	}
	r, err := p.Records.Create(ctx, draft, key)
	if err != nil {
		return Record{}, fmt.Errorf("create record %s: %w", draft.Ref(), err)
	}
	return r, nil
}

// checkRoom refuses early what Settle would refuse with certainty. Two requests
// at once may both pass here; the bound itself is kept by Settle.
func (p *Pipeline) checkRoom(ctx context.Context, draft Record, kind policy.Kind) error {
	used, err := p.Records.Usage(ctx, draft.Journal, draft.Entry, draft.Kind)
	if err != nil {
		return fmt.Errorf("sum what entry %s/%s holds: %w", draft.Journal, draft.Entry, err)
	}
	if kind.MaxFiles > 0 && used.Files >= kind.MaxFiles {
		return policy.Refuse(policy.ProblemQuota,
			"The entry holds %d files of this kind: at most %d are accepted. Delete one first.", used.Files, kind.MaxFiles)
	}
	if kind.MaxTotalBytes > 0 && used.Bytes+draft.Declared.Size > kind.MaxTotalBytes {
		return policy.Refuse(policy.ProblemQuota,
			"The entry holds %d bytes of this kind: at most %d are accepted in all. Delete a file first.", used.Bytes,
			kind.MaxTotalBytes)
	}
	return nil
}

// Accept creates the record of a draft and puts the bytes into quarantine under
// it: then, and only then, the upload is accepted. A repeated request under the
// same idempotency key writes the bytes under the first record's key while that
// is pending, so a first attempt that broke off is made whole.
//
// An object that is there already is success: a retry of our own write, or a
// repeated request. What it is, the validator will see.
func (p *Pipeline) Accept(ctx context.Context, draft Record, key *IdempotencyKey, body io.ReadSeeker,
	size int64) (Record, error) {
	r, err := p.Begin(ctx, draft, key)
	if err != nil {
		return Record{}, err
	}
	if r.Status != Pending {
		return r, nil
	}
	object := p.Layout.QuarantineKey(r.Ref())
	if err := p.Objects.Put(ctx, object, body, size); err != nil && !errors.Is(err, ErrExists) {
		return Record{}, fmt.Errorf("put object %q: %w", object, err)
	}
	return r, nil
}

func timeOfOptional(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return timeOf(t)
}
