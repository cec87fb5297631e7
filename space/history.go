package space

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tincan/store"
)

// MaxVersions bounds the history; the oldest go.
const MaxVersions = 500

// ErrNoVersion: the history has no such version.
var ErrNoVersion = errors.New("there is no such version")

// Version is one change that was made.
type Version struct {
	Number  int64     `json:"number"`
	Time    time.Time `json:"time"`
	Who     string    `json:"who"`
	Summary string    `json:"summary"`
}

// History gives the versions, the latest first.
func (s *Space) History(ctx context.Context) ([]Version, error) {
	rows, err := s.config.Store.DB().QueryContext(ctx, "SELECT number, made, who, summary FROM space_version ORDER BY number DESC")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []Version
	for rows.Next() {
		var v Version
		var made int64
		if err := rows.Scan(&v.Number, &made, &v.Who, &v.Summary); err != nil {
			return nil, err
		}
		v.Time = time.UnixMicro(made).UTC()
		all = append(all, v)
	}
	return all, rows.Err()
}

// Document gives the space.toml that version n made, with sealed secrets.
func (s *Space) Document(ctx context.Context, n int64) ([]byte, error) {
	var text string
	q := s.config.Store.Rebind("SELECT document FROM space_version WHERE number = ?")
	err := s.config.Store.DB().QueryRowContext(ctx, q, n).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("version %d: %w; the history lists those that there are", n, ErrNoVersion)
	}
	return []byte(text), err
}

// Revert applies the document of version n again, as a new version.
func (s *Space) Revert(ctx context.Context, n int64, who string) (*Change, error) {
	s.one.Lock()
	defer s.one.Unlock()
	doc, err := s.Document(ctx, n)
	if err != nil {
		return nil, err
	}
	return s.apply(ctx, doc, fmt.Sprintf("version %d", n), who)
}

// lastVersion is the number of the last one; 0: nothing was applied yet.
func lastVersion(tx *store.Tx) (n int64, err error) {
	err = tx.QueryRow("SELECT coalesce(max(number), 0) FROM space_version").Scan(&n)
	return n, err
}

func putVersion(tx *store.Tx, v Version, document string) error {
	_, err := tx.Exec("INSERT INTO space_version (number, made, who, summary, document) VALUES (?, ?, ?, ?, ?)",
		v.Number, v.Time.UnixMicro(), v.Who, v.Summary, document)
	if err != nil {
		return err
	}
	_, err = tx.Exec("DELETE FROM space_version WHERE number <= ?", v.Number-MaxVersions)
	return err
}
