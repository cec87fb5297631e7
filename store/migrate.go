package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"

	"github.com/pressly/goose/v3"
)

// ErrNewer: the database was written by a newer program.
var ErrNewer = errors.New("the database is newer than this program")

// owner is the form of an owner's name, which becomes part of a table's.
var owner = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)

// Migrate brings the tables of owner up to date with the files of fsys, named
// 00001_what.sql and so on, each with `-- +goose Up` and SQL that both databases
// speak. It goes forward only, keeps the version in the table <owner>_migration,
// and refuses a database that a newer program has changed (ErrNewer).
func (s *Store) Migrate(ctx context.Context, name string, fsys fs.FS) error {
	if !owner.MatchString(name) {
		return fmt.Errorf("store: %q cannot own tables; use a-z and _", name)
	}
	db, err := s.base.open(true)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := s.migrate(ctx, db, name, fsys); err != nil {
		return fmt.Errorf("migrate the tables of %s in %s: %w", name, s.base.place(), err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context, db *sql.DB, name string, fsys fs.FS) error {
	p, err := s.provider(db, name, fsys)
	if err != nil {
		return err
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > want {
		return fmt.Errorf("%w: its version is %d, this program knows %d; run the newer program, or restore the backup made before it", ErrNewer, have, want)
	}
	if have == want {
		return nil
	}
	_, err = p.Up(ctx)
	return err
}

func (s *Store) provider(db *sql.DB, name string, fsys fs.FS) (*goose.Provider, error) {
	opts := []goose.ProviderOption{
		goose.WithTableName(name + "_migration"),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	l, err := s.base.locker()
	if err != nil {
		return nil, err
	}
	if l != nil {
		opts = append(opts, goose.WithSessionLocker(l))
	}
	return goose.NewProvider(s.base.dialect(), db, fsys, opts...)
}
