package sip

import (
	"errors"
	"fmt"
	"sync"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/sip/digest"
)

// links are the trunks at work, by name. Safe for any goroutine.
type links struct {
	s *Server

	mu  sync.Mutex // guards all
	all map[string]*link
}

// of gives the link of a trunk as it is set up now, which may be newer than t.
func (ls *links) of(t *directory.Trunk) *link {
	if now, ok := ls.s.cfg.Directory.Snapshot().Trunk(t.Name); ok {
		t = now
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	k := ls.all[t.Name]
	if k == nil {
		k = &link{s: ls.s, name: t.Name}
		ls.all[t.Name] = k
	}
	k.take(t)
	return k
}

// party gives the link of a call's party: nil if it is no trunk.
func (ls *links) party(ref string) *link {
	if t := ls.s.trunkNamed(ref); t != nil {
		return ls.of(t)
	}
	return nil
}

// link is a trunk at work: what its calls and its registration share. It stays
// when the trunk's settings change.
type link struct {
	s    *Server
	name string

	mu      sync.Mutex // guards what follows
	trunk   *directory.Trunk
	client  *digest.Client // nil without an account
	in, out int            // calls at present
	route   []string       // Service-Route of the registration (RFC 3608)

	attached *attachment // nil where we do not register
	probed   probed
}

// take notes how the trunk is set up.
func (k *link) take(t *directory.Trunk) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.trunk
	if old == t {
		return
	}
	k.trunk = t
	if old != nil && old.AuthUsername == t.AuthUsername && old.Password() == t.Password() {
		return
	}
	k.client = nil
	if t.Username != "" && t.Password() != "" {
		k.client = digest.New(t.AuthUsername, t.Password())
	}
}

// setup is the trunk as it is set up now.
func (k *link) setup() *directory.Trunk {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trunk
}

// try begins a request that may be challenged; nil where there is no account.
func (k *link) try() *digest.Try {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil {
		return nil
	}
	return k.client.Try()
}

func (k *link) serviceRoute() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.route
}

// enter counts a call, if the trunk may have one more; whatever that may be, one
// that stood already.
func (k *link) enter(out, stood bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if limit := k.trunk.Limit; limit > 0 && !stood && k.in+k.out >= limit {
		return call.Busy.Why(fmt.Sprintf("trunk %s has the %d calls that it may have at once", k.name, limit))
	}
	if out {
		k.out++
	} else {
		k.in++
	}
	return nil
}

func (k *link) leave(out bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if out {
		k.out--
	} else {
		k.in--
	}
}

// admit counts the leg as one of its trunk's calls, if there may be one more.
// stood is a call from before a restart.
func (l *leg) admit(stood bool) error {
	if l.link == nil {
		return nil
	}
	err := l.link.enter(l.uac, stood)
	l.seat.Store(err == nil)
	return err
}

// unseat makes room for another call: as soon as this one is being left, since the
// other side may call again before it acknowledges that.
func (l *leg) unseat() {
	if l.seat.CompareAndSwap(true, false) {
		l.link.leave(l.uac)
	}
}

// causeFrom gives the cause that an error is, or failure.
func causeFrom(err error) (cause call.Cause) {
	if !errors.As(err, &cause) {
		cause = call.Failed.Why(err.Error())
	}
	return cause
}
