package samples

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Upload is one of the uploads that the events are about.
type Upload struct {
	ID    upload.ID    `json:"id"`
	Entry upload.Entry `json:"entry"`
	// Name is what the caller calls the file; File is where its bytes are, beside uploads.json.
	Name string `json:"name"`
	File string `json:"file"`
	// Status is what the events presume: pending, stored or rejected.
	Status upload.Status `json:"status"`
	// Event is the one that changes it, and Becomes what it is then; both are empty for an upload that stays as it is.
	Event   string        `json:"event"`
	Becomes upload.Status `json:"becomes"`

	data []byte
}

// After is the upload's status when its event was played.
func (u Upload) After() upload.Status {
	if u.Event == "" {
		return u.Status
	}
	return u.Becomes
}

// Size is how many bytes it has.
func (u Upload) Size() int64 { return int64(len(u.data)) }

// Uploads are all of them, in one journal and of one kind.
type Uploads struct {
	Journal upload.Journal  `json:"journal"`
	Kind    policy.KindName `json:"kind"`
	Uploads []Upload        `json:"uploads"`
}

// uploadsFolder is where uploads.json and the files are.
const uploadsFolder = "uploads"

// ReadUploads reads uploads/uploads.json in the folder of events, and the files.
func ReadUploads(folder fs.FS) (Uploads, error) {
	const name = uploadsFolder + "/uploads.json"
	text, err := fs.ReadFile(folder, name)
	if err != nil {
		return Uploads{}, fmt.Errorf("read the sample uploads: %w", err)
	}
	var u Uploads
	if err := decode(text, &u); err != nil {
		return Uploads{}, fmt.Errorf("read the sample uploads in %s: %w", name, err)
	}
	for i, one := range u.Uploads {
		if one.Status != upload.Pending && one.Status != upload.Stored && one.Status != upload.Rejected {
			return Uploads{}, fmt.Errorf("read the sample uploads in %s: %s is %q; accepted: pending, stored, rejected",
				name, one.ID, one.Status)
		}
		if u.Uploads[i].data, err = fs.ReadFile(folder, path.Join(uploadsFolder, one.File)); err != nil {
			return Uploads{}, fmt.Errorf("read sample upload %s: %w", one.ID, err)
		}
	}
	return u, nil
}

// Ref is the identity of one of the uploads.
func (u Uploads) Ref(one Upload) upload.Ref {
	return upload.Ref{Journal: u.Journal, Entry: one.Entry, Kind: u.Kind, ID: one.ID}
}

// Put uploads all of them by the pipeline, under the ids that they have, and has those judged that are not pending. One
// that exists already stays as it is.
func (u Uploads) Put(ctx context.Context, pipeline *upload.Pipeline) error {
	for _, one := range u.Uploads {
		if err := u.put(ctx, *pipeline, one); err != nil {
			return fmt.Errorf("put sample upload %s: %w", u.Ref(one), err)
		}
	}
	return nil
}

func (u Uploads) put(ctx context.Context, pipeline upload.Pipeline, one Upload) error {
	pipeline.NewID = func() (upload.ID, error) { return one.ID, nil }
	draft, err := pipeline.Draft(upload.Request{Journal: u.Journal, Entry: one.Entry, Kind: u.Kind, Filename: one.Name})
	if err != nil {
		return err
	}
	_, err = pipeline.Accept(ctx, draft, nil, bytes.NewReader(one.data), int64(len(one.data)))
	if errors.Is(err, upload.ErrExists) {
		return nil
	}
	if err != nil || one.Status == upload.Pending {
		return err
	}
	outcome, err := pipeline.Validate(ctx, pipeline.Layout.QuarantineKey(draft.Ref()), "")
	if err != nil {
		return err
	}
	if outcome.Record.Status != one.Status {
		return fmt.Errorf("it is %s now, want %s: the policy does not judge it as the events presume",
			outcome.Record.Status, one.Status)
	}
	return nil
}
