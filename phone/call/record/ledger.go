package record

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"tincan/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Ledger writes and reads records. Safe for any goroutine.
type Ledger struct {
	store *store.Store
}

// Open migrates the tables.
func Open(ctx context.Context, s *store.Store) (*Ledger, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return &Ledger{store: s}, s.Migrate(ctx, "record", sub)
}

const (
	putCall = `INSERT INTO record_call (id, node, started, answered, ended, caller, name, dialled, callee, cause, sip_code, ended_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`
	putLeg = `INSERT INTO record_leg (call_id, place, id, kind, party, device, sip_call_id, remote, started, answered, ended,
		cause, code, codec, codec_by, packets_in, packets_out, lost, jitter_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	putStanding  = `INSERT INTO record_standing (id, state) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state`
	dropStanding = `DELETE FROM record_standing WHERE id = ?`
)

// End writes the record of a call that ended, with its legs, and removes its
// standing state, all or nothing. done gets nil when that is written and
// store.ErrSpooled when it waits for the database. A second record for an ID is
// ignored.
func (l *Ledger) End(rec Record, done func(error)) {
	l.store.WriteSoon(func(tx *store.Tx) error { return end(tx, &rec) }, done)
}

func end(tx *store.Tx, r *Record) error {
	res, err := tx.Exec(putCall, r.ID, r.Node, micro(r.Start), micro(r.Answer), micro(r.End), r.From, r.FromName,
		r.Dialled, r.To, r.Cause, r.SIPCode, r.EndedBy)
	if err != nil {
		return fmt.Errorf("record of call %s: %w", r.ID, err)
	}
	if _, err := tx.Exec(dropStanding, r.ID); err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	for i := range r.Legs {
		if err := putLegOf(tx, r.ID, i, &r.Legs[i]); err != nil {
			return fmt.Errorf("leg %d of call %s: %w", i, r.ID, err)
		}
	}
	return nil
}

func putLegOf(tx *store.Tx, call string, place int, g *Leg) error {
	_, err := tx.Exec(putLeg, call, place, g.ID, g.Kind, g.Party, g.Device, g.CallID, g.Remote,
		micro(g.Start), micro(g.Answer), micro(g.End), g.Cause, g.Code, g.Codec, g.CodecBy,
		int64(g.PacketsIn), int64(g.PacketsOut), int64(g.Lost), g.JitterMS)
	return err
}

// Stand keeps what a restart needs of call id; it replaces what was kept. state
// must not change afterwards.
func (l *Ledger) Stand(id string, state []byte, done func(error)) {
	l.store.Write(func(tx *store.Tx) error {
		_, err := tx.Exec(putStanding, id, state)
		return err
	}, done)
}

// Drop removes the standing state of call id without a record.
func (l *Ledger) Drop(id string) {
	l.store.Write(func(tx *store.Tx) error {
		_, err := tx.Exec(dropStanding, id)
		return err
	}, nil)
}

// Interrupt records a standing call whose state nobody can read any more, as far
// as it is known: that it was there, on node, and that it is over.
func (l *Ledger) Interrupt(id, node string, now time.Time, done func(error)) {
	l.End(Record{ID: id, Node: node, Start: now, End: now, Cause: Interrupted, EndedBy: "server"}, done)
}

// Standing reads the state of every standing call, by ID.
func (l *Ledger) Standing(ctx context.Context) (map[string][]byte, error) {
	rows, err := l.store.DB().QueryContext(ctx, "SELECT id, state FROM record_standing")
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
