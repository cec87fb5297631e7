package media

import (
	"net/netip"
	"slices"
	"time"
)

// latchSilence is how long the party that was heard must be silent before
// another address can be taken for it, and how long one that nobody expected
// must wait for one that is. It is also how long packets from before a
// re-INVITE may still come without being taken for the new place.
const latchSilence = 2 * time.Second

// latchSteps bounds how far the sequence may have gone on when media comes
// from another address (MAX_DROPOUT of RFC 3550 A.1): a minute of sound.
const latchSteps = 3000

// latch follows where a party's packets really come from, since the address
// that a party behind a NAT signals is rarely that. Expected hosts are the
// signalled one and those that its signalling comes from; a port scanner that
// is quicker than the phone must not get the call.
//
//	         valid packet of an expected host      silent 2 s, and SSRC and
//	open ------------------------------> closed --- sequence go on ---> closed,
//	| ^                                   |  ^                          elsewhere
//	| +------ new signalled address ------+  |
//	|                                        | packet of an expected host
//	+--------- no expected host for 2 s -> doubtful
//	           and another one speaks
//
// A packet that is encrypted with the party's key closes it on wherever it comes
// from (prove). While it is open media goes to the signalled address. The owner's lock
// guards it.
type latch struct {
	to        netip.AddrPort // where to send
	signalled netip.AddrPort
	hosts     []netip.Addr // expected beside the signalled one
	closed    bool
	doubtful  bool // closed to a host that was not expected, for want of another
	trusted   bool // only the signalled host is ever heard
	led       bool // the socket lets nobody else through, and knows where to send: ICE

	leaving netip.AddrPort // closed to this before it was opened again
	opened  time.Duration
	quiet   time.Duration // since when no expected host has sent while it is open
	heard   time.Duration // last packet from to
}

// signal takes the address of a description. An address that is none (a hold
// in the manner of RFC 2543) changes nothing.
func (l *latch) signal(addr netip.AddrPort, trusted bool, now time.Duration) {
	l.trusted = trusted
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()) // as sockets tell sources
	if !l.closed && !l.signalled.IsValid() {
		l.quiet = now
	}
	if !sendable(addr) || addr == l.signalled {
		return
	}
	l.signalled = addr
	if l.led {
		return
	}
	if l.closed && l.to == addr {
		l.doubtful = false
		return
	}
	if l.closed {
		l.leaving = l.to
	}
	l.to, l.closed, l.doubtful, l.opened, l.quiet = addr, false, false, now, now
}

// expect names the hosts that the party may send from beside the signalled.
func (l *latch) expect(hosts []netip.Addr) {
	l.hosts = make([]netip.Addr, len(hosts))
	for i, h := range hosts {
		l.hosts[i] = h.Unmap().WithZone("")
	}
}

func (l *latch) expected(host netip.Addr) bool {
	host = host.WithZone("")
	return host == l.signalled.Addr().WithZone("") || slices.Contains(l.hosts, host)
}

// notice is told of every datagram, of whatever kind: as long as an expected
// host sends anything, no other is taken for the party.
func (l *latch) notice(from netip.AddrPort, now time.Duration) {
	if !l.closed && l.expected(from.Addr()) {
		l.quiet = now
	}
}

// admit tells whether a packet from an address is the party's, and whether the
// latch has closed on a new address by it. goesOn is asked only when it
// matters: whether SSRC and sequence continue what was heard.
func (l *latch) admit(from netip.AddrPort, now time.Duration, goesOn func() bool) (ok, moved bool) {
	expected := l.expected(from.Addr())
	switch {
	case from == l.to && l.closed, l.led:
		l.heard = now
		return true, false
	case l.trusted && from.Addr() != l.signalled.Addr():
		return false, false
	case l.closed && l.doubtful && expected:
	case l.closed:
		if now-l.heard < latchSilence || !goesOn() {
			return false, false
		}
		expected = true // by what it sends
	case from == l.leaving && from != l.to && now-l.opened < latchSilence:
		return true, false // still under way when the party moved
	case !expected && now-l.quiet < latchSilence:
		return false, false
	}
	l.to, l.closed, l.doubtful, l.heard = from, true, !expected, now
	return true, true
}

// prove takes a packet that only the party can have made. It is followed at once,
// unless the packet is one that was overtaken.
func (l *latch) prove(from netip.AddrPort, foremost bool, now time.Duration) (ok, moved bool) {
	if l.trusted && from.Addr() != l.signalled.Addr() {
		return false, false
	}
	l.heard = now
	if l.led || from == l.to && l.closed || l.closed && !foremost {
		return true, false
	}
	l.to, l.closed, l.doubtful = from, true, false
	return true, true
}

// lead makes the socket the judge of who is the party, or no more: then the
// latch opens for the signalled address.
func (l *latch) lead(on bool, now time.Duration) {
	if l.led == on {
		return
	}
	l.led = on
	if !on {
		l.to, l.closed, l.doubtful, l.leaving, l.opened, l.quiet = l.signalled, false, false, netip.AddrPort{}, now, now
	}
}

func sendable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified()
}
