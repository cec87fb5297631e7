// Package store keeps what must outlive the process: it opens SQLite (one file
// in the data folder) or PostgreSQL, brings each owner's tables up to date, and
// writes in groups. It knows nothing of phones: owners bring their own SQL and
// their own migrations.
//
//	Write ──> queue (MaxQueue) ──> writer goroutine ──> BEGIN job job job COMMIT ──> done(nil) each
//	                                   │   ^
//	                     database down │   │ back again (tried after 100 ms, 200 ms .. 5 s)
//	                                   v   │
//	                                spool (MaxSpool): done(ErrSpooled) at once, written later, in order
//
// Goroutines: one writer a Store, started by Open and ended by Close. It alone
// changes the database; everything else reads through DB or View. No fsync is
// paid per request: SQLite runs in WAL mode with synchronous=NORMAL, so a killed
// process loses nothing that was acknowledged, and a power cut at most the last
// moment (Options.Synchronous "full" buys that back).
//
// SQL is written once for both databases: `?` stands for an argument, times are
// BIGINT microseconds since 1970 UTC, booleans are BIGINT 0 or 1, and byte
// strings are declared BYTEA, which SQLite stores as the blob it is given.
package store
