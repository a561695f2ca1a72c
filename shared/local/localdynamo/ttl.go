package localdynamo

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"
)

// maxExpiredAge: what expired longer ago than that is taken for a mistake and kept (developer guide, "time to live").
const maxExpiredAge = 5 * 365 * 24 * time.Hour

type timeToLive struct {
	Enabled       *bool
	AttributeName string
}

type updateTimeToLiveInput struct {
	TableName               string
	TimeToLiveSpecification *timeToLive
}

type updateTimeToLiveOutput struct {
	TimeToLiveSpecification timeToLive
}

func (s *Server) updateTimeToLive(_ context.Context, in *updateTimeToLiveInput) (*updateTimeToLiveOutput, error) {
	want := in.TimeToLiveSpecification
	if want == nil || want.Enabled == nil {
		return nil, invalid("TimeToLiveSpecification with Enabled is required")
	}
	if want.AttributeName == "" || len(want.AttributeName) > 255 {
		return nil, invalid("TimeToLive AttributeName must have 1 to 255 characters")
	}
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	switch {
	case *want.Enabled && t.ttl != "":
		return nil, invalid("TimeToLive is already enabled")
	case !*want.Enabled && t.ttl == "":
		return nil, invalid("TimeToLive is already disabled")
	case !*want.Enabled && t.ttl != want.AttributeName:
		return nil, invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.ttl)
	}
	changed := *t
	changed.ttl = ""
	if *want.Enabled {
		changed.ttl = want.AttributeName
	}
	if err := s.db.Write(func() error { return s.db.setTTL(&changed) }); err != nil {
		return nil, err
	}
	s.tables[t.name] = &changed
	return &updateTimeToLiveOutput{*want}, nil
}

type describeTimeToLiveInput struct{ TableName string }

type describeTimeToLiveOutput struct {
	TimeToLiveDescription struct {
		TimeToLiveStatus string
		AttributeName    string `json:",omitempty"`
	}
}

func (s *Server) describeTimeToLive(_ context.Context, in *describeTimeToLiveInput) (*describeTimeToLiveOutput, error) {
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	out := &describeTimeToLiveOutput{}
	out.TimeToLiveDescription.TimeToLiveStatus = "DISABLED"
	if t.ttl != "" {
		out.TimeToLiveDescription.TimeToLiveStatus, out.TimeToLiveDescription.AttributeName = "ENABLED", t.ttl
	}
	return out, nil
}

// expiry is the second at which the item may be removed, nil for never.
func (t *table) expiry(it item) any {
	v, ok := it[t.ttl]
	if t.ttl == "" || !ok || v.kind != kindNumber {
		return nil
	}
	seconds, err := strconv.ParseInt(v.number.String(), 10, 64)
	if err != nil {
		return nil // a fraction, or no time that anybody will see
	}
	return seconds
}

// setTTL keeps the table's attribute of time to live, and finds out again when each of its items expires.
func (d *database) setTTL(t *table) error {
	if _, err := d.Conn().ExecContext(uninterrupted, `UPDATE tab SET ttl = ? WHERE id = ?`, t.ttl, t.id); err != nil {
		return err
	}
	expiries := map[int64]any{}
	err := d.each(`SELECT id, data FROM item WHERE tab = ?`, func(id int64, it item) {
		expiries[id] = t.expiry(it)
	}, t.id)
	if err != nil {
		return err
	}
	for id, at := range expiries {
		if _, err := d.Conn().ExecContext(uninterrupted, `UPDATE item SET expires = ? WHERE id = ?`, at, id); err != nil {
			return err
		}
	}
	return nil
}

// each reads items with their ids.
func (d *database) each(query string, found func(id int64, it item), args ...any) error {
	return d.Each(query, args, func(row *sql.Rows) (bool, error) {
		var id int64
		var data []byte
		if err := row.Scan(&id, &data); err != nil {
			return false, err
		}
		it, err := decodeItem(data)
		if err == nil {
			found(id, it)
		}
		return true, err
	})
}

// Expire removes the items whose time to live ended before now, as AWS does some time within days, and returns how
// many there were. Until somebody calls it, or Options.ExpireEvery does, expired items are there like any others.
func (s *Server) Expire(ctx context.Context, now time.Time) (int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	removed := 0
	for _, t := range s.tables {
		if err := ctx.Err(); err != nil {
			return removed, fmt.Errorf("expire items: %w", err)
		}
		err := s.db.Write(func() error {
			n, err := s.db.expire(t, now)
			removed += n
			return err
		})
		if err != nil {
			return removed, fmt.Errorf("expire items of table %q: %w", t.name, err)
		}
	}
	return removed, nil
}

func (d *database) expire(t *table, now time.Time) (int, error) {
	var expired []item
	err := d.each(`SELECT id, data FROM item WHERE tab = ? AND expires < ? AND expires > ?`, func(_ int64, it item) {
		expired = append(expired, it)
	}, t.id, now.Unix(), now.Add(-maxExpiredAge).Unix())
	if err != nil {
		return 0, err
	}
	for _, it := range expired {
		if err := d.store(t, t.of(it), it, nil); err != nil {
			return 0, err
		}
	}
	return len(expired), nil
}

// sweep expires items again and again until the server stops.
func (s *Server) sweep(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.stopped.Done():
			return
		case <-ticker.C:
		}
		if _, err := s.Expire(s.stopped, s.options.Now()); err != nil && s.stopped.Err() == nil {
			s.log.Error("expired items could not be removed", "error", err)
		}
	}
}
