package localdynamo

import (
	"database/sql"
	"strings"
)

// list reads the items of a listing in its order, until found says that is enough.
func (d *database) list(l *listing, found func(it item) bool) error {
	query, args := l.sql()
	return d.Each(query, args, func(row *sql.Rows) (bool, error) {
		var hash, data []byte
		if err := row.Scan(&hash, &data); err != nil {
			return false, err
		}
		if l.segment != nil && !l.segment(hash) {
			return true, nil
		}
		it, err := decodeItem(data)
		return err == nil && found(it), err
	})
}

// sql is the statement of a listing. It gives the hash key that segments go by, and the data.
func (l *listing) sql() (string, []any) {
	// CROSS JOIN keeps SQLite from beginning with the items.
	from, order := `SELECT e.hash, e.data FROM item e WHERE e.tab = ?`, []string{"e.hash", "e.sort"}
	args := []any{l.table.id}
	if l.index != nil {
		from = `SELECT e.hash, item.data FROM entry e CROSS JOIN item ON item.id = e.item WHERE e.tab = ? AND e.number = ?`
		args = append(args, l.index.number)
		order = append(order, "e.pk", "e.sk")
	}
	var b strings.Builder
	b.WriteString(from)
	if l.keys != nil {
		low, high := l.bounds()
		b.WriteString(" AND e.hash = ? AND e.sort >= ?")
		args = append(args, l.keys.hash, low)
		if high != nil {
			b.WriteString(" AND e.sort < ?")
			args = append(args, high)
		}
		order = order[1:] // one hash key: the rest says where
	}
	direction, beyond := "", ">"
	if l.backward {
		direction, beyond = " DESC", "<"
	}
	if l.start != nil {
		at := []any{l.start.at.hash, l.start.at.sort}
		if l.index != nil {
			at = append(at, l.start.own.hash, l.start.own.sort)
		}
		at = at[len(at)-len(order):]
		b.WriteString(" AND (" + strings.Join(order, ", ") + ") " + beyond + " (" + strings.Repeat("?, ", len(order)-1) + "?)")
		args = append(args, at...)
	}
	b.WriteString(" ORDER BY " + strings.Join(order, direction+", ") + direction)
	return b.String(), args
}

// bounds are the sort keys that a query reads: from where the page before ended, lest it reads that again.
func (l *listing) bounds() (low, high []byte) {
	low, high = l.keys.low, l.keys.high
	switch {
	case l.start == nil:
	case l.backward:
		high = after(l.start.at.sort)
	default:
		low = l.start.at.sort
	}
	return low, high
}
