package media

import (
	"net/netip"
	"time"
)

// latchSilence is how long the party that was heard must be silent before
// another address can be taken for it. It is also how long packets from
// before a re-INVITE may still come without being taken for the new place.
const latchSilence = 2 * time.Second

// latchSteps bounds how far the sequence may have gone on when media comes
// from another address (MAX_DROPOUT of RFC 3550 A.1): a minute of sound.
const latchSteps = 3000

// latch follows where a party's packets really come from, since the address
// that a party behind a NAT signals is rarely that.
//
//	         valid packet from anywhere            silent 2 s, and SSRC and
//	open ------------------------------> closed --- sequence go on ---> closed,
//	  ^                                    |                           elsewhere
//	  +------- new signalled address ------+
//
// While it is open media goes to the signalled address. The owner's lock
// guards it.
type latch struct {
	to        netip.AddrPort // where to send
	signalled netip.AddrPort
	closed    bool
	trusted   bool // only the signalled host is ever heard

	leaving netip.AddrPort // closed to this before it was opened again
	opened  time.Duration
	heard   time.Duration // last packet from to
}

// signal takes the address of a description. An address that is none (a hold
// in the manner of RFC 2543) changes nothing.
func (l *latch) signal(addr netip.AddrPort, trusted bool, now time.Duration) {
	l.trusted = trusted
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()) // as sockets tell sources
	if !sendable(addr) || addr == l.signalled {
		return
	}
	l.signalled = addr
	if l.closed && l.to == addr {
		return
	}
	if l.closed {
		l.leaving = l.to
	}
	l.to, l.closed, l.opened = addr, false, now
}

// admit tells whether a packet from an address is the party's, and whether the
// latch has closed on a new address by it. goesOn is asked only when it
// matters: whether SSRC and sequence continue what was heard.
func (l *latch) admit(from netip.AddrPort, now time.Duration, goesOn func() bool) (ok, moved bool) {
	switch {
	case from == l.to && l.closed:
	case l.trusted && from.Addr() != l.signalled.Addr():
		return false, false
	case l.closed:
		if now-l.heard < latchSilence || !goesOn() {
			return false, false
		}
		moved = true
	case from == l.leaving && from != l.to && now-l.opened < latchSilence:
		return true, false // still under way when the party moved
	default:
		moved = true
	}
	l.to, l.closed, l.heard = from, true, now
	return true, moved
}

func sendable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified()
}
