package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"hatchery/shared/upload"
)

const (
	// listPage is how many records are held at once while all are listed.
	listPage = 500
	// maxCursor bounds a cursor, in bytes; no store gives longer ones.
	maxCursor = 2048
)

// list answers with the records of one entry and kind, newest first, under the kind's name. Without limit it gives all
// of them, a page in memory at a time.
func (h *handler) list(c *call) error {
	query, all, err := listQuery(c)
	if err != nil {
		return err
	}
	page, err := h.page(c, query)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	out := bufio.NewWriterSize(c.w, 32<<10)
	_, _ = fmt.Fprintf(out, "{%q:[", c.Kind)
	separator := ""
	for {
		for _, record := range page.Records {
			text, err := json.Marshal(record)
			if err != nil {
				return fmt.Errorf("encode record %s: %w", record.Ref(), err)
			}
			_, _ = out.WriteString(separator)
			if _, err := out.Write(text); err != nil {
				return fmt.Errorf("send a list: %w", err)
			}
			separator = ","
		}
		if !all || page.Next == "" {
			break
		}
		query.Cursor = page.Next
		if page, err = h.page(c, query); err != nil {
			return err
		}
	}
	_, _ = out.WriteString("]")
	if !all {
		next := []byte("null")
		if page.Next != "" {
			if next, err = json.Marshal(page.Next); err != nil {
				return fmt.Errorf("encode a cursor: %w", err)
			}
		}
		_, _ = fmt.Fprintf(out, `,"next_cursor":%s`, next)
	}
	_, _ = out.WriteString("}\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("send a list: %w", err)
	}
	return nil
}

func (h *handler) page(c *call, query upload.Query) (upload.Page, error) {
	page, err := h.Pipeline.Records.List(c.r.Context(), query)
	if err != nil {
		return page, fmt.Errorf("list records of %s/%s/%s: %w", c.Journal, c.Entry, c.Kind, err)
	}
	return page, nil
}

// listQuery reads limit, cursor and status.
func listQuery(c *call) (query upload.Query, all bool, err error) {
	values, err := parseQuery(c.r.URL)
	if err != nil {
		return query, false, err
	}
	query = upload.Query{Journal: c.Journal, Entry: c.Entry, Kind: c.Kind, Status: upload.Stored, Limit: listPage}
	all = !values.Has("limit")
	if !all {
		query.Limit, err = strconv.Atoi(values.Get("limit"))
		if err != nil || query.Limit < 1 || query.Limit > upload.MaxPage {
			return query, all, newProblem(badRequest, "limit is a number from 1 to %d.", upload.MaxPage)
		}
	}
	if values.Has("status") {
		if query.Status, err = upload.ParseStatus(values.Get("status")); err != nil {
			return query, all, newProblem(badRequest, "status is pending, stored, rejected or deleted.")
		}
	}
	query.Cursor = upload.Cursor(values.Get("cursor"))
	if len(query.Cursor) > maxCursor {
		return query, all, fmt.Errorf("a cursor of %d bytes: %w", len(query.Cursor), upload.ErrBadCursor)
	}
	return query, all, nil
}
