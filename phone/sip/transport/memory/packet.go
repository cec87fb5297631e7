package memory

import (
	"net/netip"
	"slices"
	"sync"

	"tincan/phone/sip/transport"
)

// packetConn is a UDP socket (transport.PacketConn).
type packetConn struct {
	h     *Host
	at    []netip.AddrPort // guarded by the network's mutex
	local netip.AddrPort
	queue chan datagram
	done  chan struct{}
	once  sync.Once
}

var _ transport.Network = (*Host)(nil)

// ListenPacket opens a UDP socket (transport.Network).
func (h *Host) ListenPacket(at netip.AddrPort) (transport.PacketConn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	at = h.port(at)
	c := &packetConn{h: h, local: at, at: h.places(at), queue: make(chan datagram, queued), done: make(chan struct{})}
	if err := h.n.take(c.at, at, c); err != nil {
		return nil, err
	}
	h.open = append(h.open, c)
	return c, nil
}

// take claims addresses for an inbox. Called with mu held.
func (n *Network) take(all []netip.AddrPort, asked netip.AddrPort, box inbox) error {
	if len(all) == 0 {
		return noSuchAddress(asked)
	}
	for _, a := range all {
		if n.packets[a] != nil {
			return inUse(a)
		}
	}
	for _, a := range all {
		n.packets[a] = box
	}
	return nil
}

func (c *packetConn) deliver(d datagram) bool {
	select {
	case c.queue <- d:
		return true
	default:
		return false
	}
}

func (c *packetConn) Recv(b []byte) (n int, from netip.AddrPort, to netip.Addr, err error) {
	select {
	case <-c.done:
		return 0, from, to, errClosed
	case d := <-c.queue:
		return copy(b, d.b), d.from, d.to.Addr(), nil
	}
}

func (c *packetConn) Send(b []byte, from netip.Addr, to netip.AddrPort) error {
	select {
	case <-c.done:
		return errClosed
	default:
	}
	c.h.n.mu.Lock()
	src := netip.AddrPortFrom(c.h.source(to.Addr()), c.local.Port())
	for _, a := range c.at {
		if len(c.at) == 1 && a.Addr().Is4() == to.Addr().Is4() || a.Addr() == from {
			src = a
		}
	}
	c.h.n.mu.Unlock()
	if !src.Addr().IsValid() {
		return errNoRoute
	}
	c.h.n.Send(src, to, b)
	return nil
}

// Local is the address that was asked for, with its port.
func (c *packetConn) Local() netip.AddrPort { return c.local }

func (c *packetConn) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.h.n.mu.Lock()
		defer c.h.n.mu.Unlock()
		for _, a := range c.at {
			delete(c.h.n.packets, a)
		}
		c.h.open = slices.DeleteFunc(c.h.open, func(o *packetConn) bool { return o == c })
	})
	return nil
}
