package subscription

import (
	"cmp"
	"context"
	"hash/maphash"
	"time"
)

// turn bounds the NOTIFYs that are taken under one lock.
const turn = 64

// Run sends what is due until ctx ends. What stands is kept for the next process.
func (m *Manager) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		batch, wait := m.take(time.Now())
		for _, n := range batch {
			m.send(n)
		}
		if len(batch) == turn && ctx.Err() == nil {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			m.stop()
			return
		case <-m.kick:
		case <-timer.C:
		}
	}
}

func (m *Manager) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
}

// idle is how long Run sleeps when there is no subscription: a kick wakes it.
const idle = time.Hour

// draft is a NOTIFY whose document is not made yet.
type draft struct {
	Notify
	sub     *sub
	pack    Package
	view    View
	members []string        // of a list
	news    map[string]bool // those to tell of; nil: all
	forced  bool            // told even if it says what the last one said
}

// take gives what is due, and how long until there is more.
func (m *Manager) take(now time.Time) (batch []*draft, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.due) > 0 && len(batch) < turn {
		s := m.due[0]
		if s.at.After(now) {
			return batch, s.at.Sub(now)
		}
		if s.inFlight { // its outcome never came: not to be expected
			m.remove(s)
			continue
		}
		if s.ending == "" && !s.expires.After(now) {
			s.ending = timedOut
		}
		batch = append(batch, m.draft(s, now))
		s.inFlight = true
		m.fix(s)
	}
	return batch, idle
}

// draft takes what is to be told of a subscription. The caller holds mu.
func (m *Manager) draft(s *sub, now time.Time) *draft {
	s.seq++
	if int64(s.seqLimit)-int64(s.seq) < seqAhead {
		m.raise(s)
	}
	d := &draft{sub: s, pack: s.pack, Notify: Notify{
		Tag: s.tag, Seq: s.seq, Watcher: s.Watcher, Dialog: s.Dialog, Event: s.Event,
		Left: s.expires.Sub(now), Reason: s.ending, List: s.List, Type: s.Type,
	}}
	if s.ID != "" {
		d.Event += ";id=" + s.ID
	}
	if s.MaxRate > 0 {
		d.Pace = s.pace()
	}
	d.view = View{Resource: s.Resource, Entity: s.Dialog.Local, Watcher: s.Watcher, Type: s.Type, Version: s.seq - 1}
	d.members = s.Members
	if !s.full && s.news != nil {
		d.news = s.news
	}
	d.forced = s.full || s.ending != "" || !s.dirty
	s.dirty, s.full, s.news = false, false, nil
	s.sent, s.earliest = now, now.Add(s.pace())
	return d
}

// send makes the document and hands the NOTIFY out.
func (m *Manager) send(d *draft) {
	switch {
	case d.Reason == noResource || d.Reason == rejected: // it has no state for who is told
	case d.List:
		d.Type, d.Body = list(d)
	default:
		d.Body = d.pack.Document(d.view)
		if m.known(d) {
			return
		}
	}
	m.notified.Add(1)
	m.cfg.Send(&d.Notify, func(o Outcome) { m.done(d, o) })
}

// known reports whether a NOTIFY would say what the last one said, and takes it
// back.
func (m *Manager) known(d *draft) bool {
	sum := maphash.Bytes(m.seed, d.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := d.sub
	if d.forced || s.sum != sum {
		s.sum = sum
		return false
	}
	s.inFlight = false
	s.seq--
	m.fix(s)
	return true
}

// done takes what became of a NOTIFY.
func (m *Manager) done(d *draft, o Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := d.sub
	if m.subs[s.tag] != s {
		return
	}
	s.inFlight = false
	switch {
	case d.Reason != "" || o.Verdict == Refused:
		m.remove(s)
		return
	case o.Verdict == Later:
		s.dirty = true
		s.missed(d)
		s.earliest = time.Now().Add(min(cmp.Or(o.After, s.pace()), maxHold))
	case o.Verdict == Unreachable:
		s.dirty = true
		s.missed(d)
		m.lose(s)
	}
	m.fix(s)
	m.wake()
}

// missed makes news again what a NOTIFY was to tell.
func (s *sub) missed(d *draft) {
	if d.news == nil {
		s.full = true
		return
	}
	for name := range d.news {
		if s.news == nil {
			s.news = map[string]bool{}
		}
		s.news[name] = true
	}
}
