package record

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"tincan/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Ledger writes and reads records. Safe for any goroutine.
type Ledger struct {
	store  *store.Store
	places places
}

// Open migrates the tables.
func Open(ctx context.Context, s *store.Store) (*Ledger, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := s.Migrate(ctx, "record", sub); err != nil {
		return nil, err
	}
	l := &Ledger{store: s, places: places{of: map[string]int64{}}}
	return l, l.findPlaces(ctx)
}

// findPlaces reads which rows are taken.
func (l *Ledger) findPlaces(ctx context.Context) error {
	rows, err := l.store.DB().QueryContext(ctx,
		"SELECT place, id, EXISTS (SELECT 1 FROM record_call WHERE record_call.id = record_place.id) FROM record_place")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var place int64
		var id string
		var over bool
		if err := rows.Scan(&place, &id, &over); err != nil {
			return err
		}
		l.places.found(place, id, !over)
	}
	return rows.Err()
}

const (
	putCall = `INSERT INTO record_call (id, node, started, answered, ended, caller, name, dialled, callee, cause, sip_code, ended_by, parties, legs, detail)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`
	putStanding = `INSERT INTO record_place (place, id, state) VALUES (?, ?, ?)
		ON CONFLICT (place) DO UPDATE SET id = excluded.id, state = excluded.state`
)

// End writes the record of a call that ended, with its legs; by that it stands no
// more. done gets nil when that is written and
// store.ErrSpooled when it waits for the database. A second record for an ID is
// ignored.
func (l *Ledger) End(rec Record, done func(error)) {
	l.store.WriteSoon(func(tx *store.Tx) error { return end(tx, &rec) }, func(err error) {
		if err == nil || errors.Is(err, store.ErrSpooled) { // what comes after is written after it
			l.places.leave(rec.ID)
		}
		done(err)
	})
}

func end(tx *store.Tx, r *Record) error {
	legs, parties, err := writeLegs(r.Legs)
	if err != nil {
		return fmt.Errorf("record of call %s: %w", r.ID, err)
	}
	_, err = tx.Exec(putCall, r.ID, r.Node, micro(r.Start), micro(r.Answer), micro(r.End), r.From, r.FromName,
		r.Dialled, r.To, r.Cause, r.SIPCode, r.EndedBy, parties, legs, clipped(r.Detail))
	if err != nil {
		return fmt.Errorf("record of call %s: %w", r.ID, err)
	}
	return nil
}

// maxDetail bounds what is kept of a cause's words, in bytes: some come from phones.
const maxDetail = 1000

func clipped(text string) string {
	text = strings.ReplaceAll(text, "\x00", "") // which PostgreSQL has no place for
	return strings.ToValidUTF8(text[:min(len(text), maxDetail)], "?")
}

// Stand keeps what a restart needs of call id; it replaces what was kept. state
// must not change afterwards.
func (l *Ledger) Stand(id string, state []byte, done func(error)) {
	place := l.places.take(id)
	l.store.Write(func(tx *store.Tx) error {
		_, err := tx.Exec(putStanding, place, id, state)
		return err
	}, done)
}

// Interrupt records a standing call whose state nobody can read any more, as far
// as it is known: that it was there, on node, and that it is over.
func (l *Ledger) Interrupt(id, node string, now time.Time, done func(error)) {
	l.End(Record{ID: id, Node: node, Start: now, End: now, Cause: Interrupted, EndedBy: "server"}, done)
}

// Standing reads the state of every standing call, by ID.
func (l *Ledger) Standing(ctx context.Context) (map[string][]byte, error) {
	rows, err := l.store.DB().QueryContext(ctx,
		"SELECT id, state FROM record_place WHERE NOT EXISTS (SELECT 1 FROM record_call WHERE record_call.id = record_place.id)")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := map[string][]byte{}
	for rows.Next() {
		var id string
		var state []byte
		if err := rows.Scan(&id, &state); err != nil {
			return nil, err
		}
		all[id] = state
	}
	return all, rows.Err()
}

// micro is a time as it is stored: 0 for none.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
