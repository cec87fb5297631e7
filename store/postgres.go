package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

const (
	// writePatience bounds a group on PostgreSQL, connecting included. Calls wait
	// for what is being written; a database that takes longer counts as down.
	writePatience = 2 * time.Second
	// dialPatience bounds one attempt to connect.
	dialPatience = time.Second
)

type postgresBase struct {
	config *pgx.ConnConfig
}

func newPostgres(dsn string, full bool) (*postgresBase, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil { // pgx hides the password in it
		return nil, fmt.Errorf("database: the DSN does not parse: %w; write postgres://user:password@host:5432/name", err)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = dialPatience
	}
	if full {
		c.RuntimeParams["synchronous_commit"] = "on"
	}
	return &postgresBase{config: c}, nil
}

func (b *postgresBase) open(writing bool) (*sql.DB, error) {
	db := stdlib.OpenDB(*b.config)
	if writing {
		db.SetMaxIdleConns(0)
	}
	return db, nil
}

func (b *postgresBase) place() string {
	return fmt.Sprintf("postgres://%s@%s:%d/%s", b.config.User, b.config.Host, b.config.Port, b.config.Database)
}

func (b *postgresBase) begin() string { return "BEGIN" }
func (b *postgresBase) beginRead() string {
	return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
}

func (b *postgresBase) lock() string {
	return "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))"
}
func (b *postgresBase) rebind(q string) string  { return dollars(q) }
func (b *postgresBase) patience() time.Duration { return writePatience }
func (b *postgresBase) dialect() goose.Dialect  { return goose.DialectPostgres }
func (b *postgresBase) present() error          { return nil }
func (b *postgresBase) opened() error           { return nil }

func (b *postgresBase) locker() (lock.SessionLocker, error) {
	return lock.NewPostgresSessionLocker()
}

// outages are the SQLSTATE classes that blame the server, not the statement:
// connection, rollback (deadlock with another node), resources (disk full),
// intervention (shutting down), system. See PostgreSQL's appendix A.
var outages = [...]string{"08", "40", "53", "57", "58", "XX"}

func (b *postgresBase) outage(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		for _, class := range outages {
			if strings.HasPrefix(server.Code, class) {
				return true
			}
		}
		// lock_not_available; read_only_sql_transaction: a standby took over.
		return server.Code == "55P03" || server.Code == "25006"
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, context.DeadlineExceeded) ||
		pgconn.SafeToRetry(err)
}
