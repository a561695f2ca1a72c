package api

import "net/http"

// remove deletes an upload whatever its state and answers with its last record.
func (h *handler) remove(c *call) error {
	ctx, cancel := finishing(c.r.Context(), storeTime)
	defer cancel()
	record, err := h.Pipeline.Delete(ctx, c.Ref)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, record)
}
