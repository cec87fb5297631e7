package media

import "net/netip"

// Through puts a socket between the flow and its ports, one that lets through
// only what the party sends and knows where to send itself (ICE). It is false
// when the flow is closed.
func (r *RTP) Through(wrap func(ports Socket) Socket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.sock = wrap(r.sock)
	r.lead(true)
	return true
}

// Led says whether the socket still does, or the latch finds the party as
// without one.
func (r *RTP) Led(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lead(on)
}

func (r *RTP) lead(on bool) {
	r.ground()
	now := r.engine.Now()
	r.latch.lead(on, now)
	r.control.lead(on, now)
}

// Settle is told by the socket where the party is now.
func (r *RTP) Settle(control bool, at netip.AddrPort) {
	r.mu.Lock()
	l := &r.latch
	if control {
		l = &r.control
	}
	moved := l.led && l.to != at && !r.closed
	if moved {
		l.to, l.closed, l.doubtful = at, true, false
	}
	r.mu.Unlock()
	if moved && !control && r.events.Latched != nil {
		r.events.Latched(at)
	}
}

// Arrive takes a datagram that came by another way than the flow's ports: from a
// relay, or over a connection. The bytes are the caller's again when it returns.
func (r *RTP) Arrive(control bool, b []byte, from netip.AddrPort) {
	r.arriving.Lock()
	defer r.arriving.Unlock()
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.carry(control, b, from)
}
