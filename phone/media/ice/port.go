package ice

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// queueLength bounds the STUN datagrams of a port that wait for its agent: more
// than the checks of one burst (16 candidates). maxStun bounds their length, as
// they fit in one Ethernet frame. maxAsked bounds the addresses whose answers
// are taken: those of all candidates that a party may name.
const (
	queueLength = 32
	maxStun     = 1500
	maxAsked    = 64
)

// port is the flow's port as pion's agent sees it: STUN alone comes out of it.
// It is a net.PacketConn.
type port struct {
	local *net.UDPAddr
	send  func(b []byte, to netip.AddrPort) error
	queue chan datagram
	done  chan struct{}
	once  sync.Once

	mu    sync.Mutex
	asked map[netip.AddrPort]bool // where requests of ours went
	// The request of ours that is no check, and who waits for its answer; nil: nobody.
	query   [stun.TransactionIDSize]byte
	answers chan netip.AddrPort
}

type datagram struct {
	b    []byte
	from netip.AddrPort
}

func newPort(local netip.AddrPort, send func([]byte, netip.AddrPort) error) *port {
	return &port{
		local: net.UDPAddrFromAddrPort(local), send: send,
		queue: make(chan datagram, queueLength), done: make(chan struct{}),
		asked: map[netip.AddrPort]bool{},
	}
}

// take queues a copy of what came; when too much waits it is lost.
func (p *port) take(b []byte, from netip.AddrPort) {
	if len(b) > maxStun || !request(b) && p.answered(b) {
		return
	}
	select {
	case p.queue <- datagram{append([]byte(nil), b...), from}:
	default:
	}
}

// expects reports whether an answer can come from an address.
func (p *port) expects(from netip.AddrPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[from]
}

// ReadFrom waits for STUN (net.PacketConn).
func (p *port) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.queue:
		return copy(b, d.b), net.UDPAddrFromAddrPort(d.from), nil
	case <-p.done:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends (net.PacketConn).
func (p *port) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, os.ErrInvalid
	}
	at := udp.AddrPort()
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	p.mu.Lock()
	if len(p.asked) < maxAsked {
		p.asked[at] = true
	}
	p.mu.Unlock()
	return len(b), p.send(b, at)
}

// Close ends ReadFrom (net.PacketConn).
func (p *port) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// LocalAddr (net.PacketConn).
func (p *port) LocalAddr() net.Addr { return p.local }

// SetDeadline is what pion calls before Close, to the same end.
func (p *port) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: nobody asks for it.
func (p *port) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: a write never waits.
func (p *port) SetWriteDeadline(time.Time) error { return nil }

// isSTUN tells STUN from what else comes to the port of a flow (RFC 7983).
func isSTUN(b []byte) bool { return len(b) > 0 && b[0] < 4 && stun.IsMessage(b) }

// STUN's header (RFC 8489 5) and the attribute that is looked for.
const (
	stunHeader   = 20
	stunClass    = 0x0110
	stunRequest  = 0x0000
	stunUsername = 0x0006
)

// request reports whether b, which is STUN, is a request.
func request(b []byte) bool { return (int(b[0])<<8|int(b[1]))&stunClass == stunRequest }

// addressee gives the user name's first part, that of who is asked (RFC 8445
// 7.2.2); nil if there is none.
func addressee(b []byte) []byte {
	b = b[stunHeader:min(len(b), stunHeader+(int(b[2])<<8|int(b[3])))] // more is no part of it
	for len(b) >= 4 {
		kind, n := int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3])
		if len(b) < 4+n {
			return nil
		}
		if kind == stunUsername {
			name := b[4 : 4+n]
			for i, c := range name {
				if c == ':' {
					return name[:i]
				}
			}
			return nil
		}
		b = b[min(len(b), 4+(n+3)&^3):]
	}
	return nil
}
