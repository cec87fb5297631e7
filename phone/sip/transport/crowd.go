package transport

import (
	"container/list"
	"net/netip"
	"sync"
)

// Bounds on accepted connections. A peer is a stranger until somebody proves
// himself over the connection (Keep).
const (
	maxConns        = 16_384 // all listeners together
	maxStrangers    = 2048   // strangers' together
	maxOfAddress    = 1024   // of one address (IPv6: /64): several for each of an office's phones
	maxStrangersOf  = 256    // strangers' of one address: 200 phones behind a NAT connect at once
	addressBitsIPv6 = 64
)

// crowd knows the accepted connections. Where strangers' are too many, the one
// that is a stranger for longest makes room: who opens many loses his own, and an
// honest one needs its place for a second only. Proved ones are never closed for
// others. Safe for any goroutine.
type crowd struct {
	mu        sync.Mutex // guards what follows
	total     int
	strangers list.List // of *conn, the oldest first
	of        map[netip.Addr]*group
}

// group is the connections of one address.
type group struct {
	total     int
	strangers list.List
}

// place is a connection's, guarded by its crowd's mutex.
type place struct {
	group       *group
	among, here *list.Element // nil: proved
}

// HostOf is whom an address stands for where peers are counted: itself, and of IPv6
// its /64, since who has one address of it has them all.
func HostOf(a netip.AddrPort) netip.Addr {
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() {
		p, _ := ip.Prefix(addressBitsIPv6)
		return p.Addr()
	}
	return ip
}

// enter takes a connection in; ok is false when it must be refused, and out, when
// not nil, must be closed for it.
func (w *crowd) enter(c *conn) (out *conn, ok bool) {
	key := HostOf(c.path.Remote)
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.of[key]
	if w.total >= maxConns || g != nil && g.total >= maxOfAddress {
		return nil, false
	}
	if g == nil {
		g = &group{}
		w.of[key] = g
	}
	w.total++
	g.total++
	c.place = place{g, w.strangers.PushBack(c), g.strangers.PushBack(c)}
	switch {
	case g.strangers.Len() > maxStrangersOf:
		out = g.strangers.Front().Value.(*conn)
	case w.strangers.Len() > maxStrangers:
		out = w.strangers.Front().Value.(*conn)
	}
	if out != nil {
		w.introduce(out) // it is on its way out: the next must find another
	}
	return out, true
}

// introduce takes a connection from among the strangers. Called with mu held.
func (w *crowd) introduce(c *conn) {
	if c.place.among != nil {
		w.strangers.Remove(c.place.among)
		c.place.group.strangers.Remove(c.place.here)
		c.place.among, c.place.here = nil, nil
	}
}

func (w *crowd) prove(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.introduce(c)
}

func (w *crowd) leave(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.place.group == nil {
		return // one that we dialled
	}
	w.introduce(c)
	w.total--
	if c.place.group.total--; c.place.group.total == 0 {
		delete(w.of, HostOf(c.path.Remote))
	}
}

// Keep notes that whoever is at the other end of a path has proved himself: its
// connection stays for hours without a message, and is never closed for others.
// Over UDP it does nothing.
func (t *Transport) Keep(p Path) {
	if c, ok := p.via.(*conn); ok && !c.kept.Swap(true) {
		t.crowd.prove(c)
		c.link.linger(idleTime) // its reader may wait as for a stranger
	}
}
