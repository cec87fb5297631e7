package message

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"tincan/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// owner is the name of this package's version table.
const owner = "message"

const (
	putWaiting = `INSERT INTO message_waiting (place, id, extension, sender, number, name, headers, type, body, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	dropWaiting  = `DELETE FROM message_waiting WHERE place = ?`
	countWaiting = `SELECT extension, COUNT(*), MAX(place) FROM message_waiting GROUP BY extension`
	nextWaiting  = `SELECT place, id, extension, sender, number, name, headers, type, body, expires FROM message_waiting
		WHERE extension = ? AND place > ? ORDER BY place LIMIT 1`
	listWaiting = `SELECT place, id, extension, sender, number, name, headers, type, body, expires FROM message_waiting
		ORDER BY extension, place LIMIT ?`
	findExpired = `SELECT place, id, extension, sender, number, name, headers, type, body, expires FROM message_waiting
		WHERE expires <= ? ORDER BY place LIMIT ?`
	dropExtension = `DELETE FROM message_waiting WHERE extension = ?`
)

// Migrate brings the table up to date: all that who only lists needs.
func Migrate(ctx context.Context, s *store.Store) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return s.Migrate(ctx, owner, sub)
}

// Waiting is a message that waits.
type Waiting struct {
	Message
	place int64
}

func put(w *Waiting) store.Job {
	return func(tx *store.Tx) error {
		headers, err := json.Marshal(w.Headers)
		if err != nil {
			return err
		}
		body := append([]byte{}, w.Body...) // none is an empty one: nil would be NULL
		_, err = tx.Exec(putWaiting, w.place, w.ID, w.To, w.From, w.Number, w.Name, string(headers), w.Type, body, w.Expires.UnixMicro())
		return err
	}
}

func drop(place int64) store.Job {
	return func(tx *store.Tx) error {
		_, err := tx.Exec(dropWaiting, place)
		return err
	}
}

// List gives what waits, by extension and age, at most limit.
func List(ctx context.Context, s *store.Store, limit int) (all []Waiting, err error) {
	err = s.View(ctx, func(tx *store.Tx) error {
		all, err = scan(tx, listWaiting, limit)
		return err
	})
	return all, err
}

// next gives the oldest of an extension's behind place.
func next(ctx context.Context, s *store.Store, extension string, behind int64) (w Waiting, ok bool, err error) {
	var all []Waiting
	err = s.View(ctx, func(tx *store.Tx) error {
		all, err = scan(tx, nextWaiting, extension, behind)
		return err
	})
	if err != nil || len(all) == 0 {
		return w, false, err
	}
	return all[0], true, nil
}

func scan(tx *store.Tx, query string, args ...any) (all []Waiting, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var w Waiting
		var headers string
		var expires int64
		if err := rows.Scan(&w.place, &w.ID, &w.To, &w.From, &w.Number, &w.Name, &headers, &w.Type, &w.Body, &expires); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(headers), &w.Headers); err != nil {
			return nil, err
		}
		w.Sent, w.Expires = time.UnixMicro(w.place), time.UnixMicro(expires)
		all = append(all, w)
	}
	return all, rows.Err()
}
