package api

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

const (
	// maxJSON bounds the JSON body of a request.
	maxJSON = 16 << 10
	// renewable is how long after its first form's end an upload can get another form.
	renewable = upload.LateForms - 4*time.Hour
)

// formRequest is what a caller says of a file that it will send by a form.
type formRequest struct {
	Name, Type, SHA256 string
	Size               *int64
}

// formAnswer is the record with the form to send its bytes with. The form is null when the upload has its verdict.
type formAnswer struct {
	Record upload.Record `json:"record"`
	Form   *upload.Form  `json:"form"`
}

// form makes a pending record and signs a form for it.
func (h *handler) form(c *call) error {
	key, err := readIdempotencyKey(c.r)
	if err != nil {
		return err
	}
	request, err := readFormRequest(c.r, h.receive(c))
	if err != nil {
		return err
	}
	declared := upload.Declared{Type: request.Type, SHA256: request.SHA256}
	if request.Size != nil {
		if err := c.kind.CheckSize(*request.Size); err != nil {
			return err
		}
		if *request.Size < 1 {
			return newProblem(badSize, "The announced size is no file's: send the size in bytes, or none.")
		}
		declared.Size = *request.Size
	}
	expires := h.Now().Add(h.FormLifetime).UTC().Truncate(time.Second)
	draft, err := h.Pipeline.Draft(upload.Request{Journal: c.Journal, Entry: c.Entry, Kind: c.Kind,
		Filename: request.Name, FormExpires: expires, Declared: declared})
	if err != nil {
		return err
	}
	ctx, cancel := finishing(c.r.Context(), storeTime)
	defer cancel()
	record, err := h.Pipeline.Begin(ctx, draft, h.idempotencyKey(c, key, "uploads", draft.FullName(),
		draft.Declared.Size, draft.Declared.Type, draft.Declared.SHA256))
	if err != nil {
		return err
	}
	h.accepted(c, draft, record)
	if record.Status != upload.Pending {
		return c.json(http.StatusOK, formAnswer{Record: record})
	}
	// A repeated request gets a new form for the first one's record.
	if latest := record.FormExpires.Add(renewable); expires.After(latest) {
		expires = latest
		if expires.Sub(h.Now()) < time.Minute {
			return newProblem(keyReused, "The upload under this Idempotency-Key waits for its file too long "+
				"to get another form: ask for one under a new key.")
		}
	}
	minBytes, maxBytes := c.kind.MinBytes, c.kind.MaxBytes
	if size := record.Declared.Size; size > 0 {
		minBytes, maxBytes = size, size
	}
	signed, err := h.Forms.Sign(ctx, upload.FormRequest{Key: h.Pipeline.Layout.QuarantineKey(record.Ref()),
		ContentType: policy.ExpectedType(record.Extension), MinBytes: minBytes, MaxBytes: maxBytes, Expires: expires})
	if err != nil {
		return fmt.Errorf("sign a form for %s: %w", record.Ref(), err)
	}
	return c.json(http.StatusCreated, formAnswer{Record: record, Form: &signed})
}

// readFormRequest reads the JSON strictly: the caller should be told of a member that is not known.
func readFormRequest(r *http.Request, body io.Reader) (request formRequest, err error) {
	if policy.MediaType(r.Header.Get("Content-Type")) != "application/json" {
		return request, newProblem(wrongMedia, "The body is JSON: send Content-Type: application/json.")
	}
	data, err := io.ReadAll(io.LimitReader(body, maxJSON+1))
	if err != nil {
		return request, err
	}
	if len(data) > maxJSON {
		return request, newProblem(tooLarge, "The JSON body has more than %d bytes.", maxJSON)
	}
	members, err := readMembers(data, "name", "size", "type", "sha256")
	if err != nil {
		return request, err
	}
	var faults [4]error
	request.Name, faults[0] = members.text("name")
	request.Size, faults[1] = members.size("size")
	request.Type, faults[2] = members.text("type")
	request.SHA256, faults[3] = members.text("sha256")
	return request, cmp.Or(faults[:]...)
}
