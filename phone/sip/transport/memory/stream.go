package memory

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
)

// backlog is how many connections wait to be accepted before others are refused.
const backlog = 128

// listener of a host (net.Listener).
type listener struct {
	h     *Host
	at    []netip.AddrPort
	local netip.AddrPort
	queue chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Listen opens a listener (transport.Network).
func (h *Host) Listen(at netip.AddrPort) (net.Listener, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	at = h.port(at)
	l := &listener{h: h, local: at, at: h.places(at), queue: make(chan net.Conn, backlog), done: make(chan struct{})}
	if len(l.at) == 0 {
		return nil, noSuchAddress(at)
	}
	if slices.ContainsFunc(l.at, func(a netip.AddrPort) bool { return h.n.listeners[a] != nil }) {
		return nil, inUse(at)
	}
	for _, a := range l.at {
		h.n.listeners[a] = l
	}
	return l, nil
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, errClosed
	case c := <-l.queue:
		return c, nil
	}
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

func (l *listener) Close() error {
	l.once.Do(func() {
		l.h.n.mu.Lock()
		for _, a := range l.at {
			delete(l.h.n.listeners, a)
		}
		l.h.n.mu.Unlock()
		close(l.done)
		for {
			select {
			case c := <-l.queue:
				_ = c.Close()
				continue
			default:
			}
			return
		}
	})
	return nil
}

// Dial connects from the host's own address (transport.Network). The connection
// has no buffer: who writes waits until the other side reads.
func (h *Host) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	h.n.mu.Lock()
	from := h.source(to.Addr())
	at := h.port(netip.AddrPortFrom(from, 0))
	l := h.n.listeners[to]
	h.n.mu.Unlock()
	if !from.IsValid() {
		return nil, errNoRoute
	}
	if l == nil {
		return nil, fmt.Errorf("memory: %s: %w", to, syscall.ECONNREFUSED)
	}
	near, far := net.Pipe()
	select {
	case l.queue <- &stream{far, to, at}:
		return &stream{near, at, to}, nil
	case <-l.done:
		return nil, fmt.Errorf("memory: %s: %w", to, syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stream is a pipe with addresses.
type stream struct {
	net.Conn
	local, remote netip.AddrPort
}

func (s *stream) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.local) }
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }
