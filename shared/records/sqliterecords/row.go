package sqliterecords

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"hatchery/shared/sqlitefile"
	"hatchery/shared/upload"
)

// row is a record and where it lies.
type row struct {
	seq int64
	upload.Record
}

const columns = `seq, journal, entry, kind, id, name, extension, filename, created_at, status,
	size, content_type, sha256, reason_code, reason_message, settled_at,
	declared_size, declared_type, declared_sha256, form_expires, judged_version, served_version,
	failures, last_failure_at, last_failure_message, deleted_at, forget_after, reenqueued, reenqueued_at`

// The statements that the writer and the readers share, and the writer's own.
// insertSQL and updateSQL take what identity and state give.
const (
	findSQL   = `SELECT ` + columns + ` FROM uploads WHERE journal = ? AND entry = ? AND kind = ? AND id = ?`
	insertSQL = `INSERT INTO uploads (journal, entry, kind, id, name, created_at,
		declared_size, declared_type, declared_sha256, form_expires, extension, filename, status,
		size, content_type, sha256, reason_code, reason_message, settled_at, judged_version, served_version,
		failures, last_failure_at, last_failure_message, deleted_at, forget_after, reenqueued, reenqueued_at)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (journal, entry, kind, id) DO NOTHING`
	updateSQL = `UPDATE uploads SET extension = ?, filename = ?, status = ?, size = ?, content_type = ?, sha256 = ?,
		reason_code = ?, reason_message = ?, settled_at = ?, judged_version = ?, served_version = ?,
		failures = ?, last_failure_at = ?, last_failure_message = ?, deleted_at = ?, forget_after = ?,
		reenqueued = ?, reenqueued_at = ? WHERE seq = ?`
)

// identity are the columns that never change after Create.
func identity(r upload.Record) []any {
	return []any{r.Journal, r.Entry, r.Kind, r.ID, r.Name, r.CreatedAt.UnixMicro(),
		r.Declared.Size, r.Declared.Type, r.Declared.SHA256, micros(r.FormExpires)}
}

// state are the columns that verdicts, failures and deletion change.
func state(r upload.Record) []any {
	var code, message, failedAt, failure any
	if r.Reason != nil {
		code, message = r.Reason.Code, r.Reason.Message
	}
	if r.LastFailure != nil {
		failedAt, failure = r.LastFailure.At.UnixMicro(), r.LastFailure.Message
	}
	return []any{r.Extension, r.Filename, r.Status, r.Size, r.ContentType, r.SHA256, code, message, micros(r.SettledAt),
		r.JudgedVersion, r.ServedVersion,
		r.Failures, failedAt, failure, micros(r.DeletedAt), micros(r.ForgetAfter), r.Resends, micros(r.ResentAt)}
}

// scan reads columns. A status that nobody knows is no record's: who took it for one
// would drop what it stands for.
func scan(from interface{ Scan(...any) error }) (row, error) {
	var r row
	var created int64
	var settled, expires, failed, deleted, forget, reenqueued sql.NullInt64
	var code, message, failure sql.NullString
	err := from.Scan(&r.seq, &r.Journal, &r.Entry, &r.Kind, &r.ID, &r.Name, &r.Extension, &r.Filename, &created, &r.Status,
		&r.Size, &r.ContentType, &r.SHA256, &code, &message, &settled,
		&r.Declared.Size, &r.Declared.Type, &r.Declared.SHA256, &expires, &r.JudgedVersion, &r.ServedVersion,
		&r.Failures, &failed, &failure, &deleted, &forget, &r.Resends, &reenqueued)
	if err != nil {
		return row{}, err
	}
	if _, err := upload.ParseStatus(string(r.Status)); err != nil {
		if !r.readable() {
			return row{}, fmt.Errorf("row %d: %w", r.seq, sqlitefile.ErrDamagedRow)
		}
		return row{}, fmt.Errorf("the record of %s is damaged: %w", r.Ref(), err)
	}
	r.CreatedAt = time.UnixMicro(created).UTC()
	r.SettledAt, r.FormExpires = timeOf(settled), timeOf(expires)
	r.DeletedAt, r.ForgetAfter, r.ResentAt = timeOf(deleted), timeOf(forget), timeOf(reenqueued)
	if code.Valid {
		r.Reason = &upload.Reason{Code: upload.Code(code.String), Message: message.String}
	}
	if failed.Valid {
		r.LastFailure = &upload.Failure{At: timeOf(failed), Message: failure.String}
	}
	return r, nil
}

// readable says that an error may name the row's upload and status: they are words, and not any bytes.
func (r row) readable() bool {
	return upload.ValidPathID(string(r.Journal)) && upload.ValidPathID(string(r.Entry)) && r.Kind.Valid() &&
		upload.ValidPathID(string(r.ID)) && upload.ValidPathID(string(r.Status))
}

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func timeOf(micros sql.NullInt64) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return time.UnixMicro(micros.Int64).UTC()
}

// find reads the record under ref with a prepared findSQL.
func find(ctx context.Context, by *sql.Stmt, ref upload.Ref) (row, error) {
	r, err := scan(by.QueryRowContext(ctx, ref.Journal, ref.Entry, ref.Kind, ref.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, upload.ErrNotFound
	}
	return r, err
}

// prepareAll sets each statement to its prepared text, and gives those that were
// prepared also with an error.
func prepareAll(ctx context.Context, on interface {
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}, texts map[**sql.Stmt]string) (all []*sql.Stmt, err error) {
	for statement, text := range texts {
		prepared, err := on.PrepareContext(ctx, text) //nolint:sqlclosecheck // the caller closes what it gets
		if err != nil {
			return all, fmt.Errorf("prepare %q: %w", text, err)
		}
		*statement = prepared
		all = append(all, prepared)
	}
	return all, nil
}
