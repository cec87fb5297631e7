package subscription

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tincan/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// owner is the name of this package's version table.
const owner = "subscription"

const (
	putStanding = `INSERT INTO subscription_standing (tag, expires, seq_limit, state) VALUES (?, ?, ?, ?)
		ON CONFLICT (tag) DO UPDATE SET expires = excluded.expires, seq_limit = excluded.seq_limit, state = excluded.state`
	raiseStanding = `UPDATE subscription_standing SET seq_limit = ? WHERE tag = ?`
	dropStanding  = `DELETE FROM subscription_standing WHERE tag = ?`
	dropExpired   = `DELETE FROM subscription_standing WHERE expires <= ?`
	readStanding  = `SELECT tag, expires, seq_limit, state FROM subscription_standing`
)

// kept is what is written of a subscription.
type kept struct {
	Event     string   `json:"event"`
	ID        string   `json:"id,omitempty"`
	Resource  string   `json:"resource"`
	List      bool     `json:"list,omitempty"`
	Members   []string `json:"-"`
	Watcher   string   `json:"watcher"`
	Device    string   `json:"device"`
	Type      string   `json:"type"`
	MaxRate   float64  `json:"max_rate,omitempty"`
	MinRate   float64  `json:"min_rate,omitempty"`
	RemoteSeq uint32   `json:"remote_seq"`
	Dialog    Dialog   `json:"dialog"`
}

func migrate(ctx context.Context, s *store.Store) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return s.Migrate(ctx, owner, sub)
}

// keep writes a subscription; done is called when it is written or spooled. The
// caller holds mu; done must not want it at once.
func (m *Manager) keep(s *sub, done func(error)) {
	if m.cfg.Store == nil {
		go done(nil)
		return
	}
	state, err := json.Marshal(&s.kept)
	if err != nil {
		go done(err)
		return
	}
	tag, expires, limit := s.tag, s.expires.UnixMicro(), int64(s.seqLimit)
	m.cfg.Store.WriteSoon(func(tx *store.Tx) error {
		_, err := tx.Exec(putStanding, tag, expires, limit, state)
		return err
	}, func(err error) {
		if errors.Is(err, store.ErrSpooled) {
			err = nil
		}
		done(err)
	})
}

// raise reserves more sequence numbers. The caller holds mu.
func (m *Manager) raise(s *sub) {
	s.seqLimit += seqReserve
	if m.cfg.Store == nil || !s.written {
		return
	}
	tag, limit := s.tag, int64(s.seqLimit)
	m.cfg.Store.WriteSoon(func(tx *store.Tx) error {
		_, err := tx.Exec(raiseStanding, limit, tag)
		return err
	}, nil)
}

func (m *Manager) forget(tag string) {
	if m.cfg.Store == nil {
		return
	}
	m.cfg.Store.WriteSoon(func(tx *store.Tx) error {
		_, err := tx.Exec(dropStanding, tag)
		return err
	}, nil)
}

// read makes the subscriptions of the last process again. They are told their full
// state one after the other, so that phones with many lamps can follow.
func (m *Manager) read(ctx context.Context, now time.Time) error {
	m.cfg.Store.Write(func(tx *store.Tx) error {
		_, err := tx.Exec(dropExpired, now.UnixMicro())
		return err
	}, nil)
	return m.cfg.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(readStanding)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var tag string
			var expires, limit int64
			var state []byte
			if err := rows.Scan(&tag, &expires, &limit, &state); err != nil {
				return err
			}
			if err := m.revive(tag, time.UnixMicro(expires), uint32(limit), state, now); err != nil {
				m.cfg.Logger.Warn("a subscription of before the restart is dropped; the phone will ask again", "error", err)
				m.forget(tag)
			}
		}
		return rows.Err()
	})
}

func (m *Manager) revive(tag string, expires time.Time, limit uint32, state []byte, now time.Time) error {
	if !expires.After(now) {
		return nil
	}
	s := &sub{tag: tag, expires: expires, seq: limit, seqLimit: limit, written: true, heapAt: -1}
	if err := json.Unmarshal(state, &s.kept); err != nil {
		return err
	}
	p := m.packages[s.Event]
	if p == nil {
		return fmt.Errorf("event package %.40q is not known", s.Event)
	}
	s.pack = p
	if s.List {
		s.Members, _ = m.cfg.List(s.Resource)
	}
	s.dirty, s.full = true, true
	s.earliest = now.Add(time.Duration(len(m.subs)) * resyncPace)
	m.add(s)
	return nil
}
