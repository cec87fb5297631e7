package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Job is a piece of writing. It may be run again after a failure, so it changes
// nothing but the database through its Tx, and keeps no Tx after it returns.
type Job func(*Tx) error

// Tx is a transaction that a Job works in. It belongs to the job's goroutine.
type Tx struct {
	ctx   context.Context
	conn  *sql.Conn
	base  base
	stmts *statements // nil: nothing is kept prepared
	err   error       // of the first statement that failed
}

// Context is the transaction's.
func (t *Tx) Context() context.Context { return t.ctx }

// Exec runs a statement with `?` for each argument.
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	stmt, err := t.prepared(query)
	if err != nil {
		return nil, t.fail(err)
	}
	var r sql.Result
	if stmt != nil {
		r, err = stmt.ExecContext(t.ctx, args...)
	} else {
		r, err = t.conn.ExecContext(t.ctx, t.base.rebind(query), args...)
	}
	return r, t.fail(err)
}

// Query runs a query with `?` for each argument. Close the rows before the next
// statement.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	stmt, err := t.prepared(query)
	if err != nil {
		return nil, t.fail(err)
	}
	var r *sql.Rows
	if stmt != nil {
		r, err = stmt.QueryContext(t.ctx, args...)
	} else {
		r, err = t.conn.QueryContext(t.ctx, t.base.rebind(query), args...)
	}
	return r, t.fail(err)
}

// QueryRow is Query for at most one row; its error comes from Scan.
func (t *Tx) QueryRow(query string, args ...any) *sql.Row {
	return t.conn.QueryRowContext(t.ctx, t.base.rebind(query), args...)
}

// Lock makes transactions that take the same name wait for each other, those of
// other nodes too, until this one ends. SQLite's writers do so anyway.
func (t *Tx) Lock(name string) error {
	query := t.base.lock()
	if query == "" {
		return nil
	}
	_, err := t.Exec(query, name)
	return err
}

func (t *Tx) prepared(query string) (*sql.Stmt, error) {
	if t.stmts == nil {
		return nil, nil
	}
	return t.stmts.get(t.ctx, t.conn, t.base, query)
}

func (t *Tx) fail(err error) error {
	if err != nil && t.err == nil {
		t.err = err
	}
	return err
}

// do runs job. A statement that failed fails the job even if the job shrugs: in
// PostgreSQL the transaction is dead, and COMMIT would be a silent ROLLBACK.
func (t *Tx) do(job Job) error {
	t.err = nil
	if err := job(t); err != nil {
		return err
	}
	if t.err != nil {
		return fmt.Errorf("store: a statement of the job failed: %w", t.err)
	}
	return nil
}

// maxStatements bounds the statements kept prepared on the writing connection.
// The program's SQL is constant text, some dozens of statements in all.
const maxStatements = 256

// statements are those prepared on one connection, by their text.
type statements struct {
	kept map[string]*sql.Stmt
}

// get returns nil without error when the bound is reached: the statement is then
// run unprepared.
func (s *statements) get(ctx context.Context, conn *sql.Conn, b base, query string) (*sql.Stmt, error) {
	if stmt := s.kept[query]; stmt != nil {
		return stmt, nil
	}
	if len(s.kept) >= maxStatements {
		return nil, nil
	}
	stmt, err := conn.PrepareContext(ctx, b.rebind(query))
	if err != nil {
		return nil, err
	}
	s.kept[query] = stmt
	return stmt, nil
}

func (s *statements) close() {
	for _, stmt := range s.kept {
		_ = stmt.Close() // the connection goes too
	}
	s.kept = nil
}
