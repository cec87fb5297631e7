package record

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"tincan/store"
)

const (
	// defaultLimit is how many records List gives when not told.
	defaultLimit = 100
	// MaxLimit bounds what one List reads into memory, some 10 MB.
	MaxLimit = 10000
)

// Filter chooses records.
type Filter struct {
	Since time.Time // started then or later; zero: from the beginning
	Party string    // a destination that called, was called, or had a leg; empty: any
	Limit int       // the most that are given; 0: 100; at most MaxLimit
}

// List gives records with their legs, the latest first.
func (l *Ledger) List(ctx context.Context, f Filter) ([]Record, error) {
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	f.Limit = min(f.Limit, MaxLimit)
	var all []Record
	err := l.store.View(ctx, func(tx *store.Tx) (err error) {
		if all, err = calls(tx, f); err != nil {
			return err
		}
		return legs(tx, all)
	})
	return all, err
}

func calls(tx *store.Tx, f Filter) ([]Record, error) {
	query := `SELECT id, node, started, answered, ended, caller, name, dialled, callee, cause, sip_code, ended_by
		FROM record_call WHERE started >= ?`
	args := []any{micro(f.Since)}
	if f.Party != "" {
		query += ` AND (caller = ? OR callee = ? OR EXISTS (SELECT 1 FROM record_leg WHERE call_id = record_call.id AND party = ?))`
		args = append(args, f.Party, f.Party, f.Party)
	}
	rows, err := tx.Query(query+` ORDER BY started DESC, id LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []Record
	for rows.Next() {
		var r Record
		var start, answer, end int64
		err := rows.Scan(&r.ID, &r.Node, &start, &answer, &end, &r.From, &r.FromName, &r.Dialled, &r.To, &r.Cause, &r.SIPCode, &r.EndedBy)
		if err != nil {
			return nil, err
		}
		r.Start, r.Answer, r.End = moment(start), moment(answer), moment(end)
		all = append(all, r)
	}
	return all, rows.Err()
}

// legsAtOnce bounds the IDs of one query.
const legsAtOnce = 200

// legs reads the legs of all into them.
func legs(tx *store.Tx, all []Record) error {
	for len(all) > 0 {
		n := min(len(all), legsAtOnce)
		if err := someLegs(tx, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func someLegs(tx *store.Tx, some []Record) error {
	of := map[string]*Record{}
	ids := make([]any, len(some))
	for i := range some {
		of[some[i].ID], ids[i] = &some[i], some[i].ID
	}
	rows, err := tx.Query(`SELECT call_id, id, kind, party, device, sip_call_id, remote, started, answered, ended, cause, code,
		codec, codec_by, packets_in, packets_out, lost, jitter_ms FROM record_leg
		WHERE call_id IN (?`+strings.Repeat(", ?", len(ids)-1)+`) ORDER BY call_id, place`, ids...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		call, g, err := scanLeg(rows)
		if err != nil {
			return err
		}
		r := of[call]
		r.Legs = append(r.Legs, g)
	}
	return rows.Err()
}

func scanLeg(rows *sql.Rows) (call string, g Leg, err error) {
	var start, answer, end int64
	err = rows.Scan(&call, &g.ID, &g.Kind, &g.Party, &g.Device, &g.CallID, &g.Remote, &start, &answer, &end,
		&g.Cause, &g.Code, &g.Codec, &g.CodecBy, &g.PacketsIn, &g.PacketsOut, &g.Lost, &g.JitterMS)
	g.Start, g.Answer, g.End = moment(start), moment(answer), moment(end)
	return call, g, err
}
