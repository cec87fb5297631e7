package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// FileName is SQLite's file in the data folder.
const FileName = "tincan.db"

const (
	// writeBusy is how long the writer waits for a lock that another process
	// holds. Calls wait for what is being written, so it is short; what does not
	// fit goes to the spool.
	writeBusy = 500 * time.Millisecond
	// readBusy is the same for readers, which nobody's call waits for.
	readBusy = 5 * time.Second
	// journalKeep bounds the file of the write-ahead log after a checkpoint.
	journalKeep = 16 << 20
)

type sqliteBase struct {
	path string
	full bool
	file os.FileInfo // the file as it was when last opened; writer goroutine
}

func newSQLite(path string, full bool) (*sqliteBase, error) {
	// SQLite would make the file readable by all.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the database file: %w", err)
	}
	return &sqliteBase{path: path, full: full}, f.Close()
}

func (b *sqliteBase) open(writing bool) (*sql.DB, error) {
	q := url.Values{"mode": {"rw"}}
	busy := readBusy
	if writing {
		busy = writeBusy
	}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()))
	q.Add("_pragma", "journal_mode(WAL)")
	q.Add("_pragma", "foreign_keys(1)")
	q.Add("_pragma", fmt.Sprintf("journal_size_limit(%d)", journalKeep))
	if b.full {
		q.Add("_pragma", "synchronous(FULL)")
	} else {
		q.Add("_pragma", "synchronous(NORMAL)")
	}
	if !writing {
		q.Add("_query_only", "1")
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: b.path, RawQuery: q.Encode()}
	if b.path[0] != '/' { // SQLite takes file:name as relative, as url.URL does not
		dsn.Path, dsn.Opaque = "", (&url.URL{Path: b.path}).EscapedPath()
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err == nil && writing {
		db.SetMaxIdleConns(0)
	}
	return db, err
}

func (b *sqliteBase) place() string           { return b.path }
func (b *sqliteBase) begin() string           { return "BEGIN IMMEDIATE" }
func (b *sqliteBase) beginRead() string       { return "BEGIN" }
func (b *sqliteBase) lock() string            { return "" }
func (b *sqliteBase) rebind(q string) string  { return q }
func (b *sqliteBase) patience() time.Duration { return 0 }
func (b *sqliteBase) dialect() goose.Dialect  { return goose.DialectSQLite3 }

func (b *sqliteBase) locker() (lock.SessionLocker, error) { return nil, nil }

func (b *sqliteBase) outage(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, sql.ErrConnDone)
	}
	switch e.Code() & 0xff { // the rest of the number only refines
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED, codes.SQLITE_NOMEM, codes.SQLITE_READONLY,
		codes.SQLITE_IOERR, codes.SQLITE_CORRUPT, codes.SQLITE_FULL, codes.SQLITE_CANTOPEN,
		codes.SQLITE_PROTOCOL, codes.SQLITE_NOTADB:
		return true
	}
	return false
}

// present notices a file that was removed or replaced: writes to it would succeed
// and be lost, for the system keeps what is open.
func (b *sqliteBase) present() error {
	now, err := os.Stat(b.path)
	if err != nil {
		return fmt.Errorf("the database file is gone; put it back: %w", err)
	}
	if b.file != nil && !os.SameFile(b.file, now) {
		return fmt.Errorf("the database file %s was replaced by another", b.path)
	}
	return nil
}

func (b *sqliteBase) opened() (err error) {
	b.file, err = os.Stat(b.path)
	return err
}
