package iax2

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"tincan/phone/media/udp"
)

// Conn is a socket that all parties share; *udp.Shared is one. Recv is called by one
// goroutine, and errs with os.ErrClosed after Close.
type Conn interface {
	Local() netip.AddrPort
	Recv([]udp.Datagram) (int, error)
	Send([]udp.Datagram) error
	Close() error
}

// Network opens sockets.
type Network interface {
	Listen(at netip.AddrPort) (Conn, error)
}

type machine struct{}

func (machine) Listen(at netip.AddrPort) (Conn, error) { return udp.OpenShared(at) }

// path is the way to a peer.
type path struct {
	port  *port
	peer  netip.AddrPort
	local netip.Addr // address of ours; zero where the socket has one alone
}

// port is an open socket. What is sent while a batch is read, or bundles are sent, goes
// out together when that is over; else at once.
type port struct {
	conn  Conn
	local netip.AddrPort
	sent  atomic.Uint64 // datagrams
	batch atomic.Uint64 // system calls for them

	mu      sync.Mutex // guards what follows
	holding int        // who will send more soon
	out     []udp.Datagram
	room    []byte
}

func newPort(c Conn) *port {
	return &port{conn: c, local: c.Local(), out: make([]udp.Datagram, 0, udp.SharedBatch), room: make([]byte, 0, udp.SharedBatch*sendRoom)}
}

// sendRoom is the most that is sent in one datagram.
const sendRoom = 1500

// send copies a datagram and sends it soon. One longer than sendRoom is dropped: no
// frame of ours is.
func (p *port) send(to path, b []byte) {
	if len(b) > sendRoom {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := len(p.room)
	p.room = append(p.room, b...)
	p.out = append(p.out, udp.Datagram{Data: p.room[at:], Peer: to.peer, Local: to.local})
	if p.holding == 0 || len(p.out) == cap(p.out) {
		p.flush()
	}
}

// flush sends what waits. A refusal (nobody listens there, no route) is the peer's
// silence, which sessions see to. Called with mu held.
func (p *port) flush() {
	if len(p.out) == 0 {
		return
	}
	_ = p.conn.Send(p.out)
	p.sent.Add(uint64(len(p.out)))
	p.batch.Add(1)
	p.out, p.room = p.out[:0], p.room[:0]
}

// hold keeps what is sent back until as many release.
func (p *port) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holding++
}

func (p *port) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holding--; p.holding == 0 {
		p.flush()
	}
}

// run gives each datagram to take until the socket is closed.
func (p *port) run(take func(*udp.Datagram)) {
	list := make([]udp.Datagram, udp.SharedBatch)
	for {
		n, err := p.conn.Recv(list)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		p.hold()
		for i := range list[:n] {
			take(&list[i])
		}
		p.release()
	}
}
