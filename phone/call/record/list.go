package record

import (
	"context"
	"database/sql"
	"fmt"
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
	ID    string    // that call alone; empty: any
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
		all, err = calls(tx, f)
		return err
	})
	return all, err
}

// literal makes a text stand for itself in LIKE.
var literal = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func calls(tx *store.Tx, f Filter) ([]Record, error) {
	query := `SELECT id, node, started, answered, ended, caller, name, dialled, callee, cause, sip_code, ended_by, legs, detail FROM record_call`
	var args []any
	switch {
	case f.ID != "":
		query += ` WHERE id = ?`
		args = append(args, f.ID)
	case f.Party != "":
		query += ` WHERE caller = ? OR callee = ? OR parties LIKE ? ESCAPE '!'`
		args = append(args, f.Party, f.Party, "% "+literal.Replace(f.Party)+" %")
	}
	rows, err := tx.Query(query+` ORDER BY id DESC LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []Record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		if r.Start.Before(f.Since) {
			break // IDs sort by time: no later one follows
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func scan(rows *sql.Rows) (r Record, err error) {
	var start, answer, end int64
	var legs string
	err = rows.Scan(&r.ID, &r.Node, &start, &answer, &end, &r.From, &r.FromName, &r.Dialled, &r.To, &r.Cause, &r.SIPCode, &r.EndedBy, &legs, &r.Detail)
	if err != nil {
		return r, err
	}
	r.Start, r.Answer, r.End = moment(start), moment(answer), moment(end)
	if r.Legs, err = readLegs(legs); err != nil {
		return r, fmt.Errorf("record of call %s: %w", r.ID, err)
	}
	return r, nil
}
