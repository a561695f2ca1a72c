package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"hatchery/shared/upload"
)

const (
	// listPage is how many records are held at once while all are listed, and the page of another status.
	listPage = 500
	// maxCursor bounds a cursor, in bytes; no store gives longer ones.
	maxCursor = 2048
)

// list answers with the records of one entry and kind, newest first, under the kind's name. Without limit it gives all
// stored ones, a page in memory at a time. Of another status it gives one page: a store may have to read many records
// to find few. Where an answer has a bound, it gives as many of them as the answer takes.
func (h *handler) list(c *call) error {
	query, all, err := listQuery(c)
	if err != nil {
		return err
	}
	if room := c.textRoom(); room > 0 && c.r.Method != http.MethodHead {
		return h.listWhatFits(c, query, all, room)
	}
	page, err := h.page(c, query)
	if err != nil {
		return err
	}
	if !all {
		c.linkNext(query, page.Next)
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
			text, err := textOf(record)
			if err != nil {
				return err
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

// listWhatFits answers with as many records as the answer takes, of all or of one page. Where some are left, it says
// where they begin: in next_cursor, and as the next link (RFC 8288).
func (h *handler) listWhatFits(c *call, query upload.Query, all bool, room int) error {
	var body bytes.Buffer
	fmt.Fprintf(&body, "{%q:[", c.Kind)
	room -= body.Len() + maxCursor + 100 // for what follows the records
	for last := !all; ; {
		page, err := h.page(c, query)
		if err != nil {
			return err
		}
		fits, err := fitting(page.Records, room)
		if err != nil {
			return err
		}
		if fits.records < len(page.Records) {
			if query.Limit, last = fits.records, true; fits.records > 0 {
				continue // asked again, so that records and cursor are of one page
			}
			page.Next = query.Cursor
		}
		if body.Bytes()[body.Len()-1] != '[' && fits.text != "" {
			body.WriteByte(',')
		}
		body.WriteString(fits.text)
		if room -= fits.room; page.Next != "" && !last {
			query.Cursor = page.Next
			continue
		}
		body.WriteByte(']')
		switch {
		case page.Next != "":
			fmt.Fprintf(&body, `,"next_cursor":%q`, page.Next)
			c.linkNext(query, page.Next)
		case !all:
			body.WriteString(`,"next_cursor":null`)
		}
		body.WriteString("}\n")
		c.w.Header().Set("Content-Type", "application/json")
		_, _ = c.w.Write(body.Bytes()) // nobody is left to be told of a failure
		return nil
	}
}

// linkNext says where a list goes on, if it does: by a link to the same list from there on (RFC 8288).
func (c *call) linkNext(query upload.Query, from upload.Cursor) {
	if from == "" {
		return
	}
	next := url.Values{"cursor": {string(from)}, "status": {string(query.Status)}}
	if limit := c.r.URL.Query().Get("limit"); limit != "" {
		next.Set("limit", limit)
	}
	c.w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, path(pathFiles, c.Ref), next.Encode()))
}

// beginning is as many records of a page as an answer takes.
type beginning struct {
	records int
	text    string // with commas between them
	room    int    // what the text takes of textRoom
}

func fitting(records []upload.Record, room int) (f beginning, err error) {
	var all strings.Builder
	for _, record := range records {
		text, err := textOf(record)
		if err != nil {
			return f, err
		}
		takes := 1 + len(text) + bytes.Count(text, []byte(`"`)) + bytes.Count(text, []byte(`\`))
		if f.room+takes > room {
			break
		}
		if f.records++; f.records > 1 {
			all.WriteByte(',')
		}
		all.Write(text)
		f.room += takes
	}
	f.text = all.String()
	return f, nil
}

func textOf(record upload.Record) ([]byte, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode record %s: %w", record.Ref(), err)
	}
	return text, nil
}

// textRoom is how many bytes of JSON one answer takes, each quote and backslash counted as two, because the answer of a
// function is a JSON string. It is 0 where there is no bound.
func (c *call) textRoom() int {
	if w, ok := c.w.ResponseWriter.(interface{ TextRoom() int }); ok {
		return w.TextRoom()
	}
	return 0
}

// fileRoom is the largest file that one request or answer carries, because the front of a function passes on no more.
func (c *call) fileRoom() int64 {
	if w, ok := c.w.ResponseWriter.(interface{ FileRoom() int64 }); ok {
		return w.FileRoom()
	}
	return math.MaxInt64
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
	if values.Has("limit") {
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
	all = !values.Has("limit") && query.Status == upload.Stored
	query.Cursor = upload.Cursor(values.Get("cursor"))
	if len(query.Cursor) > maxCursor {
		return query, all, fmt.Errorf("a cursor of %d bytes: %w", len(query.Cursor), upload.ErrBadCursor)
	}
	return query, all, nil
}
