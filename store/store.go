package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// readers bounds the connections that read at the same time. Reads are short and
// rare beside writes (lists, reloads), and each SQLite connection keeps a cache.
const readers = 4

// readerIdle is how long a reading connection is kept unused.
const readerIdle = time.Minute

// Options says how a Store behaves. The zero value is good.
type Options struct {
	// Synchronous is "normal" (the default) or "full": full waits for the disk at
	// every group, so that even a power cut loses nothing acknowledged.
	// PostgreSQL keeps its own setting with "normal" and is told
	// synchronous_commit=on with "full".
	Synchronous string
	// Logger gets what goes wrong; nil discards it.
	Logger *slog.Logger
	// Events, when not nil, hears of every change of state. It is called from the
	// writer goroutine and must not block.
	Events func(Event)
}

// Store is an open database. All methods are safe for concurrent use.
type Store struct {
	base   base
	reader *sql.DB
	writer *writer
	log    *slog.Logger
}

// Open opens the database at where, which is either a folder (SQLite in
// where/tincan.db; the folder is made when missing) or a DSN that starts with
// postgres:// or postgresql://. It fails when the database cannot be used now.
func Open(ctx context.Context, where string, opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	full, err := synchronous(opts.Synchronous)
	if err != nil {
		return nil, err
	}
	b, err := openBase(where, full)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, b, opts)
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", b.place(), err)
	}
	return s, nil
}

func synchronous(word string) (full bool, err error) {
	switch word {
	case "", "normal":
		return false, nil
	case "full":
		return true, nil
	}
	return false, fmt.Errorf("store: synchronous = %q is not known; write \"normal\" or \"full\"", word)
}

func openBase(where string, full bool) (base, error) {
	if strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://") {
		return newPostgres(where, full)
	}
	if err := os.MkdirAll(where, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder %s: %w", where, err)
	}
	return newSQLite(filepath.Join(where, FileName), full)
}

func open(ctx context.Context, b base, opts Options) (*Store, error) {
	l := &link{base: b}
	if err := l.connect(ctx); err != nil {
		l.close()
		return nil, err
	}
	reader, err := b.open(false)
	if err != nil {
		l.close()
		return nil, err
	}
	reader.SetMaxOpenConns(readers)
	reader.SetConnMaxIdleTime(readerIdle)
	l.reconnected = func() { // what readers hold may be the file that went away
		reader.SetMaxIdleConns(0)
		reader.SetMaxIdleConns(readers)
	}
	s := &Store{base: b, reader: reader, log: opts.Logger, writer: newWriter(l, opts)}
	go s.writer.run()
	return s, nil
}

// DB returns the connections for reading. On SQLite they refuse to write: all
// changes go through Write and Update.
func (s *Store) DB() *sql.DB { return s.reader }

// Rebind turns the `?` of hand-written SQL into what this database speaks ($1,
// $2 .. for PostgreSQL). A `?` inside quotes is left alone.
func (s *Store) Rebind(query string) string { return s.base.rebind(query) }

// Write hands job to the writer and returns at once. done, when not nil, is
// called exactly once: with nil when the job is committed, ErrSpooled when the
// database is down and the job waits in memory, or the job's own error, in which
// case nothing of it was written. done is called in the order of the Writes from
// the writer goroutine, which it must not block; only ErrFull and ErrClosed come
// from a goroutine of their own.
func (s *Store) Write(job Job, done func(error)) {
	s.writer.put(entry{job: job, done: done})
}

// WriteSoon is Write for what may wait some milliseconds (soonTime) for other
// jobs to share its transaction, which is what a transaction costs most: the
// end of a call, a registration. It is written after the Writes before it.
func (s *Store) WriteSoon(job Job, done func(error)) {
	s.writer.putSoon(entry{job: job, done: done})
}

// Update runs job in a transaction of its own and waits for its commit. It is for
// changes that a person waits for: it is never spooled, and fails with ErrDown
// while the database is.
func (s *Store) Update(ctx context.Context, job Job) error {
	result := make(chan error, 1)
	s.writer.put(entry{job: job, done: func(err error) { result <- err }, alone: ctx})
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("store: waiting for the writer: %w", ctx.Err())
	}
}

// View runs read in a transaction that sees one state of the database from its
// first to its last query.
func (s *Store) View(ctx context.Context, read Job) error {
	conn, err := s.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, s.base.beginRead()); err != nil {
		return err
	}
	tx := &Tx{ctx: ctx, conn: conn, base: s.base}
	err = tx.do(read)
	// A read has nothing to keep; the context may be over, the end must not be.
	if _, end := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
		err = end
	}
	return err
}

// Status says how the writer does now.
func (s *Store) Status() Status { return s.writer.status() }

// Close writes what waits, ends the writer and closes the database. When ctx ends
// first, or the database is down to the last, its error says how many jobs were
// lost.
func (s *Store) Close(ctx context.Context) error {
	err := s.writer.close(ctx)
	if end := s.reader.Close(); err == nil {
		err = end
	}
	return err
}
