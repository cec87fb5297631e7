// Package memory is a network without a kernel, for tests in virtual time: hosts
// with addresses, datagrams that get lost, late or out of order, and streams.
//
//	Host A ── PacketConn ──┐             ┌── PacketConn ── Host B
//	       ── net.Conn  ───┤   Network   ├── net.Listener
//	       ── media pair ──┘ loss, delay └── media pair
//
// A Host is a transport.Network, and its Media a media.Network, so that a whole
// phone server runs on one. Everything that waits does so on channels and timers:
// in a testing/synctest bubble time passes by itself. Goroutines: none of its own
// but one for each Media; delayed datagrams arrive on timers.
package memory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// queued is how many datagrams wait at a socket before more are lost, as in a
// kernel's buffer of about a megabyte.
const queued = 4096

// firstPort is where ports that the network chooses begin.
const firstPort = 32768

// Weather is how the network treats datagrams; streams are spared. The zero value
// is a cable: nothing is lost and nothing takes time.
type Weather struct {
	Loss   float64       // share of datagrams lost, 0 to 1
	Twice  float64       // share that arrives twice
	Delay  time.Duration // of each
	Jitter time.Duration // up to this much more, each by itself: they overtake each other
}

// Network is a small internet. Safe for any goroutine.
type Network struct {
	mu        sync.Mutex // guards what follows
	weather   Weather
	chance    *rand.Rand
	packets   map[netip.AddrPort]inbox
	listeners map[netip.AddrPort]*listener
	next      uint16
	sent      int
	lost      int
}

// inbox is where datagrams to an address go.
type inbox interface{ deliver(d datagram) bool }

// datagram on its way.
type datagram struct {
	from, to netip.AddrPort
	b        []byte
}

// New makes a Network without hosts; the same seed gives the same chances.
func New(seed uint64, w Weather) *Network {
	return &Network{
		weather: w, chance: rand.New(rand.NewPCG(seed, seed)), packets: map[netip.AddrPort]inbox{},
		listeners: map[netip.AddrPort]*listener{}, next: firstPort,
	}
}

// SetWeather changes it, for datagrams sent from now on.
func (n *Network) SetWeather(w Weather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.weather = w
}

// Lost counts datagrams that the weather took, or that found nobody or a full
// buffer.
func (n *Network) Lost() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

// Send puts a datagram on the network as if it came from any address: how a
// stranger forges one.
func (n *Network) Send(from, to netip.AddrPort, b []byte) {
	d := datagram{from, to, slices.Clone(b)}
	for _, after := range n.fate() {
		if after == 0 {
			n.arrive(d)
		} else {
			time.AfterFunc(after, func() { n.arrive(d) })
		}
	}
}

// fate says when a datagram's copies arrive.
func (n *Network) fate() (after []time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent++
	w := n.weather
	if n.chance.Float64() < w.Loss {
		n.lost++
		return nil
	}
	copies := 1
	if n.chance.Float64() < w.Twice {
		copies = 2
	}
	for range copies {
		d := w.Delay
		if w.Jitter > 0 {
			d += time.Duration(n.chance.Int64N(int64(w.Jitter)))
		}
		after = append(after, d)
	}
	return after
}

func (n *Network) arrive(d datagram) {
	n.mu.Lock()
	box := n.packets[d.to]
	n.mu.Unlock()
	if box == nil || !box.deliver(d) {
		n.mu.Lock()
		n.lost++
		n.mu.Unlock()
	}
}

// Sent counts all datagrams.
func (n *Network) Sent() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent
}

// Host makes a host with addresses; the first of a family is the one that it
// speaks from.
func (n *Network) Host(addrs ...string) *Host {
	h := &Host{n: n}
	for _, a := range addrs {
		h.addrs = append(h.addrs, netip.MustParseAddr(a))
	}
	return h
}

// Host is one machine on a Network (transport.Network). Safe for any goroutine.
type Host struct {
	n     *Network
	addrs []netip.Addr // guarded by n.mu
	open  []*packetConn
}

var errNoRoute = errors.New("memory: no address of that family")

// Source is the host's address that speaks to another.
func (h *Host) Source(to netip.AddrPort) netip.Addr {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return h.source(to.Addr())
}

func (h *Host) source(to netip.Addr) netip.Addr {
	for _, a := range h.addrs {
		if a.Is4() == to.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// Move gives the host another address in place of one it had, as a phone that
// goes from one network to another. Sockets stay open and change with it; what is
// on its way to the old address is lost. Streams are not moved.
func (h *Host) Move(from, to string) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	old, now := netip.MustParseAddr(from), netip.MustParseAddr(to)
	for i := range h.addrs {
		if h.addrs[i] == old {
			h.addrs[i] = now
		}
	}
	for _, c := range h.open {
		for i, at := range c.at {
			if at.Addr() == old {
				delete(h.n.packets, at)
				c.at[i] = netip.AddrPortFrom(now, at.Port())
				h.n.packets[c.at[i]] = c
			}
		}
	}
}

// places gives the addresses that a socket is on.
func (h *Host) places(at netip.AddrPort) (all []netip.AddrPort) {
	for _, a := range h.addrs {
		same := a == at.Addr().Unmap()
		any4, any6 := at.Addr() == netip.IPv4Unspecified() && a.Is4(), at.Addr() == netip.IPv6Unspecified()
		if same || any4 || any6 {
			all = append(all, netip.AddrPortFrom(a, at.Port()))
		}
	}
	return all
}

// port finds a free one where none is asked for. Called with n.mu held.
func (h *Host) port(at netip.AddrPort) netip.AddrPort {
	if at.Port() != 0 {
		return at
	}
	if h.n.next++; h.n.next < firstPort {
		h.n.next = firstPort
	}
	return netip.AddrPortFrom(at.Addr(), h.n.next)
}

func inUse(at netip.AddrPort) error { return fmt.Errorf("memory: %s: %w", at, syscall.EADDRINUSE) }

func noSuchAddress(at netip.AddrPort) error {
	return fmt.Errorf("memory: %s is no address of this host: %w", at, syscall.EADDRNOTAVAIL)
}

var errClosed = net.ErrClosed
