package presence

import (
	"context"
	"embed"
	"io/fs"

	"tincan/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// owner is the name of this package's version table.
const owner = "presence"

// Migrate brings the tables up to date: all that who only changes objects needs.
func Migrate(ctx context.Context, s *store.Store) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return s.Migrate(ctx, owner, sub)
}
