// Package split lets ICE-TCP and TLS share one port: many networks let through TCP
// to port 443 alone, and browsers need it for both.
//
//	connection -> first byte? -- 0x00, 0x01: a STUN frame's length (RFC 4571) --> media
//	                          `- any other: a TLS record (0x16) ----------------> rest
//
// Goroutines: one that accepts, and one for each connection that has not said
// anything yet: at most maxSilent of them, for silence each. Of those that have, at
// most maxWaiting wait on each side, so that neither is held up by the other.
package split

import (
	"net"
	"sync"
	"time"
)

// Bounds of connections that have said nothing, and of those that nobody takes.
const (
	maxSilent  = 256
	maxWaiting = 64
	silence    = 5 * time.Second
)

// frameByte is the most that begins a frame: the first is a STUN request, which is
// shorter than 512 bytes.
const frameByte = 0x01

// Listen gives what comes to l as two listeners. When both are closed l is.
func Listen(l net.Listener) (media, rest net.Listener) {
	p := &port{Listener: l, silent: make(chan struct{}, maxSilent)}
	m, r := newBranch(p), newBranch(p)
	p.branches = []*branch{m, r}
	go p.accept(m, r)
	return m, r
}

type port struct {
	net.Listener
	silent   chan struct{} // a place each
	branches []*branch

	mu     sync.Mutex
	closed int // branches
}

func (p *port) accept(media, rest *branch) {
	for {
		c, err := p.Accept()
		if err != nil {
			if temporary, ok := err.(interface{ Temporary() bool }); ok && temporary.Temporary() { // out of files
				time.Sleep(50 * time.Millisecond)
				continue
			}
			media.end(err)
			rest.end(err)
			return
		}
		select {
		case p.silent <- struct{}{}:
			go p.sort(c, media, rest)
		default:
			_ = c.Close() // too many are silent
		}
	}
}

// sort hands a connection on by its first byte.
func (p *port) sort(c net.Conn, media, rest *branch) {
	defer func() { <-p.silent }()
	first := make([]byte, 1)
	_ = c.SetReadDeadline(time.Now().Add(silence)) // a failure shows at Read
	if _, err := c.Read(first); err != nil {
		_ = c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	to := rest
	if first[0] <= frameByte {
		to = media
	}
	select {
	case to.conns <- &begun{Conn: c, first: first}:
	default: // whoever takes these has too many
		_ = c.Close()
	}
	select {
	case <-to.done:
		to.drain()
	default:
	}
}

// begun is a connection whose first byte was read.
type begun struct {
	net.Conn
	first []byte
}

// Read gives the byte first (net.Conn). One goroutine reads.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 && len(p) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// branch is a listener of some of a port's connections.
type branch struct {
	port  *port
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	err   error // set before done is closed
}

func newBranch(p *port) *branch {
	return &branch{port: p, conns: make(chan net.Conn, maxWaiting), done: make(chan struct{}), err: net.ErrClosed}
}

func (b *branch) end(err error) {
	b.once.Do(func() {
		b.err = err
		close(b.done)
		b.drain()
	})
}

// drain closes what nobody takes any more.
func (b *branch) drain() {
	for {
		select {
		case c := <-b.conns:
			_ = c.Close()
		default:
			return
		}
	}
}

// Accept waits for a connection (net.Listener).
func (b *branch) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.done:
		return nil, b.err
	}
}

// Addr is the port's (net.Listener).
func (b *branch) Addr() net.Addr { return b.port.Addr() }

// Close ends the branch (net.Listener), and the port with the last.
func (b *branch) Close() error {
	first := false
	b.once.Do(func() { first = true; close(b.done); b.drain() })
	if !first {
		return nil
	}
	b.port.mu.Lock()
	defer b.port.mu.Unlock()
	if b.port.closed++; b.port.closed < len(b.port.branches) {
		return nil
	}
	return b.port.Listener.Close()
}
