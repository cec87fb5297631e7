package iax2

import (
	"math/rand/v2"
	"net/netip"
	"sync"

	"tincan/phone/iax2/frame"
)

// Bounds of sessions.
const (
	// maxSessions leaves a third of the call numbers free, so that one is found by
	// guessing, and an old one is seldom used again soon.
	maxSessions = 20_000
	// maxUnproved bounds the sessions of peers that have shown that they are where
	// they say, but not yet who; maxUnprovedAt those of one address.
	maxUnproved   = 1024
	maxUnprovedAt = 16
	// stateless is the call number of answers for which nothing is kept.
	stateless = 1
)

// remote names a session as its peer does.
type remote struct {
	peer   netip.AddrPort
	number uint16
}

// table finds sessions. Safe for any goroutine; its lock is taken after a session's.
type table struct {
	mu       sync.RWMutex
	ours     [frame.MaxNumber + 1]*session
	theirs   map[remote]*session
	used     int
	unproved int
	at       map[netip.Addr]int // unproved by address
}

// add gives a session a number; false: there are too many.
func (t *table) add(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.used >= maxSessions {
		return false
	}
	if s.unproved {
		a := s.path.peer.Addr()
		if t.unproved >= maxUnproved || t.at[a] >= maxUnprovedAt {
			return false
		}
		t.at[a]++
		t.unproved++
	}
	for s.ours = 0; s.ours <= stateless || t.ours[s.ours] != nil; {
		s.ours = uint16(rand.UintN(frame.MaxNumber + 1)) // from the system's randomness
	}
	t.ours[s.ours] = s
	t.used++
	t.link(s)
	return true
}

// restore gives a session back the number that it had before a restart.
func (t *table) restore(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.ours <= stateless || s.ours > frame.MaxNumber || t.ours[s.ours] != nil {
		return false
	}
	t.ours[s.ours] = s
	t.used++
	t.link(s)
	return true
}

// link makes a session known by its peer's number. Called with mu held.
func (t *table) link(s *session) {
	if s.number != 0 {
		t.theirs[remote{s.path.peer, s.number}] = s
	}
}

func (t *table) unlink(s *session) {
	if k := (remote{s.path.peer, s.number}); t.theirs[k] == s {
		delete(t.theirs, k)
	}
}

// numbered notes the peer's number of a session.
func (t *table) numbered(s *session, number uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.number = number
	t.link(s)
}

// moved notes that a session's peer is elsewhere now, or another.
func (t *table) moved(s *session, to path, number uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unlink(s)
	s.path, s.number = to, number
	t.link(s)
}

// proved notes that the peer has shown who it is.
func (t *table) proved(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave(s)
}

func (t *table) leave(s *session) {
	if !s.unproved {
		return
	}
	s.unproved = false
	a := s.path.peer.Addr()
	t.unproved--
	if t.at[a]--; t.at[a] <= 0 {
		delete(t.at, a)
	}
}

func (t *table) remove(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ours[s.ours] != s {
		return
	}
	t.ours[s.ours] = nil
	t.used--
	t.unlink(s)
	t.leave(s)
}

// by finds a session by our number.
func (t *table) by(number uint16) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ours[number&frame.MaxNumber]
}

// of finds a session by its peer and the peer's number.
func (t *table) of(peer netip.AddrPort, number uint16) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.theirs[remote{peer, number}]
}

// all are the sessions at this moment.
func (t *table) all() []*session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*session, 0, t.used)
	for _, s := range t.ours {
		if s != nil {
			list = append(list, s)
		}
	}
	return list
}

func (t *table) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.used
}
