package iax2

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"tincan/phone/media"
	"tincan/phone/media/udp"
)

// weather is how the network treats datagrams.
type weather struct {
	loss   float64       // share of datagrams lost
	twice  float64       // share that comes twice
	delay  time.Duration // of each
	jitter time.Duration // up to so much more, each by itself
}

// internet is a network without a kernel, in virtual time.
type internet struct {
	mu      sync.Mutex // guards what follows
	weather weather
	chance  *rand.Rand
	conns   map[netip.AddrPort]*conn
	sent    int
	octets  int
	tap     func(from, to netip.AddrPort, b []byte) bool // false: lost
}

func newInternet(w weather) *internet {
	return &internet{weather: w, chance: rand.New(rand.NewPCG(1, 2)), conns: map[netip.AddrPort]*conn{}}
}

// host is a Network at one address.
type host struct{ net *internet }

func (h host) Listen(at netip.AddrPort) (Conn, error) { return h.net.listen(at), nil }

func (n *internet) listen(at netip.AddrPort) *conn {
	c := &conn{net: n, at: at, in: make(chan udp.Datagram, 4096), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[at] = c
	return c
}

func (n *internet) set(w weather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.weather = w
}

func (n *internet) counts() (datagrams, octets int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent, n.octets
}

// send puts a datagram on the network, from any address.
func (n *internet) send(from, to netip.AddrPort, b []byte) {
	n.mu.Lock()
	tap := n.tap
	n.mu.Unlock()
	if tap != nil && !tap(from, to, b) {
		return
	}
	d := udp.Datagram{Data: slices.Clone(b), Peer: from}
	for _, after := range n.fate(len(b)) {
		if after == 0 {
			n.arrive(to, d)
		} else {
			time.AfterFunc(after, func() { n.arrive(to, d) })
		}
	}
}

func (n *internet) fate(size int) (after []time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent++
	n.octets += size
	w := n.weather
	if n.chance.Float64() < w.loss {
		return nil
	}
	copies := 1
	if n.chance.Float64() < w.twice {
		copies = 2
	}
	for range copies {
		d := w.delay
		if w.jitter > 0 {
			d += time.Duration(n.chance.Int64N(int64(w.jitter)))
		}
		after = append(after, d)
	}
	return after
}

func (n *internet) arrive(to netip.AddrPort, d udp.Datagram) {
	n.mu.Lock()
	c := n.conns[to]
	n.mu.Unlock()
	if c == nil {
		return
	}
	select {
	case c.in <- d:
	default:
	}
}

// conn is a socket of the network.
type conn struct {
	net    *internet
	at     netip.AddrPort
	as     netip.AddrPort // where others see it; zero: at
	in     chan udp.Datagram
	closed chan struct{}
	once   sync.Once
}

func (c *conn) Local() netip.AddrPort { return c.at }

func (c *conn) Recv(list []udp.Datagram) (int, error) {
	select {
	case list[0] = <-c.in:
	case <-c.closed:
		return 0, os.ErrClosed
	}
	n := 1
	for ; n < len(list); n++ {
		select {
		case list[n] = <-c.in:
		default:
			return n, nil
		}
	}
	return n, nil
}

func (c *conn) Send(list []udp.Datagram) error {
	c.net.mu.Lock()
	from := c.at
	if c.as.IsValid() {
		from = c.as
	}
	c.net.mu.Unlock()
	for _, d := range list {
		c.net.send(from, d.Peer, d.Data)
	}
	return nil
}

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		maps.DeleteFunc(c.net.conns, func(_ netip.AddrPort, o *conn) bool { return o == c })
	})
	return nil
}

// noPorts is media's network: no flow here has a port.
type noPorts struct{}

func (noPorts) Open(netip.Addr, uint16, udp.Buffers, udp.Handler) (media.Socket, error) {
	return nil, media.ErrNoPorts
}
func (noPorts) Close() error { return nil }
