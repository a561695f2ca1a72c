package deadletter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// UploadName is how a person names an upload: by its id, or by more of where it belongs.
type UploadName struct {
	Journal upload.Journal
	Entry   upload.Entry
	Kind    policy.KindName // "" is any of the policy
	ID      upload.ID
}

// UploadForms are the forms in which an upload is named.
const UploadForms = "ID, JOURNAL/ENTRY/ID or JOURNAL/ENTRY/KIND/ID"

// ParseUploadName reads one of the UploadForms. The error says what is wrong with the text, without the text.
func ParseUploadName(text string) (UploadName, error) {
	parts := strings.Split(text, "/")
	id, err := upload.ParseID(parts[len(parts)-1])
	if err != nil {
		return UploadName{}, errors.New("its last part is no UUID")
	}
	name := UploadName{ID: id}
	switch len(parts) {
	case 1:
		return name, nil
	case 3:
	case 4:
		if name.Kind = policy.KindName(parts[2]); !name.Kind.Valid() {
			return UploadName{}, errors.New("its third part is no kind")
		}
	default:
		return UploadName{}, fmt.Errorf("it has %d parts", len(parts))
	}
	if !upload.ValidPathID(parts[0]) || !upload.ValidPathID(parts[1]) {
		return UploadName{}, errors.New("journals and entries have 1 to 64 of A-Z a-z 0-9 _ -")
	}
	name.Journal, name.Entry = upload.Journal(parts[0]), upload.Entry(parts[1])
	return name, nil
}

// NameOf is how a person names an upload so that it is found at once.
func NameOf(ref upload.Ref) string {
	return fmt.Sprintf("%s/%s/%s/%s", ref.Journal, ref.Entry, ref.Kind, ref.ID)
}

// Find finds a record. By an id alone it goes over all records, a page at a time: no store finds one so.
// upload.ErrNotFound: there is none.
func (r *Review) Find(ctx context.Context, name UploadName) (upload.Record, error) {
	if name.Journal == "" {
		return r.search(ctx, name.ID)
	}
	tried := []policy.KindName{name.Kind}
	if name.Kind == "" {
		tried = slices.Sorted(maps.Keys(r.Policy.Kinds))
	}
	for _, kind := range tried {
		record, err := r.Records.Get(ctx, upload.Ref{Journal: name.Journal, Entry: name.Entry, Kind: kind, ID: name.ID})
		if !errors.Is(err, upload.ErrNotFound) {
			return record, err
		}
	}
	return upload.Record{}, upload.ErrNotFound
}

func (r *Review) search(ctx context.Context, id upload.ID) (upload.Record, error) {
	for cursor := upload.Cursor(""); ; {
		page, err := r.Records.Scan(ctx, upload.ScanQuery{Cursor: cursor, Limit: upload.MaxPage})
		if err != nil {
			return upload.Record{}, fmt.Errorf("look through the records: %w", err)
		}
		for _, record := range page.Records {
			if record.ID == id {
				return record, nil
			}
		}
		if cursor = page.Next; cursor == "" {
			return upload.Record{}, upload.ErrNotFound
		}
	}
}
