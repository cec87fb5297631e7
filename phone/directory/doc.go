// Package directory knows who there is: extensions, their devices (bindings) and
// trunks. Extensions and trunks are objects of space.toml; bindings come from
// phones.
//
//	space.toml ─> Extensions, Trunks (tables) ─> store ──Reload──> Snapshot (immutable, atomic)
//	REGISTER ─> Bindings.Update ─> store.Write ──committed──> memory ─> For, Source
//
// Readers never wait: they get a snapshot, or take a short read lock. A binding is
// seen by readers only once it is written, or waits safely in the store's spool.
// Goroutines: none of its own; Resolve and Expire are called by whoever runs the
// server, and the store's writer calls back.
package directory

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// owner is the name of this package's version table.
const owner = "directory"

func schema() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the path is constant
	}
	return sub
}
