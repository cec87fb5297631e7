package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// outage is an error for which the database, not the job, is to blame.
type outage struct{ err error }

func (o *outage) Error() string        { return o.err.Error() }
func (o *outage) Unwrap() error        { return o.err }
func (o *outage) Is(target error) bool { return target == ErrDown }

// link is the one connection that writes. It belongs to the writer goroutine.
type link struct {
	base        base
	db          *sql.DB
	conn        *sql.Conn // nil while not connected
	stmts       *statements
	reconnected func() // may be nil
}

// transact runs the jobs in one transaction: all of them or none. An *outage is
// the database's fault, and the connection is dropped; any other error is the
// first failing job's.
func (l *link) transact(jobs []Job) error {
	ctx, cancel := l.context()
	defer cancel()
	if err := l.ready(ctx); err != nil {
		l.drop()
		return &outage{err}
	}
	err := l.inside(ctx, jobs)
	if err == nil {
		return nil
	}
	if l.base.outage(err) || l.conn.PingContext(ctx) != nil {
		l.drop()
		return &outage{err}
	}
	if _, end := l.conn.ExecContext(ctx, "ROLLBACK"); end != nil {
		l.drop() // a fresh connection has no transaction open, whatever happened
	}
	return err
}

func (l *link) context() (context.Context, context.CancelFunc) {
	if p := l.base.patience(); p > 0 {
		return context.WithTimeout(context.Background(), p)
	}
	return context.Background(), func() {}
}

// ready makes sure that there is a connection to the database that was opened.
func (l *link) ready(ctx context.Context) error {
	if l.conn != nil {
		return l.base.present()
	}
	if err := l.connect(ctx); err != nil {
		return err
	}
	if l.reconnected != nil {
		l.reconnected()
	}
	return nil
}

// inside is transact between a good connection and the judgement of errors.
func (l *link) inside(ctx context.Context, jobs []Job) error {
	tx := &Tx{ctx: ctx, conn: l.conn, base: l.base, stmts: l.stmts}
	if _, err := tx.Exec(l.base.begin()); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, job := range jobs {
		if err := tx.do(job); err != nil {
			if tx.err != nil && !errors.Is(err, tx.err) {
				err = fmt.Errorf("%w (after %w)", err, tx.err)
			}
			return err
		}
	}
	if _, err := tx.Exec("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (l *link) connect(ctx context.Context) (err error) {
	if l.db == nil {
		if l.db, err = l.base.open(true); err != nil {
			return err
		}
	}
	if l.conn, err = l.db.Conn(ctx); err != nil {
		l.conn = nil
		return err
	}
	l.stmts = &statements{kept: map[string]*sql.Stmt{}}
	return l.base.opened()
}

func (l *link) drop() {
	if l.conn == nil {
		return
	}
	l.stmts.close()
	_ = l.conn.Close() // it may be broken already; nothing idle is kept
	l.conn, l.stmts = nil, nil
}

func (l *link) close() {
	l.drop()
	if l.db != nil {
		_ = l.db.Close() // nothing is open on it
	}
}
