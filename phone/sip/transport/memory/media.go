package memory

import (
	"net/netip"
	"sync"

	"tincan/phone/media"
	"tincan/phone/media/udp"
)

// Media is a host's ports for RTP (media.Network): one goroutine tells the
// handlers of what came, from Media to Close.
type Media struct {
	h     *Host
	ready chan *pair
	done  chan struct{}
	wg    sync.WaitGroup
}

var _ media.Network = (*Media)(nil)

// Media opens the host's ports for an engine.
func (h *Host) Media() *Media {
	m := &Media{h: h, ready: make(chan *pair, queued), done: make(chan struct{})}
	m.wg.Go(m.run)
	return m
}

func (m *Media) run() {
	buf := make([]byte, udp.MaxDatagram)
	for {
		select {
		case <-m.done:
			return
		case p := <-m.ready:
			p.handler.Readable(p.turn(), buf)
		}
	}
}

// Close ends the goroutine.
func (m *Media) Close() error {
	close(m.done)
	m.wg.Wait()
	return nil
}

// Open opens a pair of ports (media.Network).
func (m *Media) Open(bind netip.Addr, port uint16, _ udp.Buffers, h udp.Handler) (media.Socket, error) {
	p := &pair{m: m, port: port, handler: h}
	m.h.n.mu.Lock()
	defer m.h.n.mu.Unlock()
	for i := range p.at {
		at := netip.AddrPortFrom(bind, port+uint16(i))
		p.at[i] = m.h.places(at)
		if err := m.h.n.take(p.at[i], at, &line{p, i == 1}); err != nil {
			p.leave(i)
			return nil, err
		}
	}
	return p, nil
}

// pair is an RTP port and its RTCP port (media.Socket).
type pair struct {
	m       *Media
	port    uint16
	handler udp.Handler
	at      [2][]netip.AddrPort // guarded by the network's mutex

	mu     sync.Mutex // guards what follows
	queues [2][]datagram
	closed bool
}

// line is one of a pair's two ports.
type line struct {
	p       *pair
	control bool
}

func index(control bool) int {
	if control {
		return 1
	}
	return 0
}

func (l *line) deliver(d datagram) bool {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.queues[index(l.control)]
	if p.closed || len(*q) >= queued {
		return false
	}
	*q = append(*q, d)
	select {
	case p.m.ready <- p:
		return true
	default:
		*q = (*q)[:len(*q)-1]
		return false
	}
}

// turn says which of the ports has something.
func (p *pair) turn() (control bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queues[0]) == 0
}

func (p *pair) Port() uint16 { return p.port }

func (p *pair) Recv(control bool, buf []byte) (n int, from netip.AddrPort, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.queues[index(control)]
	if len(*q) == 0 {
		return 0, from, false
	}
	d := (*q)[0]
	*q = (*q)[1:]
	return copy(buf, d.b), d.from, true
}

func (p *pair) Send(control bool, b []byte, to netip.AddrPort) error {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return errClosed
	}
	n := p.m.h.n
	n.mu.Lock()
	var src netip.AddrPort
	for _, a := range p.at[index(control)] {
		if a.Addr().Is4() == to.Addr().Unmap().Is4() {
			src = a
			break
		}
	}
	n.mu.Unlock()
	if !src.IsValid() {
		return errNoRoute
	}
	n.Send(src, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), b)
	return nil
}

func (p *pair) Close() error {
	p.mu.Lock()
	p.closed = true
	p.queues = [2][]datagram{}
	p.mu.Unlock()
	p.m.h.n.mu.Lock()
	defer p.m.h.n.mu.Unlock()
	p.leave(len(p.at))
	return nil
}

// leave gives the first n ports back. Called with the network's mutex held.
func (p *pair) leave(n int) {
	for i := range n {
		for _, a := range p.at[i] {
			delete(p.m.h.n.packets, a)
		}
	}
}
