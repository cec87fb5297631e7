package subscription

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Subscribe begins a subscription, or fetches (Expires 0). done is called once it is
// written; the first NOTIFY goes out when done has returned.
func (m *Manager) Subscribe(a Ask, done func(Grant, *Refusal)) {
	s, bad := m.accept(&a)
	if bad != nil {
		done(Grant{}, bad)
		return
	}
	m.mu.Lock()
	if bad := m.room(s); bad != nil {
		m.mu.Unlock()
		done(Grant{}, bad)
		return
	}
	s.inFlight = true // until it is answered
	m.probe(s)
	m.add(s)
	grant := Grant{Tag: s.tag, Expires: a.Expires, List: s.List}
	if a.Expires == 0 { // a fetch is kept no longer than its NOTIFY
		s.ending = timedOut
		m.mu.Unlock()
		done(grant, nil)
		m.answered(s)
		return
	}
	s.written = true
	m.keep(s, func(err error) { m.granted(s, grant, err, done) })
	m.mu.Unlock()
}

// granted answers, then tells the state.
func (m *Manager) granted(s *sub, grant Grant, err error, done func(Grant, *Refusal)) {
	if err != nil {
		m.cfg.Logger.Error("subscription could not be kept", "watcher", s.Watcher, "event", s.Event, "error", err)
		m.mu.Lock()
		m.remove(s)
		m.mu.Unlock()
		done(Grant{}, &Refusal{Code: 500, Reason: "Subscription could not be kept"})
		return
	}
	done(grant, nil)
	m.answered(s)
}

func (m *Manager) answered(s *sub) {
	m.mu.Lock()
	s.inFlight = false
	s.dirty, s.full, s.earliest = true, true, time.Time{}
	m.fix(s)
	m.mu.Unlock()
	m.wake()
}

// Refresh takes a SUBSCRIBE within a subscription's dialog: it goes on, or ends
// (Expires 0). done is as in Subscribe.
func (m *Manager) Refresh(tag string, a Ask, done func(Grant, *Refusal)) {
	grant, s, bad := m.refresh(tag, &a)
	if bad != nil {
		done(Grant{}, bad)
		return
	}
	if a.Expires == 0 {
		m.mu.Lock()
		s.ending = timedOut
		m.mu.Unlock()
		done(grant, nil)
		m.told(s)
		return
	}
	m.mu.Lock()
	m.keep(s, func(err error) {
		if err != nil {
			done(Grant{}, &Refusal{Code: 500, Reason: "Subscription could not be kept"})
			return
		}
		done(grant, nil)
		m.told(s)
	})
	m.mu.Unlock()
}

// told makes a refreshed subscription's state due at once (RFC 6665 4.2.1.2).
func (m *Manager) told(s *sub) {
	m.mu.Lock()
	s.dirty, s.full, s.earliest = true, true, time.Time{}
	m.find(s)
	m.fix(s)
	m.mu.Unlock()
	m.wake()
}

func (m *Manager) refresh(tag string, a *Ask) (Grant, *sub, *Refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.subs[tag]
	switch {
	case s == nil || s.ending != "" || s.Dialog.CallID != a.Dialog.CallID || s.Dialog.RemoteTag != a.Dialog.RemoteTag || s.Watcher != a.Watcher:
		return Grant{}, nil, &Refusal{Code: 481, Reason: "No such subscription"}
	case a.Seq <= s.RemoteSeq:
		return Grant{}, nil, &Refusal{Code: 500, Reason: "Out of order"}
	case a.Event != s.Event || a.ID != s.ID:
		return Grant{}, nil, &Refusal{Code: 403, Reason: "One subscription a dialog"}
	}
	if bad := lasting(a); bad != nil {
		return Grant{}, nil, bad
	}
	s.RemoteSeq = a.Seq
	routes := s.Dialog.Routes // they never change (RFC 3261 12.2)
	local, remote := s.Dialog.Local, s.Dialog.Remote
	s.Dialog = a.Dialog
	s.Dialog.Routes, s.Dialog.Local, s.Dialog.Remote = routes, local, remote
	s.MaxRate, s.MinRate = a.MaxRate, a.MinRate
	s.compact()
	if a.Expires > 0 {
		s.expires = time.Now().Add(a.Expires)
		m.fix(s)
	}
	return Grant{Tag: tag, Expires: a.Expires, List: s.List}, s, nil
}

// lasting puts an Ask's Expires within bounds.
func lasting(a *Ask) *Refusal {
	switch {
	case a.Default:
		a.Expires = MaxExpires
	case a.Expires > 0 && a.Expires < MinExpires:
		return &Refusal{423, "Interval Too Brief", [2]string{"Min-Expires", strconv.Itoa(int(MinExpires / time.Second))}}
	}
	a.Expires = min(a.Expires, MaxExpires)
	return nil
}

// accept makes a subscription of an Ask, or says why not.
func (m *Manager) accept(a *Ask) (*sub, *Refusal) {
	p := m.packages[a.Event]
	if p == nil {
		return nil, &Refusal{489, "Bad Event", [2]string{"Allow-Events", m.Events()}}
	}
	if bad := lasting(a); bad != nil {
		return nil, bad
	}
	s := &sub{tag: m.cfg.NewTag(), pack: p, heapAt: -1, seqLimit: seqReserve}
	s.kept = kept{
		Event: p.Name(), ID: a.ID, Resource: a.User, Watcher: a.Watcher, Device: a.Device,
		MaxRate: a.MaxRate, MinRate: a.MinRate, RemoteSeq: a.Seq, Dialog: a.Dialog,
	}
	s.expires = time.Now().Add(a.Expires)
	if s.Members, s.List = m.cfg.List(a.User); s.List && !a.Lists {
		return nil, &Refusal{421, "Extension Required", [2]string{"Require", "eventlist"}} // RFC 4662 4.2
	}
	if !s.List {
		if bad := p.Find(a.Watcher, a.User); bad != nil {
			return nil, bad
		}
	}
	if s.Type = chosen(p.Types(), a.Accept); s.Type == "" {
		return nil, &Refusal{406, "Not Acceptable", [2]string{"Accept", strings.Join(p.Types(), ", ")}}
	}
	s.compact()
	return s, nil
}

// chosen gives the first type that is accepted; who says nothing gets the first.
func chosen(types, accept []string) string {
	for _, t := range types {
		for _, a := range accept {
			a, _, _ = strings.Cut(a, ";")
			if a = strings.TrimSpace(a); a == t || a == "*/*" || a == "application/*" && strings.HasPrefix(t, "application/") {
				return t
			}
		}
	}
	if len(accept) == 0 {
		return types[0]
	}
	return ""
}

// compact copies the texts: as a parser gives them they are parts of a whole
// message, which the subscription would keep alive.
func (s *sub) compact() {
	d := &s.Dialog
	for _, p := range []*string{
		&s.ID, &s.Resource, &s.Watcher, &s.Device, &d.CallID, &d.RemoteTag, &d.Local, &d.Remote, &d.Target,
		&d.Way.Transport, &d.Way.Flow, &d.Way.Device,
	} {
		*p = strings.Clone(*p)
	}
	d.Routes = slices.Clone(d.Routes)
	for i := range d.Routes {
		d.Routes[i] = strings.Clone(d.Routes[i])
	}
}

// room keeps the bounds. The caller holds mu.
func (m *Manager) room(s *sub) *Refusal {
	switch {
	case m.stopped:
		return &Refusal{503, "Stopping", [2]string{"Retry-After", "10"}}
	case len(m.subs) >= MaxTotal:
		return &Refusal{503, fmt.Sprintf("More than %d subscriptions", MaxTotal), [2]string{"Retry-After", "300"}}
	case m.watchers[s.Watcher] >= MaxWatcher:
		return &Refusal{Code: 403, Reason: fmt.Sprintf("More than %d subscriptions of one extension", MaxWatcher)}
	case m.devices[s.Device] >= MaxDevice:
		return &Refusal{Code: 403, Reason: fmt.Sprintf("More than %d subscriptions of one device", MaxDevice)}
	}
	return nil
}

// probe makes an older subscription of the same device to the same thing due: a
// phone that was restarted does not know it any more, says so, and it is over. The
// caller holds mu.
func (m *Manager) probe(s *sub) {
	for _, old := range m.watching[resource{s.Event, s.Resource}] {
		if old.Device == s.Device && old.ID == s.ID && old.List == s.List {
			old.dirty, old.full = true, true
			m.find(old)
			m.fix(old)
		}
	}
}
