package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"hatchery/shared/upload"
)

// maxJSON bounds the JSON body of a request.
const maxJSON = 16 << 10

// formRequest is what a caller says of a file that it will send by a form.
type formRequest struct {
	Name   string `json:"name"`
	Size   *int64 `json:"size"`
	Type   string `json:"type"`
	SHA256 string `json:"sha256"`
}

// formAnswer is the record with the form to send its bytes with. The form is
// null when the upload has its verdict already.
type formAnswer struct {
	Record upload.Record `json:"record"`
	Form   *upload.Form  `json:"form"`
}

// form makes a pending record and signs a form for it.
func (h *handler) form(c *call) error {
	key, err := onceKey(c.r)
	if err != nil {
		return err
	}
	says, err := readFormRequest(c.r, h.receive(c))
	if err != nil {
		return err
	}
	expires := h.Now().Add(h.FormLifetime).UTC().Truncate(time.Second)
	request := upload.Request{Journal: c.Journal, Entry: c.Entry, Kind: c.Kind, Filename: says.Name, FormExpires: expires,
		Declared: upload.Declared{Type: says.Type, SHA256: says.SHA256}}
	if says.Size != nil {
		if err := c.kind.CheckSize(*says.Size); err != nil {
			return err
		}
		if *says.Size < 1 {
			return &problem{code: badSize, detail: "The announced size is no file's: send the size in bytes, or none."}
		}
		request.Declared.Size = *says.Size
	}
	draft, err := h.Pipeline.Draft(request)
	if err != nil {
		return err
	}
	once := h.claim(c, key, "uploads", draft.FullName(), draft.Declared.Size, draft.Declared.Type, draft.Declared.SHA256)
	ctx, cancel := finishing(c.r.Context(), storeTime)
	defer cancel()
	record, err := h.Pipeline.Begin(ctx, draft, once)
	if err != nil {
		return err
	}
	h.accepted(c, draft, record)
	c.w.Header().Set("Location", path(pathStatus, record.Ref()))
	if record.Status != upload.Pending {
		return c.json(http.StatusOK, formAnswer{Record: record})
	}
	// A repeated request gets a new form for the first one's record. It must end well
	// before that upload is given up, a day after its first form.
	if latest := record.FormExpires.Add(renewable); expires.After(latest) {
		expires = latest
	}
	if expires.Sub(h.Now()) < time.Minute {
		return &problem{code: keyReused, detail: "The upload under this Idempotency-Key waits for its file too long to get another form: ask for one under a new key."}
	}
	least, most := c.kind.MinBytes, c.kind.MaxBytes
	if size := record.Declared.Size; size > 0 {
		least, most = size, size
	}
	signed, err := h.Forms.Sign(ctx, upload.FormRequest{Key: h.Pipeline.Layout.QuarantineKey(record.Ref()),
		ContentType: upload.ExpectedType(record.Extension), MinBytes: least, MaxBytes: most, Expires: expires})
	if err != nil {
		return fmt.Errorf("sign a form for %s: %w", record.Ref(), err)
	}
	return c.json(http.StatusCreated, formAnswer{Record: record, Form: &signed})
}

// renewable is how long after its first form's end an upload's form can be renewed.
const renewable = 20 * time.Hour

// readFormRequest reads the JSON strictly: a member that is not known is a
// mistake that the caller should hear of.
func readFormRequest(r *http.Request, body io.Reader) (formRequest, error) {
	var says formRequest
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return says, &problem{code: wrongMedia, detail: "The body is JSON: send Content-Type: application/json."}
	}
	data, err := io.ReadAll(io.LimitReader(body, maxJSON+1))
	if err != nil {
		return says, err
	}
	if len(data) > maxJSON {
		return says, &problem{code: tooLarge, detail: fmt.Sprintf("The JSON body has more than %d bytes.", maxJSON)}
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&says)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more text after the JSON value")
		}
	}
	if err != nil {
		return says, &problem{code: badJSON, detail: `The body is not a JSON object like {"name":"cat.png","size":1234,"type":"image/png","sha256":"…"} with these members alone; only name is needed.`}
	}
	return says, nil
}
